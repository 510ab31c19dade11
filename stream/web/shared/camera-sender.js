// The browser's camera as a source: one JPEG at a time, the next one when the server has accepted the last.

import { ServerClock } from "./server-clock.js";
import { decimal, text } from "./texts.js";

const HEADER_BYTES = 20; // docs/protocol: "MTF1", number of the stream, 0, seq, t_capture
const MAGIC = [0x4d, 0x54, 0x46, 0x31];
const QUALITIES = [0.85, 0.6, 0.4]; // the next one where a picture would be too large
const LONGEST_SIDE = 960; // a face needs a hundred pixels; more would only use bandwidth
const REPLY_TIMEOUT_MS = 3000; // without a reply, the picture counts as lost
const CAMERA = { audio: false, video: { width: { ideal: 640 }, height: { ideal: 480 }, frameRate: { ideal: 30 }, facingMode: "user" } };

const now_s = () => performance.now() / 1000;

/**
 * Sends what `video` shows over `connection` while it is on. Calls
 *   onState(state, text)   off | asking | waiting | sending | failed, with plain words
 *   onFigures({ perSecond, roundTrip_ms, refused, size })   twice a second while sending; size: pixels and kilobytes of a picture
 * The page calls `onMessage` with every message of the server and `onDisconnect` when the connection is lost.
 */
export class CameraSender {
  constructor({ connection, video, onState, onFigures = () => {} }) {
    this.connection = connection;
    this.video = video;
    this.onState = onState;
    this.onFigures = onFigures;
    this.canvas = document.createElement("canvas");
    this.context = this.canvas.getContext("2d", { alpha: false });
    this.clock = new ServerClock();
    this.target = null; // name of the stream for the pictures; null: the first that accepts any
    this.stream = null; // the MediaStream, while it is on
    this.ready = null; // the server's camera_ready
    this.seq = 0;
    this.pending = null; // { seq, sent_s } of the picture that is not accepted yet
    this.encoding = false;
    this.quality = 0;
    this.taken = []; // when the last pictures were accepted
    this.refused = 0;
    this.bytes = 0; // of the last picture
    this.claimTimer = null;
    setInterval(() => this.#reportFigures(), 500);
  }

  get on() {
    return this.stream !== null;
  }

  /** Asks the browser for the camera. */
  async start() {
    if (this.on) return;
    if (!navigator.mediaDevices?.getUserMedia) {
      this.onState("failed", text("camera.words.insecure"));
      return;
    }
    this.onState("asking", text("camera.words.asking"));
    try {
      this.stream = await navigator.mediaDevices.getUserMedia(CAMERA);
    } catch (error) {
      this.onState("failed", refusalText(error));
      return;
    }
    this.stream.getVideoTracks()[0].addEventListener("ended", () => {
      this.stop();
      this.onState("failed", text("camera.words.unplugged"));
    });
    this.video.srcObject = this.stream;
    await this.video.play().catch(() => {}); // stopped before it began
    if (!this.on) return;
    this.#keepScreenOn();
    this.#claim();
    this.#requestFrame();
  }

  stop() {
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    this.stream = null;
    this.video.srcObject = null;
    this.ready = null;
    this.pending = null;
    clearTimeout(this.claimTimer);
    this.awake?.release().catch(() => {});
    this.onState("off", text("camera.words.off"));
  }

  /** Forgets the picture that was not accepted yet. */
  onDisconnect() {
    this.ready = null;
    this.pending = null;
    clearTimeout(this.claimTimer);
    if (this.on) this.onState("waiting", text("camera.words.lost"));
  }

  onMessage(message) {
    switch (message.type) {
      case "hello":
        this.clock.onHello(message.clock.monotonic, now_s());
        if (this.on) this.#claim();
        break;
      case "camera_ready":
        this.ready = message;
        this.onState("sending", text("camera.words.sending"));
        break;
      case "frame_taken":
        if (message.seq !== this.pending?.seq) break;
        this.clock.onReply(this.pending.sent_s, message.t_arrived, message.t, now_s());
        this.pending = null;
        this.taken.push(now_s());
        break;
      case "error":
        if (["bad_frame", "frame_too_large"].includes(message.code)) {
          this.refused += 1;
          this.pending = null;
        } else if (["stream_taken", "unknown_stream", "not_allowed"].includes(message.code) && this.on && !this.ready) {
          const taken = message.code === "stream_taken";
          this.onState("waiting", taken ? text("camera.words.taken") : message.message);
          if (taken) this.claimTimer = setTimeout(() => this.#claim(), 2000);
        }
        break;
      default:
    }
  }

  #claim() {
    if (!this.connection.send({ type: "camera", stream: this.target })) this.onState("waiting", text("camera.words.server"));
  }

  /** Repeats for every frame of the camera. */
  #requestFrame() {
    if (!this.on) return;
    const onFrame = (now_ms, frame) => {
      this.#encode((frame?.captureTime ?? now_ms) / 1000);
      this.#requestFrame();
    };
    if (this.video.requestVideoFrameCallback) this.video.requestVideoFrameCallback(onFrame);
    else requestAnimationFrame(onFrame);
  }

