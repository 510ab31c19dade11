"""Appearance of a face as a few coloured pixels: tells apart the people of one scene for a few seconds.

It is no face recognition: it depends on this camera and this light, is forgotten with the track, and is used only to
keep identities apart after faces came near one another.
"""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mtclar.engine.data_types import Box

Appearance = NDArray[np.float32]

SIDE = 12
MEMORY_S = 1.0  # time constant of a track's average appearance


def appearance_at(image: NDArray[np.uint8], box: Box) -> Appearance:
    """The box of an image [H, W, 3] or [H, W], shrunk to [12, 12, 3] with values 0 to 1; the edge is repeated."""
    x0, y0, x1, y1 = box
    scale = np.array([[(x1 - x0) / SIDE, 0, x0], [0, (y1 - y0) / SIDE, y0]])
    # Samples lie a tenth of the face apart: averaging over them comes from the blur of the shrunk picture.
    fine = 4
    scale[:, :2] /= fine
    grid = cv2.warpAffine(
        image,
        scale,
        (SIDE * fine, SIDE * fine),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    small: NDArray[Any] = cv2.resize(grid, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return np.asarray(np.atleast_3d(small), np.float32) / 255.0


def appearance_distance(one: Appearance, other: Appearance) -> float:
    """Root mean square difference, 0 to 1."""
    return float(np.sqrt(np.square(one - other).mean()))


def blend_appearance(before: Appearance | None, now: Appearance, dt_s: float) -> Appearance:
    """The average appearance of a track after one more observation, `dt_s` later."""
    if before is None:
        return now
    share = float(np.exp(-max(dt_s, 0.0) / MEMORY_S))
    return np.asarray(share * before + (1.0 - share) * now, np.float32)
