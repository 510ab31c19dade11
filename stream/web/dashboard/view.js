// Which part of the history is on screen: the newest seconds, or a still that can be moved through; of which streams.

import { KEPT_S } from "./history.js";

const SPANS_S = [5, 10, 30, 60, 120, KEPT_S];
const SHORTEST_S = 2;
const TINY_S = 1e-6; // less than lies between two frames

/** What the charts draw. `at` is the moment whose values are shown: the newest, or the cursor of a still. */
class Look {
  constructor(history, stream, { to, at, span_s, live }) {
    const shown = (name) => stream === null || name === stream;
    this.faces = [...history.faces.values()].filter((face) => shown(face.stream));
    this.scripts = [...history.scripts].filter(([name]) => shown(name)).map(([name, track]) => ({ stream: name, track }));
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

/** `changed` is called whenever something else is to be seen. */
export class View {
  #history;
  #changed;
  #still = null; // {history, to, at} while paused

  constructor(history, changed) {
    this.#history = history;
    this.#changed = changed;
    this.span_s = 30;
    this.stream = null; // all of them
  }

  get paused() {
    return this.#still !== null;
  }

  look() {
    const live = !this.#still;
    const { history, to, at } = this.#still ?? { history: this.#history, to: this.#history.now, at: this.#history.now };
    return new Look(history, this.stream, { to, at, span_s: this.span_s, live });
  }

  choose(stream) {
    this.stream = stream;
    this.#changed();
  }

  pause() {
    if (this.#still || this.#history.now === 0) return;
    const history = this.#history.still();
    this.#still = { history, to: history.now, at: history.now };
    this.#changed();
  }

  resume() {
    this.#still = null;
    this.#changed();
  }

  /** Pauses, with the cursor at t. */
  moveTo(t) {
    this.pause();
    const still = this.#still;
    if (!still) return;
    still.at = Math.min(Math.max(t, this.#oldest()), still.history.now);
    if (still.at > still.to) still.to = still.at;
    if (still.at < still.to - this.span_s) still.to = still.at + this.span_s;
    this.#changed();
  }

  /** Pauses, and moves the cursor to the next (+1) or previous (-1) sample of the faces that are shown. */
  step(direction) {
    this.pause();
    const { faces, at } = this.look();
    const near = faces
      .map((face) => face.samples[direction > 0 ? face.from(at + TINY_S) : Math.max(face.from(at) - 1, face.first)]?.t)
      .filter((t) => t !== undefined);
    if (near.length) this.moveTo(direction > 0 ? Math.min(...near) : Math.max(...near));
  }

  /** Pauses, and moves the window; the cursor stays inside. */
  pan(seconds) {
    this.pause();
    const still = this.#still;
    if (!still) return;
    const { now } = still.history;
    still.to = Math.min(Math.max(still.to + seconds, Math.min(this.#oldest() + this.span_s, now)), now);
    still.at = Math.min(Math.max(still.at, still.to - this.span_s), still.to);
    this.#changed();
  }

  /** Shows `factor` times as many seconds; `t`, or the cursor, stays where it is on screen. */
  zoom(factor, t = this.look().at) {
    const before_s = this.span_s;
    this.span_s = Math.min(Math.max(before_s * factor, SHORTEST_S), KEPT_S);
    const still = this.#still;
    if (still) still.to = Math.min(t + (still.to - t) * (this.span_s / before_s), still.history.now);
    this.#changed();
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
    const { history } = this.#still;
    const firsts = [...history.faces.values()].map((face) => face.samples[face.first]?.t ?? history.now);
    return Math.min(history.now, ...firsts);
  }
}
