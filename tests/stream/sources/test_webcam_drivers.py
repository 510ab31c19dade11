"""What real drivers do, as people reported it, replayed to the webcam source: no camera was at hand.

A `Driver` is a trace: what `set`, `get` and `read` of OpenCV's capture answered on the reporter's machine. Each test
names its public reports.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from mtclar.engine import Tracker
from mtclar.engine.errors import SourceError
from mtclar.stream import demo_clip
from mtclar.stream.sources import open_source
from mtclar.stream.sources.webcam import Webcam, parse_mode

Image = NDArray[np.uint8]
GREY: Image = np.full((480, 640, 3), 128, np.uint8)
FOURCC = {cv2.CAP_PROP_FOURCC: float(cv2.VideoWriter.fourcc(*"YUYV"))}


@dataclass
class Driver:
    """`accepts`: properties that keep what they are set to; all others keep their value. Every `set` says yes.

    A picture as bytes is what the camera sent as Motion JPEG, which `read` decodes as OpenCV's V4L2 capture does: by
    imdecode, whose errors reach the caller.
    """

    pictures: list[Image | bytes | None]
    properties: dict[int, float] = field(default_factory=dict)
    accepts: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        usual = {cv2.CAP_PROP_FRAME_WIDTH: 640.0, cv2.CAP_PROP_FRAME_HEIGHT: 480.0, cv2.CAP_PROP_FPS: 30.0}
        self.properties = usual | FOURCC | self.properties

    def isOpened(self) -> bool:
        return True

    def set(self, key: int, value: float) -> bool:
        if key in self.accepts:
            self.properties[key] = value
        return True

    def get(self, key: int) -> float:
        return self.properties.get(key, 0.0)

    def read(self) -> tuple[bool, Image | None]:
        picture = self.pictures.pop(0) if self.pictures else None
        if isinstance(picture, bytes):
            picture = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)
        return picture is not None, picture

    def release(self) -> None:
        pass


@pytest.fixture
def devices(tmp_path: Path) -> Path:
    (tmp_path / "video0").touch()
    return tmp_path


def webcam(driver: Driver, devices: Path, mode: str = "", **options: Any) -> Webcam:
    wanted = parse_mode(mode) if mode else None
    return Webcam(
        0, "cam", mode=wanted, open_capture=lambda _: driver, devices=devices, names=devices, **options
    )


@pytest.mark.parametrize(
    ("mode", "said"),
    [
        ("size=1280x720", "asked for 1280x720"),
        ("format=MJPG", "MJPG"),
        ("fps=90", "asked for 640x480 at 90/s"),
    ],
)
def test_a_size_format_or_rate_that_is_confirmed_and_ignored_is_said(
    mode: str, said: str, devices: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Size: opencv/opencv#23533, justadudewhohacks/opencv4nodejs#444. Format and rate: opencv/opencv#5847."""
    camera = webcam(Driver([GREY]), devices, mode)
    assert camera.size == (640, 480)
    assert said in caplog.text
    assert "gives 640x480 at 30/s YUYV" in caplog.text
    assert next(camera.frames()).image.shape == GREY.shape


