// The list of labels: where each is, what it is worth, and what can be done with it. Remote strings go in by textContent alone.

import { signed } from "../shared/format.js";

function make(tag, className, parent, text = "") {
  const node = document.createElement(tag);
  node.className = className;
  node.textContent = text;
  parent.append(node);
  return node;
}

function button(parent, text, label, act) {
  const node = make("button", "", parent, text);
  node.type = "button";
  node.setAttribute("aria-label", label);
  node.addEventListener("click", act);
  return node;
}

/** What is known of one label, in words: {text, bad}. */
function worth({ frames, error, check }) {
  if (check) {
    const off = check.error.toFixed(2);
    return { text: check.redo ? `off by ${off} on fresh pictures: take it anew` : `off by ${off} on fresh pictures`, bad: check.redo };
  }
  const pictures = `${frames} ${frames === 1 ? "picture" : "pictures"}`;
  return { text: error === null ? pictures : `${pictures}, off by ${error.toFixed(2)}`, bad: false };
}

/** Calls onChoose, onRedo and onDelete with a label's number. */
export class LabelList {
  constructor(list, { onChoose, onRedo, onDelete }) {
    this.list = list;
    this.act = { onChoose, onRedo, onDelete };
    this.shown = "";
  }

  show(samples, chosen) {
    const now = JSON.stringify([samples.map(({ thumbnail, ...rest }) => rest), chosen]);
    if (now === this.shown) return; // a rebuilt list would lose the keyboard's focus
    this.shown = now;
    const focused = document.activeElement?.closest?.("#labels button")?.getAttribute("aria-label");
    this.list.replaceChildren();
    samples.forEach((sample, i) => this.#row(sample, i + 1, sample.number === chosen));
    if (focused) [...this.list.querySelectorAll("button")].find((b) => b.getAttribute("aria-label") === focused)?.focus();
  }

  #row(sample, place, chosen) {
    const { number, valence, arousal, region } = sample;
    const still = document.body.dataset.still === "true"; // a recording has no fresh pictures
    const row = make("li", "", this.list);
    row.dataset.number = number;
    row.dataset.chosen = chosen;
    const choose = button(row, String(place), `Move label ${place}`, () => this.act.onChoose(number));
    choose.className = "number";
    choose.setAttribute("aria-pressed", String(chosen));
    const what = make("p", "what", row, `${region} (${signed(valence)}, ${signed(arousal)})`);
    const { text, bad } = worth(sample);
    make("small", "", what, text).dataset.kind = bad ? "bad" : "";
    const does = make("span", "does", row);
    if (!still) button(does, "Redo", `Take label ${place} anew`, () => this.act.onRedo(number));
    button(does, "Delete", `Delete label ${place}`, () => this.act.onDelete(number));
  }
}
