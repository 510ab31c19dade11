// Plain words for what the protocol says in codes.

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

export const seconds = (number) => `${number} s`;

/** Two decimals with sign and a true minus; an en dash for nothing. */
export function signed(number) {
  if (number === null || number === undefined) return "–";
  const text = Math.abs(number).toFixed(2);
  return Number(text) === 0 ? "0.00" : `${number > 0 ? "+" : "−"}${text}`;
}

/** What to say of one face: {state, text}. */
export function faceState(face) {
  if (face.state === "low_quality" && face.faults?.length) {
    return { state: face.state, text: `Low quality: ${face.faults.join(", ")}` };
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

/** The pill of the connection: text for each of its states. */
export function connectionText(state, wait_s) {
  if (state === "live") return "Connected";
  if (state === "waiting") return `Server gone, trying again in ${seconds(wait_s)}`;
  if (state === "denied") return "Token needed";
  return "Connecting";
}
