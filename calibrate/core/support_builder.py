"""Accepted frames become a support set."""

from collections.abc import Sequence

import numpy as np

from mtclar.calibrate.core.frame_check import AcceptedFrame
from mtclar.engine.errors import CalibrationError
from mtclar.engine.support_set import SupportSet
from mtclar.engine.tracker import Tracker


def make_support(
    frames: Sequence[AcceptedFrame], tracker: Tracker, *, subject: str, source: str, keep_crops: bool = False
) -> SupportSet:
    """The support set of the accepted frames; CalibrationError without any."""
    if not frames:
        raise CalibrationError("not one usable frame: there is nothing to calibrate on")
    return SupportSet.from_crops(
        [frame.crop for frame in frames],
        np.array([(frame.valence, frame.arousal) for frame in frames], np.float32),
        tracker=tracker,
        keep_crops=keep_crops,
        subject=subject,
        source=source,
        times_s=np.array([frame.t_s for frame in frames]),
    )
