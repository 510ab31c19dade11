"""Geometry of boxes (x0, y0, x1, y1) in pixels of a frame."""

import math

import numpy as np
from numpy.typing import NDArray

from mtclar.engine.data_types import Box

SAME_FACE_IOU = 0.3  # intersection over union from which two boxes are one face
SAME_DISTANCE = 0.5  # or their centres closer than this share of the smaller box's side


def area(box: Box) -> float:
    """Square pixels."""
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])


def overlap(box: NDArray[np.floating], others: NDArray[np.floating]) -> NDArray[np.float64]:
    """Intersection over union of one box [4] with others [n, 4] -> [n]."""
    low, high = np.maximum(box[:2], others[:, :2]), np.minimum(box[2:], others[:, 2:])
    shared = np.prod(np.clip(high - low, 0, None), axis=1)
    areas = np.prod(np.clip(others[:, 2:] - others[:, :2], 0, None), axis=1)
    own = float(np.prod(np.clip(box[2:] - box[:2], 0, None)))
    return np.asarray(shared / np.maximum(areas + own - shared, 1e-9), np.float64)


def side(box: Box) -> float:
    """The larger one, in pixels."""
    return max(box[2] - box[0], box[3] - box[1])


def distance(one: Box, other: Box) -> float:
    """Pixels between the centres."""
    return math.hypot(one[0] + one[2] - other[0] - other[2], one[1] + one[3] - other[1] - other[3]) / 2


def same_face(one: Box, other: Box) -> bool:
    """Whether two boxes of one frame show one face."""
    if distance(one, other) < SAME_DISTANCE * min(side(one), side(other)):
        return True
    return bool(overlap(np.array(one), np.array([other]))[0] > SAME_FACE_IOU)
