"""Crops a face with level eyes, framed as the encoder was trained; measures pose, sharpness and brightness."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

# Face Mesh's points around each eye: both corners, upper and lower lid. Right and left are the person's own.
RIGHT_EYE = (33, 133, 159, 145)
LEFT_EYE = (362, 263, 386, 374)
MOUTH = (61, 291, 0, 17)  # corners, upper and lower lip
NOSE_BASE, FOREHEAD = 2, 10
RIGHT_CHEEK, LEFT_CHEEK = 234, 454
DEPTH_SCALE = 0.75  # Face Mesh exaggerates depth: with it, the yaw of a rendered head comes out right
LEVEL_PITCH_DEG = 4.0  # pitch that the two lines give for a level head
# Rows of the landmarks that every frame reads; an index array takes a third of the time of a list.
_EYES = np.array(RIGHT_EYE + LEFT_EYE)
_SHOWN = np.array(MOUTH + RIGHT_EYE + LEFT_EYE)
_POSE = np.array((RIGHT_CHEEK, LEFT_CHEEK, NOSE_BASE, FOREHEAD))

Points = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Framing:
    """Size and extent of a crop, relative to the landmarks."""

    size: int  # pixels of its side, S
    scale: float  # its side over the extent of the landmarks with the eyes level
    shift_up: float  # how far its centre lies above theirs, as a share of that extent


FRAMING = Framing(size=48, scale=1.05, shift_up=0.05)
"""FER2013's framing, on which the encoder is trained. On photos a wider crop (scale 1.35) cost 5 points of accuracy."""

MAX_SIZE = 1024  # pixels of a crop's side that a file may ask for

ANTIALIAS_ABOVE = 1.3  # source pixels to a crop's pixel: from here on, sampling without a blur would alias
BORDER = 2  # source pixels kept around the region, for the interpolation at its border


@dataclass(frozen=True, slots=True)
class Square:
    """A square of the frame, turned by `angle`."""

    center: tuple[float, float]  # pixels of the frame
    side: float  # pixels of the frame
    angle: float  # radians, clockwise on the screen


def framing_from(fields: Mapping[str, float]) -> Framing:
    """A framing from JSON; raises KeyError, TypeError, ValueError or OverflowError for anything else."""
    framing = Framing(int(fields["size"]), float(fields["scale"]), float(fields["shift_up"]))
    if not (
        0 < framing.size <= MAX_SIZE and 0 < framing.scale < math.inf and math.isfinite(framing.shift_up)
    ):
        raise ValueError("no face can be cropped with it")
    return framing


def cut(image: NDArray[np.uint8], points: Points, framing: Framing = FRAMING) -> NDArray[np.uint8]:
    """The face as a grey square uint8 [S, S]; beyond the frame its border is repeated.

    `image` is [H, W, 3] BGR or [H, W] grey, `points` are landmarks [L, 2 or 3] in its pixels.
    """
    return sample(image, square_of(points, framing), framing.size)


