// The part of the history on screen: the newest seconds, or a paused copy that can be moved through; of which streams.

import { KEPT_S } from "./history.js";

const SPANS_S = [5, 10, 30, 60, 120, KEPT_S];
const SHORTEST_S = 2;
const TINY_S = 1e-6; // shorter than the time between two frames

/** What the charts draw. The values shown are those at `at`: the newest moment, or the cursor while paused. */
class Viewport {
  constructor(history, stream, { to, at, span_s, live }) {
    const shown = (name) => stream === null || name === stream;
    this.faces = [...history.faces.values()].filter((face) => shown(face.stream));
    this.scripts = [...history.scripts].filter(([name]) => shown(name)).map(([name, track]) => ({ stream: name, track }));
    this.marks = history.marks.filter((mark) => mark.stream === null || shown(mark.stream));
    this.newest = history.now;
    Object.assign(this, { from: to - span_s, to, at, span_s, live });
  }

  /** The sample of a face at this moment, or undefined. */
  sampleOf(face) {
    if (!this.live) return face.at(this.at);
    return face.present ? face.last : undefined;
  }

  /** The face as a message describes it at this moment, or undefined. */
  described(face) {
    if (!this.live) return face.described(this.at);
    return face.present ? face.latest : undefined;
  }
}

/** Calls onChange() when the viewport changes. */
export class View {
  #history;
  #onChange;
  #snapshot = null; // {history, to, at} while paused

  constructor(history, onChange) {
    this.#history = history;
    this.#onChange = onChange;
    this.span_s = 30;
    this.stream = null; // all of them
  }

  get paused() {
    return this.#snapshot !== null;
  }

  viewport() {
    const live = !this.#snapshot;
    const { history, to, at } = this.#snapshot ?? { history: this.#history, to: this.#history.now, at: this.#history.now };
    return new Viewport(history, this.stream, { to, at, span_s: this.span_s, live });
  }

  choose(stream) {
    this.stream = stream;
    this.#onChange();
  }

  pause() {
    if (this.#snapshot || this.#history.now === 0) return;
    const history = this.#history.snapshot();
    this.#snapshot = { history, to: history.now, at: history.now };
    this.#onChange();
  }

  resume() {
    this.#snapshot = null;
    this.#onChange();
  }

  /** Pauses, with the cursor at t. */
  moveTo(t) {
    this.pause();
    const snapshot = this.#snapshot;
    if (!snapshot) return;
    snapshot.at = Math.min(Math.max(t, this.#oldest()), snapshot.history.now);
    if (snapshot.at > snapshot.to) snapshot.to = snapshot.at;
    if (snapshot.at < snapshot.to - this.span_s) snapshot.to = snapshot.at + this.span_s;
    this.#onChange();
  }

  /** Pauses, and moves the cursor to the next (+1) or previous (-1) sample of the faces that are shown. */
  step(direction) {
    this.pause();
    const { faces, at } = this.viewport();
    const near = faces
      .map((face) => face.samples[direction > 0 ? face.from(at + TINY_S) : Math.max(face.from(at) - 1, face.first)]?.t)
      .filter((t) => t !== undefined);
    if (near.length) this.moveTo(direction > 0 ? Math.min(...near) : Math.max(...near));
  }

  /** Pauses, and moves the window; the cursor stays inside. */
  pan(seconds) {
    this.pause();
    const snapshot = this.#snapshot;
    if (!snapshot) return;
    const { now } = snapshot.history;
    snapshot.to = Math.min(Math.max(snapshot.to + seconds, Math.min(this.#oldest() + this.span_s, now)), now);
    snapshot.at = Math.min(Math.max(snapshot.at, snapshot.to - this.span_s), snapshot.to);
    this.#onChange();
  }

  /** Shows `factor` times as many seconds; `t`, or the cursor, stays where it is on screen. */
  zoom(factor, t = this.viewport().at) {
    const before_s = this.span_s;
    this.span_s = Math.min(Math.max(before_s * factor, SHORTEST_S), KEPT_S);
    const snapshot = this.#snapshot;
    if (snapshot) snapshot.to = Math.min(t + (snapshot.to - t) * (this.span_s / before_s), snapshot.history.now);
    this.#onChange();
  }

  /** To the next shorter (-1) or longer (+1) of the usual spans. */
  zoomStep(direction) {
    const near = this.span_s * (direction > 0 ? 1.01 : 0.99);
    const next = direction > 0 ? SPANS_S.find((span_s) => span_s > near) : SPANS_S.findLast((span_s) => span_s < near);
    if (next) this.zoom(next / this.span_s);
  }

  get canZoomIn() {
    return this.span_s > SPANS_S[0];
  }

  get canZoomOut() {
    return this.span_s < KEPT_S;
  }

  #oldest() {
    const { history } = this.#snapshot;
    const firsts = [...history.faces.values()].map((face) => face.samples[face.first]?.t ?? history.now);
    return Math.min(history.now, ...firsts);
  }
}
