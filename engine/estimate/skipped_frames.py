"""Values of frames in which a face is not measured: a mean while it looks the same, or interpolated ones."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mtclar.engine.data_types import Estimate

Array = NDArray[np.float64]

MOST = 32  # measurements that the mean reaches back to


class KeptEstimate:
    """One face. Noise of the sensor moves the estimate of every frame a little: one frame alone would carry it on."""

    def __init__(self) -> None:
        self._latest: Estimate | None = None
        self._mean: Array | None = None  # [6] V/A, their sd, V/A of the encoder alone
        self._count = 0
        self._since_s: float | None = None

    def add(self, same_since_s: float, estimate: Estimate) -> None:
        """A measured estimate of a face that has looked the same since then (FaceCrop.same_since_s)."""
        values = np.array(
            [
                estimate.valence,
                estimate.arousal,
                estimate.valence_sd,
                estimate.arousal_sd,
                *estimate.absolute,
            ]
        )
        if self._mean is None or same_since_s != self._since_s:
            self._mean, self._count, self._since_s = values, 1, same_since_s
        else:
            self._count = min(self._count + 1, MOST)
            self._mean = self._mean + (values - self._mean) / self._count
        self._latest = estimate

    def __call__(self) -> Estimate | None:
        """The latest estimate with these means; None before the first."""
        if self._latest is None or self._mean is None:
            return None
        valence, arousal, valence_sd, arousal_sd, *absolute = self._mean.tolist()
        return replace(
            self._latest,
            valence=valence,
            arousal=arousal,
            valence_sd=valence_sd,
            arousal_sd=arousal_sd,
            absolute=(absolute[0], absolute[1]),
        )


class Interpolator:
    """Values on a straight line to the newest measurement, which is reached one period after it."""

    def __init__(self, period_s: float) -> None:
        self._period_s = period_s
        self._newest_s = 0.0
        self._before: Array | None = None  # [2, 2] V/A and their sd
        self._newest: Array | None = None

    def add(self, t_s: float, value: Array, sd: Array) -> None:
        """V/A [2] and their sd [2] measured at source time `t_s`."""
        newest = np.array([value, sd])
        self._before = newest if self._newest is None else np.array(self(t_s))
        self._newest, self._newest_s = newest, t_s

    def __call__(self, t_s: float) -> tuple[Array, Array]:
        """V/A [2] and their sd [2] at `t_s`, after the first measurement."""
        assert self._before is not None
        assert self._newest is not None
        share = min(max((t_s - self._newest_s) / self._period_s, 0.0), 1.0)
        value, sd = self._before + share * (self._newest - self._before)
        return value, sd
