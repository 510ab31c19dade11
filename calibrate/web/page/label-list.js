// The list of labels with their errors and actions. Remote strings go in by textContent alone.

import { signed } from "../shared/format.js";

function make(tag, className, parent, text = "") {
  const node = document.createElement(tag);
  node.className = className;
  node.textContent = text;
  parent.append(node);
  return node;
}

function button(parent, text, label, onClick) {
  const node = make("button", "", parent, text);
  node.type = "button";
  node.setAttribute("aria-label", label);
  node.addEventListener("click", onClick);
  return node;
}

/** The quality of one label: {text, bad}. */
function quality({ frames, error, check }) {
  if (check) {
    const text = `error ${check.error.toFixed(2)} on new frames`;
    return { text: check.redo ? `${text}: redo it` : text, bad: check.redo };
  }
  const counted = `${frames} ${frames === 1 ? "frame" : "frames"}`;
  return { text: error === null ? counted : `error ${error.toFixed(2)}`, bad: false };
}

/** The moment of a label in a recording, and its error. */
function moment({ time, error }, errors) {
  return { text: `at ${time.toFixed(2)} s${errors && error !== null ? `, error ${error.toFixed(2)}` : ""}`, bad: false };
}

/** Calls onChoose, onRedo (where labels have new frames) and onDelete with a label's number. */
export class LabelList {
  constructor(list, actions) {
    this.list = list;
    this.actions = actions;
    this.rendered = "";
  }

  /** `errors`: whether the errors of labels are written. */
  show(samples, chosen, errors = true) {
    const now = JSON.stringify([samples.map(({ thumbnail, ...rest }) => rest), chosen, errors]);
    if (now === this.rendered) return; // a rebuilt list would lose the keyboard's focus
    this.rendered = now;
    const focused = document.activeElement?.closest?.("#labels button")?.getAttribute("aria-label");
    this.list.replaceChildren();
    samples.forEach((sample, i) => this.#row(sample, i + 1, sample.number === chosen, errors));
    if (focused) [...this.list.querySelectorAll("button")].find((b) => b.getAttribute("aria-label") === focused)?.focus();
  }

  #row(sample, place, chosen, errors) {
    const { number, valence, arousal, region, category, note } = sample;
    const row = make("li", "", this.list);
    row.dataset.number = number;
    row.dataset.chosen = chosen;
    const choose = button(row, String(place), `Move label ${place}`, () => this.actions.onChoose(number));
    choose.className = "number";
    choose.setAttribute("aria-pressed", String(chosen));
    const description = make("p", "description", row, category || region);
    const { text, bad } = this.actions.onRedo ? quality(sample) : moment(sample, errors);
    make("small", "", description, `(${signed(valence)}, ${signed(arousal)}) ${text}`).dataset.kind = bad ? "bad" : "";
    if (note) make("small", "", description, note);
    const actions = make("span", "row-actions", row);
    if (this.actions.onRedo) button(actions, "Redo", `Redo label ${place}`, () => this.actions.onRedo(number));
    button(actions, "Delete", `Delete label ${place}`, () => this.actions.onDelete(number));
  }
}
