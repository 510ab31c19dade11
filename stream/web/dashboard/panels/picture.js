// The picture of a stream, where the server shows it: opened by an operator, with each face's box, points and gates in words.

import { element, setText } from "../../shared/dom.js";
import { text } from "../../shared/texts.js";
import { faceState } from "../words.js";

const MAGIC = "MTP1"; // docs/protocol: magic, length of the JSON, JSON, JPEG
const HEADER_BYTES = 8;

export class PicturePanel {
  #canvas = element("picture");
  #stream = null; // asked for
  #newest = null; // bytes that wait for the decoder
  #decoding = false;
  #ask;
  #available = false;
  #faces = () => [];
  #current = () => null;

  /**
   * Calls ask(stream) when a person opens the picture, ask(null) when they close it. `current()` is the stream to show,
   * `faces(stream)` the faces that are present there, {id, slot, name, latest}, and `colour(slot)` their colours.
   */
  constructor({ ask, current, faces, colour }) {
    this.#ask = ask;
    this.#current = current;
    this.#faces = faces;
    this.colour = colour;
    element("picture-card").addEventListener("toggle", () => this.follow());
    document.addEventListener("visibilitychange", () => this.follow());
  }

  onHello({ role, preview }) {
    this.#available = Boolean(preview) && role === "operator";
    this.#stream = null;
    element("picture-card").hidden = !this.#available;
    setText(element("pictured"), preview ? ` ${text("picture.notice")}` : "");
    this.follow();
  }

  /** Asks for the stream that is shown now, or for none. */
  follow() {
    const open = this.#available && element("picture-card").open && !document.hidden;
    const stream = open ? this.#current() : null;
    if (stream === this.#stream) return;
    this.#stream = stream;
    this.#newest = null;
    this.#canvas.getContext("2d").clearRect(0, 0, this.#canvas.width, this.#canvas.height);
    setText(element("picture-words"), stream ? text("picture.waiting") : "");
    this.#ask(stream);
  }

  /** Takes one binary message; the newest one is shown when the decoder is free. */
  async show(bytes) {
    this.#newest = bytes;
    if (this.#decoding) return;
    this.#decoding = true;
    try {
      while (this.#newest) {
        const { content, jpeg } = parsed(this.#newest);
        this.#newest = null;
        if (!content || content.stream !== this.#stream) continue;
        const bitmap = await createImageBitmap(new Blob([jpeg], { type: "image/jpeg" }));
        this.#draw(bitmap, content);
        bitmap.close();
      }
    } finally {
      this.#decoding = false;
    }
  }

  #draw(bitmap, { stream, faces }) {
    const canvas = this.#canvas;
    const context = canvas.getContext("2d");
    if (canvas.width !== bitmap.width || canvas.height !== bitmap.height) {
      canvas.width = bitmap.width;
      canvas.height = bitmap.height;
    }
    const { width, height } = canvas;
    context.drawImage(bitmap, 0, 0);
    const words = [];
    for (const face of this.#faces(stream)) {
      const points = faces.find(({ id }) => id === face.id)?.points;
      const state = faceState(face.latest);
      words.push(`${face.name}: ${state.text}`);
      context.fillStyle = this.colour(face.slot);
      context.strokeStyle = context.fillStyle;
      if (!points) continue;
      let [left, top, right, bottom] = [width, height, 0, 0];
      for (let i = 0; i < points.length; i += 2) {
        const [x, y] = [points[i] * width, points[i + 1] * height];
        context.fillRect(x - 0.6, y - 0.6, 1.2, 1.2);
        [left, top, right, bottom] = [Math.min(left, x), Math.min(top, y), Math.max(right, x), Math.max(bottom, y)];
      }
      context.lineWidth = 2;
      context.setLineDash(state.state === "ok" ? [] : [6, 4]);
      context.strokeRect(left - 4, top - 4, right - left + 8, bottom - top + 8);
    }
    context.setLineDash([]);
    setText(element("picture-words"), words.length ? words.join(" · ") : text("why.no-face"));
  }
}

/** {content, jpeg} of a message; no content where it is none of a picture. */
function parsed(bytes) {
  const head = new DataView(bytes);
  const magic = String.fromCharCode(...new Uint8Array(bytes, 0, 4));
  if (magic !== MAGIC) return {};
  const length = head.getUint32(4);
  const content = JSON.parse(new TextDecoder().decode(new Uint8Array(bytes, HEADER_BYTES, length)));
  return { content, jpeg: new Uint8Array(bytes, HEADER_BYTES + length) };
}
