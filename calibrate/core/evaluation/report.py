"""Leave-one-out report of a support set: every label predicted from the others, and what to add.

Frames with the same label are left out together: frames of one prompt are nearly identical, so predicting one from
another would make the error too small.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mtclar.calibrate.core.sentence import Sentence
from mtclar.engine.backends.session import InferenceSession
from mtclar.engine.estimate.comparer import DEFAULT_RULE, Comparer, bundled_params
from mtclar.engine.estimate.metrics import rmse
from mtclar.engine.estimate.residual_gp import unit
from mtclar.engine.support_set import SupportSet

MIN_LABELS = 3  # with fewer different labels the errors mean little
NEUTRAL_RADIUS = 0.25  # labels within it count as neutral
LARGE_LABEL_ERROR = 0.35  # in V or A: worth another try at that expression
SMALL_ERROR = 0.15  # RMSE: with a smaller one a calibration is good, whatever the uncalibrated error is
# The whole set has one label more than what predicts each label here, so an error a little above counts as equal.
LEFT_OUT_SLACK = 1.1
CONTRADICTION = (
    0.7  # distance of two labels of one face; 0.43 at most on rendered clips with their true values
)

NO_BETTER = "the leave-one-out error ({calibrated}) is no better than the uncalibrated error ({absolute})"
CONTRADICTING = (
    "labels contradict each other: faces that look the same are at V {valence}, A {arousal} "
    "and at V {other_valence}, A {other_arousal}"
)

QUADRANTS = (
    ("a neutral face", "neutral"),
    ("a pleasant, activated face (laughter, delight)", "pleasant, activated"),
    ("an unpleasant, activated face (anger, fear)", "unpleasant, activated"),
    ("an unpleasant, deactivated face (sadness, boredom)", "unpleasant, deactivated"),
    ("a pleasant, deactivated face (ease, contentment)", "pleasant, deactivated"),
)


@dataclass(frozen=True, slots=True)
class LeftOutLabel:
    """One label of the set, and the prediction from the other labels."""

    valence: float
    arousal: float
    frames: int
    predicted_valence: float  # mean over its frames
    predicted_arousal: float
    rmse_valence: float
    rmse_arousal: float


@dataclass(frozen=True, slots=True)
class LeaveOneOutReport:
    """RMSE over frames, of valence and arousal."""

    frames: int
    labels: tuple[LeftOutLabel, ...]
    calibrated: tuple[float, float]  # with the other labels of the set
    absolute: tuple[float, float]  # without any support
    advice: tuple[str, ...]
    contradiction: Sentence | None  # of two labels

    @property
    def conclusive(self) -> bool:
        """False with so few different labels that the errors mean little."""
        return len(self.labels) >= MIN_LABELS

    @property
    def warnings(self) -> tuple[Sentence, ...]:
        """Why the values may be no better than uncalibrated ones."""
        reasons = [self.contradiction] if self.contradiction else []
        calibrated, absolute = mean_rmse(self.calibrated), mean_rmse(self.absolute)
        if self.conclusive and calibrated >= max(LEFT_OUT_SLACK * absolute, SMALL_ERROR):
            values = {"calibrated": f"{calibrated:.2f}", "absolute": f"{absolute:.2f}"}
            reasons.append(Sentence("no-better", NO_BETTER.format(**values), values))
        return tuple(reasons)

    @property
    def warning(self) -> str:
        """The same in one line; empty: nothing was found."""
        return "; ".join(map(str, self.warnings))


def make_report(
    support: SupportSet, pair: InferenceSession | None = None, rule: str = DEFAULT_RULE
) -> LeaveOneOutReport:
    """Leaves every label out once; with a single label the errors are those of the absolute output."""
    groups = group_labels(support.labels)
    predicted = predict_left_out(support, groups, pair, rule)
    labels = support.labels.astype(np.float64)
    left_out = []
    for group in range(groups.max() + 1):
        inside = groups == group
        valence, arousal = labels[inside][0]
        mean = predicted[inside].mean(0)
        left_out.append(
            LeftOutLabel(
                float(valence),
                float(arousal),
                int(inside.sum()),
                float(mean[0]),
                float(mean[1]),
                *_rmse(predicted[inside], labels[inside]),
            )
        )
    return LeaveOneOutReport(
        frames=len(support),
        labels=tuple(left_out),
        calibrated=_rmse(predicted, labels),
        absolute=_rmse(np.clip(support.absolute.astype(np.float64), -1, 1), labels),
        advice=_advice(left_out),
        contradiction=_contradiction(support),
    )


def group_labels(labels: NDArray[np.float32]) -> NDArray[np.int_]:
    """labels [N, 2] -> [N] the number of each frame's distinct label, in order of appearance."""
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
    """V/A [N, 2] of each frame, from the frames of the other groups alone."""
    predicted = np.zeros((len(support), 2))
    for group in np.unique(groups):
        inside = groups == group
        others = None if inside.all() else support.only(np.flatnonzero(~inside))
        with Comparer(pair, others, rule) as comparer:
            estimates = comparer(support.encoded[inside])
        predicted[inside] = [(estimate.valence, estimate.arousal) for estimate in estimates]
    return predicted


def quadrant_of(valence: float, arousal: float) -> str:
    """The quadrant of a label, or neutral."""
    if np.hypot(valence, arousal) <= NEUTRAL_RADIUS:
        return "neutral"
    return f"{'pleasant' if valence >= 0 else 'unpleasant'}, {'activated' if arousal >= 0 else 'deactivated'}"


def mean_rmse(rmse_va: tuple[float, float]) -> float:
    """Over both axes."""
    return float(np.sqrt((rmse_va[0] ** 2 + rmse_va[1] ** 2) / 2))


def _rmse(predicted: NDArray[np.float64], labels: NDArray[np.float64]) -> tuple[float, float]:
    return float(rmse(predicted[:, 0], labels[:, 0])), float(rmse(predicted[:, 1], labels[:, 1]))


def _contradiction(support: SupportSet) -> Sentence | None:
    """The two labels that differ most on faces that are the same to the encoder; None if none differ much."""
    known = unit(support.embeddings)
    labels = support.labels.astype(np.float64)
    distance = np.linalg.norm(labels[:, None] - labels, axis=2)
    distance[known @ known.T < bundled_params().same_cosine] = 0.0
    one, other = np.unravel_index(distance.argmax(), distance.shape)
    if distance[one, other] <= CONTRADICTION:
        return None
    (valence, arousal), (other_valence, other_arousal) = labels[[one, other]]
    values = {
        "valence": f"{valence:+.2f}",
        "arousal": f"{arousal:+.2f}",
        "other_valence": f"{other_valence:+.2f}",
        "other_arousal": f"{other_arousal:+.2f}",
    }
    return Sentence("contradiction", CONTRADICTING.format(**values), values)


def _advice(labels: list[LeftOutLabel]) -> tuple[str, ...]:
    """What to add, most useful first."""
    covered = {quadrant_of(label.valence, label.arousal) for label in labels}
    advice = [f"add {words}: it has no label yet" for words, quadrant in QUADRANTS if quadrant not in covered]
    if len(labels) >= MIN_LABELS:
        worst = max(labels, key=lambda label: max(label.rmse_valence, label.rmse_arousal))
        if max(worst.rmse_valence, worst.rmse_arousal) > LARGE_LABEL_ERROR:
            advice.append(
                f"add more faces like the one at valence {worst.valence:+.2f}, arousal {worst.arousal:+.2f}, or check "
                "its label: it has the largest error"
            )
    return tuple(advice)
