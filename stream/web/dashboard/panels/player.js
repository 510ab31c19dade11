// The player of a recording: pause, position, speed. Loaded when the server plays one.

import { element, make, setText } from "../../shared/dom.js";
import { decimal, text } from "../../shared/texts.js";
import { durationText } from "../words.js";
import { SliderMarks } from "./slider-marks.js";

const SPEEDS = [0.25, 0.5, 1, 2, 4, 8];
const JUMP_S = 10;
const SHOW_MS = 200;
const SETTLE_MS = 600; // after a request: answers to earlier ones may still come
const IN_TEXT = "input:not([type=range]), select, textarea, dialog";

export class Player {
  #onPlay;
  #state = null; // a `playback`: the server's last one, or what was asked for since
  #since_ms = 0; // when that held
  #waiting = null; // the server's last one, {state, at_ms}, while answers may be late
  #askedAt_ms = -SETTLE_MS;
  #may = false;
  #dragged = false;
  #nodes;
  #marks;

  /** Calls onPlay({playing}), onPlay({position}) or onPlay({speed}) when a person changes it. */
  constructor(onPlay) {
    this.#onPlay = onPlay;
    const panel = element("player");
    panel.title = text("player.keys");
    const button = (onClick) => {
      const node = make("button", "quiet", panel);
      node.type = "button";
      node.addEventListener("click", onClick);
      return node;
    };
    const toggle = button(() => this.#toggle());
    const back = button(() => this.#jump(-JUMP_S));
    const track = make("span", "player-track", panel);
    const slider = make("input", "", track);
    this.#marks = new SliderMarks(track, (position) => this.#ask({ position }));
    const on = button(() => this.#jump(JUMP_S));
    const time = make("output", "", panel);
    const label = make("label", "", panel);
    setText(back, text("player.back"));
    setText(on, text("player.on"));
    Object.assign(slider, { type: "range", min: 0 });
    slider.setAttribute("aria-label", text("player.position"));
    slider.addEventListener("input", () => {
      this.#dragged = true;
      this.#showTime(slider.valueAsNumber);
    });
    slider.addEventListener("change", () => {
      this.#dragged = false;
      this.#ask({ position: slider.valueAsNumber });
    });
    setText(make("span", "", label), text("player.speed"));
    const speed = make("select", "", label);
    speed.addEventListener("change", () => this.#ask({ speed: Number(speed.value) }));
    this.#nodes = { toggle, back, slider, on, time, speed };
    document.addEventListener("keydown", (event) => this.#onKey(event));
    setInterval(() => this.#refresh(), SHOW_MS);
  }

  /** The server's `playback`; `may`: this page may change it. */
  show(state, may) {
    this.#may = may;
    this.#waiting = { state, at_ms: performance.now() };
    this.#state ??= state;
    for (const [name, node] of Object.entries(this.#nodes)) if (name !== "time") node.disabled = !may;
    this.#marks.show(state.marks ?? [], state.length, may);
    element("player").hidden = false;
    this.#refresh();
  }

  #set(state, at_ms) {
    this.#state = state;
    this.#since_ms = at_ms;
    const { toggle, slider, speed } = this.#nodes;
    setText(toggle, text(state.playing ? "player.pause" : "player.play"));
    slider.max = state.length;
    slider.step = state.length > 60 ? 1 : 0.1;
    const speeds = [...new Set([...SPEEDS, state.speed])].sort((a, b) => a - b);
    speed.replaceChildren(...speeds.map((one) => new Option(text("player.times", { speed: decimal(one, Number.isInteger(one) ? 0 : 2) }), one)));
    speed.value = state.speed;
  }

  get #position_s() {
    const { playing, position, speed, length } = this.#state;
    const since_s = playing ? (performance.now() - this.#since_ms) / 1000 : 0;
    return Math.min(position + since_s * speed, length);
  }

  #refresh() {
    if (element("player").hidden || this.#dragged) return;
    if (this.#waiting && performance.now() >= this.#askedAt_ms + SETTLE_MS) {
      this.#set(this.#waiting.state, this.#waiting.at_ms);
      this.#waiting = null;
    }
    this.#nodes.slider.value = this.#position_s;
    this.#showTime(this.#position_s);
  }

  #showTime(position_s) {
    const words = text("player.of", { position: durationText(position_s), length: durationText(this.#state.length) });
    setText(this.#nodes.time, words);
    this.#nodes.slider.setAttribute("aria-valuetext", words);
  }

  /** What was asked for holds here at once: a second press goes on from it. */
  #ask(change) {
    this.#askedAt_ms = performance.now();
    this.#set({ ...this.#state, position: this.#position_s, ...change }, this.#askedAt_ms);
    this.#refresh();
    this.#onPlay(change);
  }

  #toggle() {
    this.#ask({ playing: !this.#state.playing });
  }

  #jump(seconds) {
    this.#ask({ position: Math.min(Math.max(this.#position_s + seconds, 0), this.#state.length) });
  }

  /** The next slower (-1) or faster (+1) of the usual speeds. */
  #changeSpeed(direction) {
    const { speed } = this.#state;
    const next = direction > 0 ? SPEEDS.find((one) => one > speed) : SPEEDS.findLast((one) => one < speed);
    if (next) this.#ask({ speed: next });
  }

  #onKey(event) {
    if (!this.#may || element("player").hidden || event.ctrlKey || event.metaKey || event.altKey || event.target.closest?.(IN_TEXT)) return;
    const keys = { k: () => this.#toggle(), j: () => this.#jump(-JUMP_S), l: () => this.#jump(JUMP_S), "<": () => this.#changeSpeed(-1), ">": () => this.#changeSpeed(1) };
    const act = keys[event.key.toLowerCase()];
    if (!act) return;
    act();
    event.preventDefault();
  }
}
