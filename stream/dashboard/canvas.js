// A canvas that is sharp on every screen, and the colours that the style sheet gives the charts.

import { SLOTS } from "./history.js";

/** Follows its CSS size and the screen's pixel ratio; `changed` is called when it must be drawn again. */
export class Sheet {
  constructor(canvas, changed) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.width = 0;
    this.height = 0;
    new ResizeObserver(() => {
      this.#fit();
      changed();
    }).observe(canvas);
  }

  #fit() {
    const ratio = window.devicePixelRatio || 1;
    this.width = this.canvas.clientWidth;
    this.height = this.canvas.clientHeight;
    this.canvas.width = Math.round(this.width * ratio);
    this.canvas.height = Math.round(this.height * ratio);
    this.context.setTransform(ratio, 0, 0, ratio, 0, 0);
  }

  /** Clears the sheet and hands out its context, in CSS pixels. */
  blank() {
    this.context.clearRect(0, 0, this.width, this.height);
    return this.context;
  }
}

/** The style sheet's variables, as the charts need them. */
export function readTheme() {
  const style = getComputedStyle(document.documentElement);
  const value = (name) => style.getPropertyValue(`--${name}`).trim();
  return {
    card: value("card"),
    ink: value("ink"),
    muted: value("muted"),
    faint: value("faint"),
    line: value("line"),
    script: value("script"),
    slots: Array.from({ length: SLOTS }, (_, slot) => value(`slot-${slot}`)),
    tints: { joy: value("tint-joy"), anger: value("tint-anger"), sadness: value("tint-sadness"), calm: value("tint-calm") },
    tintStrength: Number(value("tint-strength")),
    font: getComputedStyle(document.body).fontFamily,
  };
}
