// The texts of the page: server, state, the two large values, the numbers, the similarity panel.

import { AXES } from "../shared/affect-words.js";
import { element, setText } from "../shared/dom.js";
import { signed } from "../shared/format.js";
import { decimal, text } from "../shared/texts.js";
import { frameText, momentText } from "./words.js";

for (const [axis, [low, high]] of Object.entries(AXES)) setText(element(`${axis}-range`), text("axis.range", { low, high }));

/** The sentence above the circumplex. */
export function showState({ state, text: sentence }) {
  element("state").dataset.state = state;
  setText(element("state"), sentence);
}

export function showHello(hello) {
  setText(element("model"), hello.model ? `${hello.model.id} (${hello.model.sha256.slice(0, 8)})` : text("footer.no-model"));
  setText(element("backend"), hello.model?.backend ?? "–");
  setText(element("protocol"), hello.protocol);
  setText(element("session"), hello.session.slice(0, 8));
  // With `all` the reader is faster than the tracker, and frames wait in a full queue.
  const queued = hello.streams.some((stream) => stream.freshness === "all");
  setText(element("latency-unit"), text(queued ? "numbers.ms-queue" : "numbers.ms"));
  element("legend-script").hidden = !hello.streams.some((stream) => stream.truth);
}

export function showNumbers({ fps, latency_ms, dropped, droppedPerSecond, missed }) {
  setText(element("fps"), fps === null ? "–" : decimal(fps, 1));
  setText(element("latency"), latency_ms === null ? "–" : decimal(latency_ms, 1));
  setText(element("dropped"), dropped === null ? "–" : String(dropped));
  setText(element("dropped-rate"), droppedPerSecond === null ? "" : text("dashboard.rate", { fps: decimal(droppedPerSecond, 1) }));
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
    setText(element(`${name}-sd`), described?.sd ? `± ${decimal(described.sd[axis], 2)}` : "");
  }
}

/** Who is analysed: somebody in front of a camera, or the people of a recording. */
export function showPurpose(streams) {
  const recording = streams.length > 0 && streams.every(({ live }) => !live);
  setText(element("analysed"), text(recording ? "dashboard.recording-analysed" : "dashboard.analysed"));
}

/** The cursor's moment for screen readers: the strips are sliders over time. */
export function showMoment(viewport, name, described) {
  const ago_s = viewport.newest - viewport.at;
  const moment = viewport.live ? text("time.now") : momentText(ago_s);
  for (const value of ["valence", "arousal"]) {
    const slider = element(`${value}-strip`);
    // Values only while paused: a screen reader would read every change aloud.
    const reading = { moment, name, axis: text(`face.${value}`), value: signed(described?.[value]) };
    const spoken = viewport.live || !described ? moment : text("strip.reading", reading);
    slider.setAttribute("aria-valuenow", viewport.live ? "0" : (-ago_s).toFixed(1));
    slider.setAttribute("aria-valuetext", spoken);
  }
}

/** The text under the bars: the selected frame, or why there are no bars. `front` is the frame's index, or null. */
export function showWhy(described, name, support, front) {
  const bars = element("similarity");
  bars.hidden = !described?.calibrated; // while nothing is measured the place is kept
  element("legend-support").hidden = bars.hidden;
  setText(element("why-hint"), support ? text("why.hint", { name, n: support.labels.length }) : "");
  let words;
  if (!described) words = text("why.no-face");
  else if (!described.calibrated) words = text("why.uncalibrated");
  else if (!support) words = text("why.held");
  else words = frameText(support.selected !== null, front, support.labels[front], support.similarity[front]);
  setText(element("why-text"), words);
  if (!support) return;
  bars.setAttribute("aria-valuemax", String(support.labels.length));
  bars.setAttribute("aria-valuenow", String(support.order.indexOf(front) + 1));
  bars.setAttribute("aria-valuetext", support.selected === null ? text("why.most-similar") : words);
}
