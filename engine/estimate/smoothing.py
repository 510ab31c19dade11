"""Causal smoothers of valence and arousal by name; one object for each face, on source time.

Each is called as smoother(t_s, value [2], sd [2]) -> (value [2], sd [2]) with V/A. Time steps may be irregular. A
sample that is not later than the one before (a duplicate, or two swapped by the network) leaves the output as it was; a
jump of more than RESTART_AFTER_S, forwards (the face was away) or backwards (the file restarted), restarts the filter.
docs/results/smoothing.md has the lag and the jitter of each, and why the 1-euro filter is the default.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mtclar.engine.errors import UsageError
from mtclar.engine.estimate import DEFAULT_SMOOTHER, SMOOTHERS
from mtclar.engine.one_euro import OneEuroGain, OneEuroParams, low_pass_gain

Array = NDArray[np.float64]
Pair = tuple[Array, Array]

RESTART_AFTER_S = 1.0  # as long as a face is held
DRIFT_PER_SQRT_S = 0.3  # how far V/A of a person wanders in a second, sd: that of the rendered scripts


class Smoother(Protocol):
    """Smooths V/A of one face. To add one: a class here and an entry in SMOOTHERS of this package; or a factory."""

    def __call__(self, t_s: float, value: ArrayLike, sd: ArrayLike) -> Pair:
        """V/A [2] and its sd [2] measured at source time t_s -> both, smoothed."""

    def reset(self) -> None:
        """Forgets everything."""


class _Causal:
    """Time keeping of the smoothers; a sub-class defines `_start` for a first and `_step` for a later sample."""

    def __init__(self) -> None:
        self._t_s: float | None = None
        self._output: Pair = (np.zeros(2), np.zeros(2))

    def reset(self) -> None:
        self._t_s = None

    def __call__(self, t_s: float, value: ArrayLike, sd: ArrayLike) -> Pair:
        value, sd = np.array(value, np.float64), np.array(sd, np.float64)
        dt_s = None if self._t_s is None else t_s - self._t_s
        if dt_s is None or abs(dt_s) > RESTART_AFTER_S:
            self._output = self._start(value, sd)
            self._t_s = t_s
        elif dt_s > 0:
            self._output = self._step(dt_s, value, sd)
            self._t_s = t_s
        return self._output[0].copy(), self._output[1].copy()

    def _start(self, value: Array, sd: Array) -> Pair:
        return value, sd

    def _step(self, dt_s: float, value: Array, sd: Array) -> Pair:
        raise NotImplementedError


class Identity(_Causal):
    """No smoothing."""

    def __call__(self, t_s: float, value: ArrayLike, sd: ArrayLike) -> Pair:  # noqa: ARG002
        return np.array(value, np.float64), np.array(sd, np.float64)


@dataclass(frozen=True, slots=True)
class ExponentialParams:
    """Settings of the exponential filter."""

    cutoff_hz: float = 1.0


class Exponential(_Causal):
    """A first-order low-pass; the sd is filtered too, since errors of neighbouring frames do not average out."""

    def __init__(self, params: ExponentialParams = ExponentialParams()) -> None:
        super().__init__()
        self._params = params

    def _step(self, dt_s: float, value: Array, sd: Array) -> Pair:
        gain = low_pass_gain(self._params.cutoff_hz, dt_s)
        before, sd_before = self._output
        return before + gain * (value - before), sd_before + gain * (sd - sd_before)


ONE_EURO = OneEuroParams(min_cutoff_hz=0.4, beta=3.0, speed_cutoff_hz=0.5)


class OneEuro(_Causal):
    """The one-euro filter, for each dimension on its own. The sd is filtered with the gain of its dimension."""

    def __init__(self, params: OneEuroParams = ONE_EURO) -> None:
        super().__init__()
        self._gain = OneEuroGain(params)

    def _start(self, value: Array, sd: Array) -> Pair:
        self._raw = value
        self._gain.reset()
        return value, sd

    def _step(self, dt_s: float, value: Array, sd: Array) -> Pair:
        gain = self._gain((value - self._raw) / dt_s, dt_s)
        self._raw = value
        before, sd_before = self._output
        return before + gain * (value - before), sd_before + gain * (sd - sd_before)


@dataclass(frozen=True, slots=True)
class KalmanParams:
    """Settings of the Kalman filter."""

    drift_per_sqrt_s: float = 0.04  # less than people drift (below): set for the same jitter as the others
    noise_share: float = 0.15  # of an estimate's sd: what is new in each frame; the rest is error that stays


class Kalman(_Causal):
    """A random walk observed with the estimate's own variance: uncertain frames count for less.

    Of an estimate's sd only `noise_share` is independent in each frame and can be averaged away; the rest (the model is
    wrong about this expression) is the same in every frame, so it is added back to the output's variance.
    """

    def __init__(self, params: KalmanParams = KalmanParams()) -> None:
        super().__init__()
        self._params = params

    def _start(self, value: Array, sd: Array) -> Pair:
        self._variance = (self._params.noise_share * sd) ** 2
        return value, sd

    def _step(self, dt_s: float, value: Array, sd: Array) -> Pair:
        share = self._params.noise_share
        predicted = self._variance + self._params.drift_per_sqrt_s**2 * dt_s
        noise = np.maximum((share * sd) ** 2, 1e-12)
        gain = predicted / (predicted + noise)
        self._variance = (1.0 - gain) * predicted
        before = self._output[0]
        return before + gain * (value - before), np.sqrt(self._variance + (1.0 - share**2) * sd**2)


SmootherFactory = Callable[[], Smoother]
"""Makes the smoother of one face: a class of smoothers, or a function."""


def make_smoother(smoother: str | SmootherFactory = DEFAULT_SMOOTHER) -> Smoother:
    """A new smoother for one face, by name or from a factory; raises UsageError that lists the names."""
    if not isinstance(smoother, str):
        return smoother()
    if smoother not in SMOOTHERS:
        raise UsageError(f"there is no smoother '{smoother}'", f"one of: {', '.join(SMOOTHERS)}")
    module, _, factory = SMOOTHERS[smoother].partition(":")
    made: Smoother = getattr(import_module(module), factory)()
    return made
