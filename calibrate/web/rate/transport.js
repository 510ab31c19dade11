// Playback of a recording: position, speed, loop, single frames, and the rating of each image while it plays.

import { element, setText } from "../shared/dom.js";
import { decimal, text } from "../shared/texts.js";

const DEAD_ZONE = 0.12; // of a released stick
const LOOP_S = 3;
const END_S = 0.2; // this close to the end, play starts again from the beginning

/** Sends the answer of `input` through `send(kind, content)`. */
export class Transport {
  #state = null; // `replay` of the state; null for a recording that is shown frame by frame
  #moved = false; // nothing is recorded before the first move
  #stick = false;
  #seeking = false;
  #loop = null; // { from, to } in seconds
  #from_s = 0;

  constructor(input, sound, send) {
    this.input = input;
    this.sound = sound;
    this.send = send;
    element("play").addEventListener("click", () => this.toggle());
    element("back").addEventListener("click", () => this.step(-1));
    element("forward").addEventListener("click", () => this.step(1));
    element("loop").addEventListener("click", () => this.loop());
    element("finish").addEventListener("click", () => this.send("finish"));
    element("speed").addEventListener("change", () => this.#state?.playing && this.#play(this.#from_s));
    const position = element("position");
    position.addEventListener("input", () => {
      this.#seeking = true;
      this.#showTime(Number(position.value));
    });
    position.addEventListener("change", () => {
      this.#seeking = false;
      this.#setLoop(null);
      this.#from_s = Number(position.value);
      if (this.#state?.playing) this.#play(this.#from_s);
      else this.send("show", { time: this.#from_s });
    });
  }

  get speed() {
    return Number(element("speed").value);
  }

  /** The second that is shown. */
  get time_s() {
    return this.#from_s;
  }

  /** Whether ratings are recorded now. */
  get recording() {
    return Boolean(this.#state?.playing) && this.#moved && this.speed === 1;
  }

  /** Takes `replay` of the state. */
  show(replay) {
    const played = this.#state?.playing;
    this.#state = replay;
    for (const id of ["play", "position", "position-text", "speed-line", "loop"]) element(id).hidden = !replay;
    element("finish").hidden = !replay;
    if (!replay) return;
    this.input.grid.hover = replay.playing;
    element("position").max = replay.length;
    setText(element("play"), text(replay.playing ? "rate.pause" : "rate.play"));
    element("finish").disabled = replay.rated === 0 && !replay.playing;
    if (played && !replay.playing) {
      this.sound.stop();
      if (this.#loop) return this.#play(this.#loop.from); // the end of the recording
    }
    if (!replay.playing) this.#showPosition(replay.time);
  }

  /** An image of the recording arrives: sends its rating. */
  onImage({ seq, time }) {
    if (!this.#state) return;
    this.#showPosition(time);
    if (!this.#state.playing) return;
    this.sound.follow(time, this.speed);
    this.#readStick();
    if (this.recording) this.send("rate", { seq, valence: this.input.valence, arousal: this.input.arousal });
    if (this.#loop && time >= this.#loop.to) this.#play(this.#loop.from);
  }

  /** The rater moved the mark by hand. */
  onMove() {
    this.#moved = true;
    this.#stick = false;
  }

  toggle() {
    if (!this.#state) return;
    if (this.#state.playing) {
      this.#setLoop(null);
      return this.send("pause");
    }
    this.#play(this.#from_s >= this.#state.length - END_S ? 0 : this.#from_s);
    this.input.focus();
  }

  /** The frame before or after; of a recording without playback, the frame to rate before or after. */
  step(frames) {
    this.#setLoop(null);
    this.send("step", { frames });
  }

  /** Plays the seconds before the shown frame again and again, or ends that. */
  loop() {
    if (!this.#state) return;
    if (this.#loop) return this.#setLoop(null);
    const to = Math.min(Math.max(this.#from_s, LOOP_S), this.#state.length - 0.05);
    this.#setLoop({ from: Math.max(0, to - LOOP_S), to });
    this.#play(this.#loop.from);
  }

  faster(places) {
    if (!this.#state) return;
    const select = element("speed");
    select.selectedIndex = Math.min(Math.max(select.selectedIndex + places, 0), select.options.length - 1);
    select.dispatchEvent(new Event("change"));
  }

  #play(time) {
    this.sound.stop();
    this.send("play", { time, speed: this.speed });
  }

  #setLoop(loop) {
    this.#loop = loop;
    element("loop").setAttribute("aria-pressed", String(loop !== null));
  }

  /** The sentences of the page: {step, title, text}. */
  words() {
    const { playing, rated, length, labels, lag } = this.#state;
    const recording = this.speed !== 1 ? text("rate.play.unrecorded") : this.#moved ? text("rate.play.recorded") : text("rate.play.begin");
    const step = playing ? recording : text("rate.play.rated", { rated: rated.toFixed(0), length: length.toFixed(0) });
    if (playing) return { step, title: text("rate.play.title"), text: text("rate.play.words") };
    if (!lag) return { step, title: text("rate.play.start"), text: text("rate.play.start.words") };
    const how = text(`rate.lag.${lag.from}`, { r: lag.correlation === null ? "–" : decimal(lag.correlation, 2).replace(/^0/, "") });
    return {
      step,
      title: text("rate.lag", { seconds: decimal(lag.seconds, 1), how }),
      text: text("rate.lag.words", { labels }),
    };
  }

  #showPosition(time) {
    if (this.#seeking) return;
    this.#from_s = time;
    element("position").value = time;
    this.#showTime(time);
  }

  #showTime(time) {
    setText(element("position-text"), text("rate.seconds", { n: decimal(time, 2) }));
  }

  /** The first stick sets the mark, from its first move until the mark is moved by hand. */
  #readStick() {
    const pad = [...(navigator.getGamepads?.() ?? [])].find((one) => one && one.axes.length >= 2);
    if (!pad) return;
    const [x, y] = pad.axes;
    const out = Math.hypot(x, y) > DEAD_ZONE;
    if (!out && !this.#stick) return;
    this.input.move(out ? x : 0, out ? -y : 0);
    this.#stick = this.#moved = true;
  }
}
