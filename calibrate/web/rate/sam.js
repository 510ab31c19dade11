// Self-assessment manikins: nine figures for valence, nine for arousal. Drawn here after the idea of Bradley & Lang
// (1994), not after their pictures, so that they can be passed on.

import { text } from "../shared/texts.js";

const SVG = "http://www.w3.org/2000/svg";
const COUNT = 9;

/** -1 .. 1 of figure 0 .. 8. */
export const valueOf = (index) => index / 4 - 1;
/** The figure nearest to a value. */
export const indexOf = (value) => Math.round((value + 1) * 4);

function draw(tag, parent, attributes) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  parent.append(node);
  return node;
}

function figure() {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 40 60");
  svg.setAttribute("aria-hidden", "true");
  return svg;
}

/** A face from frown to smile. */
function valenceFigure(value) {
  const svg = figure();
  draw("rect", svg, { x: 4, y: 8, width: 32, height: 36, rx: 11 });
  draw("circle", svg, { class: "solid", cx: 14, cy: 22, r: 2.2 });
  draw("circle", svg, { class: "solid", cx: 26, cy: 22, r: 2.2 });
  const brow = 2 * value;
  draw("path", svg, { d: `M10 ${16 - Math.max(0, brow)} L17 ${16 + Math.min(0, brow)} M30 ${16 - Math.max(0, brow)} L23 ${16 + Math.min(0, brow)}` });
  draw("path", svg, { d: `M12 ${34 - 2.5 * value} Q20 ${34 + 8 * value} 28 ${34 - 2.5 * value}` });
  return svg;
}

/** A body that is still, or full of movement. */
function arousalFigure(value) {
  const svg = figure();
  const share = (value + 1) / 2;
  draw("circle", svg, { cx: 20, cy: 12, r: 7 });
  draw("path", svg, { d: share < 0.2 ? "M16 12 h3 M21 12 h3" : `M17 ${12 - share} v${2 * share} M23 ${12 - share} v${2 * share}` });
  draw("path", svg, { d: "M10 52 V32 Q10 22 20 22 Q30 22 30 32 V52 Z" });
  const rays = Math.round(2 + 10 * share);
  const inner = 1.5;
  const outer = inner + 1 + 8 * share;
  for (let ray = 0; ray < rays; ray += 1) {
    const angle = (2 * Math.PI * ray) / rays;
    const [x, y] = [Math.cos(angle), Math.sin(angle)];
    draw("line", svg, { class: "burst", x1: 20 + inner * x, y1: 37 + inner * y, x2: 20 + outer * x, y2: 37 + outer * y });
  }
  return svg;
}

const FIGURES = { valence: valenceFigure, arousal: arousalFigure };

/** A row of nine figures for one axis; calls onChoose(value). */
export class SamScale {
  #inputs = [];

  /** `words`: of the ends, from -1 to 1. */
  constructor(parent, axis, words, onChoose) {
    const set = document.createElement("fieldset");
    set.className = "sam";
    const legend = document.createElement("legend");
    legend.textContent = text("rate.sam.legend", { axis: text(`axis.${axis}`), low: words[0], high: words[1] });
    const scale = document.createElement("div");
    scale.className = "scale";
    set.append(legend, scale);
    for (let index = 0; index < COUNT; index += 1) {
      const label = document.createElement("label");
      const input = document.createElement("input");
      Object.assign(input, { type: "radio", name: `sam-${axis}`, value: String(index) });
      input.setAttribute("aria-label", text("rate.sam.figure", { axis: text(`axis.${axis}`), n: index + 1, of: COUNT }));
      input.addEventListener("change", () => onChoose(valueOf(index)));
      label.append(input, FIGURES[axis](valueOf(index)), String(index + 1));
      scale.append(label);
      this.#inputs.push(input);
    }
    parent.append(set);
  }

  /** Checks the figure of a value; null: none. */
  show(value) {
    this.#inputs.forEach((input, index) => {
      input.checked = value !== null && index === indexOf(value);
    });
  }
}
