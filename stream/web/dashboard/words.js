// Sentences for the states that messages report.

import { signed } from "../shared/format.js";
import { decimal, optionalText, text } from "../shared/texts.js";

export const SILENCE_S = 3; // connected, but no message for that long: shown

/** The state of one face as a message describes it: {state, text}. */
export function faceState(face) {
  if (face.state === "low_quality" && face.faults?.length) {
    const faults = face.faults.map((fault) => optionalText(`fault.${fault}`) ?? fault);
    return { state: face.state, text: text("face.low_quality.because", { faults: faults.join(", ") }) };
  }
  const caveats = face.caveats?.filter((caveat) => caveat !== "blink"); // gone before it can be read
  if (caveats?.length) {
    return { state: "caveat", text: caveats.map((caveat) => optionalText(`caveat.${caveat}`) ?? caveat).join("; ") };
  }
  if (face.drift?.length) {
    const advice = face.drift.map((reason) => optionalText(`drift.${reason}`) ?? reason).join("; ");
    return { state: "drift", text: advice[0].toUpperCase() + advice.slice(1) };
  }
  if (face.state === "ok" && face.calibrated && face.in_support === false) {
    return { state: "drift", text: text("face.unlike") };
  }
  return { state: face.state, text: optionalText(`face.${face.state}`) ?? face.state };
}

/** The state of all faces that are present: {state, text}. */
export function facesState(faces) {
  if (faces.length === 0) return { state: "none", text: text("state.no-face") };
  if (faces.length === 1) return faceState(faces[0]);
  const states = faces.map((face) => faceState(face).state);
  const clear = states.filter((state) => state === "ok").length;
  const words = text("state.faces", { count: text("face.count", { n: faces.length }), clear });
  return { state: states.find((state) => state !== "ok") ?? "ok", text: words };
}

/** The state of a source that is not live: {state, text}. */
export function sourceState(status) {
  const what = optionalText(`source.${status.state}`) ?? status.state;
  const reason = status.reason ? ` (${status.reason})` : "";
  const retry = status.retry_s ? `, ${text("source.retry", { seconds: Math.ceil(status.retry_s) })}` : "";
  return { state: "source", text: `${what}${reason}${retry}` };
}

/** The state of a stream: {state, text}. `status` is its source's last one unless that is live. */
export function streamState(status, silence_s, faces) {
  if (status) return sourceState(status);
  if (silence_s === undefined) return { state: "waiting", text: text("state.first-frame") };
  if (silence_s > SILENCE_S) return { state: "source", text: text("state.silent", { seconds: Math.floor(silence_s) }) };
  return facesState(faces);
}

/** The state of several streams in one sentence: {state, text}; `live` of them send messages. */
export function streamsState(live, all, faces) {
  if (all === 0) return { state: "waiting", text: text("state.no-stream") };
  const words = text("state.streams", { live, all, faces: text("face.count", { n: faces }) });
  return { state: live === all ? "ok" : "source", text: words };
}

/** The state without a connection: {state, text}. `byeText`: the server's reason for closing, or null. */
export function disconnectedState(connection, byeText) {
  if (connection === "denied") return { state: "denied", text: text("state.token") };
  if (byeText) return { state: "gone", text: byeText };
  if (connection === "waiting") return { state: "gone", text: text("state.unreachable") };
  return { state: "waiting", text: text("state.waiting") };
}

/** The seconds in view. */
export function spanText(span_s) {
  if (span_s < 60) return text("time.seconds", { n: short(span_s, span_s < 10 ? 1 : 0) });
  return text("time.minutes", { n: short(span_s / 60, 1) });
}

/** A number without trailing zeros. */
const short = (number, digits) => {
  const rounded = Number(number.toFixed(digits));
  return decimal(rounded, Number.isInteger(rounded) ? 0 : digits);
};

/** A duration as h:mm:ss or m:ss. */
export function durationText(duration_s) {
  const whole_s = Math.floor(duration_s);
  const [hours, minutes] = [Math.floor(whole_s / 3600), Math.floor(whole_s / 60) % 60];
  const two = (number) => String(number).padStart(2, "0");
  return hours ? `${hours}:${two(minutes)}:${two(whole_s % 60)}` : `${minutes}:${two(whole_s % 60)}`;
}

/** The position of the cursor while paused. */
export function momentText(ago_s) {
  return ago_s < 0.05 ? text("time.last-moment") : text("time.before-pause", { seconds: decimal(ago_s, 1) });
}

/** A support frame and the face's similarity to it: of the frame that a person selected, else of the most similar one. */
export function frameText(selected, i, [valence, arousal], share) {
  const values = { number: i + 1, valence: signed(valence), arousal: signed(arousal), percent: Math.round(100 * share) };
  return text(selected ? "why.selected" : "why.most", values);
}
