"""How good a support set is by its own account: every label predicted from the other labels, and what to add.

Frames with the same label are left out together: those of one prompt are nearly the same picture, and predicting one
from its twin would flatter the set.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mtclar.engine.backends.session import InferenceSession
from mtclar.engine.estimate.comparer import DEFAULT_RULE, Comparer
from mtclar.engine.estimate.metrics import rmse
from mtclar.engine.support_set import SupportSet

FEW_POINTS = 3  # with fewer different labels, leaving one out says little
CENTRE_RADIUS = 0.25  # labels within it count as neutral
FAR_OFF = 0.35  # an error in V or A that is worth another try at that face

REGIONS = (
    ("a neutral face", "neutral"),
    ("pleasant and awake (a laugh, delight)", "pleasant, awake"),
    ("unpleasant and awake (anger, fear)", "unpleasant, awake"),
    ("unpleasant and tired (sadness, boredom)", "unpleasant, tired"),
    ("pleasant and tired (ease, contentment)", "pleasant, tired"),
)


@dataclass(frozen=True, slots=True)
class Point:
    """One label of the set and what the others make of its frames."""

    valence: float
    arousal: float
    frames: int
    predicted_valence: float  # mean over its frames
    predicted_arousal: float
    rmse_valence: float
    rmse_arousal: float


@dataclass(frozen=True, slots=True)
class Report:
    """The leave-one-out report of a support set. RMSE over frames, valence and arousal."""

    frames: int
    points: tuple[Point, ...]
    calibrated: tuple[float, float]  # with the other labels of the set
    absolute: tuple[float, float]  # without any support
    advice: tuple[str, ...]

    @property
    def conclusive(self) -> bool:
        """False: so few different labels that the figures say little."""
        return len(self.points) >= FEW_POINTS


def make_report(
    support: SupportSet, pair: InferenceSession | None = None, rule: str = DEFAULT_RULE
) -> Report:
    """Leaves every label out once; with a single label the figures are those of the absolute output."""
    groups = group_of(support.labels)
    predicted = predict_left_out(support, groups, pair, rule)
    labels = support.labels.astype(np.float64)
    points = []
    for group in range(groups.max() + 1):
        inside = groups == group
        valence, arousal = labels[inside][0]
        mean = predicted[inside].mean(0)
        points.append(
            Point(
                float(valence),
                float(arousal),
                int(inside.sum()),
                float(mean[0]),
                float(mean[1]),
                *_rmse(predicted[inside], labels[inside]),
            )
        )
    return Report(
        frames=len(support),
        points=tuple(points),
        calibrated=_rmse(predicted, labels),
        absolute=_rmse(np.clip(support.absolute.astype(np.float64), -1, 1), labels),
        advice=_advice(points),
    )


def group_of(labels: NDArray[np.float32]) -> NDArray[np.int_]:
    """labels [N, 2] -> [N] which distinct label each frame has, numbered in order of appearance."""
    _, first, inverse = np.unique(labels, axis=0, return_index=True, return_inverse=True)
    rank = np.argsort(np.argsort(first))
    numbers: NDArray[np.int_] = rank[inverse.reshape(-1)]
    return numbers


def predict_left_out(
    support: SupportSet,
    groups: NDArray[np.int_],
    pair: InferenceSession | None = None,
    rule: str = DEFAULT_RULE,
) -> NDArray[np.float64]:
    """V/A [N, 2] of each frame by the frames of the other groups alone."""
    predicted = np.zeros((len(support), 2))
    for group in np.unique(groups):
        inside = groups == group
        others = None
        if not inside.all():
            others = support
            for index in sorted(np.flatnonzero(inside), reverse=True):
                others = others.without(int(index))
        with Comparer(pair, others, rule) as comparer:
            estimates = comparer(support.encoded[inside])
        predicted[inside] = [(estimate.valence, estimate.arousal) for estimate in estimates]
    return predicted


def region_of(valence: float, arousal: float) -> str:
    """The short name of the region of the affect plane that a label lies in."""
    if np.hypot(valence, arousal) <= CENTRE_RADIUS:
        return "neutral"
    return f"{'pleasant' if valence >= 0 else 'unpleasant'}, {'awake' if arousal >= 0 else 'tired'}"


def _rmse(predicted: NDArray[np.float64], labels: NDArray[np.float64]) -> tuple[float, float]:
    return float(rmse(predicted[:, 0], labels[:, 0])), float(rmse(predicted[:, 1], labels[:, 1]))


def _advice(points: list[Point]) -> tuple[str, ...]:
    """What to add, most useful first."""
    covered = {region_of(point.valence, point.arousal) for point in points}
    advice = [f"add {words}: no label lies there" for words, region in REGIONS if region not in covered]
    if len(points) >= FEW_POINTS:
        worst = max(points, key=lambda point: max(point.rmse_valence, point.rmse_arousal))
        if max(worst.rmse_valence, worst.rmse_arousal) > FAR_OFF:
            advice.append(
                f"add more faces like that at valence {worst.valence:+.2f}, arousal {worst.arousal:+.2f} "
                "(or check its label): the others explain it least"
            )
    return tuple(advice)
