// Sentences for the protocol's codes.

import { counted, seconds, signed } from "../shared/format.js";

const SOURCE = {
  connecting: "Opening the camera",
  stalled: "The camera has stopped sending pictures",
  reconnecting: "The camera is gone",
  ended: "The stream has ended",
};

const FACE = {
  ok: "Seen clearly",
  low_quality: "Low quality",
  held: "Out of sight, last value held",
  lost: "Lost",
};

const DRIFT = { // as the terminal says it
  unlike: "unlike every labelled frame: add a frame of this face",
  darker: "darker than at calibration: more light, or add a frame",
  brighter: "brighter than at calibration: less light, or add a frame",
  blurred: "less sharp than at calibration: check the focus, or add a frame",
  turned: "head turned further than during calibration: move the camera, or add a frame",
};

export const SILENCE_S = 3; // connected, but nothing comes: worth saying

/** What to say of one face, as a message describes it: {state, text}. */
export function faceState(face) {
  if (face.state === "low_quality" && face.faults?.length) {
    return { state: face.state, text: `Low quality: ${face.faults.join(", ")}` };
  }
  if (face.drift?.length) {
    const text = face.drift.map((reason) => DRIFT[reason] ?? reason).join("; ");
    return { state: "drift", text: text[0].toUpperCase() + text.slice(1) };
  }
  if (face.state === "ok" && face.calibrated && face.in_support === false) {
    return { state: face.state, text: "Seen clearly, but unlike the support set" };
  }
  return { state: face.state, text: FACE[face.state] ?? face.state };
}

/** What to say of all faces that are present: {state, text}. */
export function facesState(faces) {
  if (faces.length === 0) return { state: "none", text: "No face in the picture" };
  if (faces.length === 1) return faceState(faces[0]);
  const clear = faces.filter((face) => face.state === "ok").length;
  return { state: clear ? "ok" : faces[0].state, text: `${faces.length} faces, ${clear} seen clearly` };
}

/** What to say of a source that is not live: {state, text}. */
export function sourceState(status) {
  const retry = status.retry_s ? `, next try in ${seconds(Math.ceil(status.retry_s))}` : "";
  const reason = status.reason ? ` (${status.reason})` : "";
  return { state: "source", text: `${SOURCE[status.state] ?? status.state}${reason}${retry}` };
}

/** What to say of a stream: {state, text}. `status` is its source's last one where that is not live. */
export function streamState(status, silence_s, faces) {
  if (status) return sourceState(status);
  if (silence_s === undefined) return { state: "waiting", text: "Waiting for the first picture" };
  if (silence_s > SILENCE_S) return { state: "source", text: `Nothing came for ${seconds(Math.floor(silence_s))}` };
  return facesState(faces);
}

/** What to say of several streams in one sentence: {state, text}. `flowing` is how many of them send. */
export function streamsState(flowing, all, faces) {
  if (all === 0) return { state: "waiting", text: "The server has no stream" };
  return { state: flowing === all ? "ok" : "source", text: `${flowing} of ${all} streams, ${counted(faces, "face")}` };
}

/** What to say without a connection: {state, text}. `farewell` are the server's last words. */
export function absenceState(connection, farewell) {
  if (connection === "denied") return { state: "denied", text: "The server wants a token" };
  if (farewell) return { state: "gone", text: farewell };
  if (connection === "waiting") return { state: "gone", text: "The server cannot be reached" };
  return { state: "waiting", text: "Waiting for the server" };
}

/** The seconds in view, as the zoom's display says them. */
export function spanText(span_s) {
  return span_s < 60 ? seconds(Number(span_s.toFixed(span_s < 10 ? 1 : 0))) : `${Number((span_s / 60).toFixed(1))} min`;
}

/** Where the cursor of a pause stands. */
export function momentText(ago_s) {
  return ago_s < 0.05 ? "the last moment before the pause" : `${ago_s.toFixed(1)} s before the pause`;
}

/** A support frame and how alike the face is to it. */
export function frameText(i, [valence, arousal], share) {
  return `frame ${i + 1}, labelled valence ${signed(valence)}, arousal ${signed(arousal)}: ${Math.round(100 * share)} %`;
}
