"""FER+: pictures with ten crowd votes each, and targets computed from the votes; reads two layouts.

FER+ (Barsoum et al. 2016, arXiv:1608.01041) gives every FER2013 picture ten votes over eight expressions, `unknown` and
`not a face`. It has no valence/arousal: the V/A used here is a proxy, the vote-weighted mean of the classes' centres.
The folder holds either sheet_00.png, sheet_01.png, ... (48x48 grey faces, 40 across and 25 down) and labels.csv, or the
two files as published: fer2013.csv (emotion,pixels,Usage) and, line by line beside it, fer2013new.csv
(Usage,Image name,neutral,...,contempt,unknown,NF; https://github.com/microsoft/FERPlus).

FER2013's own label, the class for which a picture was collected, is `emotion` in fer2013.csv. Beside labels.csv it is
in original_labels.csv (name, fer2013), which is optional and may lack pictures.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from mtclar.engine.data_types import EXPRESSIONS
from mtclar.engine.errors import UsageError
from mtclar.engine.estimate.class_centres import class_centres
from mtclar.train.data.labelled import UNKNOWN, csv_rows, is_file
from mtclar.train.data.labelled import DatasetError as DatasetError

PICTURE_SIZE = 48
SHEET_COLUMNS, SHEET_ROWS = 40, 25
LABELS = "labels.csv"
COLLECTED = "original_labels.csv"
COLLECTED_COLUMNS = ("name", "fer2013")
EMOTIONS = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
"""FER2013's classes 0 to 6 by our names."""
VOTES = (*EXPRESSIONS, "unknown", "not_a_face")
PIXELS_CSV, VOTES_CSV = "fer2013.csv", "fer2013new.csv"
PIXELS_COLUMNS = ("emotion", "pixels", "Usage")
# Mean shares of the crowd's votes over the usable Training pictures: the prior of anything trained on them.
CROWD_SHARES = (0.3227, 0.2662, 0.1152, 0.1445, 0.0833, 0.0153, 0.0346, 0.0181)
MOST_VOTES = 1000  # of one picture for one class; FER+ has ten votes per picture
VOTES_COLUMNS = ("Usage", "Image name", *EXPRESSIONS, "unknown", "NF")

Usage = Literal["Training", "PublicTest", "PrivateTest"]


@dataclass(frozen=True, slots=True, eq=False)
class Photos:
    """n pictures of different people with their labels."""

    images: NDArray[np.uint8]  # [n, 48, 48] grey
    expression: NDArray[np.float32]  # [n, 8] share of the votes, in the order of EXPRESSIONS
    va: NDArray[np.float32]  # [n, 2] proxy: expression @ class centres
    label: NDArray[np.int64]  # [n] expression with most votes
    majority: NDArray[np.bool_]  # [n] in the subset that FER+ papers score: more than half of the votes agree
    collected: NDArray[np.int64]  # [n] FER2013's own label, or UNKNOWN

    def __len__(self) -> int:
        return len(self.images)


@dataclass(frozen=True, slots=True, eq=False)
class FerPlus:
    """The whole data set as it lies on disk."""

    folder: Path
    images: NDArray[np.uint8]  # [n, 48, 48] grey
    votes: NDArray[np.float32]  # [n, 10] in the order of VOTES
    usage: NDArray[np.str_]  # [n]
    twin_elsewhere: NDArray[np.bool_]  # [n] a pixel-identical picture lies in another split
    collected: NDArray[np.int64]  # [n] index in EXPRESSIONS, or UNKNOWN

    def split(self, usage: Usage, at_least: int = 1) -> Photos:
        """The usable pictures of one split; raises DatasetError when there are fewer than `at_least`.

        A picture is usable when an expression, not `unknown` or `not_a_face`, has most votes. Training pictures with a
        twin in another split are left out, because they would leak test data.
        """
        chosen = (self.usage == usage) & usable(self.votes)
        if usage == "Training":
            chosen &= ~self.twin_elsewhere
        if (count := int(chosen.sum())) < at_least:
            raise DatasetError(
                f"{self.folder}: {count} usable pictures in {usage}, at least {at_least} needed",
                "a picture is usable when an expression has most of its votes",
            )
        votes = self.votes[chosen]
        expression = expression_shares(votes)
        return Photos(
            images=self.images[chosen],
            expression=expression,
            va=expression @ class_centres(),
            label=votes[:, : len(EXPRESSIONS)].argmax(axis=1),
            majority=majority(votes),
            collected=self.collected[chosen],
        )


def expression_shares(votes: NDArray[np.float32]) -> NDArray[np.float32]:
    """votes [n, 10] -> [n, 8] shares of the eight expressions; rows without a vote for an expression are zero."""
    counts = votes[:, : len(EXPRESSIONS)]
    shares: NDArray[np.float32] = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return shares


