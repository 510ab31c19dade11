// The screen after saving: the error, what it means, the comparison with an earlier set, and what to do next.

import { element, make, setText } from "../shared/dom.js";
import { decimal, language, text } from "../shared/texts.js";

const GOOD = 0.15; // of mtclar.calibrate.core.evaluation.report
const USABLE = 0.3;
const REGIONS = 9; // of the affect grid
const dates = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "medium" });

const two = (number) => decimal(number, 2);

/** What a leave-one-out error means: {quality, meaning}. */
export function meaningOf(error) {
  if (!error) return { quality: "unknown", meaning: text("finished.meaning.unknown") };
  const { calibrated, absolute } = error;
  const quality = calibrated <= GOOD ? "good" : calibrated <= USABLE && calibrated < absolute ? "usable" : "poor";
  const typical = text("finished.meaning", { calibrated: two(calibrated), absolute: two(absolute) });
  return { quality, meaning: quality === "good" ? typical : `${typical} ${text(`finished.meaning.${quality}`)}` };
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
    const { quality, meaning } = meaningOf(state.error);
    element("finished").dataset.quality = quality;
    setText(element("finished-error"), state.error ? two(state.error.calibrated) : "–");
    setText(element("finished-word"), text(`finished.${quality}`));
    setText(element("finished-meaning"), meaning);
    const covered = state.regions.filter((region) => region.covered).length;
    const labels = text("labels.count", { n: state.samples.length });
    setText(element("finished-coverage"), text("finished.coverage", { labels, covered, of: state.regions.length }));
    setText(element("saved"), text("finished.file", { file: state.saved }));
    element("start").hidden = !state.tracks;
    element("done").hidden = !state.ends;
    this.#showSets(state.stored.filter((one) => !one.present));
    if (opening) element("finished-title").focus();
  }

  /** The server has ended. */
  end() {
    for (const id of ["start", "more", "done"]) element(id).hidden = true;
    setText(element("comparison-verdict"), text("session.ended"));
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
      [text("finished.compare.labels"), a.labels, b.labels],
      [text("finished.compare.regions"), ...[a, b].map(({ regions }) => text("finished.compare.of", { n: regions, of: REGIONS }))],
      [text("finished.compare.own"), two(a.own_error), two(b.own_error)],
      [text("finished.compare.other"), two(a.other_error), two(b.other_error)],
      [text("finished.compare.both"), two(a.error), two(b.error)],
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
    const verdict = better === "a" ? text("finished.compare.better") : better === "b" ? text("finished.compare.worse") : text("finished.compare.equal");
    setText(element("comparison-verdict"), `${verdict} ${text("finished.compare.uncalibrated", { error: two(uncalibrated) })}`);
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
  const date = new Date(Date.UTC(year, month - 1, day, hour, minute, second));
  return text("finished.compare.dated", { date: dates.format(date) });
}
