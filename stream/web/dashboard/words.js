// Sentences for the states that messages report.

import { counted, seconds, signed } from "../shared/format.js";

const SOURCE = {
  connecting: "Opening the source",
  stalled: "The camera has stopped sending frames",
  reconnecting: "Camera lost",
  ended: "The stream has ended",
};

const FACE = {
  ok: "Seen clearly",
  low_quality: "Low quality",
  held: "Out of sight, last value held",
  lost: "Lost",
};

const DRIFT = { // the sentences of mtclar.engine.estimate.drift, compared by a test
  unlike: "unlike every labelled frame: add a frame of this face",
  darker: "darker than at calibration: more light, or add a frame",
  brighter: "brighter than at calibration: less light, or add a frame",
  blurred: "less sharp than at calibration: check the focus, or add a frame",
  turned: "head turned further than during calibration: move the camera, or add a frame",
};

export const SILENCE_S = 3; // connected, but no message for that long: shown

/** The state of one face as a message describes it: {state, text}. */
export function faceState(face) {
  if (face.state === "low_quality" && face.faults?.length) {
    return { state: face.state, text: `Low quality: ${face.faults.join(", ")}` };
  }
  if (face.drift?.length) {
    const text = face.drift.map((reason) => DRIFT[reason] ?? reason).join("; ");
    return { state: "drift", text: text[0].toUpperCase() + text.slice(1) };
  }
  if (face.state === "ok" && face.calibrated && face.in_support === false) {
    return { state: "drift", text: "Seen clearly, but unlike the support set" };
  }
  return { state: face.state, text: FACE[face.state] ?? face.state };
}

/** The state of all faces that are present: {state, text}. */
export function facesState(faces) {
  if (faces.length === 0) return { state: "none", text: "No face in view" };
  if (faces.length === 1) return faceState(faces[0]);
  const clear = faces.filter((face) => face.state === "ok").length;
  return { state: clear ? "ok" : faces[0].state, text: `${faces.length} faces, ${clear} seen clearly` };
}

/** The state of a source that is not live: {state, text}. */
export function sourceState(status) {
  const retry = status.retry_s ? `, next try in ${seconds(Math.ceil(status.retry_s))}` : "";
  const reason = status.reason ? ` (${status.reason})` : "";
  return { state: "source", text: `${SOURCE[status.state] ?? status.state}${reason}${retry}` };
}

/** The state of a stream: {state, text}. `status` is its source's last one unless that is live. */
export function streamState(status, silence_s, faces) {
  if (status) return sourceState(status);
  if (silence_s === undefined) return { state: "waiting", text: "Waiting for the first frame" };
  if (silence_s > SILENCE_S) return { state: "source", text: `No message for ${seconds(Math.floor(silence_s))}` };
  return facesState(faces);
}

/** The state of several streams in one sentence: {state, text}; `live` of them send messages. */
export function streamsState(live, all, faces) {
  if (all === 0) return { state: "waiting", text: "The server has no stream" };
  return { state: live === all ? "ok" : "source", text: `${live} of ${all} streams, ${counted(faces, "face")}` };
}

/** The state without a connection: {state, text}. `byeText`: the server's reason for closing, or null. */
export function disconnectedState(connection, byeText) {
  if (connection === "denied") return { state: "denied", text: "This server requires a token" };
  if (byeText) return { state: "gone", text: byeText };
  if (connection === "waiting") return { state: "gone", text: "The server cannot be reached" };
  return { state: "waiting", text: "Waiting for the server" };
}

/** The seconds in view. */
export function spanText(span_s) {
  return span_s < 60 ? seconds(Number(span_s.toFixed(span_s < 10 ? 1 : 0))) : `${Number((span_s / 60).toFixed(1))} min`;
}

/** A duration as h:mm:ss or m:ss. */
export function durationText(duration_s) {
  const whole_s = Math.floor(duration_s);
  const [hours, minutes] = [Math.floor(whole_s / 3600), Math.floor(whole_s / 60) % 60];
  const two = (number) => String(number).padStart(2, "0");
  return hours ? `${hours}:${two(minutes)}:${two(whole_s % 60)}` : `${minutes}:${two(whole_s % 60)}`;
}

/** The position of the cursor while paused. */
export function momentText(ago_s) {
  return ago_s < 0.05 ? "the last moment before the pause" : `${ago_s.toFixed(1)} s before the pause`;
}

/** A support frame and the face's similarity to it. */
export function frameText(i, [valence, arousal], share) {
  return `frame ${i + 1}, labelled valence ${signed(valence)}, arousal ${signed(arousal)}: ${Math.round(100 * share)} %`;
}
