// The texts of the page: server, state, the two large values, the numbers, the similarity panel.

import { element, setText } from "../shared/dom.js";
import { signed } from "../shared/format.js";
import { frameText, momentText } from "./words.js";

/** The sentence above the circumplex. */
export function showState({ state, text }) {
  element("state").dataset.state = state;
  setText(element("state"), text);
}

export function showHello(hello) {
  setText(element("model"), hello.model ? `${hello.model.id} (${hello.model.sha256.slice(0, 8)})` : "none");
  setText(element("backend"), hello.model?.backend ?? "–");
  setText(element("protocol"), hello.protocol);
  setText(element("session"), hello.session.slice(0, 8));
  // With `all` the reader is faster than the tracker, and frames wait in a full queue.
  const queued = hello.streams.some((stream) => stream.freshness === "all");
  setText(element("latency-unit"), queued ? "ms incl. queue" : "ms");
  element("legend-script").hidden = !hello.streams.some((stream) => stream.truth);
}

export function showNumbers({ fps, latency_ms, dropped, missed }) {
  setText(element("fps"), fps === null ? "–" : fps.toFixed(1));
  setText(element("latency"), latency_ms === null ? "–" : latency_ms.toFixed(1));
  setText(element("dropped"), dropped === null ? "–" : String(dropped));
  setText(element("missed"), String(missed));
}

/**
 * The two large values, of a face as a message describes it, or none. `whose` is its {name, slot} if there are several
 * faces; `measured` is false for values that are not current.
 */
export function showReading(described, whose, seq, measured) {
  for (const [name, axis] of [["valence", 0], ["arousal", 1]]) {
    const value = described?.[name] ?? null;
    const output = element(name);
    output.dataset.value = value ?? "";
    output.dataset.seq = seq;
    output.parentElement.dataset.measured = measured && described?.state === "ok";
    const owner = element(`${name}-whose`);
    setText(owner, whose?.name ?? "");
    owner.dataset.slot = whose?.slot ?? "";
    setText(output, signed(value));
    setText(element(`${name}-sd`), described?.sd ? `± ${described.sd[axis].toFixed(2)}` : "");
  }
}

/** The cursor's moment for screen readers: the strips are sliders over time. */
export function showMoment(viewport, name, described) {
  const ago_s = viewport.newest - viewport.at;
  const moment = viewport.live ? "now" : momentText(ago_s);
  for (const value of ["valence", "arousal"]) {
    const slider = element(`${value}-strip`);
    // Values only while paused: a screen reader would read every change aloud.
    const values = viewport.live || !described ? "" : `, ${name}: ${value} ${signed(described[value])}`;
    slider.setAttribute("aria-valuenow", viewport.live ? "0" : (-ago_s).toFixed(1));
    slider.setAttribute("aria-valuetext", `${moment}${values}`);
  }
}

/** The text under the bars: the selected frame, or why there are no bars. `front` is the frame's index, or null. */
export function showWhy(described, name, support, front) {
  const bars = element("similarity");
  bars.hidden = !described?.calibrated; // while nothing is measured the place is kept
  element("legend-support").hidden = bars.hidden;
  setText(element("why-hint"), support ? `similarity of ${name} to the ${support.labels.length} calibration frames` : "");
  let text;
  if (!described) text = "No face in view.";
  else if (!described.calibrated) text = "Not calibrated: this is the value of the uncalibrated model.";
  else if (!support) text = "Not measured at this moment: the last value is held.";
  else {
    const kind = support.selected === null ? "Most similar" : "Selected";
    text = `${kind}: ${frameText(front, support.labels[front], support.similarity[front])} similar.`;
  }
  setText(element("why-text"), text);
  if (!support) return;
  bars.setAttribute("aria-valuemax", String(support.labels.length));
  bars.setAttribute("aria-valuenow", String(support.order.indexOf(front) + 1));
  bars.setAttribute("aria-valuetext", support.selected === null ? "the most similar frame" : text);
}
