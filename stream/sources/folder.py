"""A folder of pictures as a source: in the order of their names, one every 1/fps seconds."""

import logging
import math
import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qsl

import numpy as np

from mtclar.engine.data_types import Frame
from mtclar.engine.errors import SourceError, UsageError
from mtclar.stream.sources.base import HEIF_HINT, HEIF_SUFFIXES

log = logging.getLogger(__name__)

MIN_FPS, MAX_FPS = 0.01, 1000.0
SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff"})


class FolderSource:
    """The pictures of a folder as a mtclar.stream.sources.base.Source.

    Numbers in names sort as numbers (2.png before 10.png); names that begin with a dot are skipped. A picture that
    cannot be decoded is named in a warning and appears black: so the times of the others stay, and its label is not
    given to a neighbour. Raises UsageError for a folder without a picture, SourceError if none can be decoded.
    """

    live = False
    size: tuple[int, int] | None = None

    @property
    def length_s(self) -> float | None:
        return len(self.files) * self._period_s

    def __init__(
        self,
        folder: Path,
        fps: float,
        clock: Callable[[], float] = time.monotonic,
        *,
        stream_id: str | None = None,
    ) -> None:
        self.stream_id = stream_id or folder.resolve().name or "folder"
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

        black = np.zeros((1, 1, 3), np.uint8)
        damaged = 0
        for seq, path in enumerate(self.files):
            if self._closed.is_set():
                return
            try:
                image = cv2.imread(str(path), cv2.IMREAD_COLOR)
            except cv2.error:  # such as more pixels than OpenCV allows
                image = None
            if image is None:
                damaged += 1
                log.warning("%s cannot be read as a picture: it counts as black", path)
                image = black
            yield Frame(
                np.asarray(image, np.uint8), seq, self._clock(), "file", seq * self._period_s, self.stream_id
            )
        if damaged == len(self.files):
            raise SourceError(f"no picture in {self.label} can be read", "are they damaged?")

    def reachable(self) -> None:
        return None

    def close(self) -> None:
        self._closed.set()


def rate_of(folder: Path, options: str) -> float:
    """The frame rate that the options of a folder give: `fps=25`. Raises UsageError."""
    given = dict(parse_qsl(options, keep_blank_values=True))
    text = given.pop("fps", None)
    if given:
        raise UsageError(f"an image folder has no option '{next(iter(given))}'", "options: fps, rotate, flip")
    if text is None:
        holds = {path.suffix.lower() for path in folder.iterdir() if not path.name.startswith(".")}
        if not holds & SUFFIXES:
            raise UsageError(
                f"{folder} is not a file, and a folder without pictures",
                f"for all videos of a folder: mtclar-stream analyse {folder} --out results",
            )
        raise UsageError(
            f"{folder} is an image folder, and its frame rate is not given", f"'{folder}?fps=25' gives it"
        )
    try:
        fps = float(text)
    except ValueError:
        fps = math.nan
    if not MIN_FPS <= fps <= MAX_FPS:
        raise UsageError(
            f"'{text}' is not a frame rate", f"pictures a second, from {MIN_FPS:g} to {MAX_FPS:g}: fps=25"
        )
    return fps


def _sort_key(name: str) -> list[tuple[int, str]]:
    """The parts of a name, with its numbers as integers."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name) if part]
