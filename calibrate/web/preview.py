"""The thumbnail of a face crop on the calibration page."""

import base64

import numpy as np
from numpy.typing import NDArray

from mtclar.stream.server.pictures import encode_jpeg


def thumbnail_url(image: NDArray[np.uint8]) -> str:
    """A data URL of a face crop [S, S]."""
    return "data:image/jpeg;base64," + base64.b64encode(encode_jpeg(image)).decode()
