"""Pictures that a browser sends: decoded, or refused with a code; the decoder works after each."""

import cv2
import numpy as np
from hypothesis import strategies as st

from mtclar.stream.protocol.messages import ErrorMessage, ProtocolError
from mtclar.stream.server.uploads import (
    HEADER,
    FrameUploads,
    UploadSlot,
    jpeg_size,
    require_jpeg,
    write_header,
)
from mtclar.stream.sources.browser import BrowserSource, JpegDecoder

from .conftest import Fuzz, damaged


def jpegs() -> list[bytes]:
    rng = np.random.default_rng(0)
    image = cv2.resize(rng.integers(0, 255, (6, 8, 3), dtype=np.uint8), (64, 48))
    made = []
    for options in ([], [cv2.IMWRITE_JPEG_PROGRESSIVE, 1], [cv2.IMWRITE_JPEG_RST_INTERVAL, 2]):
        made.append(cv2.imencode(".jpg", image, options)[1].tobytes())
    return [*made, cv2.imencode(".jpg", image[..., 0])[1].tobytes()]


def test_damaged_jpegs(fuzz: Fuzz) -> None:
    decoder = JpegDecoder()
    good = jpegs()[0]

    def decode(data: bytes) -> None:
        size = jpeg_size(data)
        try:
            require_jpeg(data)
        except ProtocolError as error:
            ErrorMessage(error.code, error.message).encode()
            return
        assert size is not None
        image = decoder(data)
        assert image is None or (image.ndim, image.dtype) == (3, np.uint8)
        again = decoder(good)
        assert again is not None
        assert again.shape == (48, 64, 3)

    assert fuzz(damaged(jpegs()) | st.binary(), decode)


def test_damaged_uploads(fuzz: Fuzz) -> None:
    uploads = FrameUploads({1: UploadSlot(BrowserSource())}, clock=lambda: 1000.0)
    uploads.claim("client", None)
    good = write_header(1, 7, 999.9) + jpegs()[0]

    def take(data: bytes) -> None:
        try:
            uploads.on_frame("client", data, lambda _: None)
        except ProtocolError as error:
            ErrorMessage(error.code, error.message).encode()

    head = st.binary(min_size=HEADER.size, max_size=HEADER.size)
    assert fuzz(
        damaged([good, good[: HEADER.size + 20]]) | head.map(lambda h: b"MTF1" + h[4:] + good[20:]), take
    )
