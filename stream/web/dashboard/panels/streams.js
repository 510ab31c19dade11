// The stream in view: its name if there is one, a choice with the state of each if there are several.

import { element, make, setText } from "../../shared/dom.js";
import { text } from "../../shared/texts.js";

const ALL = "";

export class StreamChooser {
  /** Calls onSelect(stream) with a stream's name, or null for all of them. */
  constructor(onSelect) {
    this.onSelect = onSelect;
    this.choices = new Map(); // value of the radio button -> its nodes
  }

  /** Sets the streams of `hello`; returns the selected one, null for all. */
  setStreams(streams) {
    const several = streams.length > 1;
    const before = element("streams").querySelector("input:checked")?.value ?? ALL;
    const names = several ? [ALL, ...streams.map(({ stream }) => stream)] : [];
    element("streams").hidden = !several;
    element("stream").hidden = several;
    setText(element("stream"), several ? "" : streams.map(({ label, stream }) => label || stream).join(""));
    for (const { label } of this.choices.values()) label.remove();
    this.choices = new Map(names.map((name) => [name, this.#newChoice(name)]));
    const now = names.includes(before) ? before : ALL;
    if (several) this.choices.get(now).input.checked = true;
    return now === ALL ? null : now;
  }

  /** Selects a stream as a click on it does; false where there is no choice. */
  select(stream) {
    const choice = this.choices.get(stream);
    if (choice) choice.input.checked = true;
    return choice !== undefined;
  }

  /** Shows the state and rate of each {stream, label, state, fps}. */
  show(streams) {
    for (const { stream, label, state, fps } of streams) {
      const choice = this.choices.get(stream);
      if (!choice) continue;
      choice.dot.dataset.state = state.state;
      setText(choice.name, label);
      setText(choice.rate, fps ? text("dashboard.rate", { fps: Math.round(fps) }) : "");
      choice.label.title = `${label}: ${state.text}`;
    }
  }

  #newChoice(value) {
    const label = make("label", "stream-choice", element("streams"));
    const input = make("input", "", label);
    input.type = "radio";
    input.name = "stream";
    input.value = value;
    input.addEventListener("change", () => this.onSelect(value === ALL ? null : value));
    const dot = make("span", "dot", label);
    dot.setAttribute("aria-hidden", "true");
    dot.hidden = value === ALL;
    const name = make("span", "", label);
    name.textContent = value === ALL ? text("dashboard.all-streams") : value;
    return { label, input, dot, name, rate: make("small", "", label) };
  }
}
