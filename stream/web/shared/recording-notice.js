// The sentence in the banner that tells people in view whether they are recorded, and how.

import { element, setText } from "./dom.js";

/** Shows the last `recording` message of the server; null: it cannot record. */
export function showRecordingNotice(recording) {
  let text = "";
  if (recording?.recording) {
    text = recording.video
      ? " Your face is filmed: the video and the values are stored."
      : " The values are stored; pictures are not.";
  }
  setText(element("recorded"), text);
}
