"""The labels so far, their leave-one-out report, the next prompt, and whether to stop."""

import numpy as np

from mtclar.calibrate.core.evaluation.coverage import (
    STOPPING_RULE,
    StoppingVerdict,
    check_stopping,
    nearest_region,
    next_region,
    region_called,
)
from mtclar.calibrate.core.evaluation.report import LeaveOneOutReport, LeftOutLabel, make_report, mean_rmse
from mtclar.calibrate.core.evaluation.unlabelled_faces import UnlabelledFaces
from mtclar.calibrate.core.label_store import LabelStore, Sample, Snapshot
from mtclar.calibrate.core.prompts import Prompt
from mtclar.calibrate.core.sentence import Sentence
from mtclar.engine.estimate.label_convergence import label_convergence
from mtclar.engine.support_set import SupportSet

LABELS_TO_CHECK = 4
LABEL_DECIMALS = 2  # as exact as a person can point


class CalibrationStatus:
    """The label store and what follows from it; call `update` after every change."""

    def __init__(self) -> None:
        self.labels = LabelStore()
        self.unlabelled = UnlabelledFaces()
        self._report: LeaveOneOutReport | None = None
        self._change: float | None = None  # by the latest labels; None with too few or without faces
        self._faces = 0  # different ones, which that was taken of
        self._skipped: list[str] = []  # titles of prompted regions that got no label
        self.replacing = ""  # title of the region whose labels the next one replaces

    def resume(self, snapshot: Snapshot) -> None:
        """Starts from an unfinished calibration."""
        self.labels = LabelStore(snapshot)

    def update(self, support: SupportSet | None, added: bool = False) -> None:
        """Evaluates the labels again: `support` holds them all (None: no labels); `added`: one more than before."""
        if support is None:
            self._report = self._change = None
            return
        self._report = make_report(support)
        self._change, self._faces = self._latest_change(support), self.unlabelled.different
        if added:
            self.labels.append_error(mean_rmse(self._report.calibrated))

    def _latest_change(self, support: SupportSet) -> float | None:
        """Change of the estimates of the unlabelled faces by the latest labels."""
        window = STOPPING_RULE.window
        frames = np.array([len(sample) for sample in self.labels.samples])
        faces = self.unlabelled.encoded
        if len(frames) < window or faces is None:
            return None
        rows = np.cumsum(frames)[::-1]  # of the support set as it is, one label ago, ...
        earlier: list[SupportSet | None] = [support.only(np.arange(count)) for count in rows[1 : window + 1]]
        if len(frames) == window:
            earlier.append(None)
        return label_convergence([support, *earlier], faces)

    def next_prompt(self) -> Prompt:
        """The region to label next."""
        if self.replacing:
            return region_called(self.replacing)
        return next_region(self.labels.points, self._skipped)

    def skip(self) -> None:
        """Moves the prompted region behind the others; a region that was to be replaced keeps its labels."""
        if self.replacing:
            self.replacing = ""
            return
        self._skipped.append(self.next_prompt().title)

    @property
    def replaced(self) -> list[int]:
        """The numbers of the labels that the next one replaces."""
        return [
            sample.number
            for sample in self.labels.samples
            if nearest_region(sample.valence, sample.arousal).title == self.replacing
        ]

    @property
    def report(self) -> LeaveOneOutReport | None:
        """None while there are too few labels for one."""
        return self._report if self._report is not None and self._report.conclusive else None

    @property
    def warning(self) -> str:
        """Why the values may be no better than uncalibrated ones; empty: nothing was found."""
        return "; ".join(map(str, self.warnings))

    @property
    def warnings(self) -> tuple[Sentence, ...]:
        """Each reason of `warning`."""
        return () if self._report is None else self._report.warnings

    def left_out(self, sample: Sample) -> LeftOutLabel | None:
        """The report on one label."""
        labels = () if self.report is None else self.report.labels
        point = (sample.valence, sample.arousal)
        return next(
            (one for one in labels if (round_label(one.valence), round_label(one.arousal)) == point), None
        )

    def stopping(self) -> StoppingVerdict:
        """Whether there are enough labels."""
        error = None if self.report is None else mean_rmse(self.report.calibrated)
        return check_stopping(self.labels.points, error, self._change, self._faces)

    def to_check(self, count: int = LABELS_TO_CHECK) -> list[Sample]:
        """Labels far from one another, for a check on new frames."""
        samples = self.labels.samples
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


def round_label(value: float) -> float:
    """A label as it is stored."""
    return round(value, LABEL_DECIMALS) + 0.0  # no negative zero
