"""What a face looks like from afar: enough to tell apart the two or three people of one scene for a few seconds.

A look is the face's box shrunk to a few coloured pixels. It is no recognition: it lives as long as the track, holds for
this light and this camera, and only decides who is who after faces came near one another.
"""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mtclar.engine.data_types import Box

Look = NDArray[np.float32]

SIDE = 12
MEMORY_S = 1.0  # over which a look is averaged


def look_at(image: NDArray[np.uint8], box: Box) -> Look:
    """[12, 12, 3] of what is in the box of a picture [H, W, 3] or [H, W], in shares of white; its edge is repeated."""
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


def unlike(one: Look, other: Look) -> float:
    """Root mean square difference, 0 to 1."""
    return float(np.sqrt(np.square(one - other).mean()))


def blended(before: Look | None, now: Look, dt_s: float) -> Look:
    """The look of a track after it was seen once more."""
    if before is None:
        return now
    share = float(np.exp(-max(dt_s, 0.0) / MEMORY_S))
    return np.asarray(share * before + (1.0 - share) * now, np.float32)
