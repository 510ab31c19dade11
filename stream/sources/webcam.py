"""Cameras of this machine through OpenCV: by number, path or name, with the format and rate that suit best."""

import logging
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import cv2

from mtclar.engine.data_types import Clock, Frame
from mtclar.engine.errors import SourceError, UsageError
from mtclar.stream.sources.base import stream_name
from mtclar.stream.sources.times import CaptureTimeLine, driver_time

log = logging.getLogger(__name__)

DEVICES = Path("/dev")
NAMES = Path("/sys/class/video4linux")
MISSED_READS = 5  # a camera may miss a picture while it sets its exposure; this many in a row are an end
MAX_SIDE, MAX_FPS = 16384, 1000.0
COMPRESSED = "MJPG"
MIN_RATE_SHARE = 0.9  # of the requested rate: a driver's 29.97 is 30
MODE_HINT = "append size=1280x720, fps=30 and format=MJPG, joined by &, to webcam:N?"


def open_webcam(spec: str, stream_id: str | None, loop: bool) -> "Webcam":  # noqa: ARG001
    """The source of `webcam`, `webcam:N`, `webcam:NAME`, `/dev/videoN` and `/dev/v4l/by-id/NAME`, each with `?MODE`."""
    match = re.fullmatch(r"(?:webcam(?::([^?]+))?|/dev/video(\d+)|/dev/(v4l/[^?\0]+))(?:\?(.*))?", spec)
    if not match:
        raise UsageError(
            f"'{spec}' is not a webcam",
            "write webcam, webcam:N, webcam:NAME, /dev/videoN or /dev/v4l/by-id/NAME",
        )
    which = match[1] or match[2] or match[3] or "0"
    mode = None if match[4] is None else parse_mode(match[4])
    name = stream_id or f"webcam-{stream_name(which.rpartition('/')[2])}"
    return Webcam(int(which) if which.isdecimal() else which, name, mode=mode)


@dataclass(frozen=True, slots=True)
class Camera:
    """One camera that the system lists."""

    index: int
    path: str
    name: str


@dataclass(frozen=True, slots=True)
class Mode:
    """Size, rate and pixel format of a camera; a requested mode may leave the format open."""

    size: tuple[int, int] = (640, 480)
    fps: float = 30.0
    fourcc: str | None = None

    def misses(self, requested: "Mode") -> bool:
        """Whether this has a lower rate than `requested`, or another size or format."""
        other_format = requested.fourcc is not None and self.fourcc != requested.fourcc
        slower = self.fps < MIN_RATE_SHARE * requested.fps
        return other_format or self.size != requested.size or slower

    def __str__(self) -> str:
        return f"{self.size[0]}x{self.size[1]} at {self.fps:g}/s" + (f" {self.fourcc}" if self.fourcc else "")


def parse_mode(text: str) -> Mode:
    """`size=1280x720&fps=30&format=MJPG`, each part optional. Raises UsageError."""
    given = dict(parse_qsl(text, keep_blank_values=True))
    if unknown := set(given) - {"size", "fps", "format"}:
        raise UsageError(f"a webcam has no option '{min(unknown)}'", MODE_HINT)
    if not given:
        raise UsageError(f"'?{text}' holds no option of a webcam", MODE_HINT)
    mode = Mode()
    size, fps, fourcc = mode.size, mode.fps, mode.fourcc
    if "size" in given:
        match = re.fullmatch(r"(\d{1,5})x(\d{1,5})", given["size"])
        if not match or not all(0 < int(side) <= MAX_SIDE for side in match.groups()):
            raise UsageError(f"'{given['size']}' is not the size of a picture", MODE_HINT)
        size = (int(match[1]), int(match[2]))
    if "fps" in given:
        if not re.fullmatch(r"\d{1,4}(\.\d+)?", given["fps"]) or not 0 < float(given["fps"]) <= MAX_FPS:
            raise UsageError(f"'{given['fps']}' is not a number of frames per second", MODE_HINT)
        fps = float(given["fps"])
    if "format" in given:
        if not re.fullmatch(r"[!-~]{4}", given["format"]):
            raise UsageError(f"'{given['format']}' is not a pixel format of four letters", MODE_HINT)
        fourcc = given["format"].upper()
    return Mode(size, fps, fourcc)


