// The rater's answer: valence and arousal, given on the affect grid, by sliders, manikins or words. One answer at a time.

import { AffectGrid } from "../calibrate/affect-grid.js";
import { AXES, EMOTIONS } from "../shared/affect-words.js";
import { element, make, setText } from "../shared/dom.js";
import { signed } from "../shared/format.js";
import { text } from "../shared/texts.js";
import { SamScale } from "./sam.js";

const STORAGE_KEY = "mtclar-rating-mode";
const MODES = ["grid", "sliders", "sam", "words"];
const NEUTRAL = "neutral";
const STRENGTHS = [0.35, 0.65, 1]; // weak, medium, strong: the distance from neutral

const sliderText = (axis, value) =>
  value === null ? text("rate.slider.none", { axis: text(`axis.${axis}`) }) : text("rate.slider", { axis: text(`axis.${axis}`), value });
const round = (value) => Math.round(100 * value) / 100 + 0;

/** Calls onMove() when the rater changes the answer, onTake() on Enter, onChoose(number) for a label on the grid. */
export class RatingInput {
  #sliders = {};
  #scales = {};
  #words = new Map();
  #strength;
  #half = { valence: null, arousal: null }; // of a row of manikins that was answered alone

  constructor({ onMove, onTake, onChoose }) {
    this.onMove = onMove;
    this.category = "";
    this.grid = new AffectGrid(element("grid"), {
      onMove: () => this.#changed("", "grid"),
      onTake,
      onChoose,
    });
    for (const axis of ["valence", "arousal"]) {
      this.#sliders[axis] = this.#slider(axis);
      this.#scales[axis] = new SamScale(element("sam"), axis, AXES[axis], (value) => this.#scale(axis, value));
    }
    this.#buildWords();
    this.#buildModes();
    for (const panel of ["sliders", "sam", "words"]) {
      element(panel).addEventListener("keydown", (event) => {
        if (event.key === "Enter") {
          event.preventDefault();
          onTake();
        }
      });
    }
    this.clear();
  }

  get valence() {
    return this.grid.valence;
  }

  get arousal() {
    return this.grid.arousal;
  }

  /** Whether there is an answer: the rater has moved the mark since `clear`. */
  get placed() {
    return this.grid.placed;
  }

  /** No answer. */
  clear() {
    this.grid.clearMark();
    this.category = "";
    this.#half = { valence: null, arousal: null };
    this.#show();
  }

  /** An answer that was given before. */
  set({ valence, arousal, category }) {
    this.grid.setMark(valence, arousal);
    this.category = category;
    this.#half = { valence, arousal };
    this.#show();
  }

  /** Moves the mark without a change of the words, as a joystick does. */
  move(valence, arousal) {
    this.grid.setMark(valence, arousal);
    this.#changed("", "stick");
  }

  /** Puts the keyboard where the rater answers. */
  focus() {
    const panel = element(this.mode);
    (this.mode === "grid" ? panel : (panel.querySelector("input:checked") ?? panel.querySelector("input")))?.focus({ preventScroll: true });
  }

  #changed(category, from) {
    this.category = category;
    this.#half = { valence: this.valence, arousal: this.arousal };
    this.#show(from);
    this.onMove();
  }

  #show(from = "") {
    const { placed } = this;
    for (const axis of ["valence", "arousal"]) {
      const value = this[axis];
      if (from !== "sliders") this.#sliders[axis].input.value = String(placed ? value : 0);
      setText(this.#sliders[axis].output, sliderText(axis, placed ? signed(value) : null));
      this.#scales[axis].show(this.#half[axis]);
    }
    for (const [word, input] of this.#words) input.checked = placed && word === this.category;
  }

  #slider(axis) {
    const label = make("label", "slider", element("sliders"));
    const [low, high] = AXES[axis];
    setText(make("span", "", label), low);
    const output = make("strong", "", label);
    setText(make("span", "", label), high);
    const input = make("input", "", label);
    Object.assign(input, { type: "range", min: "-1", max: "1", step: "0.05", value: "0" });
    input.setAttribute("aria-label", text("rate.slider.label", { axis: text(`axis.${axis}`), low, high }));
    input.addEventListener("input", () => {
      const answer = { valence: this.valence, arousal: this.arousal, [axis]: Number(input.value) };
      this.grid.setMark(answer.valence, answer.arousal);
      this.#changed("", "sliders");
    });
    return { input, output };
  }

  /** Both rows must be answered before there is an answer. */
  #scale(axis, value) {
    this.#half[axis] = value;
    const { valence, arousal } = this.#half;
    if (valence === null || arousal === null) return this.#scales[axis].show(value);
    this.grid.setMark(valence, arousal);
    this.#changed("", "sam");
  }

  #buildWords() {
    const list = make("div", "word-list", element("words"));
    list.setAttribute("role", "radiogroup");
    list.setAttribute("aria-label", text("rate.mode.words"));
    for (const [word, , name] of [[text("emotion.neutral"), 0, NEUTRAL], ...EMOTIONS]) {
      const label = make("label", "word", list);
      const input = make("input", "", label);
      Object.assign(input, { type: "radio", name: "word", value: name });
      input.addEventListener("change", () => this.#word(name));
      label.append(word);
      this.#words.set(name, input);
    }
    const line = make("label", "strength", element("words"));
    line.append(text("rate.strength"));
    this.#strength = make("input", "", line);
    Object.assign(this.#strength, { type: "range", min: "0", max: String(STRENGTHS.length - 1), step: "1", value: "1" });
    this.#strength.addEventListener("input", () => this.category && this.#word(this.category));
  }

  #word(word) {
    const angle = ((EMOTIONS.find(([, , name]) => name === word)?.[1] ?? 0) * Math.PI) / 180;
    const length = word === NEUTRAL ? 0 : STRENGTHS[Number(this.#strength.value)];
    this.grid.setMark(round(length * Math.cos(angle)), round(length * Math.sin(angle)));
    this.#changed(word, "words");
  }

  #buildModes() {
    this.mode = localStorage.getItem(STORAGE_KEY);
    if (!MODES.includes(this.mode)) this.mode = "grid";
    for (const mode of MODES) {
      const label = make("label", "", element("modes"));
      const input = make("input", "", label);
      Object.assign(input, { type: "radio", name: "mode", value: mode, checked: mode === this.mode });
      label.append(text(`rate.mode.${mode}`));
      input.addEventListener("change", () => {
        this.mode = mode;
        localStorage.setItem(STORAGE_KEY, mode);
        this.#showMode();
      });
    }
    this.#showMode();
  }

  #showMode() {
    for (const mode of MODES) element(mode).toggleAttribute("hidden", mode !== this.mode);
  }
}
