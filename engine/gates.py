"""Which crops are good enough to be measured, and in plain words why others are not."""

from dataclasses import dataclass

from mtclar.engine.handover import FaceCrop


@dataclass(frozen=True, slots=True)
class Gates:
    """Limits that a face must keep."""

    max_yaw_deg: float
    max_pitch_deg: float
    min_sharpness: (
        float  # variance of the Laplacian of the crop; a blur of 2 pixels of the crop leaves about 20
    )
    min_brightness: float  # mean grey level, 0..255
    max_brightness: float
    min_side_px: float  # larger side of the landmarks' box, in pixels of the frame


RUN_GATES = Gates(
    max_yaw_deg=45, max_pitch_deg=35, min_sharpness=25, min_brightness=25, max_brightness=240, min_side_px=24
)
"""While tracking: what the encoder still reads, if less well."""

CALIBRATION_GATES = Gates(
    max_yaw_deg=25, max_pitch_deg=25, min_sharpness=60, min_brightness=45, max_brightness=215, min_side_px=40
)
"""For support frames: a bad one spoils every later estimate."""


def faults(crop: FaceCrop, gates: Gates) -> tuple[str, ...]:
    """Why this crop should not be used, most important first; empty when it is fine."""
    found = []
    x0, y0, x1, y1 = crop.box
    if max(x1 - x0, y1 - y0) < gates.min_side_px:
        found.append("too small")
    yaw, pitch, _ = crop.pose_deg
    if abs(yaw) > gates.max_yaw_deg or abs(pitch) > gates.max_pitch_deg:
        found.append("turned away")
    if crop.brightness < gates.min_brightness:
        found.append("too dark")
    elif crop.brightness > gates.max_brightness:
        found.append("too bright")
    if crop.sharpness < gates.min_sharpness:
        found.append("blurred")
    return tuple(found)
