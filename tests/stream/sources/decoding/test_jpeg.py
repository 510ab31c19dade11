"""Pictures of strangers: the announced size is the decoded one, or there is no picture and no memory is taken."""

import contextlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.media.hostile_jpegs import HIDDEN, LARGE, jpeg, large_jpeg, segment, with_frame_header

from mtclar.stream.protocol.messages import ProtocolError
from mtclar.stream.server.uploads import require_jpeg
from mtclar.stream.sources.decoding.jpeg import MAX_SCANS, JpegDecoder, jpeg_size

GOOD = jpeg()
SIZE = (64, 48)


@pytest.mark.parametrize(
    "options",
    [
        [],
        [cv2.IMWRITE_JPEG_QUALITY, 1],
        [cv2.IMWRITE_JPEG_QUALITY, 100],
        [cv2.IMWRITE_JPEG_PROGRESSIVE, 1],
        [cv2.IMWRITE_JPEG_RST_INTERVAL, 2],
        [cv2.IMWRITE_JPEG_OPTIMIZE, 1, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, 0x111111],
    ],
)
@pytest.mark.parametrize("size", [(64, 48), (17, 31), (1920, 1080)])
def test_what_encoders_make_is_decoded_with_its_size(options: list[int], size: tuple[int, int]) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    for image in (noise, noise[..., 0]):
        data = cv2.imencode(".jpg", image, options)[1].tobytes()
        assert jpeg_size(data) == size
        decoded = JpegDecoder()(data, size)
        assert decoded is not None
        assert decoded.shape == (size[1], size[0], 3)


def test_a_thumbnail_and_a_profile_do_not_disturb() -> None:
    extras = segment(0xE1, b"Exif\0\0" + GOOD) + segment(0xE2, bytes(60_000)) + segment(0xFE, b"\xff\xd8")
    assert jpeg_size(GOOD[:2] + extras + GOOD[2:]) == SIZE


@pytest.mark.parametrize("hide", HIDDEN, ids=lambda hide: hide.__name__)
def test_a_large_picture_behind_a_small_one_is_refused_and_takes_no_memory(
    hide: Callable[[], bytes], peak_mb: Callable[[Callable[[], object]], float]
) -> None:
    data = hide()
    decoder = JpegDecoder()
    assert jpeg_size(data) in (None, SIZE)
    assert decoder(GOOD, SIZE) is not None
    assert peak_mb(lambda: decoder(data, SIZE)) < 30  # the large one has 108 MB
    assert decoder(data, SIZE) is None
    assert decoder(GOOD, SIZE) is not None


def test_the_decoder_gives_no_picture_of_another_size() -> None:
    decoder = JpegDecoder()
    for size in ((63, 48), (64, 49), (640, 480), (48, 64)):
        assert decoder(GOOD, size) is None
    assert decoder(GOOD, SIZE) is not None
    assert decoder(large_jpeg(), SIZE) is None
    assert decoder(large_jpeg(), (LARGE, LARGE)) is not None
    assert decoder(with_frame_header(GOOD, 4096, 4096), SIZE) is None


def test_a_picture_of_very_many_scans_is_refused() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (48, 64, 3), dtype=np.uint8)
    data = cv2.imencode(".jpg", noise, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1].tobytes()
    assert jpeg_size(data) == SIZE
    scan = data[data.rindex(b"\xff\xda") : -2]
    assert JpegDecoder()(data, SIZE) is not None
    assert JpegDecoder()(data[:-2] + scan * MAX_SCANS + data[-2:], SIZE) is None


@given(st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255)), min_size=1, max_size=6))
@settings(max_examples=150)
def test_flipped_bytes_give_a_picture_or_nothing(flips: list[tuple[int, int]]) -> None:
    data = bytearray(GOOD)
    for at, value in flips:
        data[at] = value
    with contextlib.suppress(ProtocolError):
        size = require_jpeg(bytes(data))
        image = JpegDecoder()(bytes(data), size)
        assert image is None or image.shape == (size[1], size[0], 3)


def test_a_decoder_continues_after_damage() -> None:
    decode = JpegDecoder()
    assert decode(GOOD[:-30] + b"\xff\xd9", SIZE) is None
    image = decode(GOOD, SIZE)
    assert image is not None
    assert image.shape == (48, 64, 3)
    grey = cv2.imencode(".jpg", np.full((20, 30), 200, np.uint8))[1].tobytes()
    image = decode(grey, (30, 20))
    assert image is not None
    assert abs(int(image[5, 5, 0]) - 200) < 4


@pytest.fixture
def peak_mb() -> Callable[[Callable[[], object]], float]:
    """Calls a function and returns by how many MB the process's memory was larger at most."""

    def now(field: str) -> float:
        lines = Path("/proc/self/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith(field)).split()[1]) / 1000

    def measure(work: Callable[[], object]) -> float:
        Path("/proc/self/clear_refs").write_text("5")  # the peak is the present size again
        before = now("VmRSS")
        work()
        return now("VmHWM") - before

    return measure