def usable(votes: NDArray[np.float32]) -> NDArray[np.bool_]:
    """votes [n, 10] -> [n] whether an expression has most votes."""
    return (votes.argmax(axis=1) < len(EXPRESSIONS)) & (votes[:, : len(EXPRESSIONS)].sum(axis=1) >= 1)


def majority(votes: NDArray[np.float32]) -> NDArray[np.bool_]:
    """votes [n, 10] -> [n] whether an expression has over half of the votes; single votes are dropped as outliers.

    This is the `majority` mode of FER+'s own evaluation, used for published accuracies.
    """
    kept = np.where(votes > 1, votes, 0)
    best = kept.max(axis=1)
    chosen: NDArray[np.bool_] = (best > 0.5 * kept.sum(axis=1)) & (kept.argmax(axis=1) < len(EXPRESSIONS))
    return chosen


def load(folder: Path) -> FerPlus:
    """Reads FER+ in either layout. Raises DatasetError for a broken line, UsageError for another kind of folder."""
    if is_file(folder / LABELS):
        return _load_sheets(folder)
    if is_file(folder / PIXELS_CSV) and is_file(folder / VOTES_CSV):
        return _load_csvs(folder)
    raise UsageError(
        f"{folder} is not a FER+ folder: it has neither {LABELS} nor {PIXELS_CSV} with {VOTES_CSV}",
        f"name the folder that holds {LABELS} and sheet_00.png, ..., or {PIXELS_CSV} and {VOTES_CSV}",
    )


def twins_elsewhere(images: NDArray[np.uint8], usage: NDArray[np.str_]) -> NDArray[np.bool_]:
    """images [n, H, W], usage [n] -> [n] whether an identical picture has another usage."""
    usages: dict[bytes, set[str]] = {}
    keys = [image.tobytes() for image in images]
    for key, name in zip(keys, usage.tolist(), strict=True):
        usages.setdefault(key, set()).add(name)
    return np.array([len(usages[key]) > 1 for key in keys], bool)


def _load_sheets(folder: Path) -> FerPlus:
    labels_path = folder / LABELS
    rows = list(_rows(labels_path))
    if not rows:
        raise DatasetError(f"{labels_path} has no rows")
    sheets: dict[int, NDArray[np.uint8]] = {}
    images = np.empty((len(rows), PICTURE_SIZE, PICTURE_SIZE), np.uint8)
    for i, row in enumerate(rows):
        if row.sheet not in sheets:
            sheets[row.sheet] = _read_sheet(folder / f"sheet_{row.sheet:02d}.png", row.where)
        images[i] = sheets[row.sheet][row.tile]
    return FerPlus(
        folder=folder,
        images=images,
        votes=np.array([row.votes for row in rows], np.float32),
        usage=np.array([row.usage for row in rows]),
        twin_elsewhere=np.array([row.twin_elsewhere for row in rows]),
        collected=_collected(folder / COLLECTED, [row.name for row in rows]),
    )


def _collected(path: Path, names: Sequence[str]) -> NDArray[np.int64]:
    """[n] FER2013's own labels of the named pictures; UNKNOWN where the file or the line is missing."""
    if not is_file(path):
        return np.full(len(names), UNKNOWN, np.int64)
    collected: dict[str, int] = {}
    for where, row in csv_rows(path, COLLECTED_COLUMNS):
        if row["fer2013"] not in EMOTIONS:
            raise DatasetError(f"{where}: fer2013 is {row['fer2013']!r}, not one of {', '.join(EMOTIONS)}")
        collected[row["name"]] = EXPRESSIONS.index(row["fer2013"])
    return np.array([collected.get(name, UNKNOWN) for name in names], np.int64)


@dataclass(frozen=True, slots=True)
class _Row:
    where: str
    name: str
    sheet: int
    tile: int
    usage: str
    votes: list[int]
    twin_elsewhere: bool


def _rows(path: Path) -> Iterator[_Row]:
    for where, raw in csv_rows(path, ("name", "sheet", "tile", "usage", *VOTES, "twin_in_other_split")):
        try:
            sheet, tile, twin = (int(raw[name]) for name in ("sheet", "tile", "twin_in_other_split"))
        except ValueError as error:
            raise DatasetError(
                f"{where}: {error}", "every column but name and usage is a whole number"
            ) from error
        if raw["usage"] not in get_args(Usage):
            raise DatasetError(f"{where}: usage is {raw['usage']!r}, not one of {', '.join(get_args(Usage))}")
        if not 0 <= tile < SHEET_COLUMNS * SHEET_ROWS:
            raise DatasetError(f"{where}: tile {tile} is not in 0..{SHEET_COLUMNS * SHEET_ROWS - 1}")
        votes = _counts([raw[name] for name in VOTES], where)
        yield _Row(where, raw["name"], sheet, tile, raw["usage"], votes, bool(twin))