  #encode(captured_s) {
    if (this.pending && now_s() - this.pending.sent_s > REPLY_TIMEOUT_MS / 1000) this.pending = null;
    if (!this.ready || this.pending || this.encoding || !this.video.videoWidth) return;
    const scale = Math.min(1, LONGEST_SIDE / Math.max(this.video.videoWidth, this.video.videoHeight));
    this.canvas.width = Math.round(scale * this.video.videoWidth);
    this.canvas.height = Math.round(scale * this.video.videoHeight);
    this.context.drawImage(this.video, 0, 0, this.canvas.width, this.canvas.height);
    this.encoding = true;
    this.canvas.toBlob((jpeg) => this.#send(jpeg, captured_s), "image/jpeg", QUALITIES[this.quality]);
  }

  #send(jpeg, captured_s) {
    this.encoding = false;
    if (!jpeg || !this.ready) return;
    if (jpeg.size + HEADER_BYTES > this.ready.max_bytes) {
      this.quality = Math.min(this.quality + 1, QUALITIES.length - 1);
      return;
    }
    const header = new DataView(new ArrayBuffer(HEADER_BYTES));
    MAGIC.forEach((byte, i) => header.setUint8(i, byte));
    header.setUint16(4, this.ready.number);
    header.setUint32(8, this.seq);
    header.setFloat64(12, this.clock.toServer(captured_s));
    this.bytes = jpeg.size;
    const waiting = { seq: this.seq, sent_s: now_s() };
    if (this.connection.send(new Blob([header.buffer, jpeg]))) this.pending = waiting;
    this.seq = (this.seq + 1) % 2 ** 32;
  }

  #reportFigures() {
    if (!this.on) return;
    const since_s = now_s() - 2;
    this.taken = this.taken.filter((taken_s) => taken_s > since_s);
    this.onFigures({ perSecond: this.taken.length / 2, roundTrip_ms: this.clock.roundTrip_ms, refused: this.refused, size: this.#size() });
  }

  /** "640 × 480, 34 kB": what is sent. */
  #size() {
    if (!this.bytes) return "–";
    return text("camera.size.value", { width: this.canvas.width, height: this.canvas.height, kilobytes: decimal(this.bytes / 1000, 0) });
  }

  async #keepScreenOn() {
    try {
      this.awake = await navigator.wakeLock?.request("screen");
    } catch {
      // refused on low battery or on a hidden page: the screen may go dark
    }
  }
}

/** Why there is no camera, in plain words. */
function refusalText(error) {
  switch (error.name) {
    case "NotAllowedError":
    case "SecurityError":
      return text("camera.words.denied");
    case "NotFoundError":
    case "OverconstrainedError":
      return text("camera.words.none");
    case "NotReadableError":
    case "AbortError":
      return text("camera.words.busy");
    default:
      return text("camera.words.failed", { error: error.name });
  }
}
