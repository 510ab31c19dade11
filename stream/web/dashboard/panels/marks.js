// Marks: the button, its label and the key M, and what new marks and events are called on the charts.

import { element } from "../../shared/dom.js";
import { text } from "../../shared/texts.js";
import { thresholdText } from "./thresholds.js";

const IN_TEXT = "input, select, textarea, dialog";

export class MarkButton {
  #count = 0; // of marks without a label

  /** Calls onMark(label) when a person marks this moment: at once, with the label that stands in the field. */
  constructor(onMark) {
    const field = element("mark-label");
    const mark = () => {
      onMark(field.value.trim() || text("mark.number", { number: (this.#count += 1) }));
    };
    element("mark-form").addEventListener("submit", (event) => {
      event.preventDefault();
      mark();
    });
    document.addEventListener("keydown", (event) => {
      if (event.key.toLowerCase() !== "m" || event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
      if (element("mark-form").hidden || event.target.closest?.(IN_TEXT)) return;
      mark();
      event.preventDefault();
    });
  }

  onHello({ role }) {
    element("mark-form").hidden = role !== "operator";
  }
}

/** An `event` as a mark on the charts: {t, label, stream, active, axis, face, exported}, the last as `run --csv` has it. */
export function eventMark({ t, stream, face, subject, threshold, active }) {
  const words = { name: subject || text("face.number", { id: face }), threshold: thresholdText(threshold) };
  const exported = `${active ? "" : "end of "}${threshold.axis} ${threshold.side} ${threshold.value} for ${threshold.seconds} s: ${subject || `face ${face}`}`;
  return { t, stream, active, exported, axis: threshold.axis, face: `${stream}/${face}`, label: text(active ? "threshold.reached" : "threshold.left", words) };
}
