"""Accepted frames become a support set."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mtclar.calibrate.core.frame_check import AcceptedFrame
from mtclar.engine.data_types import FaceCrop
from mtclar.engine.errors import CalibrationError
from mtclar.engine.support_set import SupportSet
from mtclar.engine.tracker import Tracker


def make_support(
    frames: Sequence[AcceptedFrame], tracker: Tracker, *, subject: str, source: str, keep_crops: bool = False
) -> SupportSet:
    """The support set of the accepted frames; CalibrationError without any."""
    if not frames:
        raise CalibrationError("not one usable frame: there is nothing to calibrate on")
    crops = [frame.crop for frame in frames]
    return SupportSet.from_encoded(
        tracker.encode(crops),
        np.array([(frame.valence, frame.arousal) for frame in frames], np.float32),
        subject=subject,
        encoder=tracker.identity,
        quality=qualities(crops),
        times_s=np.array([frame.t_s for frame in frames]),
        source=source,
        conditions=np.array([conditions(crop) for crop in crops], np.float32),
        crops=np.stack([crop.image for crop in crops]) if keep_crops else None,
    )


def conditions(crop: FaceCrop) -> tuple[float, float, float, float]:
    """Light and pose of a crop, in the order of mtclar.engine.support_set.CONDITIONS."""
    return crop.brightness, crop.sharpness, crop.pose_deg[0], crop.pose_deg[1]


def qualities(crops: Sequence[FaceCrop]) -> NDArray[np.float32]:
    """[N] `crop_quality` of each crop."""
    return np.array([crop_quality(crop) for crop in crops], np.float32)


def crop_quality(crop: FaceCrop) -> float:
    """0..1: the landmark network's score times the cosine of the head's angle to the camera."""
    yaw, pitch, _ = crop.pose_deg
    frontal = float(np.cos(np.radians(min(np.hypot(yaw, pitch), 90.0))))
    return float(np.clip(crop.score * frontal, 0.0, 1.0))
