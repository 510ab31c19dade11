// The screen after saving: the error, what it means, the comparison with an earlier set, and what to do next.

import { element, make, setText } from "../shared/dom.js";
import { text as words } from "../shared/texts.js";

const GOOD = 0.15; // of mtclar.calibrate.core.report
const USABLE = 0.3;

const two = (number) => number.toFixed(2);

/** What a leave-one-out error means: {word, text}. */
export function meaning(error) {
  if (!error) return { word: "unknown", text: "The error can be measured from three different labels on. Add more labels." };
  const { calibrated, absolute } = error;
  const word = calibrated <= GOOD ? "good" : calibrated <= USABLE && calibrated < absolute ? "usable" : "poor";
  const typical = `On the scale from −1 to 1, a value typically lies ${two(calibrated)} from the label that you would give; without this calibration ${two(absolute)}.`;
  const advice = { good: "", usable: " More labels of frequent expressions make it better.", poor: " Redo the labels with large errors, or add more." }[word];
  return { word, text: typical + advice };
}

/** `stored` of the state: the name of the newest earlier set, or null. */
export const earlier = (stored) => stored.find((one) => !one.present)?.name ?? null;

export class FinishedScreen {
  #dismissed = null; // the saved file whose screen was left with "Add more"

  /** Calls onCompare(name), onMore() and onDone(). */
  constructor({ onCompare, onMore, onDone }) {
    this.onCompare = onCompare;
    this.asked = null; // name of the set of the latest comparison
    element("more").addEventListener("click", () => {
      this.#dismissed = this.shown;
      this.hide();
      onMore();
    });
    element("done").addEventListener("click", () => onDone());
    element("compare-with").addEventListener("change", () => this.#compare(element("compare-with").value));
  }

  get open() {
    return !element("finished").hidden;
  }

  /** Shows or hides the screen as the state says. */
  show(state) {
    if (state.saved === null) {
      this.#dismissed = this.shown = null;
      return this.hide();
    }
    if (this.#dismissed === state.saved) return;
    const opening = !this.open;
    this.shown = state.saved;
    document.body.dataset.finished = "true";
    element("finished").hidden = false;
    const { word, text } = meaning(state.error);
    element("finished").dataset.quality = word;
    setText(element("finished-error"), state.error ? two(state.error.calibrated) : "–");
    setText(element("finished-word"), { good: "Good", usable: "Usable", poor: "Poor", unknown: "Not measured" }[word]);
    setText(element("finished-meaning"), text);
    const covered = state.regions.filter((region) => region.covered).length;
    setText(element("finished-coverage"), `${words("labels.count", { n: state.samples.length })} in ${covered} of ${state.regions.length} regions`);
    setText(element("saved"), `Saved: ${state.saved}`);
    element("start").hidden = !state.tracks;
    element("done").hidden = !state.ends;
    this.#showSets(state.stored.filter((one) => !one.present));
    if (opening) element("finished-title").focus();
  }

  /** The server has ended. */
  end() {
    for (const id of ["start", "more", "done"]) element(id).hidden = true;
    setText(element("comparison-verdict"), "Finished. You can close this page.");
  }

  hide() {
    element("finished").hidden = true;
    document.body.dataset.finished = "false";
  }

  /** Shows a `calibrate.comparison`. */
  compared({ name, a, b, uncalibrated, better }) {
    if (name !== this.asked) return;
    const body = element("comparison-rows");
    body.replaceChildren();
    const rows = [
      ["Labels", a.labels, b.labels],
      ["Regions of the grid", `${a.regions} of 9`, `${b.regions} of 9`],
      ["Error of its own labels (leave-one-out)", two(a.own_error), two(b.own_error)],
      ["Error of the other's labels", two(a.other_error), two(b.other_error)],
      ["Error of the labels of both", two(a.error), two(b.error)],
    ];
    for (const [title, one, other] of rows) {
      const row = make("tr", "", body);
      const head = make("th", "", row);
      head.scope = "row";
      setText(head, title);
      setText(make("td", "", row), String(one));
      setText(make("td", "", row), String(other));
    }
    element("comparison").hidden = false;
    const verdict = { a: "The new calibration is better.", b: "The earlier calibration is better. Add labels, or restore it with `mtclar-stream support restore`." }[better];
    setText(element("comparison-verdict"), `${verdict ?? "Both are about equally good."} Uncalibrated, the error of all these labels is ${two(uncalibrated)}.`);
  }

  #showSets(sets) {
    const select = element("compare-with");
    const names = sets.map((one) => one.name);
    element("compare-line").hidden = names.length === 0;
    if (names.length === 0) {
      element("comparison").hidden = true;
      return;
    }
    if ([...select.options].map((option) => option.value).join("\n") !== names.join("\n")) {
      select.replaceChildren(...names.map((name) => new Option(dated(name), name)));
      this.#compare(names[0]);
    }
  }

  #compare(name) {
    this.asked = name;
    this.onCompare(name);
  }
}

/** anna.previous-20260102T030405Z.mtclar -> the date as people write it; other names as they are. */
function dated(name) {
  const found = name.match(/previous-(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z/);
  if (!found) return name;
  const [, year, month, day, hour, minute, second] = found;
  return `set of ${new Date(Date.UTC(year, month - 1, day, hour, minute, second)).toLocaleString()}`;
}
