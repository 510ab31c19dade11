// Sentences of the server in the language of the page: by their keys, or as they came, from a later server.

import { decimal, optionalText } from "../shared/texts.js";

/** Numbers with the language's decimal point: the server sends "0.12". */
function local(values) {
  const shown = ([name, value]) => [name, typeof value === "string" ? value.replace(".", decimal(0, 1)[1]) : value];
  return Object.fromEntries(Object.entries(values).map(shown));
}

/** The name of a region of the affect grid. */
export const regionText = (title) => optionalText(`region.${title}`) ?? title;

/** What the person should change, of a `calibrate.look`. */
export const adviceText = ({ advice, issues }) => issues.map((issue, i) => optionalText(`advice.${issue}`) ?? advice[i]).join(". ");

/** Why there are enough labels, or not. */
export const stoppingText = ({ why, key, values }) => optionalText(`enough.${key}`, local(values)) ?? why;

/** Why the values may be no better than uncalibrated ones. */
export function warningText({ warning, warnings }) {
  const shown = warnings.map(({ key, values }) => optionalText(`warning.${key}`, local(values)));
  return shown.includes(undefined) ? warning : shown.join("; ");
}

/** What the page says of the person's session. */
export const noticeText = ({ notice, notice_key }) => optionalText(`notice.${notice_key}`) ?? notice;
