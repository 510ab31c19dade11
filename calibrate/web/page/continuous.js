// Rating while a recording plays: where the mark is goes out with every picture; moved by mouse, finger, arrow keys or a joystick.

const DEAD_ZONE = 0.12; // of a stick that was let go

/** Speaks for the mark of `grid` through `act(kind, content)`. */
export class ContinuousRating {
  constructor(elements, grid, act) {
    this.elements = elements; // replay, play, position, text, finish
    this.grid = grid;
    this.act = act;
    this.state = null;
    this.moved = false; // nothing is recorded before the person moves the mark
    this.stick = false;
    this.seeking = false;
    elements.play.addEventListener("click", () => this.toggle());
    elements.finish.addEventListener("click", () => this.act("finish"));
    elements.position.addEventListener("input", () => {
      this.seeking = true;
      this.#showTime(Number(elements.position.value));
    });
    elements.position.addEventListener("change", () => {
      this.seeking = false;
      this.from_s = Number(elements.position.value);
      if (this.state?.playing) this.act("play", { time: this.from_s });
    });
    document.addEventListener("keydown", (event) => {
      if (!this.state || event.key !== " " || event.target.closest("button, input")) return;
      event.preventDefault();
      this.toggle();
    });
  }

  /** How the server says it stands; null where no recording is played. */
  show(replay) {
    const { replay: line, play, position, finish } = this.elements;
    this.state = replay;
    line.hidden = finish.hidden = !replay;
    if (!replay) return;
    this.grid.hover = replay.playing;
    position.max = replay.length;
    play.textContent = replay.playing ? "Pause" : "Play";
    finish.disabled = replay.rated === 0 && !replay.playing;
    if (!replay.playing) this.#reached(replay.time);
  }

  /** A picture of the recording comes: says where the mark is. */
  look({ seq, time }) {
    if (!this.state) return;
    this.#reached(time);
    if (!this.state.playing) return;
    this.#readStick();
    if (this.moved) this.act("rate", { seq, valence: this.grid.valence, arousal: this.grid.arousal });
  }

  /** The person moved the mark by hand. */
  touched() {
    this.moved = true;
    this.stick = false;
  }

  toggle() {
    if (!this.state) return;
    if (this.state.playing) return this.act("pause");
    const end = this.from_s >= this.state.length - 0.2;
    this.act("play", { time: end ? 0 : this.from_s });
    this.grid.svg.focus();
  }

  /** In words, for the page: {step, title, text}. */
  words() {
    const { playing, rated, length, labels, lag } = this.state;
    const step = playing ? (this.moved ? "Your ratings are recorded" : "Move the mark to begin") : `${rated.toFixed(0)} of ${length.toFixed(0)} s are rated`;
    if (playing) return { step, title: "Where is this face, moment by moment?", text: "Follow it with the mark: mouse, finger, arrow keys or joystick. Space pauses." };
    if (!lag) return { step, title: "Rate it while it plays", text: "Play, and keep the mark where the face is. Go back with the slider to rate a part again. Then finish." };
    const how = { measured: `Measured, correlation ${lag.correlation?.toFixed(2)}`, "not clear": "Not clear, so the usual lag is taken", given: "As you said" }[lag.from];
    const made = `${labels} labels, two a second, go into the labels file, and the frames in the list into the support set.`;
    return { step, title: `Rated; you were ${lag.seconds.toFixed(1)} s behind`, text: `${how}; it is taken out. ${made} Save, or rate more and finish again.` };
  }

  #reached(time) {
    if (this.seeking) return;
    this.from_s = time;
    this.elements.position.value = time;
    this.#showTime(time);
  }

  #showTime(time) {
    this.elements.text.textContent = `${time.toFixed(1)} s`;
  }

  /** The first stick of the first joystick is the place itself, from when it is moved until the mark is moved by hand. */
  #readStick() {
    const pad = [...(navigator.getGamepads?.() ?? [])].find((one) => one && one.axes.length >= 2);
    if (!pad) return;
    const [x, y] = pad.axes;
    const out = Math.hypot(x, y) > DEAD_ZONE;
    if (out) this.stick = this.moved = true;
    if (this.stick) this.grid.put(out ? x : 0, out ? -y : 0);
  }
}
