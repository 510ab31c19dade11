"""The types of labelled stills and clips that all loaders of whole pictures return, and shared CSV and image readers.

A loader reads labels immediately and pictures on demand: a data set may have hundreds of thousands of pictures.
Reading the same folder twice gives the same rows in the same order.
"""

import csv
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from mtclar.engine.errors import MtclarError, UsageError

Picture = NDArray[np.uint8]
"""[H, W, 3] BGR."""

UNKNOWN = -1
"""Index of an unknown expression."""


class DatasetError(MtclarError):
    """A data set's folder, file or line is missing or broken."""


@dataclass(frozen=True, slots=True, eq=False)
class Stills:
    """n single pictures."""

    files: Sequence[Path]  # [n]
    va: NDArray[np.float32]  # [n, 2] in [-1, 1]
    expression: NDArray[np.int64]  # [n] index in EXPRESSIONS, or UNKNOWN
    subject: NDArray[np.str_] | None = None  # [n] person; None: the data set has no persons
    boxes: NDArray[np.float32] | None = None  # [n, 4] x0, y0, x1, y1 of the labelled face; None: not given
    unlabelled: int = 0  # rows that the data set marks as having no valence and arousal
    named: Sequence[str] | None = None  # [n] the line that names each file, for messages

    def __len__(self) -> int:
        return len(self.files)

    def read(self, index: int) -> Picture:
        """Reads a picture. Raises DatasetError with the file and the line that names it."""
        try:
            return read_picture(self.files[index])
        except DatasetError as error:
            if self.named is None:
                raise
            raise DatasetError(f"{self.named[index]}: {error.what}", error.hint) from error


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """The frames of one person, in order."""

    name: str
    subject: str
    fps: float
    va: NDArray[np.float32]  # [n, 2] in [-1, 1]; nan: a frame without a label
    frames: Callable[[], Iterator[Picture | None]]
    """Yields the n frames in order, decoded on demand; None for a frame without a picture. DatasetError for a broken
    one; the next call goes on after it."""
    boxes: NDArray[np.float32] | None = None  # [n, 4] x0, y0, x1, y1 of the labelled face; nan: not given
    side: Literal["left", "right"] | None = None  # which face of a picture with two is labelled

    def __len__(self) -> int:
        return len(self.va)


def is_file(path: Path) -> bool:
    """Whether the file exists; False for a name that is too long, where Path.is_file raises OSError."""
    return os.path.isfile(path)  # noqa: PTH113


def read_picture(path: Path) -> Picture:
    """Reads a picture file as BGR. Raises DatasetError that names the file."""
    if not is_file(path):
        raise DatasetError(f"{path} is missing")
    try:
        image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    except cv2.error:  # such as more pixels than OpenCV allows
        image = None
    if image is None:
        raise DatasetError(f"{path} is not a picture that can be read", "is it damaged?")
    return np.asarray(image, np.uint8)


def csv_rows(
    path: Path,
    needed: Sequence[str],
    header: Sequence[str] | None = None,
    optional: Sequence[str] = (),
) -> Iterator[tuple[str, dict[str, str]]]:
    """Yields the location of each row of a CSV file, for messages, and its cells by column; missing cells are empty.

    Column names are matched without regard to case and surrounding blanks, and separated by commas, semicolons or tabs,
    as spreadsheets write them. `header` names
    the columns of a file without a header line. Raises DatasetError when a column is missing or duplicated, when a line
    has more values than columns or when the file cannot be read as text, UsageError when it does not exist.
    """
    spelt = {name.lower(): name for name in (*needed, *optional)}
    if not is_file(path):
        raise UsageError(f"there is no file {path}")
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            separator = max(",;\t", key=file.readline().count) if header is None else ","
            file.seek(0)
            reader = csv.DictReader(file, header, skipinitialspace=True, restval="", delimiter=separator)
            columns = [name.strip() for name in reader.fieldnames or ()]
            reader.fieldnames = [spelt.get(name.lower(), name) for name in columns]
            for name in (*needed, *optional):
                count = list(reader.fieldnames).count(name)
                if count > 1:
                    raise DatasetError(f"{path}, line 1: {count} columns are called {name}")
            missing = [name for name in needed if name not in reader.fieldnames]
            if missing:
                raise DatasetError(f"{path}, line 1: no column {', '.join(missing)}")
            for row in reader:
                where = f"{path}, line {reader.line_num}"
                if any(row.pop(None, ())):  # DictReader stores surplus cells under None
                    raise DatasetError(
                        f"{where}: more values than the {len(columns)} columns", "is a comma unquoted?"
                    )
                yield where, row
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path} is not a CSV file: it is not text in UTF-8") from error
    except csv.Error as error:
        raise DatasetError(f"{path} is not a CSV file: {error}") from error
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror or error}") from error


def va_of(valence: str, arousal: str, where: str) -> tuple[float, float]:
    """Parses two cells as valence and arousal in [-1, 1]. Raises DatasetError."""
    values = []
    for name, cell in (("valence", valence), ("arousal", arousal)):
        try:
            value = float(cell.replace(",", "."))
        except ValueError:
            raise DatasetError(f"{where}: {name} is {cell!r}, not a number") from None
        if not in_range(value):
            raise DatasetError(f"{where}: {name} is {value:g}, not in [-1, 1]")
        values.append(value)
    return values[0], values[1]


def in_range(value: float) -> bool:
    """Whether a valence or an arousal is in [-1, 1]."""
    return -1.0 <= value <= 1.0
