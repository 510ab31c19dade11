// A drawing that moves left with time: the old part is shifted and only the right end is drawn.

import { Surface } from "./canvas.js";

export class Scroll {
  #surface = new Surface();
  #key = null;
  #step = 0; // the newest time in whole device pixels: a shift by a fraction would blur lines

  /**
   * Shows the `span_s` seconds until `to` in a canvas of that size, which is returned. `paint(context, x, from)` draws
   * everything from time `from` on, `x(t)` being the place of a time; it is asked for what is newer than `dirty`, and
   * for all of it where `key` is not that of the last drawing, or null.
   */
  draw({ width, height, ratio, key, to, span_s, dirty, paint }) {
    const perSecond = (width * ratio) / span_s;
    const step = Math.round(to * perSecond);
    const moved = step - this.#step;
    const x = (t) => width - (step - t * perSecond) / ratio;
    const surface = this.#surface;
    const { context, canvas } = surface;
    let from = Math.min(dirty, to - moved / perSecond);
    if (key === null || key !== this.#key || moved < 0 || moved >= canvas.width) {
      surface.resize(width, height, ratio);
      from = to - span_s;
    }
    context.save();
    context.resetTransform();
    if (from > to - span_s && moved > 0) {
      context.globalCompositeOperation = "copy";
      context.drawImage(canvas, -moved, 0);
      context.globalCompositeOperation = "source-over";
    }
    const left = Math.max(Math.floor(x(from) * ratio), 0);
    context.clearRect(left, 0, canvas.width - left, canvas.height);
    context.beginPath();
    context.rect(left, 0, canvas.width - left, canvas.height);
    context.clip();
    context.scale(ratio, ratio);
    paint(context, x, from);
    context.restore();
    this.#key = key;
    this.#step = step;
    return canvas;
  }
}
