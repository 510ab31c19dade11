// The wall: a tile for each face of each stream, to watch many at once and select one. Loaded when it is first opened.

import { element, make, setText } from "../../shared/dom.js";
import { signed } from "../../shared/format.js";
import { decimal, text } from "../../shared/texts.js";
import { PageSurface } from "../charts/canvas.js";
import { faceState } from "../words.js";

const DRAW_MS = 100; // between two drawings of the tiles
const TRAIL_S = 5;
const CURVE_POINTS = 60;
const SORT_MS = 2000; // between two orders: a tile that moves while one reads it helps nobody

/** How tiles may be ordered: by the first number or text that differs. */
const ORDERS = {
  name: (tile) => [tile.title],
  doubtful: (tile) => [tile.doubtful ? 0 : 1, tile.title],
  arousal: (tile) => [-(tile.arousal ?? -Infinity), tile.title],
};

export class Wall {
  #tiles = new Map(); // face key, or the name of a stream without faces -> its nodes
  #drawnAt_ms = -Infinity;
  #sortedAt_ms = -Infinity;
  #order = "name";
  #tools;
  #onSelect;
  #onResize;

  /** Calls onResize() when a tile has to be drawn again, and onSelect({stream, key}) when a person selects a tile; key is undefined for a stream without faces. */
  constructor({ onSelect, onResize }) {
    this.#onSelect = onSelect;
    this.#onResize = () => {
      this.#drawnAt_ms = -Infinity;
      onResize();
    };
    this.#tools = this.#newTools();
  }

  /** Shows groups of {stream, label, state, calibrated, faces: [{face, described}]}, as the list of faces does. */
  show(groups, current) {
    const wanted = groups.flatMap(({ stream, label, state, calibrated, faces, ...health }) =>
      faces.length
        ? faces.map(({ face, described }) => ({ key: face.key, stream, label, face, described, calibrated: described.calibrated, health }))
        : [{ key: stream, stream, label, state, calibrated, health }],
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
      const doubtful = state !== "ok" || !one.calibrated;
      Object.assign(tile, { doubtful, title: one.face?.name ?? one.label, label: one.label, arousal: one.described?.arousal });
      setText(tile.name, tile.title);
      tile.badge.hidden = one.calibrated;
      setText(tile.health, healthText(one.health));
      tile.health.dataset.state = one.health.live && !(one.health.droppedPerSecond > 0) ? "ok" : "doubtful";
      setText(tile.stream, one.face && groups.length > 1 ? one.label : "");
      setText(tile.note, words);
      setText(tile.values, one.described ? text("export.values", { valence: signed(one.described.valence), arousal: signed(one.described.arousal) }) : "");
    }
    this.#arrange();
  }

  /** Hides the tiles that the search leaves out, and orders the others; not under the focus, which would be lost. */
  #arrange() {
    const wanted = this.#tools.search.value.trim().toLowerCase();
    let shown = 0;
    for (const { item, title, label } of this.#tiles.values()) {
      item.hidden = !`${title}\n${label}`.toLowerCase().includes(wanted);
      shown += !item.hidden;
    }
    setText(this.#tools.found, shown || !wanted ? "" : text("wall.none"));
    const now_ms = performance.now();
    if (now_ms - this.#sortedAt_ms < SORT_MS || element("wall").contains(document.activeElement)) return;
    this.#sortedAt_ms = now_ms;
    const key = ORDERS[this.#order];
    const sorted = [...this.#tiles.values()].sort((one, other) => compare(key(one), key(other)));
    const places = element("wall").children;
    sorted.forEach(({ item }, i) => {
      if (places[i] !== item) element("wall").insertBefore(item, places[i]);
    });
  }

  #newTools() {
    const tools = document.createElement("div");
    tools.className = "wall-tools";
    element("wall").before(tools);
    const search = make("input", "", tools);
    Object.assign(search, { type: "search", placeholder: text("wall.search.short"), autocomplete: "off", spellcheck: false });
    search.setAttribute("aria-label", text("wall.search"));
    search.addEventListener("input", () => this.#arrange());
    const label = make("label", "", tools);
    setText(make("span", "", label), text("wall.sort"));
    const order = make("select", "", label);
    order.append(...Object.keys(ORDERS).map((name) => new Option(text(`wall.sort.${name}`), name)));
    order.addEventListener("change", () => {
      this.#order = order.value;
      this.#sortedAt_ms = -Infinity;
      this.#arrange();
    });
    const found = make("span", "wall-none", tools);
    found.setAttribute("role", "status");
    return { search, found };
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
    const title = make("span", "face-title", button);
    const name = make("span", "face-name", title);
    const badge = make("span", "badge", title);
    badge.dataset.calibrated = "false";
    setText(badge, text("face.uncalibrated"));
    const health = make("span", "tile-health", button);
    const label = make("span", "tile-stream", button);
    const canvas = make("canvas", "tile-canvas", button);
    canvas.setAttribute("aria-hidden", "true");
    const values = make("span", "tile-values", button);
    const note = make("span", "face-note", button);
    return { item, button, name, badge, stream: label, values, health, note, surface: new PageSurface(canvas, this.#onResize) };
  }
}

function compare(one, other) {
  for (let i = 0; i < one.length; i += 1) {
    const order = typeof one[i] === "number" ? one[i] - other[i] : one[i].localeCompare(other[i], undefined, { numeric: true });
    if (order) return order;
  }
  return 0;
}

/** The rate, latency and losses of a tile's stream. */
function healthText({ fps, latency_ms, droppedPerSecond }) {
  const facts = [
    fps !== null && text("dashboard.rate", { fps: Math.round(fps) }),
    latency_ms !== null && `${decimal(latency_ms, 0)} ms`,
    droppedPerSecond > 0 && text("wall.dropped", { n: decimal(droppedPerSecond, 1) }),
  ];
  return facts.filter(Boolean).join(" · ");
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
