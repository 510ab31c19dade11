"""The demo clip with something drawn on its face: a mask before the mouth, or a headband."""

from collections.abc import Callable, Container, Iterator
from dataclasses import replace

import cv2
import numpy as np

from mtclar.engine import Frame, Tracker
from mtclar.stream.sources import open_source

Cover = Callable[[np.ndarray, np.ndarray], None]
"""Draws on an image [H, W, 3], by the landmarks [468, 3] of its face."""

COLOUR = (60, 70, 90)
EARS_TO_CHIN = (
    234,
    93,
    132,
    58,
    172,
    136,
    150,
    149,
    176,
    148,
    152,
    377,
    400,
    378,
    379,
    365,
    397,
    288,
    361,
    323,
)
LEFT_EAR, NOSE = 454, 197
BROWS, FOREHEAD = 9, 10


def mask(image: np.ndarray, points: np.ndarray) -> None:
    """From the bridge of the nose to the chin, between the ears."""
    edge = [*EARS_TO_CHIN, LEFT_EAR, NOSE]
    cv2.fillPoly(image, [points[edge, :2].astype(np.int32)], COLOUR)


def headband(image: np.ndarray, points: np.ndarray) -> None:
    """Over the forehead."""
    low, high = (round(float(points[i, 1])) for i in (FOREHEAD, BROWS))
    image[low : (low + high) // 2] = COLOUR


def covered_demo(count: int, cover: Cover | None, covered: Container[int] | None = None) -> Iterator[Frame]:
    """The first frames of the demo clip, those with the numbers `covered` (None: all) with a cover."""
    with Tracker.open(max_faces=1) as finder:
        for frame, number in zip(open_source("demo").frames(), range(count), strict=False):
            (crop,) = finder.find(frame).crops
            shown = frame
            if cover is not None and (covered is None or number in covered):
                image = frame.image.copy()
                cover(image, crop.landmarks)
                shown = replace(frame, image=image)
            yield shown