def list_cameras(devices: Path = DEVICES, names: Path = NAMES) -> list[Camera]:
    """The V4L2 devices of a Linux machine, by number; empty elsewhere (OpenCV cannot list them).

    A camera often has a second device, for metadata, under the next number.
    """
    found = []
    for path in devices.glob("video*"):
        if match := re.fullmatch(r"video(\d+)", path.name):
            name = names / path.name / "name"
            found.append(
                Camera(
                    int(match[1]),
                    str(path),
                    name.read_text(encoding="utf-8").strip() if name.is_file() else path.name,
                )
            )
    return sorted(found, key=lambda camera: camera.index)


class Webcam:
    """One local camera; the constructor connects, so that a missing camera is reported before anything starts.

    `which` is a number; or the camera's name or a part of it, or its link below `v4l/`, looked up at every connection:
    the number changes when a camera is plugged in elsewhere. `t_capture_s` is the driver's (clock `v4l2`) where it
    gives one on the monotonic clock. Raises SourceError, UsageError for a name that fits several cameras.
    """

    live = True
    files: tuple[Path, ...] = ()

    def __init__(
        self,
        which: int | str,
        stream_id: str,
        *,
        mode: Mode | None = None,
        open_capture: Callable[[int], Any] | None = None,
        devices: Path = DEVICES,
        names: Path = NAMES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.stream_id = stream_id
        self.label = f"webcam:{which}"
        self.size: tuple[int, int] | None = None
        self.fps: float | None = None
        self._which = which
        self._mode = mode
        self._open_capture = open_capture or _open_capture
        self._devices, self._names = devices, names
        self._clock = clock
        self._closed = threading.Event()
        self._seq = 0
        self._time_line = CaptureTimeLine()
        self._capture: Any = self._connect()

    def close(self) -> None:
        self._closed.set()

    def reachable(self) -> bool | None:
        """Whether the system lists the camera, as it does while it is plugged in."""
        if not _lists_devices():
            return None
        index = self._index()
        return index is not None and self._device(index).exists()

    def frames(self) -> Iterator[Frame]:
        capture, self._capture = self._capture, None  # moved out of self: a hung connection keeps its own
        if capture is None:
            capture = self._connect()
        missed = 0
        try:
            while not self._closed.is_set():
                ok, image = _read(capture)
                now_s = self._clock()
                if not ok or image is None:
                    missed += 1
                    # Some drivers answer with an old picture at every second read of a camera that is gone.
                    if missed >= MISSED_READS or self.reachable() is False:
                        raise SourceError(f"{self.label} gives no picture", "is it unplugged?")
                    self._closed.wait(0.02)
                    continue
                missed = 0
                if image.ndim == 2:
                    image = cv2.cvtColor(image, cv2.COLOR_GRAY2BGR)
                self._see((image.shape[1], image.shape[0]))
                taken_s = driver_time(float(capture.get(cv2.CAP_PROP_POS_MSEC)) / 1000, now_s)
                t_capture_s = now_s if taken_s is None else taken_s
                pts_s = self._time_line(t_capture_s)
                seq, self._seq = self._seq, self._seq + 1
                clock: Clock = "arrival" if taken_s is None else "v4l2"
                yield Frame(image, seq, t_capture_s, clock, pts_s, self.stream_id)
        finally:
            capture.release()

    def _see(self, size: tuple[int, int]) -> None:
        """Takes the size of a picture; some drivers confirm every size, and give another."""
        if self._mode is not None and self.size not in (None, size):
            log.warning("%s: its driver announced %dx%d, gives %dx%d", self.label, *(self.size or ()), *size)
        self.size = size

    def _index(self) -> int | None:
        """The camera's current number; None when no camera has that name."""
        if isinstance(self._which, int):
            return self._which
        if self._which.startswith("v4l/"):  # udev's links, whose names hold the maker and the serial number
            match = re.fullmatch(r"video(\d+)", Path(os.path.realpath(self._devices / self._which)).name)
            return int(match[1]) if match else None
        cameras = list_cameras(self._devices, self._names)
        wanted = self._which.casefold()
        same = [camera for camera in cameras if camera.name.casefold() == wanted]
        found = same or [camera for camera in cameras if wanted in camera.name.casefold()]
        if len({camera.name for camera in found}) > 1:
            raise UsageError(f"several cameras match '{self._which}'", self._hint())
        return found[0].index if found else None

    def _device(self, index: int) -> Path:
        return self._devices / f"video{index}"

    def _connect(self) -> Any:
        index = self._index()
        if index is None:
            raise SourceError(f"there is no camera called '{self._which}'", self._hint())
        if _lists_devices() and not self._device(index).exists():  # OpenCV would print warnings and wait
            raise SourceError(f"there is no camera {index} ({self._device(index)})", self._hint())
        capture = self._open_capture(index)
        if not capture.isOpened():
            capture.release()
            raise SourceError(
                f"camera {index} cannot be opened", f"close other programs that use it; {self._hint()}"
            )
        got = negotiate(capture, self._mode or Mode())
        if self._mode is not None and got.misses(self._mode):
            log.warning("%s: asked for %s, gives %s", self.label, self._mode, got)
        self.size = got.size if min(got.size) > 0 else None
        self.fps = got.fps if 0 < got.fps <= MAX_FPS else None
        return capture

    def _hint(self) -> str:
        cameras = list_cameras(self._devices, self._names)
        if cameras:
            return "cameras here: " + ", ".join(f"webcam:{c.index} ({c.name})" for c in cameras)
        return "no camera was found; try --source demo, a file, or rtsp://..."


def negotiate(capture: Any, requested: Mode) -> Mode:
    """Requests a mode and returns the one that the driver chose.

    Uncompressed pictures larger than VGA exceed USB 2 at 30/s, and drivers then lower the rate without notice. So
    where no format is requested and size or rate fall short, MJPG is tried, and kept if it comes nearer.
    """
    capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
    got = _set_mode(capture, requested)
    if requested.fourcc is not None or got.fourcc == COMPRESSED or not got.misses(requested):
        return got
    compressed = _set_mode(capture, Mode(requested.size, requested.fps, COMPRESSED))
    if (_size_error(compressed, requested), -compressed.fps) < (_size_error(got, requested), -got.fps):
        return compressed
    return _set_mode(capture, Mode(requested.size, requested.fps, got.fourcc))


def _set_mode(capture: Any, mode: Mode) -> Mode:
    """Sets a mode and reads it back. Format first: it decides the possible sizes, and the size the possible rates."""
    if mode.fourcc is not None:
        capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*mode.fourcc))
    capture.set(cv2.CAP_PROP_FRAME_WIDTH, mode.size[0])
    capture.set(cv2.CAP_PROP_FRAME_HEIGHT, mode.size[1])
    capture.set(cv2.CAP_PROP_FPS, mode.fps)
    size = (int(capture.get(cv2.CAP_PROP_FRAME_WIDTH)), int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT)))
    code = int(capture.get(cv2.CAP_PROP_FOURCC)) & 0xFFFFFFFF
    letters = code.to_bytes(4, "little").decode("latin-1")
    known = letters.isascii() and letters.isprintable()
    return Mode(size, float(capture.get(cv2.CAP_PROP_FPS)), letters if known else None)


def _size_error(got: Mode, requested: Mode) -> int:
    """Difference of the sizes in pixels, over both sides."""
    return abs(got.size[0] - requested.size[0]) + abs(got.size[1] - requested.size[1])


def _read(capture: Any) -> tuple[bool, Any]:
    """The next picture, if there is one. For an empty Motion JPEG OpenCV raises an error, for others it says no."""
    try:
        ok, image = capture.read()
    except cv2.error as error:
        log.debug("a picture of the camera is missing: %s", error)
        return False, None
    return ok, image


def _lists_devices() -> bool:
    return sys.platform == "linux"


def _open_capture(index: int) -> Any:
    """On Linux through V4L2: OpenCV's other Linux back ends give no capture time."""
    return cv2.VideoCapture(index, cv2.CAP_V4L2 if _lists_devices() else cv2.CAP_ANY)
