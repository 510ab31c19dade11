"""JPEGs whose size reads as 64 x 48 and that hold a picture of 6,000 x 6,000."""

from collections.abc import Callable
from functools import cache

import cv2
import numpy as np

LARGE = 6000


def jpeg(width: int = 64, height: int = 48) -> bytes:
    return bytes(cv2.imencode(".jpg", np.full((height, width, 3), 90, np.uint8))[1].tobytes())


def segment(marker: int, content: bytes) -> bytes:
    return bytes((0xFF, marker)) + (len(content) + 2).to_bytes(2, "big") + content


def with_frame_header(data: bytes, width: int, height: int) -> bytes:
    """The picture with another size in its frame header."""
    at = data.index(b"\xff\xc0") + 5
    return data[:at] + height.to_bytes(2, "big") + width.to_bytes(2, "big") + data[at + 4 :]


def frame_header(data: bytes) -> bytes:
    at = data.index(b"\xff\xc0")
    return data[at : at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")]


SMALL = jpeg()
AT = SMALL.index(b"\xff\xc0")
END = AT + len(frame_header(SMALL))


@cache
def large_jpeg() -> bytes:
    return bytes(cv2.imencode(".jpg", np.full((LARGE, LARGE), 90, np.uint8))[1].tobytes())


def behind_a_restart_marker() -> bytes:
    """A marker without a length, to which a parser may give one: it would skip to the small picture's frame header."""
    large = large_jpeg()
    start, header = large.index(b"\xff\xc0"), frame_header(large)
    skipped = b"\xff\xd0" + (len(header) + 2).to_bytes(2, "big") + header
    return large[:start] + skipped + segment(0xFE, b"") + frame_header(SMALL) + large[start + len(header) :]


def restart_marker_only() -> bytes:
    large = large_jpeg()
    at = large.index(b"\xff\xc0")
    size = len(frame_header(large)) + 2
    return large[:at] + b"\xff\xd0" + size.to_bytes(2, "big") + large[at:]


def behind_a_marker_without_use() -> bytes:
    """JPG0 has a length by the standard, which decoders do not skip."""
    return SMALL[:AT] + segment(0xF0, large_jpeg()[2:60_000]) + SMALL[AT:]


def second_frame_header() -> bytes:
    large = large_jpeg()
    return SMALL[:END] + large[2:]


def second_picture() -> bytes:
    return SMALL[:-2] + large_jpeg()


def second_picture_after_the_first() -> bytes:
    return SMALL + large_jpeg()


def fill_bytes_before_another_header() -> bytes:
    return SMALL[:-2] + b"\xff\xff\xff" + large_jpeg()[2:]


def number_of_lines() -> bytes:
    """DNL changes the height after the scan."""
    return SMALL[:-2] + segment(0xDC, LARGE.to_bytes(2, "big")) + SMALL[-2:]


def lossless() -> bytes:
    return SMALL[:-2] + segment(0xF7, frame_header(large_jpeg())[4:]) + SMALL[-2:]


HIDDEN: tuple[Callable[[], bytes], ...] = (
    behind_a_restart_marker,
    restart_marker_only,
    behind_a_marker_without_use,
    second_frame_header,
    second_picture,
    second_picture_after_the_first,
    fill_bytes_before_another_header,
    number_of_lines,
    lossless,
)
