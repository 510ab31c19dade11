// Which stream is looked at: its name where there is one, a choice with the state of each where there are several.

import { element, make, say } from "../shared/dom.js";

const ALL = "";

export class StreamChooser {
  /** `chosen(stream)` is called with a stream's name, or null for all of them. */
  constructor(chosen) {
    this.chosen = chosen;
    this.choices = new Map(); // value of the radio button -> its nodes
  }

  /** The streams that `hello` announced; returns the one that is chosen now, null for all. */
  announce(streams) {
    const several = streams.length > 1;
    const before = element("streams").querySelector("input:checked")?.value ?? ALL;
    const names = several ? [ALL, ...streams.map(({ stream }) => stream)] : [];
    element("streams").hidden = !several;
    element("stream").hidden = several;
    say(element("stream"), several ? "" : streams.map(({ label, stream }) => label || stream).join(""));
    for (const { label } of this.choices.values()) label.remove();
    this.choices = new Map(names.map((name) => [name, this.#newChoice(name)]));
    const now = names.includes(before) ? before : ALL;
    if (several) this.choices.get(now).input.checked = true;
    return now === ALL ? null : now;
  }

  /** Shows of each stream {stream, label, state, fps}; all of them are as the worst of them. */
  show(streams) {
    for (const { stream, label, state, fps } of streams) {
      const choice = this.choices.get(stream);
      if (!choice) continue;
      choice.dot.dataset.state = state.state;
      say(choice.name, label);
      say(choice.rate, fps ? `${Math.round(fps)}/s` : "");
      choice.label.title = `${label}: ${state.text}`;
    }
  }

  #newChoice(value) {
    const label = make("label", "stream-choice", element("streams"));
    const input = make("input", "", label);
    input.type = "radio";
    input.name = "stream";
    input.value = value;
    input.addEventListener("change", () => this.chosen(value === ALL ? null : value));
    const dot = make("span", "dot", label);
    dot.setAttribute("aria-hidden", "true");
    dot.hidden = value === ALL;
    const name = make("span", "", label);
    name.textContent = value === ALL ? "All" : value;
    return { label, input, dot, name, rate: make("small", "", label) };
  }
}
