"""JPEG pictures of strangers: the size that one announces, and a decoder that allows no other.

A picture whose size reads small and decodes large would take all memory. So the markers are read as strictly as ITU-T
T.81 permits, the decoder gets the announced number of pixels as its limit, and what it decoded is measured.
"""

import re

import av
import av.error
import numpy as np
from av.codec.context import CodecContext
from av.video.codeccontext import VideoCodecContext
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

Size = tuple[int, int]
"""Width, height in pixels."""

SOI, EOI, SOS = b"\xff\xd8", b"\xff\xd9", b"\xff\xda"
FRAME_HEADERS = frozenset((0xC0, 0xC1, 0xC2))  # baseline, extended and progressive: what browsers make
BEFORE_FRAME = frozenset((0xC4, 0xDB, 0xDD, *range(0xE0, 0xF0), 0xFE))  # tables, APPn, COM: each has a length
# After the frame header, in tables and scans alike: another picture or size. Scans have no such bytes (T.81, B.1.1.5).
ANOTHER_FRAME = re.compile(rb"\xff[\xc0-\xc3\xc5-\xc7\xc9-\xcb\xcd-\xcf\xd8\xdc\xf7]")
MAX_SEGMENTS = 256  # before the frame header: a colour profile may take many
MAX_SCANS = 64  # of a progressive picture: each is a pass over all of its blocks, however few bytes it has
ALIGNMENT = 64  # FFmpeg allocates widths that are multiples of this


def jpeg_size(jpeg: memoryview | bytes) -> Size | None:
    """The size that a whole JPEG announces (T.81, B.2.2); None for anything else. Reads the header only."""
    if bytes(jpeg[:2]) != SOI or bytes(jpeg[-2:]) != EOI:
        return None
    header = _frame_header(jpeg)
    return None if header is None else header[0]


def _frame_header(jpeg: memoryview | bytes) -> tuple[Size, int] | None:
    """The size, and where the frame header ends."""
    at = len(SOI)
    for _ in range(MAX_SEGMENTS):
        if at + 9 > len(jpeg) or jpeg[at] != 0xFF:
            return None
        marker, length = jpeg[at + 1], int.from_bytes(jpeg[at + 2 : at + 4], "big")
        end = at + 2 + length
        if length < 2 or end > len(jpeg):
            return None
        if marker in FRAME_HEADERS:
            height, width = (int.from_bytes(jpeg[i : i + 2], "big") for i in (at + 5, at + 7))
            return (width, height), end
        if marker not in BEFORE_FRAME:
            return None
        at = end
    return None


def _is_one_picture(jpeg: bytes) -> bool:
    """Whether nothing after the frame header gives another picture or size, or very many scans."""
    header = _frame_header(jpeg)
    return (
        header is not None
        and ANOTHER_FRAME.search(jpeg, header[1]) is None
        and jpeg.count(SOS, header[1]) <= MAX_SCANS
    )


class JpegDecoder:
    """JPEG -> BGR [H, W, 3]; None for damaged bytes, for several pictures and for one of another size.

    FFmpeg's decoder, set to fail at the first error: 2.5 ms for 1280x720. cv2.imdecode takes 11 ms, gives a grey
    lower half for a truncated picture, and prints libjpeg's complaints to the terminal.
    """

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()
        self._codec: VideoCodecContext | None = None
        self._size: Size | None = None  # that `_codec` allows

    def __call__(self, jpeg: memoryview | bytes, size: Size) -> NDArray[np.uint8] | None:
        """`size` is that of `jpeg_size`."""
        data = bytes(jpeg)
        if not _is_one_picture(data):
            return None
        if self._codec is None or size != self._size:
            self._codec, self._size = _open(size), size
        try:
            pictures = self._codec.decode(av.Packet(data))
        except (av.error.FFmpegError, ValueError):
            self._codec = None
            return None
        if not pictures or (pictures[0].width, pictures[0].height) != size:
            return None
        return np.asarray(self._reformatter.reformat(pictures[0], format="bgr24").to_ndarray(), np.uint8)


def _open(size: Size) -> VideoCodecContext:
    codec = CodecContext.create("mjpeg", "r")
    assert isinstance(codec, VideoCodecContext)
    width, height = size
    aligned = -(-width // ALIGNMENT) * ALIGNMENT
    codec.options = {"err_detect": "explode", "max_pixels": str(aligned * height)}
    codec.thread_count = 1
    return codec
