"""The demo's accuracy: agreement of the estimate with the script, and that of two baselines."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mtclar.engine.estimate import DEFAULT_SMOOTHER, metrics
from mtclar.engine.estimate.smoothing import make_smoother

Pair = tuple[float, float]

DIMENSIONS = ("valence", "arousal")
MTCLAR, ABSOLUTE, NEAREST = "mtclar", "absolute", "nearest"


@dataclass(frozen=True, slots=True)
class Row:
    """One answered frame with a measured face."""

    t_s: float  # source time
    script: Pair
    mtclar: Pair  # as it was sent: smoothed
    absolute: Pair  # of this frame alone
    nearest: Pair  # of this frame alone: the label of the most similar support frame
    sd: Pair  # of this frame alone


@dataclass(frozen=True, slots=True)
class Scores:
    """CCC and RMSE by dimension and method, over `frames` frames that were not in the support set."""

    frames: int
    ccc: Mapping[str, Mapping[str, float]]  # dimension -> method -> value
    rmse: Mapping[str, Mapping[str, float]]

    @property
    def best(self) -> bool:
        """Whether the estimate agrees with the script better than both baselines, in both dimensions."""
        return all(values[MTCLAR] > max(values[ABSOLUTE], values[NEAREST]) for values in self.ccc.values())


def score(rows: Sequence[Row], smoother: str = DEFAULT_SMOOTHER) -> Scores:
    """Scores at least two rows; the baselines are smoothed in the same way as the estimate."""
    script = np.array([row.script for row in rows])  # [N, 2]
    methods = {
        MTCLAR: np.array([row.mtclar for row in rows]),
        ABSOLUTE: _smoothed(rows, [row.absolute for row in rows], smoother),
        NEAREST: _smoothed(rows, [row.nearest for row in rows], smoother),
    }
    return Scores(
        frames=len(rows),
        ccc={
            dimension: {
                name: round(float(metrics.ccc(values[:, i], script[:, i])), 4)
                for name, values in methods.items()
            }
            for i, dimension in enumerate(DIMENSIONS)
        },
        rmse={
            dimension: {
                name: round(float(metrics.rmse(values[:, i], script[:, i])), 4)
                for name, values in methods.items()
            }
            for i, dimension in enumerate(DIMENSIONS)
        },
    )


def _smoothed(rows: Sequence[Row], values: Sequence[Pair], smoother: str) -> NDArray[np.float64]:
    """[N, 2] after the named smoother, on source time."""
    smooth = make_smoother(smoother)
    return np.array([smooth(row.t_s, value, row.sd)[0] for row, value in zip(rows, values, strict=True)])
