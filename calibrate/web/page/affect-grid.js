// The affect grid: valence to the right, arousal upwards; the labels, and a mark that mouse, finger or arrow keys move.

import { AXES, EMOTIONS } from "../shared/affect-words.js";

const SVG = "http://www.w3.org/2000/svg";
const STEP = 0.1; // of an arrow key; with Shift a fifth of it
const POINT = 0.075;
const THUMBNAIL = 0.5;
const EDGE = 1.02; // of the words of emotions: inside the ground
const ROW = 0.965; // above and below the circles of the regions
const { valence, arousal } = AXES;
const AXIS_LABELS = [[arousal[1], 0, -1.16, 0], [arousal[0], 0, 1.16, 0], [valence[1], 1.16, 0, 90], [valence[0], -1.16, 0, -90]];
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

function draw(tag, parent, attributes = {}, text = "") {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  if (text) node.textContent = text;
  parent.append(node);
  return node;
}

/** Where the word of an emotion stands: at the edge of the ground in its direction, between the circles of the regions. */
function wordPlace(degrees) {
  const x = Math.cos((degrees * Math.PI) / 180);
  const y = Math.sin((degrees * Math.PI) / 180);
  const side = Math.sign(x);
  if (Math.abs(x) > Math.abs(y)) return { x: EDGE * side, y: y > 0 ? -0.3 : 0.25, "text-anchor": side > 0 ? "end" : "start" };
  const along = (ROW * x) / Math.abs(y);
  if (along < -0.85) return { x: -EDGE, y: -ROW * Math.sign(y), "text-anchor": "start" };
  return { x: along, y: -ROW * Math.sign(y), "text-anchor": "middle" };
}

const clamp = (value) => Math.max(-1, Math.min(1, Math.round(100 * value) / 100 + 0));

/** Calls onMove(valence, arousal) when the user moves the mark, onTake() on Enter, onChoose(number) for a label. */
export class AffectGrid {
  constructor(svg, { onMove, onTake, onChoose }) {
    this.svg = svg;
    this.valence = 0;
    this.arousal = 0;
    this.placed = true; // false after `clearMark`, until the mark is moved
    this.hover = false; // whether the mark follows a mouse without its button
    this.onMove = onMove;
    this.onChoose = onChoose;
    draw("rect", svg, { class: "ground", x: -1.05, y: -1.05, width: 2.1, height: 2.1, rx: 0.06 });
    draw("line", svg, { class: "axis", x1: -1.05, y1: 0, x2: 1.05, y2: 0 });
    draw("line", svg, { class: "axis", x1: 0, y1: -1.05, x2: 0, y2: 1.05 });
    for (const [word, degrees] of EMOTIONS) draw("text", svg, { class: "word", ...wordPlace(degrees) }, word);
    for (const [word, x, y, turn] of AXIS_LABELS) {
      draw("text", svg, { class: "end", x, y, transform: `rotate(${turn} ${x} ${y})` }, word);
    }
    this.regions = draw("g", svg);
    this.arrows = draw("g", svg);
    this.samples = draw("g", svg);
    this.mark = draw("g", svg, { class: "mark" });
    draw("circle", this.mark, { r: 0.085 });
    for (const [x, y] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
      draw("line", this.mark, { x1: 0.05 * x, y1: 0.05 * y, x2: 0.14 * x, y2: 0.14 * y });
    }
    this.thumbnail = draw("image", svg, { class: "thumbnail", width: THUMBNAIL, height: THUMBNAIL, visibility: "hidden" });
    this.#placeMark();

    svg.addEventListener("pointerdown", (event) => {
      if (event.target.closest(".sample")) return;
      svg.setPointerCapture(event.pointerId);
      this.#follow(event);
    });
    svg.addEventListener("pointermove", (event) => {
      if (this.hover || svg.hasPointerCapture(event.pointerId)) this.#follow(event);
    });
    // Without this, a finger lifted while it moves starts a fling, and the next tap only stops that.
    svg.addEventListener("touchmove", (event) => event.preventDefault(), { passive: false });
    svg.addEventListener("keydown", (event) => {
      const arrow = ARROWS[event.key];
      if (arrow) {
        const step = event.shiftKey ? STEP / 5 : STEP;
        this.#moved(this.valence + step * arrow[0], this.arousal + step * arrow[1]);
      } else if (event.key === "Enter" && event.target === svg) {
        onTake();
      } else {
        return;
      }
      event.preventDefault();
    });
  }

  /** Moves the mark without calling onMove. */
  setMark(valence, arousal) {
    this.valence = clamp(valence);
    this.arousal = clamp(arousal);
    this.placed = true;
    this.#placeMark();
  }

  /** Puts the mark into the middle as no answer: it is drawn faintly until it is moved. */
  clearMark() {
    this.setMark(0, 0);
    this.placed = false;
    this.#placeMark();
  }

  /** `errors`: whether the predictions of labels are drawn. */
  show({ regions, ask, samples }, chosen, errors = true) {
    this.regions.replaceChildren();
    for (const { title, valence, arousal, covered } of regions) {
      const asked = title === ask?.title;
      draw("circle", this.regions, { class: "region", cx: valence, cy: -arousal, r: 0.2, "data-covered": covered, "data-asked": asked });
    }
    this.arrows.replaceChildren();
    for (const { valence, arousal, predicted, check } of samples) {
      if (predicted && errors) this.#arrow([valence, arousal], predicted, "others");
      if (check) this.#arrow([valence, arousal], [check.valence, check.arousal], "check");
    }
    this.samples.replaceChildren();
    samples.forEach((sample, i) => this.#sample(sample, i + 1, sample.number === chosen));
  }

  #sample({ number, valence, arousal, thumbnail }, place, chosen) {
    const node = draw("g", this.samples, { class: "sample", "data-number": number, "data-chosen": chosen, transform: `translate(${valence} ${-arousal})` });
    draw("circle", node, { r: POINT });
    draw("text", node, {}, String(place));
    node.addEventListener("click", () => this.onChoose(number));
    if (!thumbnail) return;
    node.addEventListener("pointerenter", () => {
      this.thumbnail.setAttribute("href", thumbnail);
      this.thumbnail.setAttribute("x", valence > 0.4 ? valence - THUMBNAIL - 0.1 : valence + 0.1);
      this.thumbnail.setAttribute("y", Math.max(-1.05, Math.min(1.05 - THUMBNAIL, -arousal - THUMBNAIL / 2)));
      this.thumbnail.setAttribute("visibility", "visible");
    });
    node.addEventListener("pointerleave", () => this.thumbnail.setAttribute("visibility", "hidden"));
  }

  #arrow([v0, a0], [v1, a1], kind) {
    draw("line", this.arrows, { class: "arrow", "data-kind": kind, x1: v0, y1: -a0, x2: clamp(v1), y2: -clamp(a1) });
    draw("circle", this.arrows, { class: "tip", "data-kind": kind, cx: clamp(v1), cy: -clamp(a1), r: 0.022 });
  }

  #follow(event) {
    const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(this.svg.getScreenCTM().inverse());
    this.#moved(point.x, -point.y);
  }

  #moved(valence, arousal) {
    this.setMark(valence, arousal);
    this.onMove(this.valence, this.arousal);
  }

  #placeMark() {
    this.mark.setAttribute("transform", `translate(${this.valence} ${-this.arousal})`);
    this.mark.setAttribute("data-placed", this.placed);
  }
}
