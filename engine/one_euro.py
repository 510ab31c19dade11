"""The one-euro filter's adaptive gain: of the smoother of valence and arousal, and of the stabilizer of crops.

A first-order low-pass whose cut-off rises with speed: steady at rest, quick when the signal moves. Casiez, Roussel and
Vogel, "1 Euro Filter", CHI 2012, doi:10.1145/2207676.2208639; here with gains that are exact for irregular time steps.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import tau as TWO_PI
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class OneEuroParams:
    """Settings of the filter; the signal's unit is u."""

    min_cutoff_hz: float  # at rest: the lower, the steadier
    beta: float  # how fast the cut-off rises with speed, in Hz per (u per second)
    speed_cutoff_hz: float  # of the speed's own low-pass: noise must not look like movement


def low_pass_gain(cutoff_hz: Any, dt_s: float) -> Any:
    """Share of the new sample in a first-order low-pass: exact for any step, unlike dt / (tau + dt)."""
    return 1.0 - np.exp(-TWO_PI * cutoff_hz * dt_s)


class OneEuroGain:
    """The gain for each new sample, from the signal's velocity [n]; `speed` maps a velocity to one or n speeds."""

    def __init__(self, params: OneEuroParams, speed: Callable[[Array], Any] = np.abs) -> None:
        self._params, self._speed = params, speed
        self.reset()

    def reset(self) -> None:
        """Forgets the velocity."""
        self._velocity: Array = np.zeros(1)

    def __call__(self, velocity: Array, dt_s: float) -> Any:
        params = self._params
        share = low_pass_gain(params.speed_cutoff_hz, dt_s)
        self._velocity = self._velocity + share * (velocity - self._velocity)
        return low_pass_gain(params.min_cutoff_hz + params.beta * self._speed(self._velocity), dt_s)
