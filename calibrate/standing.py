"""What the labels so far are worth, which region to ask for next, and whether they are enough: what the page shows."""

from typing import Any

import numpy as np

from mtclar.calibrate.collection import Collection, Sample, Step
from mtclar.calibrate.coverage import REGIONS, covered, judge, next_region, region_of
from mtclar.calibrate.pictures import data_url
from mtclar.calibrate.prompts import Prompt
from mtclar.calibrate.report import FAR_OFF, Report, make_report
from mtclar.calibrate.shown import Shown
from mtclar.engine.enough import MIN_LABELS, Enough, enough
from mtclar.engine.support import SupportSet

CHECKS = 4  # labels that the validation step asks for
LABEL_DECIMALS = 2  # what a person can point at


class Standing:
    """The collection and what follows from it; `renew` after every change."""

    def __init__(self) -> None:
        self.collection = Collection()
        self.shown = Shown()
        self.report: Report | None = None
        self._expected = Enough(0, MIN_LABELS, None, False)
        self._passed: list[str] = []  # regions that were asked for and not met, the last ones

    def go_on(self, step: Step) -> None:
        """Begins with what was left unfinished."""
        self.collection = Collection(step)

    def renew(self, support: SupportSet | None, added: bool = False) -> None:
        """Looks at the labels again; `support` holds them all, None: there is none."""
        if support is None:
            self.report, self._expected = None, enough(None)
            return
        self.report = make_report(support)
        self._expected = enough(support, self.shown.faces)
        if added:
            self.collection.note_error(whole(self.report.calibrated))

    def ask(self) -> Prompt | None:
        """The region to ask for."""
        labels = [(sample.valence, sample.arousal) for sample in self.collection.samples]
        return next_region(labels, self._passed)

    def pass_on(self, asked: Prompt) -> None:
        """Asks for another region; when all were passed, from the first one again."""
        self._passed.append(asked.title)
        ask = self.ask()
        if ask is not None and ask.title in self._passed:
            self._passed = []

    def state(self) -> dict[str, Any]:
        """The part of `calibrate.state` that is about the labels."""
        samples = self.collection.samples
        labels = [(sample.valence, sample.arousal) for sample in samples]
        have = covered(labels)
        ask = self.ask()
        verdict = judge(labels, self.collection.now.errors, self._expected)
        report = self.report
        checks = [sample.check.error for sample in samples if sample.check is not None]
        return {
            "can_undo": self.collection.can_undo,
            "samples": [self._sample_state(sample) for sample in samples],
            "regions": [
                {"title": r.title, "valence": r.valence, "arousal": r.arousal, "covered": r.title in have}
                for r in REGIONS
            ],
            "ask": None
            if ask is None
            else {"title": ask.title, "words": ask.ask, "valence": ask.valence, "arousal": ask.arousal},
            "error": None
            if report is None or not report.conclusive
            else {
                "valence": round(report.calibrated[0], 4),
                "arousal": round(report.calibrated[1], 4),
                "absolute": round(whole(report.absolute), 4),
                "calibrated": round(whole(report.calibrated), 4),
            },
            "errors": [round(error, 4) for error in self.collection.now.errors],
            "enough": {"enough": verdict.enough, "why": verdict.why},
            "to_check": [sample.number for sample in to_check(samples)],
            "check_error": round(float(np.mean(checks)), 4) if checks else None,
        }

    def _sample_state(self, sample: Sample) -> dict[str, Any]:
        label = (sample.valence, sample.arousal)
        points = self.report.points if self.report is not None and self.report.conclusive else ()
        point = next((p for p in points if (rounded(p.valence), rounded(p.arousal)) == label), None)
        check = sample.check
        return {
            "number": sample.number,
            "valence": sample.valence,
            "arousal": sample.arousal,
            "region": region_of(*label).title,
            "frames": len(sample),
            "predicted": None
            if point is None
            else [round(point.predicted_valence, 4), round(point.predicted_arousal, 4)],
            "error": None
            if point is None
            else round(float(np.hypot(point.rmse_valence, point.rmse_arousal)), 4),
            "check": None
            if check is None
            else {
                "valence": round(check.valence, 4),
                "arousal": round(check.arousal, 4),
                "error": round(check.error, 4),
                "redo": check.error > FAR_OFF,
            },
            "thumbnail": None if sample.crops is None else data_url(sample.crops[0]),
        }


def to_check(samples: tuple[Sample, ...], count: int = CHECKS) -> list[Sample]:
    """The samples whose labels lie far from one another: what the validation step asks for."""
    chosen: list[Sample] = list(samples[:1])
    while len(chosen) < min(count, len(samples)):
        chosen.append(
            max(
                (sample for sample in samples if sample not in chosen),
                key=lambda s: min(
                    (s.valence - c.valence) ** 2 + (s.arousal - c.arousal) ** 2 for c in chosen
                ),
            )
        )
    return chosen


def whole(rmse: tuple[float, float]) -> float:
    """Over both axes."""
    return float(np.sqrt((rmse[0] ** 2 + rmse[1] ** 2) / 2))


def rounded(value: float) -> float:
    """A label as it is kept."""
    return round(value, LABEL_DECIMALS) + 0.0  # no negative zero
