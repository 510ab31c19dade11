"""A folder of pictures as a source: in the order of their names, one every 1/fps seconds."""

import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from mtclar.engine.data_types import Frame
from mtclar.engine.errors import SourceError, UsageError
from mtclar.stream.sources.base import HEIF_HINT, HEIF_SUFFIXES

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff"})


class FolderSource:
    """The pictures of a folder as a mtclar.stream.sources.base.Source.

    Numbers in names sort as numbers (2.png before 10.png); names that begin with a dot are skipped. Raises UsageError
    for a folder without a picture, SourceError for a picture that cannot be decoded.
    """

    live = False
    size: tuple[int, int] | None = None

    def __init__(self, folder: Path, fps: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.stream_id = folder.resolve().name or "folder"
        self.label = f"{folder.name or folder}/"
        self.fps: float | None = fps
        self._period_s = 1.0 / fps
        self._clock = clock
        self._closed = threading.Event()
        # Names that begin with a dot are companions that other systems leave: macOS writes ._1.jpg beside 1.jpg.
        visible = [path for path in folder.iterdir() if not path.name.startswith(".")]
        if heif := sorted(path.name for path in visible if path.suffix.lower() in HEIF_SUFFIXES):
            raise UsageError(
                f"{folder} holds photos in HEIF ({heif[0]}), which cannot be read here", HEIF_HINT
            )
        files = (path for path in visible if path.suffix.lower() in SUFFIXES)
        self.files = tuple(sorted(files, key=lambda path: _sort_key(path.name)))
        if not self.files:
            raise UsageError(
                f"there is no picture in {folder}", f"pictures end in {', '.join(sorted(SUFFIXES))}"
            )

    def frames(self) -> Iterator[Frame]:
        import cv2

        for seq, path in enumerate(self.files):
            if self._closed.is_set():
                return
            image = cv2.imread(str(path), cv2.IMREAD_COLOR)
            if image is None:
                raise SourceError(f"{path} cannot be read as a picture", "is it damaged?")
            yield Frame(
                np.asarray(image, np.uint8), seq, self._clock(), "file", seq * self._period_s, self.stream_id
            )

    def reachable(self) -> None:
        return None

    def close(self) -> None:
        self._closed.set()


def _sort_key(name: str) -> list[tuple[int, str]]:
    """The parts of a name, with its numbers as integers."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name) if part]
