// The page's single texts: connection, server, state, the two large values, the numbers, why this value.

import { element, say } from "../shared/dom.js";
import { signed } from "../shared/format.js";
import { frameText, momentText } from "./words.js";

/** The sentence above the circumplex. */
export function showState({ state, text }) {
  element("state").dataset.state = state;
  say(element("state"), text);
}

export function showHello(hello) {
  say(element("model"), hello.model ? `${hello.model.id} (${hello.model.sha256.slice(0, 8)})` : "none");
  say(element("backend"), hello.model?.backend ?? "–");
  say(element("protocol"), hello.protocol);
  say(element("session"), hello.session.slice(0, 8));
  // With `all` the reader runs ahead, and a frame waits in a queue that is meant to be full.
  const queued = hello.streams.some((stream) => stream.freshness === "all");
  say(element("latency-unit"), queued ? "ms with the queue" : "ms");
  element("legend-script").hidden = !hello.streams.some((stream) => stream.truth);
}

export function showNumbers({ fps, latency_ms, dropped, missed }) {
  say(element("fps"), fps === null ? "–" : fps.toFixed(1));
  say(element("latency"), latency_ms === null ? "–" : latency_ms.toFixed(1));
  say(element("dropped"), dropped === null ? "–" : String(dropped));
  say(element("missed"), String(missed));
}

/**
 * The two large values, of the face as a message describes it, or none. `whose` is its {name, slot} where there are
 * others too; `measured` is false for what only seems new.
 */
export function showReading(described, whose, seq, measured) {
  for (const [name, axis] of [["valence", 0], ["arousal", 1]]) {
    const value = described?.[name] ?? null;
    const output = element(name);
    output.dataset.value = value ?? "";
    output.dataset.seq = seq;
    output.parentElement.dataset.measured = measured && described?.state === "ok";
    const owner = element(`${name}-whose`);
    say(owner, whose?.name ?? "");
    owner.dataset.slot = whose?.slot ?? "";
    say(output, signed(value));
    say(element(`${name}-sd`), described?.sd ? `± ${described.sd[axis].toFixed(2)}` : "");
  }
}

/** Where the cursor stands, for those who do not see it: the strips are sliders over time. */
export function showMoment(look, name, described) {
  const ago_s = look.newest - look.at;
  const moment = look.live ? "now" : momentText(ago_s);
  for (const value of ["valence", "arousal"]) {
    const slider = element(`${value}-strip`);
    // In words only while it stands still: a screen reader would read every change aloud.
    const said = look.live || !described ? "" : `, ${name}: ${value} ${signed(described[value])}`;
    slider.setAttribute("aria-valuenow", look.live ? "0" : (-ago_s).toFixed(1));
    slider.setAttribute("aria-valuetext", `${moment}${said}`);
  }
}

/** Under the bars: the frame in front, or why there are none. `front` is its index, null without bars. */
export function showWhy(described, name, support, front) {
  const bars = element("similarity");
  bars.hidden = !described?.calibrated; // while nothing is measured the place is kept
  element("legend-support").hidden = bars.hidden;
  say(element("why-hint"), support ? `how alike ${name} is to each of ${support.labels.length} support frames` : "");
  let text;
  if (!described) text = "There is no face to explain.";
  else if (!described.calibrated) text = "Not calibrated: without a support set this is the value of an average face.";
  else if (!support) text = "Nothing was measured at this moment: the last value is held.";
  else {
    const picked = support.picked === null ? "Most alike" : "Picked";
    text = `${picked}: ${frameText(front, support.labels[front], support.similarity[front])} alike.`;
  }
  say(element("why-text"), text);
  if (!support) return;
  bars.setAttribute("aria-valuemax", String(support.labels.length));
  bars.setAttribute("aria-valuenow", String(support.order.indexOf(front) + 1));
  bars.setAttribute("aria-valuetext", support.picked === null ? "the frame that is most alike" : text);
}