def _read_sheet(path: Path, where: str) -> NDArray[np.uint8]:
    """One sheet as [1000, 48, 48] tiles."""
    if not is_file(path):
        raise DatasetError(f"{path} is missing, and {where} refers to it")
    sheet = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    expected = (SHEET_ROWS * PICTURE_SIZE, SHEET_COLUMNS * PICTURE_SIZE)
    if sheet is None or sheet.shape != expected:
        found = "no readable picture" if sheet is None else f"{sheet.shape[1]}x{sheet.shape[0]}"
        raise DatasetError(f"{path}: {found}, expected a sheet of {expected[1]}x{expected[0]} pixels")
    tiles = sheet.reshape(SHEET_ROWS, PICTURE_SIZE, SHEET_COLUMNS, PICTURE_SIZE).transpose(0, 2, 1, 3)
    return np.ascontiguousarray(tiles.reshape(-1, PICTURE_SIZE, PICTURE_SIZE), np.uint8)


def _load_csvs(folder: Path) -> FerPlus:
    """Reads the published pair of files. Rows without an image name show no face; they are left out, as in FER+."""
    pixels_path, votes_path = folder / PIXELS_CSV, folder / VOTES_CSV
    images: list[NDArray[np.uint8]] = []
    votes: list[list[int]] = []
    usages: list[str] = []
    collected: list[int] = []
    pixel_rows = csv_rows(pixels_path, PIXELS_COLUMNS)
    for where, named in csv_rows(votes_path, VOTES_COLUMNS):
        where_pixels, pictured = next(pixel_rows, ("", None))
        if pictured is None:
            raise DatasetError(
                f"{where}: {pixels_path} has no such line", "the two files must match line by line"
            )
        if pictured["Usage"] != named["Usage"]:
            raise DatasetError(
                f"{where}: Usage is {named['Usage']!r}, and {where_pixels} says {pictured['Usage']!r}",
                "the two files must match line by line",
            )
        if named["Usage"] not in get_args(Usage):
            raise DatasetError(
                f"{where}: Usage is {named['Usage']!r}, not one of {', '.join(get_args(Usage))}"
            )
        if not named["Image name"]:
            continue
        images.append(_pixels(pictured["pixels"], where_pixels))
        collected.append(_emotion(pictured["emotion"], where_pixels))
        votes.append(_counts([named[name] for name in VOTES_COLUMNS[2:]], where))
        usages.append(named["Usage"])
    if (rest := next(pixel_rows, None)) is not None:
        raise DatasetError(
            f"{rest[0]}: {votes_path} has no such line", "the two files must match line by line"
        )
    if not images:
        raise DatasetError(f"{votes_path} names no picture")
    stacked, usage = np.stack(images), np.array(usages)
    return FerPlus(
        folder=folder,
        images=stacked,
        votes=np.array(votes, np.float32),
        usage=usage,
        twin_elsewhere=twins_elsewhere(stacked, usage),
        collected=np.array(collected, np.int64),
    )


def _emotion(cell: str, where: str) -> int:
    """A class of FER2013 -> index in EXPRESSIONS."""
    if cell not in map(str, range(len(EMOTIONS))):
        raise DatasetError(f"{where}: emotion is {cell!r}, not in 0..{len(EMOTIONS) - 1}")
    return EXPRESSIONS.index(EMOTIONS[int(cell)])


def _pixels(text: str, where: str) -> NDArray[np.uint8]:
    """`70 80 82 ...` -> [48, 48]."""
    try:
        values = bytes(map(int, text.split()))
    except ValueError as error:
        raise DatasetError(f"{where}: {error}", "pixels are whole numbers from 0 to 255") from error
    if len(values) != PICTURE_SIZE**2:
        raise DatasetError(f"{where}: {len(values)} pixels, expected {PICTURE_SIZE}x{PICTURE_SIZE}")
    return np.frombuffer(values, np.uint8).reshape(PICTURE_SIZE, PICTURE_SIZE)


def _counts(cells: Sequence[str], where: str) -> list[int]:
    """Vote counts of one row."""
    try:
        counts = [int(cell) for cell in cells]
    except ValueError as error:
        raise DatasetError(f"{where}: {error}", "votes are whole numbers") from error
    if min(counts) < 0:
        raise DatasetError(f"{where}: a vote count is negative")
    if max(counts) > MOST_VOTES:
        raise DatasetError(f"{where}: a vote count is above {MOST_VOTES}", "FER+ has ten votes per picture")
    return counts
