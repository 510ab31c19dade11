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
  return { text: error === null ? counted : `${counted}, error ${error.toFixed(2)}`, bad: false };
}

/** Calls onChoose, onRedo and onDelete with a label's number. */
export class LabelList {
  constructor(list, { onChoose, onRedo, onDelete }) {
    this.list = list;
    this.actions = { onChoose, onRedo, onDelete };
    this.rendered = "";
  }

  show(samples, chosen) {
    const now = JSON.stringify([samples.map(({ thumbnail, ...rest }) => rest), chosen]);
    if (now === this.rendered) return; // a rebuilt list would lose the keyboard's focus
    this.rendered = now;
    const focused = document.activeElement?.closest?.("#labels button")?.getAttribute("aria-label");
    this.list.replaceChildren();
    samples.forEach((sample, i) => this.#row(sample, i + 1, sample.number === chosen));
    if (focused) [...this.list.querySelectorAll("button")].find((b) => b.getAttribute("aria-label") === focused)?.focus();
  }

  #row(sample, place, chosen) {
    const { number, valence, arousal, region } = sample;
    const recording = document.body.dataset.still === "true"; // has no new frames
    const row = make("li", "", this.list);
    row.dataset.number = number;
    row.dataset.chosen = chosen;
    const choose = button(row, String(place), `Move label ${place}`, () => this.actions.onChoose(number));
    choose.className = "number";
    choose.setAttribute("aria-pressed", String(chosen));
    const description = make("p", "description", row, region);
    const { text, bad } = quality(sample);
    make("small", "", description, `(${signed(valence)}, ${signed(arousal)}) ${text}`).dataset.kind = bad ? "bad" : "";
    const actions = make("span", "row-actions", row);
    if (!recording) button(actions, "Redo", `Redo label ${place}`, () => this.actions.onRedo(number));
    button(actions, "Delete", `Delete label ${place}`, () => this.actions.onDelete(number));
  }
}
