"""Pictures that a browser sends: decoded, or refused with a code; the decoder works after each."""

import av
import av.error
import cv2
import numpy as np
from av.codec.context import CodecContext
from av.video.codeccontext import VideoCodecContext
from hypothesis import strategies as st
from support.media.hostile_jpegs import frame_header, segment, with_frame_header

from mtclar.stream.protocol.messages import ErrorMessage, ProtocolError
from mtclar.stream.server.uploads import (
    HEADER,
    FrameUploads,
    UploadSlot,
    require_jpeg,
    write_header,
)
from mtclar.stream.sources.browser import BrowserSource
from mtclar.stream.sources.decoding.jpeg import JpegDecoder

from .conftest import Fuzz, damaged


def jpegs() -> list[bytes]:
    rng = np.random.default_rng(0)
    image = cv2.resize(rng.integers(0, 255, (6, 8, 3), dtype=np.uint8), (64, 48))
    made = []
    for options in ([], [cv2.IMWRITE_JPEG_PROGRESSIVE, 1], [cv2.IMWRITE_JPEG_RST_INTERVAL, 2]):
        made.append(cv2.imencode(".jpg", image, options)[1].tobytes())
    return [*made, cv2.imencode(".jpg", image[..., 0])[1].tobytes()]


def reference(data: bytes) -> tuple[int, int] | None:
    """The size that FFmpeg decodes by itself, without our limits."""
    codec = CodecContext.create("mjpeg", "r")
    assert isinstance(codec, VideoCodecContext)
    codec.options = {"max_pixels": str(2**24)}  # of the fuzzer's own memory
    try:
        pictures = codec.decode(av.Packet(data))
    except (av.error.FFmpegError, ValueError):
        return None
    return (pictures[0].width, pictures[0].height) if pictures else None


def spliced() -> st.SearchStrategy[bytes]:
    """A picture with markers, segments and frame headers of other sizes put in between its bytes."""
    good = jpegs()[0]
    starts = [at for at in range(len(good) - 1) if good[at] == 0xFF and good[at + 1]]
    other = st.sampled_from([frame_header(with_frame_header(good, *size)) for size in ((16, 16), (800, 600))])
    bare = st.sampled_from([bytes((0xFF, marker)) for marker in range(256)])
    filled = st.builds(segment, st.integers(0xC0, 0xFE), other | st.binary(max_size=40))
    inserted = st.lists(st.tuples(st.sampled_from(starts), other | bare | filled), min_size=1, max_size=4)

    def splice(pieces: list[tuple[int, bytes]]) -> bytes:
        data = good
        for at, piece in sorted(pieces, reverse=True):
            data = data[:at] + piece + data[at:]
        return data

    return inserted.map(splice)


def test_jpegs_as_our_parser_and_as_the_decoder_see_them(fuzz: Fuzz) -> None:
    """Differential: what our parser accepts has that size for FFmpeg as well, or our decoder refuses it."""
    decoder = JpegDecoder()
    good = jpegs()[0]

    def decode(data: bytes) -> None:
        try:
            size = require_jpeg(data)
        except ProtocolError as error:
            ErrorMessage(error.code, error.message).encode()
            return
        image = decoder(data, size)
        assert image is None or image.shape == (size[1], size[0], 3)
        if (seen := reference(data)) is not None and seen != size:
            assert image is None
        again = decoder(good, (64, 48))
        assert again is not None
        assert again.shape == (48, 64, 3)

    assert fuzz(damaged(jpegs()) | spliced() | st.binary(), decode)


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
