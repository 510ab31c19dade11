"""A recording as rows: one row for each frame, with its time known before decoding; images only for selected rows.

The packets of a video are read first, without decoding; they give the number and the times of the frames. A frame that
cannot be decoded therefore keeps its row, and the numbers of later frames do not shift.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mtclar.engine.errors import SourceError, UsageError
from mtclar.stream.sources.decoding.frames import Converter, readable_frames
from mtclar.stream.sources.decoding.media_file import MediaFile
from mtclar.stream.sources.options import (
    UNCHANGED,
    PictureOptions,
    split_file,
    stream_number,
    take_options,
)

Image = NDArray[np.uint8]
"""[H, W, 3] BGR."""

Decoded = tuple[int, Image | None]
"""A decoded row and its image, or None if the image was not requested. A missing row is unreadable."""


class Recording(Protocol):
    """A video file or an image folder."""

    name: str
    times_s: NDArray[np.float64]  # [n] of every frame, from 0, monotonic
    warnings: list[str]  # for people: the file breaks off, its times jump
    first_frame_s: float  # time of the first frame in the media file: sound may begin earlier

    def images(self, selected: NDArray[np.bool_], first: int = 0) -> Iterator[Decoded]:
        """Yield the decodable rows from `first` on, in order, with the images of the selected rows [n]."""
        ...

    def digest(self) -> str:
        """sha256 of the content and the options."""
        ...

    def media_file(self) -> MediaFile | None:
        """The file with the sound; None for an image folder."""
        ...


def open_recording(path: Path, fps: float | None = None) -> Recording:
    """Open a video file, or an image folder with `fps`, with options behind it. Raises UsageError or SourceError."""
    spec, change = take_options(str(path), "file")
    name, options = split_file(spec)
    path = Path(name)
    number = stream_number(options, path.name)
    if path.is_dir():
        if fps is None:
            raise UsageError(f"{path} is an image folder and needs a frame rate", "add --fps")
        return FolderRecording(path, fps, change)
    if fps is not None:
        raise UsageError(f"--fps is for image folders, and {path} is a video", "remove --fps")
    return VideoRecording(path, change, number)


class VideoRecording:
    """A video file. Raises UsageError if it does not exist, SourceError if it contains no images."""

    def __init__(self, path: Path, change: PictureOptions = UNCHANGED, stream: int | None = None) -> None:
        if not path.exists():
            raise UsageError(f"no such file: {path}", "name a video file or an image folder")
        if not path.is_file():
            raise UsageError(f"{path} is not a file", "name a video file or an image folder")
        self.name = path.name
        self._path = path
        self._change, self._stream = change, stream
        self.warnings: list[str] = []
        self._file = MediaFile(path, self.name, self._warn, stream)
        self.fps = self._file.fps
        self.first_frame_s = self._file.first_frame_s
        index = self._file.index()
        if not index.pts:
            raise SourceError(f"{self.name}: no frame could be read", "the file is empty or damaged")
        line = self._file.time_line()
        self.times_s = np.array([line(stamp_s) for stamp_s in index.stamps_s])
        self._file.check_pauses(line)
        self._rows_of: dict[int, list[int]] = {}
        for row, pts in enumerate(index.pts):
            if pts is not None:
                self._rows_of.setdefault(pts, []).append(row)

    def images(self, selected: NDArray[np.bool_], first: int = 0) -> Iterator[Decoded]:
        converted = Converter()
        row = -1
        with self._file.open() as (container, stream):
            stream.thread_type = "NONE"  # videos in parallel are faster than threads
            for frame in readable_frames(container, stream):
                # Frames come in order, and two may have the same stamp. One without a stamp follows the last.
                row = next((other for other in self._rows_of.get(frame.pts, ()) if other > row), row + 1)
                if not first <= row < len(selected) or getattr(frame, "is_corrupt", False):
                    continue
                image = None
                if selected[row]:
                    image = self._change(converted(frame))
                yield row, image

    def media_file(self) -> MediaFile | None:
        return self._file

    def _warn(self, text: str) -> None:
        if text not in self.warnings:
            self.warnings.append(text)

    def digest(self) -> str:
        with self._path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256")
        return _with_options(digest, self._change, self._stream)


class FolderRecording:
    """The images of a folder in order of name, one every 1/fps seconds."""

    def __init__(self, path: Path, fps: float, change: PictureOptions = UNCHANGED) -> None:
        from mtclar.stream.sources.folder import FolderSource

        self.name = path.resolve().name
        self.fps: float | None = fps
        self.warnings: list[str] = []
        self._change = change
        self.first_frame_s = 0.0
        self._files = FolderSource(path, fps).files
        self.times_s = np.arange(len(self._files)) / fps

    def images(self, selected: NDArray[np.bool_], first: int = 0) -> Iterator[Decoded]:
        import cv2

        for row in range(first, len(self._files)):
            if selected[row]:
                image = cv2.imread(str(self._files[row]), cv2.IMREAD_COLOR)
                if image is not None:
                    yield row, self._change(np.asarray(image, np.uint8))
            else:
                yield row, None

    def media_file(self) -> MediaFile | None:
        return None

    def digest(self) -> str:
        digest = hashlib.sha256()
        for path in self._files:
            with path.open("rb") as file:
                digest.update(path.name.encode() + hashlib.file_digest(file, "sha256").digest())
        return _with_options(digest, self._change)


def _with_options(digest: Any, change: PictureOptions, stream: int | None = None) -> str:
    """The digest of the content and of options that make other images of it."""
    if (change, stream) != (UNCHANGED, None):
        digest.update(repr((change, stream)).encode())
    return str(digest.hexdigest())
