"""Whether a crop is good enough to be measured, and the issues of one that is not, in plain words."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mtclar.engine.data_types import FaceCrop
from mtclar.engine.face.features.eyes import BLINK_OPENING


@dataclass(frozen=True, slots=True)
class QualityLimits:
    """The range of pose, sharpness, brightness and size in which a face is measured."""

    max_yaw_deg: float
    max_pitch_deg: float
    min_sharpness: float  # variance of the Laplacian of the crop, squared grey levels
    min_brightness: float  # mean grey level, 0..255
    max_brightness: float
    min_side_px: float  # larger side of the landmarks' box, in pixels of the frame
    min_eye_opening: float = 0.0  # share of this person's open eyes
    max_cut_off: float = 0.0  # share of the face beyond the frame's edge, for mouth and eyes


FLAT_RATIO = 0.12
"""Sharpness over the crop's variance, which light and haze do not change: above it, low sharpness is lack of contrast.

Measured on the same pictures: 0.19 to 1.02 as they are and in any light; blurred by 1.5 and 2.5 pixels of the crop
0.02 to 0.06 and 0.01 to 0.04. Between pictures the ratio differs more than sharpness does, so it only names the cause.
"""

# The limits come from docs/results/robustness.md. By each quantity, the error is 1.5 times that of good images (run; in
# brackets 1.25 times: calibration) below a sharpness of 25 (60) on rendered frames and 100 (200) on photographs, and
# below a brightness of 8 (12) and 12 (20); within 38 degrees of yaw, as `pose_deg` measures it for a head turned by 45
# degrees, it is nowhere (from 26 degrees on). The limits of sharpness stay at the lower end, since poor light lowers
# sharpness too and costs little. The limits of brightness are where sharpness would fail next: `too dark` is the more
# useful message. A face of 24 pixels has 1.4 times the error; at 16 pixels hardly any is found. Pitch was not measured:
# training saw 16 degrees. A face cut off by the frame's edge: V/A changes by .03/.05 while the lower lip is 3 % of the
# face's side inside, by .04/.06 with it at the edge, .06/.15 with 6 % beyond it and .11/.19 with 25 %.
RUN_LIMITS = QualityLimits(
    max_yaw_deg=38, max_pitch_deg=25, min_sharpness=25, min_brightness=25, max_brightness=240, min_side_px=24
)
"""While tracking: the encoder still reads such faces, with a larger error."""

CALIBRATION_LIMITS = QualityLimits(
    max_yaw_deg=25,
    max_pitch_deg=20,
    min_sharpness=60,
    min_brightness=45,
    max_brightness=215,
    min_side_px=36,
    min_eye_opening=BLINK_OPENING,
)
"""For support frames, stricter: a bad one adds error to every later estimate."""


@dataclass(frozen=True, slots=True)
class QualityIssue:
    """One limit that a crop is outside of."""

    name: str  # the same words from frame to frame
    value: float
    limit: float
    unit: str

    def __str__(self) -> str:
        return f"{self.name} ({self.value:.0f}{self.unit}, limit {self.limit:.0f}{self.unit})"


def quality_issues(crop: FaceCrop, limits: QualityLimits) -> tuple[str, ...]:
    """Names of the issues of this crop, each once, most important first; empty for a good crop."""
    return tuple(dict.fromkeys(issue.name for issue in find_issues(crop, limits)))


def find_issues(crop: FaceCrop, limits: QualityLimits) -> Iterator[QualityIssue]:
    """Every limit that this crop is outside of, with its numbers, most important first."""
    x0, y0, x1, y1 = crop.box
    side = max(x1 - x0, y1 - y0)
    if side < limits.min_side_px:
        yield QualityIssue("too small", side, limits.min_side_px, " px")
    if crop.cut_off > limits.max_cut_off:
        yield QualityIssue(
            "cut off", 100 * crop.cut_off, 100 * limits.max_cut_off, "% of the face beyond the edge"
        )
    yaw, pitch, _ = (abs(angle) for angle in crop.pose_deg)
    if yaw > limits.max_yaw_deg:
        yield QualityIssue("turned away", yaw, limits.max_yaw_deg, "° sideways")
    if pitch > limits.max_pitch_deg:
        yield QualityIssue("turned away", pitch, limits.max_pitch_deg, "° up or down")
    if crop.eye_opening < limits.min_eye_opening:
        yield QualityIssue("eyes closed", 100 * crop.eye_opening, 100 * limits.min_eye_opening, "% open")
    if crop.brightness < limits.min_brightness:
        yield QualityIssue("too dark", crop.brightness, limits.min_brightness, "")
        return  # little light means little contrast: its sharpness would be low without any blur
    if crop.brightness > limits.max_brightness:
        yield QualityIssue("too bright", crop.brightness, limits.max_brightness, "")
    if crop.sharpness < limits.min_sharpness:
        flat = crop.sharpness > FLAT_RATIO * float(crop.image.var())
        yield QualityIssue(
            "too little contrast" if flat else "blurred", crop.sharpness, limits.min_sharpness, ""
        )


def crop_quality(crop: FaceCrop) -> float:
    """0..1: the landmark network's score times the cosine of the head's angle to the camera."""
    yaw, pitch, _ = crop.pose_deg
    frontal = float(np.cos(np.radians(min(np.hypot(yaw, pitch), 90.0))))
    return float(np.clip(crop.score * frontal, 0.0, 1.0))


def conditions(crop: FaceCrop) -> tuple[float, float, float, float]:
    """Light and pose of a crop, in the order of mtclar.engine.support_set.CONDITIONS."""
    return crop.brightness, crop.sharpness, crop.pose_deg[0], crop.pose_deg[1]
