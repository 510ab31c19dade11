"""Stabilizes a face's crop: still while the face is still, without lag when it moves, by a one-euro filter."""

import math

import numpy as np
from numpy.typing import NDArray

from mtclar.engine.face.crop import Square

# Chosen on a photograph moved by known maps at 25 fps, with noise. Rms error of the crop's turning and size: a head
# that tips 20 degrees to both sides, 0.3 degrees (3.9 when only the speed of the centre counts); leaning in by 25 %,
# 1.1 % (5.7 %). At rest it trembles by 0.04 pixels of a 48-pixel crop.
REST_HZ = 1.0  # cut-off while the face is still
HZ_PER_SPEED = 50.0  # added for each side a second: a steady motion lags by at most 1/(2 pi 50) of a side
SPEED_HZ = 4.0  # cut-off of the measured speed
RESTART_AFTER_S = 0.25  # after a longer gap the last place says nothing about this one


class CropStabilizer:
    """One-euro filter (Casiez et al. 2012, doi:10.1145/2207676.2208639) on the square of one face, on source time.

    Position is measured in sides, size as a logarithm and turning in radians, so one speed, and hence one cut-off,
    holds for all of them and for faces of every size.
    """

    def __init__(self) -> None:
        self._t_s = 0.0
        self._state: NDArray[np.float64] | None = None  # [4] x, y in pixels, log side, angle
        self._speed = np.zeros(4)  # sides, sides, 1, radians; a second

    def __call__(self, t_s: float, square: Square) -> Square:
        """The square measured at `t_s` -> the square to cut.

        After a gap or a step back in time the measured one is taken as it is; at the same time again, the last one.
        """
        measured = np.array([*square.center, math.log(square.side), square.angle])
        step_s = t_s - self._t_s
        self._t_s = t_s
        if self._state is None or not 0 <= step_s <= RESTART_AFTER_S:
            self._state, self._speed = measured, np.zeros(4)
            return square
        if step_s > 0:
            self._state = self._step(self._state, measured, step_s)
        x, y, log_side, angle = (float(v) for v in self._state)
        return Square((x, y), math.exp(log_side), math.remainder(angle, math.tau))

    def _step(
        self, state: NDArray[np.float64], measured: NDArray[np.float64], step_s: float
    ) -> NDArray[np.float64]:
        change = measured - state
        change[3] = math.remainder(change[3], math.tau)
        unit = np.array([math.exp(measured[2]), math.exp(measured[2]), 1.0, 1.0])
        self._speed += _share(SPEED_HZ, step_s) * (change / unit / step_s - self._speed)
        cutoff_hz = REST_HZ + HZ_PER_SPEED * float(np.linalg.norm(self._speed))
        return state + _share(cutoff_hz, step_s) * change


def _share(cutoff_hz: float, step_s: float) -> float:
    """Weight of a new value in a first-order low-pass filter."""
    return 1 / (1 + 1 / (math.tau * cutoff_hz * step_s))
