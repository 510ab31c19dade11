"""Video files through PyAV: real presentation times, rotation, damage, files that still grow."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from mtclar.engine.data_types import Frame
from mtclar.engine.errors import SourceError, UsageError
from mtclar.engine.files.reading import expand_home
from mtclar.stream.sources.base import FORMS, Source, stream_name
from mtclar.stream.sources.decoding.frames import UNDECODABLE_PACKETS, CodecChanged, Picture, pictures
from mtclar.stream.sources.decoding.media_file import MediaFile
from mtclar.stream.sources.options import split_file, stream_number

log = logging.getLogger(__name__)


def open_file_source(spec: str, stream_id: str | None, loop: bool) -> Source:
    """The source of a path: a video file, or a folder of pictures with `?fps=25`. Raises UsageError."""
    name, options = split_file(spec)
    path = expand_home(name)
    if path.is_dir():
        from mtclar.stream.sources.folder import FolderSource, rate_of

        return FolderSource(path, rate_of(path, options), stream_id=stream_id)
    number = stream_number(options, "a file")
    return VideoFile(path, stream_id or stream_name(path.stem), loop=loop, stream=number)


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
        stream: int | None = None,
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
        # An unreadable file fails here, not in the reader's thread.
        self._file = MediaFile(path, self.label, self._warn, stream)
        self.fps: float | None = self._file.fps
        self.length_s = None if loop else self._file.length_s
        with self._file.open() as (container, video):
            for picture in pictures(container, video, self.label, self._closed, self._warn):
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
        time_line = self._file.time_line()
        seq = 0
        last_s = 0.0
        while True:
            last_stamp_s = 0.0
            for picture in self._one_round():
                last_s = time_line(picture.stamp_s)
                last_stamp_s = max(last_stamp_s, picture.stamp_s or 0.0)
                yield Frame(picture.image, seq, self._clock(), "file", last_s, self.stream_id)
                seq += 1
            if self._closed.is_set():
                return
            if seq == 0:
                raise SourceError(
                    f"{self.label}: no picture could be decoded",
                    "the file is empty or damaged; try to play it",
                )
            self._file.check_length(last_stamp_s)
            self._file.check_pauses(time_line)
            if not self._loop:
                return
            time_line.resume(last_s)  # the first picture of the next round comes one period after the last

    def _one_round(self) -> Iterator[Picture]:
        """Every picture from beginning to end; after a change of codec with another decoder."""
        size_bytes = self._path.stat().st_size
        from_byte = 0
        while True:
            try:
                with self._file.open(from_byte) as (container, video):
                    # Only a transport stream can change its codec and be read from the middle.
                    limit = UNDECODABLE_PACKETS if container.format.name == "mpegts" else None
                    yield from pictures(container, video, self.label, self._closed, self._warn, limit)
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
