// The choice of person and stream, where the server has more than one; a reload remembers it.

import { text } from "../shared/texts.js";

const STORAGE_KEY = "mtclar-calibrate"; // of this tab

/** What the address names: #subject=anna, and perhaps &stream=... */
export function linkedChoice() {
  const linked = new URLSearchParams(location.hash.slice(1));
  if (!linked.has("subject")) return null;
  return Object.fromEntries(["subject", "stream"].filter((name) => linked.has(name)).map((name) => [name, linked.get(name)]));
}

/** Calls onChoose() when the user chooses; `choice` goes into the `join` message. */
export class SubjectPicker {
  constructor({ line, words, select }, onChoose) {
    Object.assign(this, { line, words, select });
    this.choices = [];
    this.subjects = 0;
    this.choice = linkedChoice() ?? JSON.parse(sessionStorage.getItem(STORAGE_KEY) ?? "{}");
    select.addEventListener("change", () => {
      const { stream, subject } = this.choices[select.selectedIndex];
      this.choice = { stream, subject };
      sessionStorage.setItem(STORAGE_KEY, JSON.stringify(this.choice));
      onChoose();
    });
  }

  /** There are several people, and the user has not chosen yet: the server would take the first one. */
  get undecided() {
    return this.subjects > 1 && this.choice.subject === undefined;
  }

  /** Drops a choice that this server does not have; false when there was none. */
  forget() {
    const chosen = Object.keys(this.choice).length > 0;
    this.choice = {};
    sessionStorage.removeItem(STORAGE_KEY);
    return chosen;
  }

  /** Shows the people and streams of the server; hidden without choices. */
  setChoices(choices) {
    this.choices = choices;
    this.subjects = new Set(choices.map(({ subject }) => subject)).size;
    const people = this.subjects > 1;
    const streams = new Set(choices.map(({ stream }) => stream)).size > 1;
    const same = (one, other) => one !== other && one.label === other.label && one.stream !== other.stream;
    this.line.hidden = choices.length === 0;
    this.words.textContent = text(people ? "calibrate.person" : "calibrate.camera");
    this.select.replaceChildren(
      ...choices.map((choice) => {
        const place = choices.some((other) => same(choice, other)) ? `${choice.label} (${choice.stream})` : choice.label;
        return new Option([people && choice.subject, streams && place].filter(Boolean).join(" · "));
      }),
    );
    this.select.selectedIndex = -1;
  }

  /** Selects the server's current person and stream. */
  setCurrent({ stream, subject }) {
    const index = this.choices.findIndex((choice) => choice.stream === stream && choice.subject === subject);
    if (index >= 0) this.select.selectedIndex = index;
  }
}
