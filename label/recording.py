"""A recording as rows: one row for each frame, with its time known before decoding; images only for selected rows.

The packets of a video are read first, without decoding; they give the number and the times of the frames. A frame that
cannot be decoded therefore keeps its row, and the numbers of later frames do not shift.
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
from mtclar.stream.sources.base import DEFAULT_FPS, TimeLine
from mtclar.stream.sources.decoding import announced_fps, upright, video_stream
from mtclar.stream.sources.video import open_file

Image = NDArray[np.uint8]
"""[H, W, 3] BGR."""

Decoded = tuple[int, Image | None]
"""A decoded row and its image, or None if the image was not requested. A missing row is unreadable."""


class Recording(Protocol):
    """A video file or an image folder."""

    name: str
    times_s: NDArray[np.float64]  # [n] of every frame, from 0, monotonic

    def images(self, selected: NDArray[np.bool_], first: int = 0) -> Iterator[Decoded]:
        """Yield the decodable rows from `first` on, in order, with the images of the selected rows [n]."""
        ...

    def digest(self) -> str:
        """sha256 of the content."""
        ...


def open_recording(path: Path, fps: float | None = None) -> Recording:
    """Open a video file, or an image folder with `fps`. Raises UsageError or SourceError."""
    if path.is_dir():
        if fps is None:
            raise UsageError(f"{path} is an image folder and needs a frame rate", "add --fps")
        return FolderRecording(path, fps)
    if fps is not None:
        raise UsageError(f"--fps is for image folders, and {path} is a video", "remove --fps")
    return VideoRecording(path)


class VideoRecording:
    """A video file. Raises UsageError if it does not exist, SourceError if it contains no images."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            raise UsageError(f"no such file: {path}", "name a video file or an image folder")
        if not path.is_file():
            raise UsageError(f"{path} is not a file", "name a video file or an image folder")
        self.name = path.name
        self._path = path
        with open_file(path, self.name) as container:
            stream = video_stream(container, self.name)
            self.fps = announced_fps(stream)
            base = stream.time_base
            timestamps = [packet.pts for packet in _packets(container, stream)]
        if not timestamps:
            raise SourceError(f"{self.name}: no frame could be read", "the file is empty or damaged")
        # Raw streams and some AVI files have missing or repeated timetimestamps: then the order numbers the frames.
        has_timestamps = (
            base is not None and None not in timestamps and len(set(timestamps)) == len(timestamps)
        )
        in_order = sorted(timestamps) if has_timestamps else list(range(len(timestamps)))
        period = 1.0 / (self.fps or DEFAULT_FPS)
        line = TimeLine(self.fps)
        self.times_s = np.array([line(float(s * base) if has_timestamps else s * period) for s in in_order])
        self._row_of = {timestamp: row for row, timestamp in enumerate(in_order)} if has_timestamps else None

    def images(self, selected: NDArray[np.bool_], first: int = 0) -> Iterator[Decoded]:
        reformatter = VideoReformatter()
        index = -1
        with open_file(self._path, self.name) as container:
            stream = video_stream(container, self.name)
            stream.thread_type = "NONE"  # videos in parallel are faster than threads
            for frame in _decoded(container, stream):
                index += 1
                row = index if self._row_of is None else self._row_of.get(frame.pts, -1)
                if not first <= row < len(selected) or getattr(frame, "is_corrupt", False):
                    continue
                image = None
                if selected[row]:
                    image = np.asarray(reformatter.reformat(frame, format="bgr24").to_ndarray(), np.uint8)
                    image = np.ascontiguousarray(upright(image, frame.rotation))
                yield row, image

    def digest(self) -> str:
        with self._path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()


class FolderRecording:
    """The images of a folder in order of name, one every 1/fps seconds."""

    def __init__(self, path: Path, fps: float) -> None:
        from mtclar.stream.sources.folder import FolderSource

        self.name = path.resolve().name
        self.fps: float | None = fps
        self._files = FolderSource(path, fps).files
        self.times_s = np.arange(len(self._files)) / fps

    def images(self, selected: NDArray[np.bool_], first: int = 0) -> Iterator[Decoded]:
        import cv2

        for row in range(first, len(self._files)):
            if selected[row]:
                image = cv2.imread(str(self._files[row]), cv2.IMREAD_COLOR)
                if image is not None:
                    yield row, np.asarray(image, np.uint8)
            else:
                yield row, None

    def digest(self) -> str:
        digest = hashlib.sha256()
        for path in self._files:
            with path.open("rb") as file:
                digest.update(path.name.encode() + hashlib.file_digest(file, "sha256").digest())
        return digest.hexdigest()


def _packets(container: Any, stream: Any) -> Iterator[Any]:
    """Yield the packets with a displayed frame, up to the first read error."""
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except (StopIteration, av.error.FFmpegError, OSError):
            return
        if packet.size and not packet.is_discard:
            yield packet


def _decoded(container: Any, stream: Any) -> Iterator[Any]:
    """Yield decoded frames; skip packets that cannot be decoded."""
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
