"""A webcam on a bad day, by a stand-in for OpenCV's capture: unplugged, plugged in elsewhere, a driver that hangs."""

import sys
import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from mtclar.stream.pipeline.pipeline import Pipeline, PipelineOptions
from mtclar.stream.pipeline.reader import RetryPolicy
from mtclar.stream.sources.webcam import Webcam

pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif(sys.platform != "linux", reason="only Linux lists its cameras as files"),
]
QUICK = RetryPolicy(
    stall_s=0.5, stall_timeout_s=0.3, reconnect_s=0.05, first_retry_s=0.05, max_retry_s=0.2, fast_probe_s=0.05
)
PICTURE = np.full((48, 64, 3), 7, np.uint8)


class UsbCamera:
    """Cameras of a machine: which device there is now, and whether its driver hangs."""

    def __init__(self, folder: Path) -> None:
        self.devices, self.names = folder / "dev", folder / "names"
        self.opened: list[int] = []
        self.hangs = False
        self.lets_go = threading.Event()
        self.devices.mkdir()
        self.names.mkdir()

    def plug_in(self, number: int) -> None:
        (self.names / f"video{number}").mkdir()
        (self.names / f"video{number}" / "name").write_text("USB Camera\n")
        (self.devices / f"video{number}").touch()

    def unplug(self, number: int) -> None:
        (self.devices / f"video{number}").unlink()
        (self.names / f"video{number}" / "name").unlink()
        (self.names / f"video{number}").rmdir()

    def open(self) -> Webcam:
        return Webcam("usb camera", "cam", open_capture=self._capture, devices=self.devices, names=self.names)

    def _capture(self, number: int) -> "Capture":
        self.opened.append(number)
        return Capture(self, self.devices / f"video{number}")


class Capture:
    """Twenty-five pictures a second while its device is there, with the driver's times."""

    def __init__(self, camera: UsbCamera, device: Path) -> None:
        self.camera, self.device = camera, device
        self.taken_s = 0.0

    def isOpened(self) -> bool:
        return self.device.exists()

    def set(self, _key: int, _value: float) -> bool:
        return True

    def get(self, key: int) -> float:
        fourcc = float(int.from_bytes(b"YUYV", "little"))
        known = {
            cv2.CAP_PROP_FRAME_WIDTH: 64.0,
            cv2.CAP_PROP_FRAME_HEIGHT: 48.0,
            cv2.CAP_PROP_FPS: 25.0,
            cv2.CAP_PROP_FOURCC: fourcc,
            cv2.CAP_PROP_POS_MSEC: 1000 * self.taken_s,
        }
        return known[key]

    def read(self) -> tuple[bool, Any]:
        time.sleep(0.04)
        if self.camera.hangs:
            self.camera.lets_go.wait(60)
        if not self.device.exists():
            return False, None
        self.taken_s = time.monotonic() - 0.005
        return True, PICTURE

    def release(self) -> None:
        self.device = self.device.with_name("released")


@pytest.fixture
def camera(tmp_path: Path) -> Iterator[UsbCamera]:
    usb = UsbCamera(tmp_path)
    yield usb
    usb.lets_go.set()


def test_unplugged_and_plugged_in_elsewhere(
    camera: UsbCamera, tracker: Any, collector: Any, eventually: Any
) -> None:
    camera.plug_in(0)
    source = camera.open()
    with Pipeline(source, tracker, [collector], PipelineOptions(retry=QUICK)) as pipeline:
        eventually(lambda: len(collector.messages) >= 5)
        camera.unplug(0)
        eventually(lambda: "reconnecting" in collector.states())
        camera.plug_in(4)
        before = len(collector.messages)
        eventually(lambda: len(collector.messages) >= before + 5)
        eventually(lambda: collector.states()[-1] == "live")
        assert pipeline.error is None
    assert camera.opened == [0, 4]
    assert {message.clock for message in collector.messages} == {"v4l2"}
    for earlier, later in pairwise(collector.messages):
        assert later.seq == earlier.seq + 1
        assert later.pts_s > earlier.pts_s


def test_a_driver_that_hangs_is_left_behind_and_lets_go_later(
    camera: UsbCamera, tracker: Any, collector: Any, eventually: Any
) -> None:
    camera.plug_in(0)
    threads = threading.active_count()
    with Pipeline(camera.open(), tracker, [collector], PipelineOptions(retry=QUICK)) as pipeline:
        eventually(lambda: len(collector.messages) >= 5)
        camera.hangs = True
        eventually(lambda: pipeline.summary().abandoned >= 1)
        camera.hangs = False  # another connection works, while the first one still hangs
        before = len(collector.messages)
        eventually(lambda: len(collector.messages) >= before + 5)
        assert pipeline.summary().abandoned <= QUICK.max_hung
        camera.lets_go.set()
        eventually(lambda: threading.active_count() <= threads + 3)  # reader, connection, worker
        assert pipeline.error is None
    assert collector.states()[-1] == "live"
