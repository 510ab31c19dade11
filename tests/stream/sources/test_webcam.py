"""The webcam source, driven by a stand-in for OpenCV's capture: this machine has no camera."""

import itertools
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from mtclar.engine.errors import SourceError, UsageError
from mtclar.stream.sources import open_source
from mtclar.stream.sources.webcam import Mode, Webcam, list_cameras, negotiate, parse_mode

RATES = {  # of a usual USB 2 camera: uncompressed pictures do not fit through the cable
    ("YUYV", (640, 480)): 30.0,
    ("YUYV", (1280, 720)): 10.0,
    ("MJPG", (640, 480)): 30.0,
    ("MJPG", (1280, 720)): 30.0,
    ("MJPG", (1920, 1080)): 30.0,
}


class Capture:
    """A camera that gives grey or colour pictures, misses some, and can be unplugged.

    Like a V4L2 driver it takes the nearest size of the format that it was set to, and never more than the rate of that.
    """

    def __init__(
        self,
        answers: list[Any],
        *,
        opens: bool = True,
        stamps_s: list[float] | None = None,
        rates: dict[tuple[str, tuple[int, int]], float] = RATES,
    ) -> None:
        self.answers = list(answers)
        self.opens = opens
        self.released = False
        self.stamps_s = list(stamps_s or [])
        self.rates = rates
        self.fourcc, self.wanted, self.fps = "YUYV", [640, 480], 30.0

    def isOpened(self) -> bool:
        return self.opens

    def set(self, key: int, value: float) -> bool:
        if key == cv2.CAP_PROP_FOURCC:
            letters = int(value).to_bytes(4, "little").decode()
            if letters in {fourcc for fourcc, _ in self.rates}:
                self.fourcc = letters
        elif key in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT):
            self.wanted[key == cv2.CAP_PROP_FRAME_HEIGHT] = int(value)
        elif key == cv2.CAP_PROP_FPS:
            self.fps = value
        return True

    @property
    def size(self) -> tuple[int, int]:
        sizes = [size for fourcc, size in self.rates if fourcc == self.fourcc]
        return min(sizes, key=lambda s: abs(s[0] - self.wanted[0]) + abs(s[1] - self.wanted[1]))

    def get(self, key: int) -> float:
        if key == cv2.CAP_PROP_POS_MSEC:
            return 1000 * self.stamps_s.pop(0) if self.stamps_s else 0.0
        return {
            cv2.CAP_PROP_FRAME_WIDTH: float(self.size[0]),
            cv2.CAP_PROP_FRAME_HEIGHT: float(self.size[1]),
            cv2.CAP_PROP_FPS: min(self.fps, self.rates[self.fourcc, self.size]),
            cv2.CAP_PROP_FOURCC: float(int.from_bytes(self.fourcc.encode(), "little")),
        }[key]

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


def test_a_link_of_udev_is_followed_at_every_connection(devices: Path) -> None:
    links = devices / "dev" / "v4l" / "by-id"
    links.mkdir(parents=True)
    link = links / "usb-Maker_Camera_1234-video-index0"
    link.symlink_to("../../video2")
    opened: list[int] = []

    def open_capture(index: int) -> Capture:
        opened.append(index)
        return Capture([COLOUR])

    camera = Webcam(
        f"v4l/by-id/{link.name}",
        "cam",
        open_capture=open_capture,
        devices=devices / "dev",
        names=devices / "names",
    )
    assert camera.reachable()
    assert next(camera.frames()).image.shape == COLOUR.shape
    link.unlink()
    assert not camera.reachable()
    link.symlink_to("../../video10")
    next(camera.frames())
    assert opened == [2, 10]


def test_a_camera_without_its_link_is_refused() -> None:
    with pytest.raises(SourceError, match="v4l/by-id/no-such-camera"):
        open_source("/dev/v4l/by-id/no-such-camera?size=640x480")


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
    assert (webcam.live, webcam.size, webcam.fps, webcam.label) == (True, (640, 480), 30.0, "webcam:0")
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


def test_a_camera_that_comes_back_is_reopened_and_keeps_counting(devices: Path) -> None:
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


def test_a_camera_is_found_by_its_name_wherever_it_is_plugged_in(devices: Path) -> None:
    opened: list[int] = []

    def open_capture(index: int) -> Capture:
        opened.append(index)
        return Capture([COLOUR])

    webcam = Webcam(
        "usb cam", "w", open_capture=open_capture, devices=devices / "dev", names=devices / "names"
    )
    assert webcam.label == "webcam:usb cam"
    frames: list[Any] = []
    with pytest.raises(SourceError):
        iter_into(webcam, frames)
    for folder in ("dev", "names"):
        (devices / folder / "video2").rename(devices / folder / "video7")
    with pytest.raises(SourceError):
        iter_into(webcam, frames)
    assert opened == [2, 7]
    (devices / "names" / "video7" / "name").write_text("Another\n")
    assert webcam.reachable() in (False, None)
    with pytest.raises(SourceError, match="no camera called 'usb cam'"):
        iter_into(webcam, frames)


