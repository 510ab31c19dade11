"""Single frames of a recording: by time, forwards, and backwards past what is kept."""

from collections.abc import Iterator

import numpy as np

from mtclar.calibrate.web.feeds.frame_cursor import KEPT, FrameCursor
from mtclar.engine.data_types import Frame
from mtclar.stream.server.uploads import read_header

COUNT, FPS = 400, 25


class Recording:
    """A recording that counts how often it is read."""

    def __init__(self) -> None:
        self.opened = 0

    def frames(self) -> Iterator[Frame]:
        self.opened += 1
        image = np.zeros((8, 8, 3), np.uint8)
        for seq in range(COUNT):
            yield Frame(image, seq, seq / FPS, "file", seq / FPS, "clip")


def seq_of(cursor: FrameCursor) -> int:
    assert cursor.shown is not None
    assert read_header(cursor.shown.image())[1] == cursor.shown.seq
    return cursor.shown.seq


def test_frames_by_time_and_those_beside_them() -> None:
    recording = Recording()
    cursor = FrameCursor(recording.frames)
    cursor.show(10.0)
    assert seq_of(cursor) == 250
    for step, seq in ((1, 251), (-3, 248), (10, 258), (-20, 238)):
        cursor.step(step)
        assert seq_of(cursor) == seq
    assert recording.opened == 1  # these were kept
    cursor.step(-2 * KEPT)
    assert seq_of(cursor) == 238 - 2 * KEPT
    assert recording.opened == 2
    cursor.step(1)
    assert seq_of(cursor) == 239 - 2 * KEPT
    cursor.show(0.0)
    cursor.step(-1)
    assert seq_of(cursor) == 0
    cursor.show(100.0)
    assert seq_of(cursor) == COUNT - 1
    cursor.step(5)
    assert seq_of(cursor) == COUNT - 1


def test_a_recording_without_frames_shows_nothing() -> None:
    cursor = FrameCursor(lambda: iter(()))
    assert cursor.show(1.0) is None
    assert cursor.step(1) is None
