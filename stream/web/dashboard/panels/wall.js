// The wall: a tile for each face of each stream, to watch many at once and select one. Loaded when it is first opened.

import { element, make, setText } from "../../shared/dom.js";
import { signed } from "../../shared/format.js";
import { text } from "../../shared/texts.js";
import { PageSurface } from "../charts/canvas.js";
import { faceState } from "../words.js";

const DRAW_MS = 100; // between two drawings of the tiles
const TRAIL_S = 5;
const CURVE_POINTS = 60;

export class Wall {
  #tiles = new Map(); // face key, or the name of a stream without faces -> its nodes
  #drawnAt_ms = -Infinity;
  #onSelect;
  #onResize;

  /** Calls onResize() when a tile has to be drawn again, and onSelect({stream, key}) when a person selects a tile; key is undefined for a stream without faces. */
  constructor({ onSelect, onResize }) {
    this.#onSelect = onSelect;
    this.#onResize = () => {
      this.#drawnAt_ms = -Infinity;
      onResize();
    };
  }

  /** Shows groups of {stream, label, state, faces: [{face, described}]}, as the list of faces does. */
  show(groups, current) {
    const wanted = groups.flatMap(({ stream, label, state, faces }) =>
      faces.length ? faces.map(({ face, described }) => ({ key: face.key, stream, label, face, described })) : [{ key: stream, stream, label, state }],
    );
    const keys = new Set(wanted.map(({ key }) => key));
    for (const [key, { item }] of this.#tiles) {
      if (keys.has(key)) continue;
      item.remove();
      this.#tiles.delete(key);
    }
    for (const one of wanted) {
      if (!this.#tiles.has(one.key)) this.#tiles.set(one.key, this.#newTile(one));
      const tile = this.#tiles.get(one.key);
      const stale = { state: "stale", text: text("face.last") };
      const { state, text: words } = one.described ? (current ? faceState(one.described) : stale) : one.state;
      tile.item.dataset.slot = one.face?.slot ?? "";
      tile.button.dataset.state = state;
      tile.note.dataset.state = state;
      setText(tile.name, one.face?.name ?? one.label);
      setText(tile.stream, one.face && groups.length > 1 ? one.label : "");
      setText(tile.note, words);
      setText(tile.values, one.described ? text("export.values", { valence: signed(one.described.valence), arousal: signed(one.described.arousal) }) : "");
    }
  }

  /** Draws the tiles, a few times a second. */
  draw(viewport, theme, now_ms) {
    if (now_ms - this.#drawnAt_ms < DRAW_MS) return;
    this.#drawnAt_ms = now_ms;
    for (const face of viewport.faces) {
      const tile = this.#tiles.get(face.key);
      if (tile) drawTile(tile.surface, viewport, face, theme);
    }
  }

  #newTile({ stream, face }) {
    const item = make("li", "tile", element("wall"));
    const button = make("button", "tile-button", item);
    button.type = "button";
    button.addEventListener("click", () => this.#onSelect({ stream, key: face?.key }));
    const name = make("span", "face-name", button);
    const label = make("span", "tile-stream", button);
    const canvas = make("canvas", "tile-canvas", button);
    canvas.setAttribute("aria-hidden", "true");
    const values = make("span", "tile-values", button);
    const note = make("span", "face-note", button);
    return { item, button, name, stream: label, values, note, surface: new PageSurface(canvas, this.#onResize) };
  }
}

/** The plane on the left with the point and its trail, both curves on the right. */
function drawTile(surface, viewport, face, theme) {
  const context = surface.clear();
  const { width, height } = surface;
  if (height < 16) return; // not laid out yet
  const sample = viewport.sampleOf(face);
  const colour = theme.slots[face.slot];
  const r = height / 2 - 4;
  const centre = { x: r + 4, y: height / 2 };
  context.lineWidth = 1;
  context.strokeStyle = theme.line;
  context.beginPath();
  context.arc(centre.x, centre.y, r, 0, 2 * Math.PI);
  context.moveTo(centre.x - r, centre.y);
  context.lineTo(centre.x + r, centre.y);
  context.moveTo(centre.x, centre.y - r);
  context.lineTo(centre.x, centre.y + r);
  context.stroke();
  const left = 2 * r + 20;
  const half = (height - 6) / 2;
  const rows = [["v", half / 2], ["a", half + 6 + half / 2]];
  context.beginPath();
  for (const [, middle] of rows) {
    context.moveTo(left, middle);
    context.lineTo(width - 2, middle);
  }
  context.stroke();
  context.strokeStyle = colour;
  context.lineWidth = 1.6;
  const [first, end] = [face.from(viewport.from), face.from(viewport.at + 1e-9)];
  const step = Math.max(1, Math.floor((end - first) / CURVE_POINTS));
  const x = (t) => left + ((width - 2 - left) * (t - viewport.from)) / viewport.span_s;
  context.beginPath();
  for (const [axis, middle] of rows) {
    for (let i = Math.ceil(first / step) * step, pen = false; i < end; i += step) { // the same samples in every drawing
      const { t, gap } = face.samples[i];
      const y = middle - (half / 2) * face.samples[i][axis];
      if (pen && !gap) context.lineTo(x(t), y);
      else context.moveTo(x(t), y);
      pen = true;
    }
  }
  context.stroke();
  context.globalAlpha = 0.5;
  context.beginPath();
  for (let i = Math.max(face.from(viewport.at - TRAIL_S), first); i < end; i += Math.max(1, step >> 1)) {
    context.lineTo(centre.x + r * face.samples[i].v, centre.y - r * face.samples[i].a);
  }
  context.stroke();
  context.globalAlpha = 1;
  if (!sample) return;
  context.beginPath();
  context.arc(centre.x + r * sample.v, centre.y - r * sample.a, 6, 0, 2 * Math.PI);
  context.fillStyle = sample.seen ? colour : theme.card;
  context.fill();
  context.lineWidth = 2;
  context.stroke();
}
