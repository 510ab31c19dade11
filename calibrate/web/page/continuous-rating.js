// Rating while a recording plays: sends the mark with every image; mouse, finger, arrow keys or a joystick move it.

const DEAD_ZONE = 0.12; // of a released stick

/** Sends the mark of `grid` through `send(kind, content)`. */
export class ContinuousRating {
  constructor(elements, grid, send) {
    this.elements = elements; // replay, play, position, text, finish
    this.grid = grid;
    this.send = send;
    this.state = null;
    this.moved = false; // nothing is recorded before the first move
    this.stick = false;
    this.seeking = false;
    elements.play.addEventListener("click", () => this.toggle());
    elements.finish.addEventListener("click", () => this.send("finish"));
    elements.position.addEventListener("input", () => {
      this.seeking = true;
      this.#showTime(Number(elements.position.value));
    });
    elements.position.addEventListener("change", () => {
      this.seeking = false;
      this.from_s = Number(elements.position.value);
      if (this.state?.playing) this.send("play", { time: this.from_s });
    });
    document.addEventListener("keydown", (event) => {
      if (!this.state || event.key !== " " || event.target.closest("button, input")) return;
      event.preventDefault();
      this.toggle();
    });
  }

  /** Takes `replay` of the state; null without playback. */
  show(replay) {
    const { replay: line, play, position, finish } = this.elements;
    this.state = replay;
    line.hidden = finish.hidden = !replay;
    if (!replay) return;
    this.grid.hover = replay.playing;
    position.max = replay.length;
    play.textContent = replay.playing ? "Pause" : "Play";
    finish.disabled = replay.rated === 0 && !replay.playing;
    if (!replay.playing) this.#showPosition(replay.time);
  }

  /** An image of the recording arrives: sends its rating. */
  onImage({ seq, time }) {
    if (!this.state) return;
    this.#showPosition(time);
    if (!this.state.playing) return;
    this.#readStick();
    if (this.moved) this.send("rate", { seq, valence: this.grid.valence, arousal: this.grid.arousal });
  }

  /** The user moved the mark by hand. */
  onMove() {
    this.moved = true;
    this.stick = false;
  }

  toggle() {
    if (!this.state) return;
    if (this.state.playing) return this.send("pause");
    const end = this.from_s >= this.state.length - 0.2;
    this.send("play", { time: end ? 0 : this.from_s });
    this.grid.svg.focus();
  }

  /** The sentences of the page: {step, title, text}. */
  words() {
    const { playing, rated, length, labels, lag } = this.state;
    const step = playing ? (this.moved ? "Your ratings are recorded" : "Move the mark to begin") : `${rated.toFixed(0)} of ${length.toFixed(0)} s rated`;
    if (playing) return { step, title: "Follow the face with the mark", text: "Use mouse, finger, arrow keys or joystick. Space pauses." };
    if (!lag) return { step, title: "Rate the face while it plays", text: "Play, and follow the face with the mark. Go back with the slider to rate a part again. Then finish." };
    const how = { measured: `r = ${lag.correlation?.toFixed(2).replace("0.", ".")}`, "not clear": "not measurable, so the usual one", given: "--lag" }[lag.from];
    return {
      step,
      title: `Your reaction time of ${lag.seconds.toFixed(1)} s (${how}) has been removed.`,
      text: `Saving writes ${labels} labels, two a second, and a support set of the frames in the list. Or rate more, and finish again.`,
    };
  }

  #showPosition(time) {
    if (this.seeking) return;
    this.from_s = time;
    this.elements.position.value = time;
    this.#showTime(time);
  }

  #showTime(time) {
    this.elements.text.textContent = `${time.toFixed(1)} s`;
  }

  /** The first stick sets the mark, from its first move until the mark is moved by hand. */
  #readStick() {
    const pad = [...(navigator.getGamepads?.() ?? [])].find((one) => one && one.axes.length >= 2);
    if (!pad) return;
    const [x, y] = pad.axes;
    const out = Math.hypot(x, y) > DEAD_ZONE;
    if (out) this.stick = this.moved = true;
    if (this.stick) this.grid.setMark(out ? x : 0, out ? -y : 0);
  }
}
