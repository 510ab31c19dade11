// Thresholds: an operator adds and removes them, everybody sees them and the faces that have reached one.

import { element, make, setText } from "../../shared/dom.js";
import { signed } from "../../shared/format.js";
import { decimal, text } from "../../shared/texts.js";

/** A threshold in words. */
export function thresholdText({ axis, side, value, seconds }) {
  const words = { value: signed(value), seconds: Number.isInteger(seconds) ? seconds : decimal(seconds, 1) };
  return text(`threshold.${axis}.${side}`, words);
}

const sameThreshold = (one, other) => ["axis", "side", "value", "seconds"].every((name) => one[name] === other[name]);

export class ThresholdList {
  #thresholds = [];
  #active = []; // the `event`s that have begun and not ended
  #operator = false;
  #onChange;

  /** Calls onChange(thresholds) when a person adds or removes one. */
  constructor(onChange) {
    this.#onChange = onChange;
    element("threshold-form").addEventListener("submit", (event) => {
      event.preventDefault();
      const data = new FormData(event.target);
      const [value, seconds] = [Number(data.get("value")), Number(data.get("seconds"))];
      const added = { axis: data.get("axis"), side: data.get("side"), value, seconds };
      if (!this.#thresholds.some((one) => sameThreshold(one, added))) onChange([...this.#thresholds, added]);
    });
  }

  onHello({ role }) {
    this.#operator = role === "operator";
    this.show(this.#thresholds);
  }

  /** Another server. */
  clear() {
    this.#thresholds = [];
    this.#active = [];
  }

  /** The server's list. */
  show(thresholds) {
    this.#thresholds = thresholds;
    this.#active = this.#active.filter((event) => thresholds.some((one) => sameThreshold(one, event.threshold)));
    element("thresholds").hidden = !this.#operator && thresholds.length === 0;
    element("threshold-form").hidden = !this.#operator || thresholds.length >= 8;
    const list = element("threshold-list");
    list.replaceChildren();
    for (const threshold of thresholds) {
      const item = make("li", "threshold", list);
      make("span", "", item).textContent = thresholdText(threshold);
      make("span", "threshold-now", item);
      if (!this.#operator) continue;
      const remove = make("button", "quiet", item);
      remove.type = "button";
      remove.textContent = text("threshold.remove");
      remove.setAttribute("aria-label", text("threshold.remove.label", { threshold: thresholdText(threshold) }));
      remove.addEventListener("click", () => this.#onChange(this.#thresholds.filter((one) => one !== threshold)));
    }
    this.#showActive();
  }

  onEvent(event) {
    const same = (one) => one.stream === event.stream && one.face === event.face && sameThreshold(one.threshold, event.threshold);
    this.#active = this.#active.filter((one) => !same(one));
    if (event.active) this.#active.push(event);
    this.#showActive();
  }

  #showActive() {
    const nodes = element("threshold-list").querySelectorAll(".threshold-now");
    this.#thresholds.forEach((threshold, i) => {
      const there = this.#active.filter((event) => sameThreshold(event.threshold, threshold));
      const names = there.map(({ subject, face }) => subject || text("face.number", { id: face }));
      setText(nodes[i], names.join(", "));
    });
    const reached = new Set(this.#active.map(({ subject, face }) => subject || text("face.number", { id: face })));
    setText(element("thresholds-now"), reached.size ? text("threshold.now", { names: [...reached].join(", ") }) : "");
  }
}
