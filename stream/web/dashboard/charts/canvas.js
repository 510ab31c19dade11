// A canvas that is sharp on every screen, and the style sheet's colours for charts.

import { SLOTS } from "../data/history.js";

/** A drawing surface in CSS pixels, with a background that is drawn once. */
export class Surface {
  #background = null;

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
    this.#background = null;
    return this;
  }

  /** Clears the surface and returns its context. `drawBackground(context)` runs only for a new size or key. */
  clear(key, drawBackground) {
    this.context.clearRect(0, 0, this.width, this.height);
    if (drawBackground && this.width > 0 && this.height > 0) {
      const isNew = this.#background?.key !== key;
      if (isNew) {
        const surface = new Surface().resize(this.width, this.height, this.ratio);
        drawBackground(surface.context);
        this.#background = { key, canvas: surface.canvas };
      }
      this.drawUnder(this.#background.canvas, isNew);
    }
    return this.context;
  }

  /** Draws the background. */
  drawUnder(background, _isNew) {
    this.context.drawImage(background, 0, 0, this.width, this.height);
  }
}

/** The surface of a canvas on the page: follows its CSS size and the pixel ratio; calls onResize() after a change. */
export class PageSurface extends Surface {
  constructor(canvas, onResize) {
    super(canvas);
    const observer = new ResizeObserver(([entry]) => {
      const ratio = window.devicePixelRatio || 1;
      // Whole device pixels, where the browser tells them: a canvas of another size is scaled, and blurred.
      const [pixels] = entry.devicePixelContentBoxSize ?? [];
      const { width, height } = entry.contentRect;
      this.resize(pixels ? pixels.inlineSize / ratio : width, pixels ? pixels.blockSize / ratio : height, ratio);
      onResize();
    });
    try {
      observer.observe(canvas, { box: "device-pixel-content-box" }); // also when the ratio changes
    } catch {
      observer.observe(canvas);
    }
  }

  /** As the CSS background: copying it into every drawing would take a millisecond of the main thread. */
  drawUnder(background, isNew) {
    if (isNew) this.canvas.style.background = `0 0 / 100% 100% url(${background.toDataURL()})`;
  }
}

/** As much of a text as fits into so many pixels. */
export function fitting(context, words, width_px) {
  if (width_px < 12) return "";
  if (context.measureText(words).width <= width_px) return words;
  let length = words.length - 1;
  while (length > 1 && context.measureText(`${words.slice(0, length)}…`).width > width_px) length -= 1;
  return length > 1 ? `${words.slice(0, length)}…` : "";
}

/** Text with a halo, so that it can be read on lines. */
export function haloText(context, theme, words, x, y) {
  context.strokeStyle = theme.card;
  context.lineWidth = 4;
  context.lineJoin = "round";
  context.globalAlpha = 0.8;
  context.strokeText(words, x, y);
  context.globalAlpha = 1;
  context.fillText(words, x, y);
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
    warn: value("warn"),
    slots: Array.from({ length: SLOTS }, (_, slot) => value(`slot-${slot}`)),
    tints: { joy: value("tint-joy"), anger: value("tint-anger"), sadness: value("tint-sadness"), calm: value("tint-calm") },
    tintStrength: Number(value("tint-strength")),
    font: getComputedStyle(document.body).fontFamily,
  };
}
