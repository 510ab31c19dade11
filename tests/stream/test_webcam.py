"""The webcam source, driven by a stand-in for OpenCV's capture: this machine has no camera."""

import itertools
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from mtclar.engine.errors import SourceError
from mtclar.stream.sources.webcam import Webcam, list_cameras


class Capture:
    """A camera that gives grey or colour pictures, misses some, and can be unplugged."""

    opened: list["Capture"]

    def __init__(self, answers: list[Any], *, opens: bool = True) -> None:
        self.answers = list(answers)
        self.opens = opens
        self.released = False

    def isOpened(self) -> bool:
        return self.opens

    def set(self, _key: int, _value: float) -> bool:
        return True

    def get(self, key: int) -> float:
        return {cv2.CAP_PROP_FRAME_WIDTH: 64.0, cv2.CAP_PROP_FRAME_HEIGHT: 48.0, cv2.CAP_PROP_FPS: 30.0}[key]

    def read(self) -> tuple[bool, Any]:
        answer = self.answers.pop(0) if self.answers else None
        return answer is not None, answer

    def release(self) -> None:
        self.released = True


@pytest.fixture
def devices(tmp_path: Path) -> Path:
    (tmp_path / "dev").mkdir()
    for number in (0, 2, 10):
        (tmp_path / "dev" / f"video{number}").touch()
    (tmp_path / "names" / "video2").mkdir(parents=True)
    (tmp_path / "names" / "video2" / "name").write_text("USB Camera\n")
    return tmp_path


def open_webcam(devices: Path, capture: Capture, index: int = 0) -> Webcam:
    return Webcam(
        index, "webcam-0", open_capture=lambda _: capture, devices=devices / "dev", names=devices / "names"
    )


COLOUR = np.full((48, 64, 3), 7, np.uint8)
GREY = np.full((48, 64), 9, np.uint8)


def test_cameras_are_listed_by_number_with_their_names(devices: Path) -> None:
    cameras = list_cameras(devices / "dev", devices / "names")
    assert [(camera.index, camera.name) for camera in cameras] == [
        (0, "video0"),
        (2, "USB Camera"),
        (10, "video10"),
    ]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lists its cameras as files")
def test_a_missing_camera_is_said_with_those_that_there_are(devices: Path) -> None:
    with pytest.raises(SourceError, match="no camera 5") as caught:
        open_webcam(devices, Capture([]), index=5)
    assert "webcam:2 (USB Camera)" in caught.value.hint


def test_a_camera_that_another_program_uses_is_said(devices: Path) -> None:
    capture = Capture([], opens=False)
    with pytest.raises(SourceError, match="cannot be opened"):
        open_webcam(devices, capture)
    assert capture.released


def test_frames_are_bgr_and_a_missed_picture_is_no_end(devices: Path) -> None:
    capture = Capture([COLOUR, None, GREY, COLOUR])
    webcam = open_webcam(devices, capture)
    assert (webcam.live, webcam.size, webcam.fps, webcam.label) == (True, (64, 48), 30.0, "webcam:0")
    frames = []
    with pytest.raises(SourceError, match="no picture"):
        frames.extend(frame for frame in iter_into(webcam, frames))
    assert [frame.seq for frame in frames] == [0, 1, 2]
    assert frames[0].pts_s == 0
    assert frames[1].image.shape == (48, 64, 3)
    assert capture.released


def iter_into(webcam: Webcam, frames: list[Any]) -> Any:
    for frame in webcam.frames():
        frames.append(frame)
    return iter(())


def test_a_camera_that_comes_back_is_opened_anew_and_counts_on(devices: Path) -> None:
    captures = [Capture([COLOUR] * 2), Capture([COLOUR] * 2)]
    waiting = list(captures)
    webcam = Webcam(
        0, "w", open_capture=lambda _: waiting.pop(0), devices=devices / "dev", names=devices / "names"
    )
    frames: list[Any] = []
    for _ in range(2):
        with pytest.raises(SourceError):
            iter_into(webcam, frames)
    assert [frame.seq for frame in frames] == [0, 1, 2, 3]
    assert all(a.pts_s <= b.pts_s for a, b in itertools.pairwise(frames))
    assert all(capture.released for capture in captures)


def test_unplugging_is_seen_without_opening(devices: Path) -> None:
    webcam = open_webcam(devices, Capture([COLOUR]))
    if webcam.reachable() is None:
        pytest.skip("only Linux lists its cameras as files")
    assert webcam.reachable() is True
    (devices / "dev" / "video0").unlink()
    assert webcam.reachable() is False
