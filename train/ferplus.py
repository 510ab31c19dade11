"""FER+ from a folder of sheets and labels.csv: pictures, ten crowd votes each, and the targets made of the votes.

FER+ (Barsoum et al. 2016, arXiv:1608.01041) gives every FER2013 picture ten votes over eight expressions, `unknown` and
`not a face`. It has no valence/arousal: the V/A used here is a proxy, the vote-weighted mean of the classes' centres.
The folder holds sheet_00.png, sheet_01.png, ... (48x48 grey faces, 40 across and 25 down) and labels.csv.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from mtclar.engine.errors import MtclarError, UsageError
from mtclar.engine.handover import EXPRESSIONS

PICTURE_SIZE = 48
SHEET_COLUMNS, SHEET_ROWS = 40, 25
LABELS = "labels.csv"
VOTES = (*EXPRESSIONS, "unknown", "not_a_face")

Usage = Literal["Training", "PublicTest", "PrivateTest"]

CLASS_CENTRES: dict[str, tuple[float, float]] = {
    # Mean (valence, arousal) of each class in AffectNet's validation set; neutral is put at the origin, because a
    # face that nobody finds expressive should read zero (the measured mean is -.03, -.02).
    "neutral": (0.0, 0.0),
    "happiness": (0.67, 0.08),
    "surprise": (0.18, 0.70),
    "sadness": (-0.63, -0.27),
    "anger": (-0.43, 0.55),
    "disgust": (-0.68, 0.45),
    "fear": (-0.12, 0.76),
    "contempt": (-0.51, 0.58),
}


class DatasetError(MtclarError):
    """A data set's folder, file or line is missing or broken."""


@dataclass(frozen=True, slots=True, eq=False)
class Photos:
    """n pictures of different people, with what people said of them."""

    images: NDArray[np.uint8]  # [n, 48, 48] grey
    expression: NDArray[np.float32]  # [n, 8] share of the votes, in the order of EXPRESSIONS
    va: NDArray[np.float32]  # [n, 2] proxy: expression @ class centres
    label: NDArray[np.int64]  # [n] expression with most votes
    majority: NDArray[np.bool_]  # [n] in the subset that FER+ papers score: more than half of the votes agree

    def __len__(self) -> int:
        return len(self.images)


@dataclass(frozen=True, slots=True, eq=False)
class FerPlus:
    """The whole data set as it lies on disk."""

    images: NDArray[np.uint8]  # [n, 48, 48] grey
    votes: NDArray[np.float32]  # [n, 10] in the order of VOTES
    usage: NDArray[np.str_]  # [n]
    twin_elsewhere: NDArray[np.bool_]  # [n] a pixel-identical picture lies in another split

    def split(self, usage: Usage) -> Photos:
        """The usable pictures of one split.

        Usable: an expression, not `unknown` or `not_a_face`, has most votes. Training pictures with a twin in
        another split are left out, since they would leak the test.
        """
        chosen = (self.usage == usage) & usable(self.votes)
        if usage == "Training":
            chosen &= ~self.twin_elsewhere
        votes = self.votes[chosen]
        expression = expression_shares(votes)
        return Photos(
            images=self.images[chosen],
            expression=expression,
            va=expression @ class_centres(),
            label=votes[:, : len(EXPRESSIONS)].argmax(axis=1),
            majority=majority(votes),
        )


def class_centres() -> NDArray[np.float32]:
    """[8, 2] V/A of each class, in the order of EXPRESSIONS."""
    return np.array([CLASS_CENTRES[name] for name in EXPRESSIONS], np.float32)


def expression_shares(votes: NDArray[np.float32]) -> NDArray[np.float32]:
    """votes [n, 10] -> [n, 8] shares of the eight expressions; rows without such a vote are zero."""
    counts = votes[:, : len(EXPRESSIONS)]
    shares: NDArray[np.float32] = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return shares


def usable(votes: NDArray[np.float32]) -> NDArray[np.bool_]:
    """votes [n, 10] -> [n] an expression has most votes."""
    return (votes.argmax(axis=1) < len(EXPRESSIONS)) & (votes[:, : len(EXPRESSIONS)].sum(axis=1) >= 1)


