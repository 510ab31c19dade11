"""Video from standard input: `ffmpeg ... -f mpegts - | mtclar-stream run --source -`."""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import av.error

from mtclar.engine.data_types import Frame
from mtclar.engine.errors import SourceError, UsageError
from mtclar.stream.sources.decoding.frames import announced_fps, pictures, reason_of, video_stream
from mtclar.stream.sources.options import stream_number
from mtclar.stream.sources.times import TimeLine

FORM = "write - or pipe:, with video on standard input"


def open_pipe(spec: str, stream_id: str | None, loop: bool) -> "Pipe":  # noqa: ARG001
    """The source of `-`, `pipe:` and `pipe:0`."""
    name, _, options = spec.partition("?")
    if name not in ("-", "pipe", "pipe:", "pipe:0"):
        raise UsageError(f"'{spec}' is not a source", FORM)
    if sys.stdin is None or sys.stdin.isatty():
        raise UsageError("there is no video on standard input: it is a terminal", FORM)
    return Pipe(stream_id or "stdin", stream_number(options, "standard input"))


class Pipe:
    """Standard input: read once, to its end. A live program may write it, but it cannot be connected again."""

    live = False
    files: tuple[Path, ...] = ()

    def __init__(
        self, stream_id: str, stream: int | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.stream_id = stream_id
        self.label = "standard input"
        self.size: tuple[int, int] | None = None
        self.fps: float | None = None
        self.warnings: list[str] = []
        self._number = stream
        self._clock = clock
        self._closed = threading.Event()
        self._began = False

    def frames(self) -> Iterator[Frame]:
        if self._began:
            raise SourceError("standard input can be read only once", "write it to a file first")
        self._began = True
        try:
            container = av.open("pipe:0", metadata_errors="ignore", options={"protocol_whitelist": "pipe"})
        except (av.error.FFmpegError, OSError, ValueError) as error:
            raise SourceError(
                f"{self.label} is not a video that can be read: {reason_of(error)}",
                "send a format that needs no seeking, such as mpegts or matroska",
            ) from error
        with container:
            stream = video_stream(container, self.label, self._number, self.warnings.append)
            self.fps = announced_fps(stream)
            time_line = TimeLine(self.fps)
            taken = pictures(container, stream, self.label, self._closed, self.warnings.append)
            for seq, picture in enumerate(taken):
                self.size = (picture.image.shape[1], picture.image.shape[0])
                pts_s = time_line(picture.stamp_s)
                yield Frame(picture.image, seq, self._clock(), "arrival", pts_s, self.stream_id)

    def reachable(self) -> None:
        return None

    def close(self) -> None:
        self._closed.set()
