// The marks of a recording over the slider of its player: each a button that goes there. One stop of the Tab key for all.

import { make, setText } from "../../shared/dom.js";
import { text } from "../../shared/texts.js";
import { durationText } from "../words.js";

const STEPS = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1, Home: -Infinity, End: Infinity };

export class SliderMarks {
  #onChoose;
  #list;
  #shown = "";

  /** `track` holds the slider. Calls onChoose(position) when a person chooses a mark. */
  constructor(track, onChoose) {
    this.#onChoose = onChoose;
    this.#list = make("span", "slider-marks", track);
    this.#list.setAttribute("role", "toolbar");
    this.#list.setAttribute("aria-label", text("player.marks"));
    this.#list.addEventListener("keydown", (event) => this.#onKey(event));
    this.#list.addEventListener("focusin", (event) => this.#makeTabStop(event.target));
  }

  /** Shows marks {label, position, stream} of a recording so long; `may`: this page may go to them. */
  show(marks, length, may) {
    const state = JSON.stringify([marks, length, may]);
    if (state === this.#shown) return; // a button that is in focus keeps it
    this.#shown = state;
    this.#list.hidden = marks.length === 0;
    this.#list.replaceChildren();
    for (const { label, position, stream } of marks) {
      const button = make("button", "slider-mark", this.#list);
      button.type = "button";
      button.disabled = !may;
      button.style.setProperty("--share", length > 0 ? position / length : 0);
      const name = text("player.mark", { label: stream ? `${stream}: ${label}` : label, position: durationText(position) });
      button.title = name;
      setText(make("span", "unseen", button), name);
      button.addEventListener("click", () => this.#onChoose(position));
    }
    this.#makeTabStop(this.#list.firstElementChild);
  }

  #makeTabStop(stop) {
    for (const button of this.#list.children) button.tabIndex = button === stop ? 0 : -1;
  }

  #onKey(event) {
    const step = STEPS[event.key];
    if (!step || event.ctrlKey || event.metaKey || event.altKey) return;
    const buttons = [...this.#list.children];
    const next = buttons.indexOf(document.activeElement) + step;
    buttons[Math.min(Math.max(next, 0), buttons.length - 1)].focus();
    event.preventDefault();
  }
}