def test_a_name_that_fits_several_cameras_is_refused(devices: Path) -> None:
    for number, name in ((0, "USB Camera Pro"), (10, "Old USB Camera")):
        (devices / "names" / f"video{number}").mkdir()
        (devices / "names" / f"video{number}" / "name").write_text(f"{name}\n")

    def find(name: str) -> str:
        try:
            return f"{Webcam(name, 'w', open_capture=lambda n: Capture([n]), **places)._index()}"
        except UsageError as error:
            return error.hint

    places: dict[str, Any] = {"devices": devices / "dev", "names": devices / "names"}
    assert find("USB Camera") == "2"  # its whole name
    assert find("pro") == "0"
    assert "webcam:10 (Old USB Camera)" in find("camera")


@pytest.mark.parametrize(
    ("wish", "got"),
    [
        (Mode(), Mode((640, 480), 30.0, "YUYV")),
        (Mode((1280, 720), 30.0), Mode((1280, 720), 30.0, "MJPG")),  # uncompressed it gives 10
        (Mode((1280, 720), 10.0), Mode((1280, 720), 10.0, "YUYV")),
        (Mode((1280, 720), 30.0, "YUYV"), Mode((1280, 720), 10.0, "YUYV")),
        (Mode((1920, 1080), 30.0), Mode((1920, 1080), 30.0, "MJPG")),  # uncompressed it gives 1280x720
        (Mode((640, 480), 60.0), Mode((640, 480), 30.0, "YUYV")),  # MJPG would not be faster
        (Mode((640, 480), 30.0, "H264"), Mode((640, 480), 30.0, "YUYV")),
    ],
)
def test_format_and_rate_are_negotiated(wish: Mode, got: Mode) -> None:
    assert negotiate(Capture([]), wish) == got


def test_less_than_was_asked_for_is_said(devices: Path, caplog: pytest.LogCaptureFixture) -> None:
    places: dict[str, Any] = {"devices": devices / "dev", "names": devices / "names"}
    webcam = Webcam(0, "w", mode=Mode((640, 480), 60.0), open_capture=lambda _: Capture([COLOUR]), **places)
    assert webcam.fps == 30.0
    assert "asked for 640x480 at 60/s, gives 640x480 at 30/s YUYV" in caplog.text


def test_a_driver_without_formats_and_sizes_still_gives_pictures(devices: Path) -> None:
    class Mute(Capture):
        def get(self, _key: int) -> float:
            return -1.0

    webcam = open_webcam(devices, Mute([COLOUR]))
    assert (webcam.size, webcam.fps) == (None, None)
    assert next(iter(webcam.frames())).clock == "arrival"
    assert webcam.size == (64, 48)


def test_the_drivers_time_is_the_capture_time_where_it_can_be(devices: Path) -> None:
    now_s = itertools.count(100.0, 0.04)
    capture = Capture([COLOUR] * 4, stamps_s=[99.99, 100.03, 1.7e9, 99.9])
    webcam = Webcam(
        0,
        "w",
        open_capture=lambda _: capture,
        devices=devices / "dev",
        names=devices / "names",
        clock=lambda: next(now_s),
    )
    frames: list[Any] = []
    with pytest.raises(SourceError):
        iter_into(webcam, frames)
    assert [frame.clock for frame in frames] == ["v4l2", "v4l2", "arrival", "v4l2"]
    assert [frame.t_capture_s for frame in frames] == pytest.approx([99.99, 100.03, 100.08, 99.9])
    assert [frame.pts_s for frame in frames] == pytest.approx([0, 0.04, 0.09, 0.091])  # never back


def test_what_a_camera_can_be_asked_for_is_read_from_the_address() -> None:
    assert parse_mode("size=1280x720&fps=60&format=mjpg") == Mode((1280, 720), 60.0, "MJPG")
    assert parse_mode("fps=15") == Mode((640, 480), 15.0)


@pytest.mark.parametrize(
    "text", ["", "size", "size=0x10", "size=99999x10", "fps=0", "fps=-1", "fps=nan", "format=JPEG2", "zoom=3"]
)
def test_what_a_camera_cannot_be_asked_for_is_said(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        open_source(f"webcam:0?{text}")
    assert "size=1280x720" in caught.value.hint
