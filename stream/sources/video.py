"""Files and RTSP cameras through PyAV: real presentation times, time-outs, rotation."""

import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import av
import av.error
import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from mtclar.engine.errors import SourceError, UsageError
from mtclar.engine.handover import Frame
from mtclar.stream.sources.base import TimeLine

log = logging.getLogger(__name__)

# Measured on 640x480 H.264 (2 cores): one thread 0.45 ms a frame, frame threading the same wall time for 1.5 x the CPU
# and a delay of one frame a thread. It pays for pictures that take longer to decode than to analyse.
THREADED_ABOVE_PIXELS = 1920 * 1088

RTSP_OPTIONS = {
    "rtsp_transport": "tcp",
    "fflags": "nobuffer",
    "flags": "low_delay",
    "max_delay": "500000",
    "reorder_queue_size": "0",
    "timeout": "5000000",
    # FFmpeg looks at a stream for 1.2 s before it gives the first picture (measured: 1.6 s from connecting to the first
    # picture, 0.55 s with this); what it would find out, the SDP and the first key frame say as well.
    "analyzeduration": "300000",
}
OPEN_TIMEOUT_S = 5.0
READ_TIMEOUT_S = 5.0
PROBE_TIMEOUT_S = 0.5
RTSP_PORT, RTSPS_PORT = 554, 322
LIVE_BELIEVED_GAP_S = 10.0