def sample(image: NDArray[np.uint8], square: Square, size: int) -> NDArray[np.uint8]:
    """A square of the frame as grey uint8 [size, size]."""
    center, side = np.array(square.center), square.side
    to_frame = square_to_frame(center, side, square.angle, size)
    # Only the region under the square is made grey and blurred: a 4K frame costs no more than a small one.
    reach = side * math.sqrt(0.5) + BORDER
    height, width = image.shape[:2]
    x0, y0 = (int(max(0, math.floor(c - reach))) for c in center)
    x1, y1 = (int(min(limit, math.ceil(c + reach))) for c, limit in zip(center, (width, height), strict=True))
    if x1 - x0 < 1 or y1 - y0 < 1:  # the square lies beyond the frame
        x0, y0, x1, y1 = 0, 0, width, height
    region = image[y0:y1, x0:x1]
    if region.ndim == 3:
        region = np.asarray(cv2.cvtColor(region, cv2.COLOR_BGR2GRAY), np.uint8)
    to_frame[:, 2] -= (x0, y0)
    step = side / size
    if step > ANTIALIAS_ABOVE:
        # Shrink first by averaging areas: exact, and cheaper than a blur of the large region.
        shrink = 1 / step
        small = (max(1, round(region.shape[1] * shrink)), max(1, round(region.shape[0] * shrink)))
        ratio = np.array([small[0] / region.shape[1], small[1] / region.shape[0]])
        region = np.asarray(cv2.resize(region, small, interpolation=cv2.INTER_AREA), np.uint8)
        # Pixel centres lie at half steps: x -> (x + 1/2) ratio - 1/2.
        to_frame = to_frame * ratio[:, None]
        to_frame[:, 2] += 0.5 * ratio - 0.5
    warped = cv2.warpAffine(
        region,
        to_frame,
        (size, size),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(warped, np.uint8)


def square_to_frame(center: NDArray[np.float64], side: float, angle: float, size: int) -> NDArray[np.float64]:
    """Affine map [2, 3] from the pixels of a [size, size] square to the frame."""
    cos, sin = math.cos(angle), math.sin(angle)
    rotation = np.array([[cos, -sin], [sin, cos]]) * (side / size)
    offset = np.asarray(center, np.float64) - rotation @ np.full(2, (size - 1) / 2)
    return np.column_stack([rotation, offset])


def eye_angle(points: Points) -> float:
    """Radians by which the line of the eyes is turned clockwise on the screen."""
    (right_x, right_y), (left_x, left_y) = points[_EYES, :2].reshape(2, -1, 2).mean(1).tolist()
    return math.atan2(left_y - right_y, left_x - right_x)


def box_of(points: Points) -> tuple[float, float, float, float]:
    """x0, y0, x1, y1 around the landmarks."""
    xy = np.ascontiguousarray(points.T[:2])
    (x0, y0), (x1, y1) = xy.min(1).tolist(), xy.max(1).tolist()
    return x0, y0, x1, y1


def cut_off(points: Points, height: int, width: int) -> float:
    """How far mouth or eyes lie beyond the edge of a frame, as a share of the face's larger side; 0 inside.

    Face Mesh continues a face beyond the edge: on 625 faces cut there on purpose the share is off by .02 at most up to
    .06, and .05 (median) above.
    """
    beyond = max(max(-x, -y, x - (width - 1), y - (height - 1)) for x, y in points[_SHOWN, :2].tolist())
    if beyond <= 0.0:
        return 0.0
    x0, y0, x1, y1 = box_of(points)
    return beyond / max(x1 - x0, y1 - y0, 1.0)


def pose_deg(points: Points) -> tuple[float, float, float]:
    """Yaw (> 0 to the person's left), pitch (> 0 up), roll (> 0 clockwise) in degrees, from landmarks [468, 3].

    The head's axes are the line of the cheeks and the line from the forehead to the base of the nose, which the jaw
    does not move. Against a rendered head (20 s, yaw +-7, pitch +-3, roll +-2 degrees): yaw r = .99, slope 1.0;
    roll r = .96, slope 1.0; pitch r = .53, slope .9, so a pitch below 3 degrees means nothing. Wide angles come out too
    small, those of two rendered people turned by 30 and 50 degrees: yaw 22 to 27 and 36 to 44; pitch 18 to 27 at 30.
    """
    right, left, base, top = (
        (x, y, DEPTH_SCALE * z) for x, y, z in points[_POSE].tolist()
    )  # numbers instead of arrays: arrays of three take ten times as long
    ax, ay, az = _unit(left[0] - right[0], left[1] - right[1], left[2] - right[2])  # right on the screen
    dx, dy, dz = (base[i] - top[i] for i in range(3))
    along = dx * ax + dy * ay + dz * az
    dx, dy, dz = _unit(dx - along * ax, dy - along * ay, dz - along * az)
    # Out of the face: down x across; z grows away from the camera, so its z is below 0 facing it.
    ahead = (dy * az - dz * ay, dz * ax - dx * az, dx * ay - dy * ax)
    yaw = math.degrees(math.atan2(ahead[0], -ahead[2]))
    pitch = math.degrees(math.asin(max(-1.0, min(1.0, -ahead[1])))) - LEVEL_PITCH_DEG
    roll = math.degrees(math.atan2(ay, ax))
    return yaw, pitch, roll


def _unit(x: float, y: float, z: float) -> tuple[float, float, float]:
    length = math.hypot(x, y, z) + 1e-9
    return x / length, y / length, z / length


def sharpness(crop: NDArray[np.uint8]) -> float:
    """Variance of the Laplacian in squared grey levels (Pech-Pacheco et al. 2000): low when blurred."""
    _, sd = cv2.meanStdDev(cv2.Laplacian(crop, cv2.CV_32F))
    return float(sd[0, 0]) ** 2


def brightness(crop: NDArray[np.uint8]) -> float:
    """Mean grey level, 0..255."""
    return float(cv2.mean(crop)[0])


def square_of(points: Points, framing: Framing) -> Square:
    """The square that `framing` asks for around the landmarks."""
    angle = eye_angle(points)
    cos, sin = math.cos(angle), math.sin(angle)
    to_frame = np.array([[cos, -sin], [sin, cos]])
    # The landmarks with the eyes level, each axis in one piece: extremes of interleaved axes take five times as long.
    level = np.ascontiguousarray((points[:, :2].astype(np.float64) @ to_frame).T)
    low, high = level.min(1), level.max(1)
    extent = float((high - low).max())
    center = to_frame @ ((low + high) / 2 - (0, framing.shift_up * extent))
    return Square((float(center[0]), float(center[1])), max(framing.scale * extent, 1.0), angle)
