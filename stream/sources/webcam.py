"""Cameras of this machine through OpenCV, and the list of those that there are."""

import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2

from mtclar.engine.errors import SourceError
from mtclar.engine.handover import Frame

DEVICES = Path("/dev")
NAMES = Path("/sys/class/video4linux")
MISSED_READS = 5  # a camera may miss a picture while it sets its exposure; this many in a row are an end


@dataclass(frozen=True, slots=True)
class Camera:
    """One camera that the system lists."""

    index: int
    path: str
    name: str


def list_cameras(devices: Path = DEVICES, names: Path = NAMES) -> list[Camera]:
    """The V4L2 devices of a Linux machine, by number; empty elsewhere (OpenCV cannot list them).

    A camera often has a second device, for metadata, under the next number.
    """
    found = []
    for path in devices.glob("video*"):
        if match := re.fullmatch(r"video(\d+)", path.name):
            name = names / path.name / "name"
            found.append(
                Camera(int(match[1]), str(path), name.read_text().strip() if name.is_file() else path.name)
            )
    return sorted(found, key=lambda camera: camera.index)


class Webcam:
    """One local camera; its first connection is made at once, so that a missing one is said before anything starts."""

    live = True
    files: tuple[Path, ...] = ()

    def __init__(
        self,
        index: int,
        stream_id: str,
        *,
        open_capture: Callable[[int], Any] = cv2.VideoCapture,
        devices: Path = DEVICES,
        names: Path = NAMES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.stream_id = stream_id
        self.label = f"webcam:{index}"
        self.size: tuple[int, int] | None = None
        self.fps: float | None = None
        self._index = index
        self._open_capture = open_capture
        self._devices, self._names = devices, names
        self._clock = clock
        self._closed = threading.Event()
        self._seq = 0
        self._first_s: float | None = None
        self._capture: Any = self._connect()

    def close(self) -> None:
        self._closed.set()

    def reachable(self) -> bool | None:
        """Whether the system lists the camera: an unplugged one is not there."""
        return self._device().exists() if self._lists_devices() else None

    def frames(self) -> Iterator[Frame]:
        capture, self._capture = self._capture, None  # taken over: a hung connection keeps its own
        if capture is None:
            capture = self._connect()
        missed = 0
        try:
            while not self._closed.is_set():
                ok, image = capture.read()
                now_s = self._clock()
                if not ok or image is None:
                    missed += 1
                    if missed >= MISSED_READS:
                        raise SourceError(f"{self.label} gives no picture", "was it unplugged?")
                    self._closed.wait(0.02)
                    continue
                missed = 0
                if self._first_s is None:
                    self._first_s = now_s
                if image.ndim == 2:
                    image = cv2.cvtColor(image, cv2.COLOR_GRAY2BGR)
                self.size = (image.shape[1], image.shape[0])
                # Arrival is the only time that OpenCV gives reliably, so it is the source's own time too.
                yield Frame(image, self._seq, now_s, "arrival", now_s - self._first_s, self.stream_id)
                self._seq += 1
        finally:
            capture.release()

    def _lists_devices(self) -> bool:
        return sys.platform == "linux"

    def _device(self) -> Path:
        return self._devices / f"video{self._index}"

    def _connect(self) -> Any:
        if self._lists_devices() and not self._device().exists():  # OpenCV would print warnings and wait
            raise SourceError(f"there is no camera {self._index} ({self._device()})", self._hint())
        capture = self._open_capture(self._index)
        if not capture.isOpened():
            capture.release()
            raise SourceError(
                f"camera {self._index} cannot be opened", f"does another program use it? {self._hint()}"
            )
        capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        width, height = (
            int(capture.get(key)) for key in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT)
        )
        fps = float(capture.get(cv2.CAP_PROP_FPS))
        self.size = (width, height) if width > 0 and height > 0 else None
        self.fps = fps if 0 < fps <= 1000 else None
        return capture

    def _hint(self) -> str:
        cameras = list_cameras(self._devices, self._names)
        if cameras:
            return "cameras here: " + ", ".join(f"webcam:{c.index} ({c.name})" for c in cameras)
        return "no camera is listed here; try --source demo, a file, or rtsp://..."
