"""Video files through PyAV: real presentation times, rotation, damage, files that still grow."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import av.error

from mtclar.engine.data_types import Frame
from mtclar.engine.errors import SourceError, UsageError
from mtclar.stream.sources.base import FORMS, TimeLine, stream_name
from mtclar.stream.sources.decoding import (
    UNDECODABLE_PACKETS,
    CodecChanged,
    Picture,
    announced_fps,
    pictures,
    reason_of,
    video_stream,
)

log = logging.getLogger(__name__)


def open_file(path: Path, label: str, from_byte: int = 0) -> Any:
    """PyAV's container of a file; raises SourceError, which calls it by `label`."""
    options = {"skip_initial_bytes": str(from_byte)} if from_byte else {}
    try:
        return av.open(str(path), metadata_errors="ignore", options=options)
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise SourceError(
            f"{label} is not a video that can be read: {reason_of(error)}",
            "it may be empty, truncated or of an unknown format; try to play it",
        ) from error


def open_file_source(spec: str, stream_id: str | None, loop: bool) -> "VideoFile":
    """The source of a path."""
    try:
        path = Path(spec).expanduser()
    except (RuntimeError, ValueError) as error:
        user = spec.partition("/")[0]
        raise UsageError(f"unknown home folder {user!r}", "write the whole path") from error
    return VideoFile(path, stream_id or stream_name(path.stem), loop=loop)


def open_demo(spec: str, stream_id: str | None, loop: bool) -> "VideoFile":
    """The source of `demo`: the bundled clip."""
    from mtclar.stream import demo_clip

    if spec != "demo":
        raise UsageError(f"'{spec}' is not a source", "write demo")
    return VideoFile(demo_clip.clip_path(), stream_id or "demo", label="demo", loop=loop)


class VideoFile:
    """A video file, read once from its first picture to its last (repeatedly with `loop`).

    Raises UsageError when there is no such file, SourceError when it holds no video that can be decoded. A truncated
    or damaged file is read as far as possible, with a text in `warnings`.
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
            raise UsageError(f"there is no file {path}", f"a source is {FORMS}")
        if not path.is_file():
            raise UsageError(f"{path} is not a file", "name a video file")
        with open_file(
            path, self.label
        ) as container:  # an unreadable file fails here, not in the reader's thread
            stream = video_stream(container, self.label)
            self.fps: float | None = announced_fps(stream)
            for picture in pictures(container, stream, self.label, self._closed, self._warn):
                self.size: tuple[int, int] | None = (picture.image.shape[1], picture.image.shape[0])
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
            for picture in self._one_round():
                last_s = time_line(picture.stamp_s)
                yield Frame(picture.image, seq, self._clock(), "file", last_s, self.stream_id)
                seq += 1
            if seq == 0 and not self._closed.is_set():
                raise SourceError(
                    f"{self.label}: no picture could be decoded",
                    "the file is empty or damaged; try to play it",
                )
            if not self._loop or self._closed.is_set():
                return
            time_line.resume(last_s)  # the first picture of the next round comes one period after the last

    def _one_round(self) -> Iterator[Picture]:
        """Every picture from beginning to end; after a change of codec with another decoder."""
        size_bytes = self._path.stat().st_size
        from_byte = 0
        while True:
            try:
                with open_file(self._path, self.label, from_byte) as container:
                    stream = video_stream(container, self.label)
                    # Only a transport stream can change its codec and be read from the middle.
                    limit = UNDECODABLE_PACKETS if container.format.name == "mpegts" else None
                    yield from pictures(container, stream, self.label, self._closed, self._warn, limit)
                break
            except CodecChanged as change:
                if change.at_byte is None or change.at_byte <= from_byte:
                    self._warn("the rest cannot be decoded")
                    break
                from_byte = change.at_byte
        if self._path.stat().st_size > size_bytes:
            self._warn("it was still being written: read up to its end at that time")

    def _warn(self, text: str) -> None:
        if text not in self.warnings:
            self.warnings.append(text)
            log.warning("%s: %s", self.label, text)