def majority(votes: NDArray[np.float32]) -> NDArray[np.bool_]:
    """votes [n, 10] -> [n] an expression has more than half of the votes once single votes are dropped as outliers.

    This is the `majority` mode of FER+'s own evaluation, which published accuracies refer to.
    """
    kept = np.where(votes > 1, votes, 0)
    best = kept.max(axis=1)
    chosen: NDArray[np.bool_] = (best > 0.5 * kept.sum(axis=1)) & (kept.argmax(axis=1) < len(EXPRESSIONS))
    return chosen


def load(folder: Path) -> FerPlus:
    """Reads a FER+ folder. DatasetError names the file and line that is broken; UsageError: no such folder."""
    labels_path = folder / LABELS
    if not labels_path.is_file():
        raise UsageError(
            f"{folder} is no FER+ folder: it has no {LABELS}",
            "name the folder that holds labels.csv and sheet_00.png, sheet_01.png, ...",
        )
    rows = list(_rows(labels_path))
    if not rows:
        raise DatasetError(f"{labels_path} has no rows")
    sheets: dict[int, NDArray[np.uint8]] = {}
    images = np.empty((len(rows), PICTURE_SIZE, PICTURE_SIZE), np.uint8)
    for i, row in enumerate(rows):
        if row.sheet not in sheets:
            sheets[row.sheet] = _read_sheet(folder / f"sheet_{row.sheet:02d}.png", labels_path, row.line)
        images[i] = sheets[row.sheet][row.tile]
    return FerPlus(
        images=images,
        votes=np.array([row.votes for row in rows], np.float32),
        usage=np.array([row.usage for row in rows]),
        twin_elsewhere=np.array([row.twin_elsewhere for row in rows]),
    )


@dataclass(frozen=True, slots=True)
class _Row:
    line: int
    sheet: int
    tile: int
    usage: str
    votes: tuple[int, ...]
    twin_elsewhere: bool


def _rows(path: Path) -> Iterator[_Row]:
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        needed = ("sheet", "tile", "usage", *VOTES, "twin_in_other_split")
        missing = [name for name in needed if name not in (reader.fieldnames or ())]
        if missing:
            raise DatasetError(f"{path}, line 1: no column {', '.join(missing)}")
        for raw in reader:
            where = f"{path}, line {reader.line_num}"
            try:
                row = _Row(
                    line=reader.line_num,
                    sheet=int(raw["sheet"]),
                    tile=int(raw["tile"]),
                    usage=raw["usage"],
                    votes=tuple(int(raw[name]) for name in VOTES),
                    twin_elsewhere=bool(int(raw["twin_in_other_split"])),
                )
            except (TypeError, ValueError) as error:
                raise DatasetError(
                    f"{where}: {error}", "every column but name and usage is a whole number"
                ) from error
            if row.usage not in get_args(Usage):
                raise DatasetError(
                    f"{where}: usage is {row.usage!r}, not one of {', '.join(get_args(Usage))}"
                )
            if not 0 <= row.tile < SHEET_COLUMNS * SHEET_ROWS:
                raise DatasetError(f"{where}: tile {row.tile} is not in 0..{SHEET_COLUMNS * SHEET_ROWS - 1}")
            if min(row.votes) < 0:
                raise DatasetError(f"{where}: a vote count is negative")
            yield row


def _read_sheet(path: Path, labels_path: Path, line: int) -> NDArray[np.uint8]:
    """One sheet as [1000, 48, 48] tiles."""
    if not path.is_file():
        raise DatasetError(f"{path} is missing, and {labels_path}, line {line} refers to it")
    sheet = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    expected = (SHEET_ROWS * PICTURE_SIZE, SHEET_COLUMNS * PICTURE_SIZE)
    if sheet is None or sheet.shape != expected:
        found = "no readable picture" if sheet is None else f"{sheet.shape[1]}x{sheet.shape[0]}"
        raise DatasetError(f"{path}: {found}, expected a sheet of {expected[1]}x{expected[0]} pixels")
    tiles = sheet.reshape(SHEET_ROWS, PICTURE_SIZE, SHEET_COLUMNS, PICTURE_SIZE).transpose(0, 2, 1, 3)
    return np.ascontiguousarray(tiles.reshape(-1, PICTURE_SIZE, PICTURE_SIZE), np.uint8)
