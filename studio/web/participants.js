// The participants: how good each calibration is, in words, and a form for a new one.

import { warningText } from "../calibrate/sentences.js";
import { element } from "../shared/dom.js";
import { decimal, optionalText, text } from "../shared/texts.js";
import { ageText, empty, List, row } from "./rows.js";

const GOOD = 0.15; // leave-one-out error: good whatever the uncalibrated error is (calibrate/core/evaluation/report.py)
const OLD_DAYS = 30;

export class Participants {
  /** Calls onCalibrate(name). */
  constructor({ send, ask, onCalibrate }) {
    Object.assign(this, { send, ask, onCalibrate });
    this.list = new List(element("participant-list"), (list, participants) => this.#draw(list, participants));
    element("participant-form").addEventListener("submit", (event) => {
      event.preventDefault();
      onCalibrate(element("participant-name").value.trim());
    });
  }

  show({ participants }) {
    this.list.show(participants);
  }

  #draw(list, participants) {
    if (!participants.length) empty(list, text("studio.participants.none"));
    for (const participant of participants) {
      const { name } = participant;
      row(list, {
        link: `participants/${name}`,
        name,
        lines: linesOf(participant),
        tools: [
          { words: text("studio.calibrate-more"), onClick: () => this.onCalibrate(name) },
          {
            words: text("studio.delete"),
            onClick: () => this.ask(text("studio.delete-participant", { name }), text("studio.delete-participant.words"), () => this.send("delete_participant", { participant: name })),
          },
        ],
      });
    }
  }
}

function linesOf({ labels, frames, created, encrypted, problem, warning, warnings, drift, ...errors }) {
  if (encrypted) return [{ words: text("studio.encrypted"), kind: "warn" }, ...driftOf(drift)];
  if (problem) return [{ words: problem, kind: "warn" }];
  const old = Date.now() - new Date(created) > OLD_DAYS * 86_400_000;
  return [
    { words: text("studio.set", { n: labels, frames, age: ageText(created) }) },
    qualityOf(errors, warning && warningText({ warning, warnings })),
    ...driftOf(drift),
    old && { words: text("studio.old"), kind: "warn" },
  ];
}

/** What differed from the set when this face was last tracked; nothing where it was not, or the set is encrypted. */
function driftOf(drift) {
  if (drift === null) return [];
  if (!drift.length) return [{ words: text("studio.drift.none"), kind: "good" }];
  return drift.map((reason) => ({ words: text("studio.drift", { reason: optionalText(`drift.${reason}`) ?? reason }), kind: "warn" }));
}

function qualityOf({ error, uncalibrated }, warning) {
  if (warning) return { words: text("studio.quality.warning", { warning }), kind: "warn" };
  if (error === null) return { words: text("studio.quality.few") };
  const values = { error: decimal(error, 2), uncalibrated: decimal(uncalibrated, 2) };
  if (error <= GOOD) return { words: text("studio.quality.good", values), kind: "good" };
  return { words: text("studio.quality.fair", values) };
}
