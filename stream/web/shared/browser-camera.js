// A panel with which a page sends this browser's camera. Within a tab the next page goes on with it by itself.

import { CameraSender } from "./camera-sender.js";
import { make, setText } from "./dom.js";
import { decimal, text } from "./texts.js";

const STORAGE_KEY = "mtclar.camera"; // of this tab: its camera is on
const LABEL = "browser"; // of the streams that take pictures of a browser

/** Whether a stream of `hello` takes the pictures of a browser. */
export const takesPictures = ({ label }) => label === LABEL;

/** Remembers that this tab is the camera: pages with a panel start it by themselves. */
export function rememberCamera(on) {
  if (on) sessionStorage.setItem(STORAGE_KEY, "on");
  else sessionStorage.removeItem(STORAGE_KEY);
}

export const cameraRemembered = () => sessionStorage.getItem(STORAGE_KEY) === "on";

export class BrowserCamera {
  #viewer = false;

  /** Shows itself in `slot` while a stream takes pictures. The page passes every message and every loss to it. */
  constructor(connection, slot) {
    this.slot = slot;
    slot.hidden = true;
    const video = make("video", "camera-tile", slot);
    Object.assign(video, { muted: true, playsInline: true });
    video.setAttribute("aria-label", text("camera.tile"));
    const column = make("div", "camera-column", slot);
    this.words = make("p", "camera-words", column);
    this.words.setAttribute("role", "status");
    setText(this.words, text("camera.before"));
    this.facts = make("p", "camera-facts-line", column);
    this.start = make("button", "main-action", column);
    this.stop = make("button", "", column);
    setText(this.start, text("camera.start"));
    setText(this.stop, text("camera.stop"));
    for (const button of [this.start, this.stop]) button.type = "button";
    this.stop.hidden = true;
    this.sender = new CameraSender({
      connection,
      video,
      onState: (state, words) => {
        this.start.hidden = this.sender.on;
        this.stop.hidden = !this.sender.on;
        video.hidden = !this.sender.on;
        setText(this.words, words);
        this.words.dataset.kind = state === "failed" ? "bad" : "";
        if (!this.sender.on) setText(this.facts, "");
      },
      onFigures: ({ perSecond, roundTrip_ms, size }) => {
        const delay = roundTrip_ms === null ? "–" : decimal(roundTrip_ms, 0);
        setText(this.facts, text("camera.figures", { rate: decimal(perSecond, 0), size, delay }));
      },
    });
    video.hidden = true;
    this.start.addEventListener("click", () => this.begin());
    this.stop.addEventListener("click", () => {
      rememberCamera(false);
      this.sender.stop();
    });
  }

  begin() {
    rememberCamera(true);
    return this.sender.start();
  }

  onMessage(message) {
    if (message.type === "hello") this.#onHello(message);
    this.sender.onMessage(message);
  }

  onDisconnect() {
    this.sender.onDisconnect();
  }

  #onHello({ streams, role }) {
    this.#viewer = role === "viewer";
    const wanted = !this.#viewer && streams.some(takesPictures);
    this.slot.hidden = !wanted;
    if (!wanted && this.sender.on) this.sender.stop();
    else if (wanted && cameraRemembered() && !this.sender.on) this.sender.start();
  }
}
