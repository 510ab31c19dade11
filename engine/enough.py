"""When a support set has labels enough: there are a few, and one more is expected to take little from the error.

The expectation is mtclar.engine.active's, over unlabelled faces of the person; docs/active-choice.md has it beside what
the error really lost, and where the rule stops.
"""

from dataclasses import dataclass

from mtclar.engine.active import ExpectedError
from mtclar.engine.compare import CompareParams, bundled_params, labelled_frames
from mtclar.engine.handover import Encoded
from mtclar.engine.support import SupportSet

# Both were chosen on rendered people and photos of the tuning split (tools/measure_active.py prints that table): with
# fewer labels a style of labelling that is not yet known costs more than the expectation says, and below the gain
# twenty labels have taken little more from the error than was expected of the next one.
MIN_LABELS = 5
MAX_GAIN = 0.04  # of the squared error, by the best further label: 2 % of the RMSE


@dataclass(frozen=True, slots=True)
class Enough:
    """Whether to go on labelling."""

    labels: int  # different ones: frames of one prompt count once
    missing: int  # labels that the rule asks for at least
    gain: (
        float | None
    )  # share of the RMSE that the best further label is expected to take; None without faces to ask of
    enough: bool

    def __str__(self) -> str:
        if self.missing:
            return f"{self.missing} more label{'s' if self.missing > 1 else ''} at least"
        if self.gain is None:
            return f"{self.labels} labels: enough as a number"
        expected = f"one more label is expected to take {100 * self.gain:.0f} % off the error"
        return f"enough: {expected}" if self.enough else f"go on: {expected}"


def enough(
    support: SupportSet | None, faces: Encoded | None = None, params: CompareParams | None = None
) -> Enough:
    """Judges a support set beside unlabelled `faces` of the same person, as many as there are, poor pictures left out.

    Without faces it is judged by the number of its labels alone.
    """
    params = params or bundled_params()
    labels = len(labelled_frames(support, params))
    missing = max(MIN_LABELS - labels, 0)
    if faces is None or not len(faces.embedding):
        return Enough(labels, missing, None, not missing)
    expected = ExpectedError(faces, support, params)
    before = sum(expected.squared)
    gain = float(expected.gains().max()) / before
    return Enough(labels, missing, 1.0 - (1.0 - gain) ** 0.5, not missing and gain < MAX_GAIN)
