"""A recording as rows: one for each frame, its time known before anything is decoded; pictures only where wanted.

A video's packets are read first, without decoding: they say how many frames there are and when. So a frame that cannot
be decoded is a row that says so, and the numbers of the others do not shift.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import av.error
import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from mtclar.engine.errors import SourceError, UsageError
from mtclar.stream.sources.base import GUESSED_FPS, TimeLine
from mtclar.stream.sources.decoding import announced_fps, upright, video_stream
from mtclar.stream.sources.video import open_file

Picture = NDArray[np.uint8]
"""[H, W, 3] BGR."""

Decoded = tuple[int, Picture | None]
"""A row that was decoded, and its picture where it was wanted. A row that never comes is unreadable."""


class Recording(Protocol):
    """A video or a folder of pictures."""

    name: str
    times_s: NDArray[np.float64]  # [n] of every frame, from 0, never going back

    def pictures(self, wanted: NDArray[np.bool_], first: int = 0) -> Iterator[Decoded]:
        """The rows from `first` on, in order, those that can be decoded; pictures of the rows `wanted` [n]."""
        ...

    def digest(self) -> str:
        """sha256 of what it holds."""
        ...


def open_recording(path: Path, fps: float | None = None) -> Recording:
    """A video file, or a folder of pictures with `fps`. Raises UsageError or SourceError for what is neither."""
    if path.is_dir():
        if fps is None:
            raise UsageError(f"{path} is a folder: how many pictures are a second?", "say it with --fps")
        return FolderRecording(path, fps)
    if fps is not None:
        raise UsageError(f"{path} is no folder: a video says its own rate", "leave --fps out")
    return VideoRecording(path)


class VideoRecording:
    """A video file. Raises UsageError when there is none, SourceError when it holds no pictures."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            raise UsageError(f"there is no file {path}", "name a video, or a folder of pictures")
        if not path.is_file():
            raise UsageError(f"{path} is not a file", "name a video, or a folder of pictures")
        self.name = path.name
        self._path = path
        with open_file(path, self.name) as container:
            stream = video_stream(container, self.name)
            self.fps = announced_fps(stream)
            base = stream.time_base
            stamps = [packet.pts for packet in _packets(container, stream)]
        if not stamps:
            raise SourceError(f"{self.name}: no picture could be read", "the file is empty or damaged")
        # Stamps that are missing or not unique (raw streams, some AVI files) number nothing: then the order does.
        stamped = base is not None and None not in stamps and len(set(stamps)) == len(stamps)
        in_order = sorted(stamps) if stamped else list(range(len(stamps)))
        period = 1.0 / (self.fps or GUESSED_FPS)
        line = TimeLine(self.fps)
        self.times_s = np.array([line(float(s * base) if stamped else s * period) for s in in_order])
        self._row_of = {stamp: row for row, stamp in enumerate(in_order)} if stamped else None

    def pictures(self, wanted: NDArray[np.bool_], first: int = 0) -> Iterator[Decoded]:
        reformatter = VideoReformatter()
        counted = -1
        with open_file(self._path, self.name) as container:
            stream = video_stream(container, self.name)
            stream.thread_type = "NONE"  # many videos at a time pay more than many threads
            for frame in _decoded(container, stream):
                counted += 1
                row = counted if self._row_of is None else self._row_of.get(frame.pts, -1)
                if not first <= row < len(wanted) or getattr(frame, "is_corrupt", False):
                    continue
                picture = None
                if wanted[row]:
                    image = np.asarray(reformatter.reformat(frame, format="bgr24").to_ndarray(), np.uint8)
                    picture = np.ascontiguousarray(upright(image, frame.rotation))
                yield row, picture

    def digest(self) -> str:
        with self._path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()


class FolderRecording:
    """The pictures of a folder by name, one every 1/fps seconds."""

    def __init__(self, path: Path, fps: float) -> None:
        from mtclar.stream.sources.folder import FolderSource

        self.name = path.resolve().name
        self.fps: float | None = fps
        self._files = FolderSource(path, fps).files
        self.times_s = np.arange(len(self._files)) / fps

    def pictures(self, wanted: NDArray[np.bool_], first: int = 0) -> Iterator[Decoded]:
        import cv2

        for row in range(first, len(self._files)):
            if wanted[row]:
                image = cv2.imread(str(self._files[row]), cv2.IMREAD_COLOR)
                if image is not None:
                    yield row, np.asarray(image, np.uint8)
            else:
                yield row, None

    def digest(self) -> str:
        whole = hashlib.sha256()
        for path in self._files:
            with path.open("rb") as file:
                whole.update(path.name.encode() + hashlib.file_digest(file, "sha256").digest())
        return whole.hexdigest()


def _packets(container: Any, stream: Any) -> Iterator[Any]:
    """Packets that hold a picture to be shown, as far as the file can be read."""
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except (StopIteration, av.error.FFmpegError, OSError):
            return
        if packet.size and not packet.is_discard:
            yield packet


def _decoded(container: Any, stream: Any) -> Iterator[Any]:
    """Frames as they are decoded; packets that cannot be are left out."""
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except (StopIteration, av.error.FFmpegError, OSError):
            return
        try:
            yield from packet.decode()
        except av.error.EOFError:
            return
        except av.error.FFmpegError:
            continue
