"""Pictures for pages: a small JPEG of a frame, and lines of the face in it."""

import cv2
import numpy as np
from numpy.typing import NDArray

from mtclar.engine.data_types import FaceCrop
from mtclar.stream.server.uploads import write_header

WIDTH = 640
RECORDED_WIDTH = 960  # of a frame that a rater looks at
QUALITY = 70

# Rows of the 468 points of Face Mesh, in drawing order (its canonical face model; the contours are closed).
_UPPER = (10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152)
_LOWER = (148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109)
CONTOUR = (*_UPPER, *_LOWER)
MOUTH = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185)
RIGHT_EYE = (33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246)
LEFT_EYE = (263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466)
LINES = (CONTOUR, RIGHT_EYE, LEFT_EYE, MOUTH)


def face_outline(crop: FaceCrop, size: tuple[int, int]) -> list[list[float]]:
    """Closed lines as x, y, x, y, ... in fractions of the frame's width and height."""
    points = crop.landmarks[:, :2] / (size[0], size[1])
    return [[round(float(value), 4) for value in points[list(line)].reshape(-1)] for line in LINES]


def small_jpeg(image: NDArray[np.uint8], most: int = WIDTH) -> bytes:
    """A JPEG of a frame, at most so many pixels wide."""
    height, width = image.shape[:2]
    if width > most:
        size = (most, max(1, round(most * height / width)))
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    return encode_jpeg(image)


def image_message(seq: int, t_s: float, jpeg: bytes) -> bytes:
    """The binary message with a frame's picture."""
    return write_header(0, seq % 2**32, t_s) + jpeg


def encode_jpeg(image: NDArray[np.uint8]) -> bytes:
    """A JPEG of an image [H, W] or [H, W, 3]."""
    return bytes(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes())
