// The sentence in the banner that tells people in view whether they are recorded, and how.

import { element, setText } from "./dom.js";
import { text } from "./texts.js";

/** Shows the last `recording` message of the server; null: it cannot record. */
export function showRecordingNotice(recording) {
  const notice = recording?.video ? "notice.video-stored" : "notice.values-stored";
  setText(element("recorded"), recording?.recording ? ` ${text(notice)}` : "");
}
