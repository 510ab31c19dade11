"""What the labels so far are worth, which region to ask for next, and whether they are enough: what the page shows."""

from typing import Any

import numpy as np

from mtclar.calibrate.core.coverage import REGIONS, RULE, covered, judge, next_region, region_of
from mtclar.calibrate.core.label_store import Collection, Sample, Step
from mtclar.calibrate.core.prompts import Prompt
from mtclar.calibrate.core.report import FAR_OFF, Report, make_report
from mtclar.calibrate.core.unlabelled_faces import Shown
from mtclar.calibrate.web.thumbnails import data_url
from mtclar.engine.estimate.label_convergence import label_convergence
from mtclar.engine.support_set import SupportSet

CHECKS = 4  # labels that the validation step asks for
LABEL_DECIMALS = 2  # what a person can point at


class Standing:
    """The collection and what follows from it; `renew` after every change."""

    def __init__(self) -> None:
        self.collection = Collection()
        self.shown = Shown()
        self.report: Report | None = None
        self._change: float | None = None  # by the latest labels; None while there are too few
        self._passed: list[str] = []  # regions that were asked for and not met

    def go_on(self, step: Step) -> None:
        """Begins with what was left unfinished."""
        self.collection = Collection(step)

    def renew(self, support: SupportSet | None, added: bool = False) -> None:
        """Looks at the labels again; `support` holds them all, None: there is none."""
        if support is None:
            self.report = self._change = None
            return
        self.report = make_report(support)
        self._change = self._latest_change(support)
        if added:
            self.collection.note_error(whole(self.report.calibrated))

    def _latest_change(self, support: SupportSet) -> float | None:
        """By how much the latest labels changed the estimates of the faces shown, or else of those labelled."""
        frames = np.array([len(sample) for sample in self.collection.samples])
        if len(frames) < RULE.over:
            return None
        first = np.cumsum(frames)[::-1]  # rows of the support set as it is, one label ago, ...
        earlier: list[SupportSet | None] = [
            support.only(np.arange(rows)) for rows in first[1 : RULE.over + 1]
        ]
        if len(frames) == RULE.over:
            earlier.append(None)
        faces = self.shown.faces or support.encoded
        return label_convergence([support, *earlier], faces)

    def ask(self) -> Prompt:
        """The region to ask for."""
        labels = [(sample.valence, sample.arousal) for sample in self.collection.samples]
        return next_region(labels, self._passed)

    def pass_on(self, asked: Prompt) -> None:
        """Asks for another region; this one comes again after the others."""
        self._passed.append(asked.title)

    def state(self) -> dict[str, Any]:
        """The part of `calibrate.state` that is about the labels."""
        samples = self.collection.samples
        labels = [(sample.valence, sample.arousal) for sample in samples]
        have = covered(labels)
        ask = self.ask()
        report = self.report
        error = whole(report.calibrated) if report is not None and report.conclusive else None
        verdict = judge(labels, error, self._change)
        checks = [sample.check.error for sample in samples if sample.check is not None]
        return {
            "can_undo": self.collection.can_undo,
            "samples": [self._sample_state(sample) for sample in samples],
            "regions": [
                {"title": r.title, "valence": r.valence, "arousal": r.arousal, "covered": r.title in have}
                for r in REGIONS
            ],
            "ask": {"title": ask.title, "words": ask.ask, "valence": ask.valence, "arousal": ask.arousal},
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
