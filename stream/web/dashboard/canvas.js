// A canvas that is sharp on every screen, and the colours that the style sheet gives the charts.

import { SLOTS } from "./history.js";

/** A drawing surface in CSS pixels. What seldom changes is drawn once and kept behind. */
export class Surface {
  #behind = null;

  constructor(canvas = document.createElement("canvas")) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.width = 0;
    this.height = 0;
    this.ratio = 1;
  }

  resize(width, height, ratio) {
    Object.assign(this, { width, height, ratio });
    this.canvas.width = Math.round(width * ratio);
    this.canvas.height = Math.round(height * ratio);
    this.context.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.#behind = null;
    return this;
  }

  /** Clears the surface and hands out its context. `drawBehind(context)` runs only when the size or the theme is new. */
  blank(theme, drawBehind) {
    this.context.clearRect(0, 0, this.width, this.height);
    if (drawBehind && this.width > 0 && this.height > 0) {
      const isNew = this.#behind?.theme !== theme;
      if (isNew) {
        const surface = new Surface().resize(this.width, this.height, this.ratio);
        drawBehind(surface.context);
        this.#behind = { theme, canvas: surface.canvas };
      }
      this.put(this.#behind.canvas, isNew);
    }
    return this.context;
  }

  /** Puts what seldom changes behind everything. */
  put(behind, _isNew) {
    this.context.drawImage(behind, 0, 0, this.width, this.height);
  }
}

/** The surface of a canvas on the page: follows its CSS size and the screen's pixel ratio; `changed` asks to draw again. */
export class Sheet extends Surface {
  constructor(canvas, changed) {
    super(canvas);
    new ResizeObserver(() => {
      this.resize(canvas.clientWidth, canvas.clientHeight, window.devicePixelRatio || 1);
      changed();
    }).observe(canvas);
  }

  /** As the canvas's background on the page: copied into every drawing it would cost the main thread a millisecond. */
  put(behind, isNew) {
    if (isNew) this.canvas.style.background = `0 0 / 100% 100% url(${behind.toDataURL()})`;
  }
}

/** The style sheet's variables, as the charts need them. */
export function readTheme() {
  const style = getComputedStyle(document.documentElement);
  const value = (name) => style.getPropertyValue(`--${name}`).trim();
  return {
    page: value("page"),
    card: value("card"),
    ink: value("ink"),
    muted: value("muted"),
    line: value("line"),
    script: value("script"),
    slots: Array.from({ length: SLOTS }, (_, slot) => value(`slot-${slot}`)),
    tints: { joy: value("tint-joy"), anger: value("tint-anger"), sadness: value("tint-sadness"), calm: value("tint-calm") },
    tintStrength: Number(value("tint-strength")),
    font: getComputedStyle(document.body).fontFamily,
  };
}
