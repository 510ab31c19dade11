"""Compares two support sets of one person: each predicts the labels of both.

A set predicts its own labels leave-one-out, as the report does, and those of the other set as it would predict new
faces. Over the labels of both, the two errors are of the same faces, so they can be compared.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mtclar.calibrate.core.evaluation.coverage import covered_regions
from mtclar.calibrate.core.evaluation.report import group_labels, mean_rmse, predict_left_out
from mtclar.engine.errors import UsageError
from mtclar.engine.estimate.comparer import Comparer
from mtclar.engine.support_set import SupportSet

MIN_DIFFERENCE = 0.02  # of two errors; less is no difference that anybody would see

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class SetFigures:
    """One of two support sets; errors are RMSE over frames, the mean of both axes."""

    frames: int
    labels: int  # different ones
    regions: int  # of the nine of the affect grid, with a label
    own_error: float  # of its own labels, leave-one-out
    other_error: float  # of the labels of the other set
    error: float  # of the labels of both


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two support sets of one person."""

    a: SetFigures
    b: SetFigures
    uncalibrated: float  # error of the labels of both without any support

    @property
    def better(self) -> Literal["a", "b"] | None:
        """The set with the smaller error over the labels of both; None if they hardly differ."""
        if abs(self.a.error - self.b.error) < MIN_DIFFERENCE:
            return None
        return "a" if self.a.error < self.b.error else "b"


def compare(a: SupportSet, b: SupportSet) -> Comparison:
    """Compares two support sets. Raises UsageError for sets of two encoders, which cannot be compared."""
    if a.encoder != b.encoder:
        raise UsageError(
            f"one set was made with the encoder {a.encoder.name} ({a.encoder.sha256[:12]}), the other with "
            f"{b.encoder.name} ({b.encoder.sha256[:12]})",
            "`mtclar-stream support reembed` converts sets whose crops were kept",
        )
    labels = [support.labels.astype(np.float64) for support in (a, b)]
    own = [predict_left_out(support, group_labels(support.labels)) for support in (a, b)]
    crossed = [_predict(a, b), _predict(b, a)]  # of the labels of b by a, of a by b
    absolute = np.clip(np.concatenate([a.absolute, b.absolute]).astype(np.float64), -1, 1)
    figures = [
        SetFigures(
            frames=len(support),
            labels=len(np.unique(support.labels, axis=0)),
            regions=len(covered_regions([(v, a) for v, a in labels[i].tolist()])),
            own_error=_error(own[i], labels[i]),
            other_error=_error(crossed[i], labels[1 - i]),
            error=_error(np.concatenate([own[i], crossed[i]]), np.concatenate([labels[i], labels[1 - i]])),
        )
        for i, support in enumerate((a, b))
    ]
    return Comparison(figures[0], figures[1], _error(absolute, np.concatenate(labels)))


def _predict(support: SupportSet, faces: SupportSet) -> Array:
    """V/A [N, 2] of the frames of `faces`, by the other set."""
    with Comparer(None, support) as comparer:
        return np.array([(one.valence, one.arousal) for one in comparer(faces.encoded)])


def _error(predicted: Array, labels: Array) -> float:
    squared = ((predicted - labels) ** 2).mean(axis=0)
    return mean_rmse((float(np.sqrt(squared[0])), float(np.sqrt(squared[1]))))
