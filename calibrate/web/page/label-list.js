// The list of labels with their errors and actions. Remote strings go in by textContent alone.

import { signed } from "../shared/format.js";
import { decimal, optionalText, text } from "../shared/texts.js";
import { regionText } from "./sentences.js";

function make(tag, className, parent, words = "") {
  const node = document.createElement(tag);
  node.className = className;
  node.textContent = words;
  parent.append(node);
  return node;
}

function button(parent, words, label, onClick) {
  const node = make("button", "", parent, words);
  node.type = "button";
  node.setAttribute("aria-label", label);
  node.addEventListener("click", onClick);
  return node;
}

/** The quality of one label: {words, bad}. */
function quality({ frames, error, check }) {
  if (check) {
    const words = text(check.redo ? "label.error.redo" : "label.error.new", { error: decimal(check.error, 2) });
    return { words, bad: check.redo };
  }
  return { words: error === null ? text("label.frames", { n: frames }) : text("label.error", { error: decimal(error, 2) }), bad: false };
}

/** The moment of a label in a recording, and its error. */
function moment({ time: time_s, error }, errors) {
  const time = decimal(time_s, 2);
  const shown = errors && error !== null;
  return { words: shown ? text("label.moment.error", { time, error: decimal(error, 2) }) : text("label.moment", { time }), bad: false };
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
    const choose = button(row, String(place), text("label.move", { place }), () => this.actions.onChoose(number));
    choose.className = "number";
    choose.setAttribute("aria-pressed", String(chosen));
    const description = make("p", "description", row, category ? (optionalText(`emotion.${category}`) ?? category) : regionText(region));
    const { words, bad } = this.actions.onRedo ? quality(sample) : moment(sample, errors);
    make("small", "", description, `${text("label.point", { valence: signed(valence), arousal: signed(arousal) })} ${words}`).dataset.kind = bad ? "bad" : "";
    if (note) make("small", "", description, note);
    const actions = make("span", "row-actions", row);
    if (this.actions.onRedo) button(actions, text("label.redo"), text("label.redo.label", { place }), () => this.actions.onRedo(number));
    button(actions, text("label.delete"), text("label.delete.label", { place }), () => this.actions.onDelete(number));
  }
}
