"""Pictures for the calibration page: small JPEGs of a frame, and of a cut-out as a data URL."""

import base64

import cv2
import numpy as np
from numpy.typing import NDArray

WIDTH = 480
QUALITY = 70


def preview(image: NDArray[np.uint8]) -> bytes:
    """A JPEG of a frame, WIDTH pixels wide."""
    height, width = image.shape[:2]
    interpolation = cv2.INTER_AREA if width > WIDTH else cv2.INTER_LINEAR
    small = cv2.resize(image, (WIDTH, max(1, round(WIDTH * height / width))), interpolation=interpolation)
    return jpeg(np.asarray(small, np.uint8))


def jpeg(image: NDArray[np.uint8]) -> bytes:
    """A JPEG of a picture, grey or BGR."""
    return bytes(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes())


def data_url(image: NDArray[np.uint8]) -> str:
    """The same, for the `src` of an image."""
    return "data:image/jpeg;base64," + base64.b64encode(jpeg(image)).decode()
