// Mean, minimum and maximum of a face's values over the seconds in view.

import { element, setText } from "../../shared/dom.js";
import { signed } from "../../shared/format.js";
import { text } from "../../shared/texts.js";

const AXES = { valence: "v", arousal: "a" };

/** {mean, min, max} of the measured values of a face in view; undefined without any. */
export function statisticsOf(face, axis, { from, to }) {
  let [sum, count, min, max] = [0, 0, Infinity, -Infinity];
  const { samples } = face;
  for (let i = face.from(from); i < samples.length && samples[i].t <= to; i += 1) {
    if (!samples[i].seen) continue;
    const value = samples[i][axis];
    sum += value;
    count += 1;
    if (value < min) min = value;
    if (value > max) max = value;
  }
  return count ? { mean: sum / count, min, max } : undefined;
}

/** Shows those of the face in focus, if there is one. */
export function showStatistics(viewport, focus) {
  for (const [name, axis] of Object.entries(AXES)) {
    const found = focus && statisticsOf(focus, axis, viewport);
    const words = found && { mean: signed(found.mean), min: signed(found.min), max: signed(found.max) };
    setText(element(`${name}-statistics`), words ? text("strip.statistics", words) : "");
  }
}