class VideoFile:
    """A video file, read once from its first picture to its last (again and again with `loop`).

    Raises UsageError when there is no such file, SourceError when it holds no video that can be decoded. A file that
    breaks off, or has damaged pictures, is read as far as it goes, and `warnings` says so.
    """

    live = False

    def __init__(
        self,
        path: Path,
        stream_id: str,
        *,
        label: str | None = None,
        loop: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.stream_id = stream_id
        self.label = label or path.name
        self.warnings: list[str] = []
        self.files = (path,)
        self._path = path
        self._loop = loop
        self._clock = clock
        self._closed = threading.Event()
        if not path.exists():
            raise UsageError(
                f"there is no file {path}",
                "a source is webcam[:N], /dev/videoN, rtsp://..., a video file, demo or synthetic",
            )
        if not path.is_file():
            raise UsageError(f"{path} is not a file", "name a video file")
        with self._open() as container:  # refused now rather than in the reader's thread
            stream = _video_stream(container, self.label)
            self.fps: float | None = _fps(stream)
            for image, _ in _pictures(container, stream, self._closed, self._warn):
                self.size: tuple[int, int] | None = (image.shape[1], image.shape[0])
                break
            else:
                raise SourceError(
                    f"{self.label}: no picture could be decoded",
                    "the file is empty, truncated or damaged; try to play it",
                )

    def reachable(self) -> None:
        return None

    def close(self) -> None:
        self._closed.set()

    def frames(self) -> Iterator[Frame]:
        self.warnings.clear()
        time_line = TimeLine(self.fps)
        seq = 0
        last_s = 0.0
        while True:
            with self._open() as container:
                stream = _video_stream(container, self.label)
                for image, stamp_s in _pictures(container, stream, self._closed, self._warn):
                    last_s = time_line(stamp_s)
                    yield Frame(image, seq, self._clock(), "file", last_s, self.stream_id)
                    seq += 1
            if seq == 0 and not self._closed.is_set():
                raise SourceError(
                    f"{self.label}: no picture could be decoded",
                    "the file is empty or damaged; try to play it",
                )
            if not self._loop or self._closed.is_set():
                return
            time_line.resume(last_s)  # the first picture of the next round comes one period after the last

    def _open(self) -> Any:
        try:
            return av.open(str(self._path), metadata_errors="ignore")
        except (av.error.FFmpegError, OSError, ValueError) as error:
            raise SourceError(
                f"{self.label} is not a video that can be read: {_reason(error)}",
                "it may be empty, truncated or of an unknown format; try to play it",
            ) from error

    def _warn(self, text: str) -> None:
        if text not in self.warnings:
            self.warnings.append(text)
            log.warning("%s: %s", self.label, text)


class RtspCamera:
    """An RTSP stream; each `frames()` is one connection. Times are of arrival, `pts_s` follows the stream's own."""

    live = True
    files: tuple[Path, ...] = ()

    def __init__(
        self,
        url: str,
        stream_id: str,
        *,
        options: dict[str, str] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        parts = urlsplit(url)
        if not parts.hostname:
            raise UsageError(f"no host in '{without_credentials(url)}'", "write rtsp://host[:port]/path")
        self.stream_id = stream_id
        self.label = without_credentials(url)
        self.size: tuple[int, int] | None = None
        self.fps: float | None = None
        self._url = url
        self._tls = parts.scheme.lower() == "rtsps"
        self._address = (parts.hostname, parts.port or (RTSPS_PORT if self._tls else RTSP_PORT))
        self._options = RTSP_OPTIONS | (options or {})
        self._clock = clock
        self._closed = threading.Event()
        self._seq = 0
        self._first_s: float | None = None
        self._time_line = TimeLine(None, LIVE_BELIEVED_GAP_S)

    def close(self) -> None:
        self._closed.set()

    def reachable(self) -> bool:
        """True when the server answers OPTIONS (a frozen one still accepts connections); with TLS, when it accepts."""
        request = b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\nUser-Agent: mtclar-stream\r\n\r\n"
        try:
            with socket.create_connection(self._address, timeout=PROBE_TIMEOUT_S) as probe:
                if self._tls:
                    return True
                probe.settimeout(PROBE_TIMEOUT_S)
                probe.sendall(request)
                return probe.recv(16).startswith(b"RTSP/")
        except OSError as error:
            log.debug("%s does not answer: %s", self.label, error)
            return False

    def frames(self) -> Iterator[Frame]:
        try:
            container = av.open(self._url, options=self._options, timeout=(OPEN_TIMEOUT_S, READ_TIMEOUT_S))
        except (av.error.FFmpegError, OSError, ValueError) as error:
            # Not the error's own text: it names the URL with its password.
            raise SourceError(
                f"{self.label} cannot be opened: {_reason(error)}",
                "check the address, the camera's power and network, and its user name and password",
            ) from None
        with container:
            stream = _video_stream(container, self.label)
            self.fps = _fps(stream)
            first = True
            for image, stamp_s in _pictures(container, stream, self._closed, self._warn):
                now_s = self._clock()
                self.size = (image.shape[1], image.shape[0])
                if self._first_s is None:
                    self._first_s = now_s
                if first:
                    self._time_line.resume(now_s - self._first_s)
                first = False
                pts_s = self._time_line(stamp_s)
                yield Frame(image, self._seq, now_s, "arrival", pts_s, self.stream_id)
                self._seq += 1

    def _warn(self, text: str) -> None:
        log.info("%s: %s", self.label, text)


def without_credentials(url: str) -> str:
    """The URL with its scheme, host, port and path only: user, password and query can all hold secrets."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if ":" in host:
        host = f"[{host}]"
    try:
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        port = ""
    return f"{parts.scheme}://{host}{port}{parts.path}"


def _video_stream(container: Any, label: str) -> Any:
    if not container.streams.video:
        has = "only sound" if container.streams.audio else "no video"
        raise SourceError(f"{label} holds {has}", "name a file or stream with a picture")
    stream = container.streams.video[0]
    pixels = (stream.codec_context.width or 0) * (stream.codec_context.height or 0)
    stream.thread_type = "AUTO" if pixels > THREADED_ABOVE_PIXELS else "NONE"
    return stream


def _fps(stream: Any) -> float | None:
    rate = stream.average_rate or stream.guessed_rate
    return float(rate) if rate and 0 < rate <= 1000 else None


def _pictures(
    container: Any, stream: Any, closed: threading.Event, warn: Callable[[str], None]
) -> Iterator[tuple[NDArray[np.uint8], float | None]]:
    """Decoded pictures, upright, [H, W, 3] BGR, with their stamps in seconds; damaged ones are left out."""
    reformatter = VideoReformatter()  # one for all: a new one for every frame costs 0.35 ms at 640x480
    packets = container.demux(stream)
    while not closed.is_set():
        try:
            packet = next(packets)
        except StopIteration:
            return
        except av.error.EOFError:
            return
        except (av.error.FFmpegError, OSError) as error:
            warn(f"reading broke off: {_reason(error)}")
            return
        try:
            decoded = packet.decode()
        except av.error.EOFError:
            return
        except av.error.FFmpegError as error:
            warn(f"damaged pictures left out: {_reason(error)}")
            continue
        for picture in decoded:
            if closed.is_set():
                return
            if getattr(picture, "is_corrupt", False):
                warn("damaged pictures left out")
                continue
            image = np.asarray(reformatter.reformat(picture, format="bgr24").to_ndarray(), np.uint8)
            yield np.ascontiguousarray(_upright(image, picture.rotation)), picture.time


def _upright(image: NDArray[np.uint8], rotation_deg: int) -> NDArray[np.uint8]:
    """Turns by the display matrix's angle (counter-clockwise), as phones write it."""
    quarter_turns = round(rotation_deg / 90) % 4
    return np.rot90(image, quarter_turns) if quarter_turns else image


def _reason(error: BaseException) -> str:
    """Why, without the address: FFmpeg's texts carry the URL."""
    return getattr(error, "strerror", None) or type(error).__name__