def test_a_size_that_the_driver_repeats_but_does_not_give_is_said_once(
    devices: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """opencv/opencv#29254: `set` and `get` agree on 640x480, every picture has 2560x1472."""
    large: Image = np.zeros((1472, 2560, 3), np.uint8)
    both = {cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT}
    camera = webcam(Driver([large] * 3, accepts=both), devices, "size=640x480")
    frames = camera.frames()
    assert [next(frames).image.shape[:2] for _ in range(3)] == [(1472, 2560)] * 3
    assert camera.size == (2560, 1472)
    assert caplog.text.count("announced 640x480, gives 2560x1472") == 1


@pytest.mark.parametrize("rate", [15.0, 7.0])
def test_in_the_dark_the_times_are_those_of_the_pictures_not_of_the_announced_rate(
    rate: float, devices: Path
) -> None:
    """15/s: lit-robotics/libcamera-rs#55, autonomous-ai/autonomous-os#79; 7/s: sarxos/webcam-capture#604."""

    def clock() -> Iterator[float]:
        for number in range(100):
            yield 50.0 + number / rate

    ticks = clock()
    camera = webcam(Driver([GREY] * 20), devices, clock=lambda: next(ticks))
    frames = camera.frames()
    times = [next(frames).pts_s for _ in range(20)]
    assert camera.fps == 30.0  # what the driver says
    np.testing.assert_allclose(np.diff(times), 1 / rate, atol=1e-6)


@pytest.mark.parametrize("colour", [(0, 0, 0), (0, 135, 0), (255, 0, 0)], ids=["black", "green", "blue"])
def test_flat_first_pictures_have_no_face_and_the_next_ones_do(
    colour: tuple[int, int, int], devices: Path
) -> None:
    """Black: opencv/opencv#23202. Green: mpromonet/v4l2rtspserver#170. Blue: openimaj/openimaj#20."""
    flat: Image = np.full((480, 640, 3), colour, np.uint8)
    faces = [frame.image for frame, _ in zip(open_source(str(demo_clip.clip_path())).frames(), range(10))]  # noqa: B905
    camera = webcam(Driver([flat] * 20 + faces), devices)
    frames = camera.frames()
    with Tracker.open() as tracker:
        found = [len(tracker(next(frames).image, number / 25)) for number in range(30)]
    assert found[:20] == [0] * 20
    assert found[-1] == 1


def motion_jpeg(image: Image) -> bytes:
    return cv2.imencode(".jpg", image)[1].tobytes()


@pytest.mark.parametrize("mode", ["", "size=1280x720", "format=YUYV"])
def test_a_camera_that_knows_motion_jpeg_alone_is_read_and_another_format_is_said(
    mode: str, devices: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """No raw format at all: jiangdongguo/AndroidUSBCamera#108 (18 June 2020), bellbind/node-v4l2camera#10."""
    only = {cv2.CAP_PROP_FOURCC: float(cv2.VideoWriter.fourcc(*"MJPG"))}
    sizes = {cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT}
    size = (720, 1280) if "size" in mode else (480, 640)
    sent = motion_jpeg(np.full((*size, 3), 128, np.uint8))
    camera = webcam(Driver([sent] * 3, properties=only, accepts=sizes), devices, mode)
    frames = camera.frames()
    assert [next(frames).image.shape[:2] for _ in range(3)] == [size] * 3
    assert ("gives 640x480 at 30/s MJPG" in caplog.text) == (mode == "format=YUYV")


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.98], ids=["empty", "header", "half", "without its end"])
def test_damaged_motion_jpegs_are_left_out_and_the_next_ones_are_read(share: float, devices: Path) -> None:
    """The first one of a connection: libuvc/libuvc#122, FreeRDP/FreeRDP#10292. Without its end, now and then:
    opencv/opencv#23311. Empty, of which OpenCV raises an error: ageitgey/face_recognition#326."""
    faces = [frame.image for frame, _ in zip(open_source(str(demo_clip.clip_path())).frames(), range(10))]  # noqa: B905
    whole = [motion_jpeg(image) for image in faces]
    damaged = whole[0][: round(share * len(whole[0]))]
    camera = webcam(Driver([damaged, *whole[:4], damaged, damaged, *whole[4:]]), devices)
    frames = camera.frames()
    with Tracker.open() as tracker:
        found = [len(tracker(next(frames).image, number / 25)) for number in range(10)]
    assert found[-1] == 1


def test_a_camera_that_sends_empty_motion_jpegs_alone_is_connected_again(devices: Path) -> None:
    """ageitgey/face_recognition#326: not a fault of the program, which would end a run."""
    frames = webcam(Driver([b""] * 100), devices).frames()
    with pytest.raises(SourceError, match="no picture"):
        next(frames)


def test_an_unplugged_camera_ends_after_some_missed_reads(devices: Path) -> None:
    """OTL/cv_camera#24, kerberos-io/machinery#77: VIDIOC_DQBUF: No such device, and `read` says no."""
    frames = webcam(Driver([GREY]), devices).frames()
    next(frames)
    with pytest.raises(SourceError, match="unplugged"):
        next(frames)


def test_an_unplugged_camera_that_repeats_an_old_picture_ends_too(devices: Path) -> None:
    """opencv/opencv#14044: the first read says no, the second gives a picture, and so on; `isOpened` stays true."""
    frames = webcam(Driver([GREY, None, GREY, None, GREY]), devices).frames()
    next(frames)
    (devices / "video0").unlink()
    with pytest.raises(SourceError, match="unplugged"):
        next(frames)
