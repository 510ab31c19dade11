"""Drift: whether a face has left what its support set covers, in expression, light or pose, for some seconds.

Half of the frames of a recording show an expression that no label covers, and heads turn. So the mean over the latest
seconds is compared: a reason begins when it lies beyond every support frame by more than
one limit, and ends when it comes nearer than a second one. The limits are set on rendered people for tuning, such that
unchanged conditions stay within them; experiments/tracking measures it (docs/results/drift.md).

The sd is no reason of its own: it grows with the distance that `in_support` is computed from.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import exp, log
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from mtclar.engine.data_types import Estimate
from mtclar.engine.support_set import CONDITIONS, SupportSet

Reason = Literal["unlike", "darker", "brighter", "blurred", "turned"]

ADVICE: Mapping[Reason, str] = {
    "unlike": "unlike every labelled frame: add a frame of this face",
    "darker": "darker than at calibration: more light, or add a frame",
    "brighter": "brighter than at calibration: less light, or add a frame",
    "blurred": "less sharp than at calibration: check the focus, or add a frame",
    "turned": "head turned further than during calibration: move the camera, or add a frame",
}

MEMORY_S = 8.0  # time constant of the mean, in source time; no reason is reported earlier
MIN_WEIGHT = 1.0 - exp(-1.0)  # of the mean before it is used: MEMORY_S without a gap
RESTART_AFTER_S = 10.0  # a longer gap, or a jump back, restarts the mean

UNCOVERED, LIGHT, DETAIL, YAW, PITCH = range(5)  # the averaged quantities
DARKEST = 1.0  # grey level, since a logarithm needs more than 0


@dataclass(frozen=True, slots=True)
class DriftLimit:
    """How far beyond the support frames the mean of one quantity may lie."""

    reason: Reason
    of: int
    below: bool  # whether less than the least counts; otherwise more than the most
    begin: float
    end: float


LIMITS = (
    DriftLimit("unlike", UNCOVERED, False, 0.9, 0.6),  # share of frames that are not in support
    DriftLimit("darker", LIGHT, True, log(1.2), log(1.12)),  # mean grey level: times less
    DriftLimit("brighter", LIGHT, False, log(1.2), log(1.12)),
    DriftLimit(
        "blurred", DETAIL, True, log(2.7), log(2.0)
    ),  # sharpness over grey level, which poor light lowers as well
    *(DriftLimit("turned", YAW, below, 11.0, 7.0) for below in (True, False)),  # degrees
    *(DriftLimit("turned", PITCH, below, 5.0, 3.5) for below in (True, False)),
)


class Crop(Protocol):
    """The part of a FaceCrop that drift depends on."""

    @property
    def brightness(self) -> float: ...
    @property
    def sharpness(self) -> float: ...
    @property
    def pose_deg(self) -> tuple[float, float, float]: ...


class DriftWatch:
    """Drift of one face from one support set; call it with every measured frame in order of time."""

    def __init__(self, support: SupportSet) -> None:
        covered = np.zeros((1, 1))
        if support.conditions is None:
            frames, self._limits = covered, LIMITS[:1]
        else:
            of = dict(zip(CONDITIONS, support.conditions.T.astype(np.float64), strict=True))
            light = np.log(np.maximum(of["brightness"], DARKEST))
            detail = np.log(np.maximum(of["sharpness"], DARKEST)) - light
            frames = np.stack([np.zeros(len(support)), light, detail, of["yaw_deg"], of["pitch_deg"]])
            self._limits = LIMITS
        self._least, self._most = frames.min(1), frames.max(1)
        self._holds = [False] * len(self._limits)
        self._weight, self._sum = 0.0, np.zeros(PITCH + 1)
        self._t_s: float | None = None

    def __call__(self, t_s: float, crop: Crop, estimate: Estimate) -> tuple[Reason, ...]:
        """The reasons that hold at source time `t_s`, in the order of ADVICE."""
        dt_s = 0.0 if self._t_s is None else t_s - self._t_s
        if not 0.0 <= dt_s <= RESTART_AFTER_S:
            self._weight, self._sum[:], self._holds = 0.0, 0.0, [False] * len(self._limits)
            dt_s = 0.0
        self._t_s = t_s
        kept = exp(-dt_s / MEMORY_S)
        self._weight = kept * self._weight + (1.0 - kept)
        self._sum = kept * self._sum + (1.0 - kept) * _quantities(crop, estimate)
        if self._weight >= MIN_WEIGHT:
            mean = self._sum / self._weight
            for i, limit in enumerate(self._limits):
                of, nearest = limit.of, limit.end if self._holds[i] else limit.begin
                beyond = self._least[of] - mean[of] if limit.below else mean[of] - self._most[of]
                self._holds[i] = bool(beyond >= nearest)
        held = {limit.reason for limit, holds in zip(self._limits, self._holds, strict=True) if holds}
        return tuple(reason for reason in ADVICE if reason in held)


def _quantities(crop: Crop, estimate: Estimate) -> NDArray[np.float64]:
    """The quantities UNCOVERED .. PITCH of one frame."""
    light = log(max(crop.brightness, DARKEST))
    detail = log(max(crop.sharpness, DARKEST)) - light
    return np.array([not estimate.in_support, light, detail, *crop.pose_deg[:2]], np.float64)
