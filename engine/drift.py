"""Whether a face has left what its support set covers: other expressions, other light, another pose, for a while.

A single frame says little (some frames of every recording are not covered), so each reason is a share of the latest
seconds: it begins when nearly all of them went past its limit, and ends when few of them are past a nearer limit. So
nothing flickers. docs/drift.md has the measurement.

The sd is no reason of its own: the process's sd grows with just what `in_support` is computed from.
"""

from collections.abc import Callable, Mapping
from math import exp
from typing import Literal

from mtclar.engine.handover import Estimate, FaceCrop
from mtclar.engine.support import CONDITIONS, SupportSet

Reason = Literal["unlike", "darker", "brighter", "blurred", "turned"]

ADVICE: Mapping[Reason, str] = {
    "unlike": "unlike every labelled frame: add a frame of this face",
    "darker": "darker than at calibration: more light, or add a frame",
    "brighter": "brighter than at calibration: less light, or add a frame",
    "blurred": "less sharp than at calibration: check the focus, or add a frame",
    "turned": "turned away from where it looked at calibration: move the camera, or add a frame",
}

MEMORY_S = 4.0  # of source time: how far back a share reaches
BEGIN, END = (
    0.8,
    0.4,
)  # shares at which a reason begins and ends: after 6.4 s and 3.7 s when nothing interrupts
RESTART_AFTER_S = 10.0  # a longer gap, or a jump back: the shares begin anew

# Past the first limit a frame speaks for a reason; past the second it still does while the reason holds.
DARKER = (2.0, 1.6)  # times less than the darkest support frame, in mean grey levels
BRIGHTER = (1.5, 1.25)  # times more than the brightest
BLURRED = (4.0, 2.5)  # times less sharp than the least sharp one
TURNED_DEG = (12.0, 8.0)  # beyond every support frame's yaw or pitch

Past = Callable[[FaceCrop, Estimate, int], bool]  # 0: to begin with, 1: to go on


class DriftWatch:
    """The reasons that hold for one face beside one support set; call it with every measured frame in order of time."""

    def __init__(self, support: SupportSet) -> None:
        self._past: dict[Reason, Past] = {"unlike": lambda _, estimate, __: not estimate.in_support}
        if support.conditions is not None:
            self._past |= _conditions(support)
        self._share = dict.fromkeys(self._past, 0.0)
        self._holds = dict.fromkeys(self._past, False)
        self._t_s: float | None = None

    def __call__(self, t_s: float, crop: FaceCrop, estimate: Estimate) -> tuple[Reason, ...]:
        """The reasons that hold at source time `t_s`, in the order of ADVICE."""
        dt_s = 0.0 if self._t_s is None else t_s - self._t_s
        if not 0.0 <= dt_s <= RESTART_AFTER_S:
            self._share, self._holds = dict.fromkeys(self._past, 0.0), dict.fromkeys(self._past, False)
            dt_s = 0.0
        self._t_s = t_s
        kept = exp(-dt_s / MEMORY_S)
        for reason, past in self._past.items():
            holds = self._holds[reason]
            share = kept * self._share[reason] + (1.0 - kept) * past(crop, estimate, int(holds))
            self._share[reason] = share
            self._holds[reason] = share >= (END if holds else BEGIN)
        return tuple(reason for reason in ADVICE if self._holds.get(reason))


def _conditions(support: SupportSet) -> dict[Reason, Past]:
    """What a frame must be to be out of the light, focus and pose of the support frames."""
    assert support.conditions is not None
    low = dict(zip(CONDITIONS, support.conditions.min(0).tolist(), strict=True))
    high = dict(zip(CONDITIONS, support.conditions.max(0).tolist(), strict=True))

    def turned(crop: FaceCrop, _: Estimate, level: int) -> bool:
        yaw, pitch, _roll = crop.pose_deg
        beyond = TURNED_DEG[level]
        return not (
            low["yaw_deg"] - beyond <= yaw <= high["yaw_deg"] + beyond
            and low["pitch_deg"] - beyond <= pitch <= high["pitch_deg"] + beyond
        )

    return {
        "darker": lambda crop, _, level: crop.brightness * DARKER[level] < low["brightness"],
        "brighter": lambda crop, _, level: crop.brightness > high["brightness"] * BRIGHTER[level],
        "blurred": lambda crop, _, level: crop.sharpness * BLURRED[level] < low["sharpness"],
        "turned": turned,
    }
