"""AffectNet (Mollahosseini et al. 2017, arXiv:1708.03985) in both layouts that its authors published.

2017: training.csv and validation.csv (subDirectory_filePath, face_x, face_y, face_width, face_height,
facial_landmarks, expression, valence, arousal; some copies of validation.csv come without the header line) beside the
folders of pictures. 2021, `AffectNet-8`: train_set/ and val_set/, each with images/ID.jpg and
annotations/ID_{exp,val,aro,lnd}.npy. A valence or arousal of -2 means that the label is missing.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from mtclar.engine.data_types import EXPRESSIONS
from mtclar.engine.errors import UsageError
from mtclar.train.data.labelled import UNKNOWN, DatasetError, Stills, csv_rows, is_file, va_of

Split = Literal["training", "validation"]
DEFAULT_SPLIT: Split = "validation"

CLASSES = ("neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger", "contempt")
"""AffectNet's classes 0 to 7 by our names; 8 none, 9 uncertain and 10 no face are not expressions."""
NOT_EXPRESSIONS = 3
INVALID = -2.0  # of valence or arousal

COLUMNS = (
    "subDirectory_filePath",
    "face_x",
    "face_y",
    "face_width",
    "face_height",
    "facial_landmarks",
    "expression",
    "valence",
    "arousal",
)
LIST_FOLDERS = (".", "Manually_Annotated_file_lists")
PICTURE_FOLDERS = (
    ".",
    "Manually_Annotated_Images",
    "Manually_Annotated/Manually_Annotated_Images",
    "Manually_Annotated",
    "images",
)
SET_FOLDERS: dict[Split, str] = {"training": "train_set", "validation": "val_set"}
PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png")


def load(root: Path, split: Split = DEFAULT_SPLIT) -> Stills:
    """The labels of one split, in either layout.

    Raises UsageError when `root` has neither layout, DatasetError that names the broken line or file.
    """
    if (folder := root / SET_FOLDERS[split]).is_dir():
        return _load_npy(folder)
    for lists in LIST_FOLDERS:
        if is_file(path := root / lists / f"{split}.csv"):
            return _load_csv(path, root)
    raise UsageError(
        f"{root} has no {split} split of AffectNet: neither {split}.csv nor {SET_FOLDERS[split]}/",
        f"name the folder that holds it; the splits are {' and '.join(get_args(Split))}",
    )


def _load_csv(path: Path, root: Path) -> Stills:
    """Reads the layout of 2017."""
    names, values, expressions, boxes, unlabelled = [], [], [], [], 0
    for where, row in csv_rows(path, COLUMNS, COLUMNS if _headless(path) else None):
        expression = _expression(row["expression"], where)
        if _invalid(row["valence"]) or _invalid(row["arousal"]):
            unlabelled += 1
            continue
        values.append(va_of(row["valence"], row["arousal"], where))
        if not row[COLUMNS[0]]:
            raise DatasetError(f"{where}: no path")
        names.append(row[COLUMNS[0]])
        expressions.append(expression)
        boxes.append(_box(row, where))
    if not names:
        raise DatasetError(f"{path} has no picture with valence and arousal")
    pictures = _pictures_beside(root, names[0])
    return Stills(
        files=[pictures / name for name in names],
        va=np.array(values, np.float32),
        expression=np.array(expressions, np.int64),
        boxes=np.array(boxes, np.float32),
        unlabelled=unlabelled,
    )


def _load_npy(folder: Path) -> Stills:
    """Reads the layout of 2021."""
    files, values, expressions, unlabelled = [], [], [], 0
    for file in _pictures(folder / "images"):
        exp, val, aro = (folder / "annotations" / f"{file.stem}_{kind}.npy" for kind in ("exp", "val", "aro"))
        expression = _expression(_value(exp), str(exp))
        valence, arousal = _value(val), _value(aro)
        if _invalid(valence) or _invalid(arousal):
            unlabelled += 1
            continue
        values.append(va_of(valence, arousal, f"{val} and {aro.name}"))
        files.append(file)
        expressions.append(expression)
    if not files:
        raise DatasetError(f"{folder / 'images'} has no picture with valence and arousal")
    return Stills(
        files=files,
        va=np.array(values, np.float32),
        expression=np.array(expressions, np.int64),
        unlabelled=unlabelled,
    )


def _headless(path: Path) -> bool:
    """Whether the file has no header: its first line has nine cells and the last three are numbers."""
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        cells = file.readline().rstrip("\r\n").split(",")
    try:
        return len(cells) == len(COLUMNS) and all(np.isfinite(float(cell)) for cell in cells[-3:])
    except ValueError:
        return False


def _expression(cell: str, where: str) -> int:
    """A class of AffectNet -> index in EXPRESSIONS, or UNKNOWN."""
    try:
        number = int(float(cell))
        whole = float(cell) == number
    except (ValueError, OverflowError):
        whole = False
    if not whole:
        raise DatasetError(f"{where}: expression is {cell!r}, not a whole number")
    if not 0 <= number < len(CLASSES) + NOT_EXPRESSIONS:
        raise DatasetError(f"{where}: expression is {number}, not in 0..{len(CLASSES) + NOT_EXPRESSIONS - 1}")
    return EXPRESSIONS.index(CLASSES[number]) if number < len(CLASSES) else UNKNOWN


def _invalid(cell: str) -> bool:
    try:
        return float(cell) == INVALID
    except ValueError:
        return False  # va_of raises the error


def _box(row: dict[str, str], where: str) -> tuple[float, float, float, float]:
    """x0, y0, x1, y1; nan where the list has no box (a width below 1, as for pictures without a face)."""
    try:
        x, y, width, height = (float(row[name]) for name in COLUMNS[1:5])
    except ValueError as error:
        raise DatasetError(f"{where}: a face_x, face_y, face_width or face_height is not a number") from error
    if width < 1 or height < 1:
        return (float("nan"),) * 4
    return x, y, x + width, y + height


def _pictures_beside(root: Path, name: str) -> Path:
    """The folder to which the paths of a list are relative, found with the first path."""
    for folder in PICTURE_FOLDERS:
        if is_file(root / folder / name):
            return root / folder
    raise DatasetError(
        f"{root / name} is missing, also from {', '.join(PICTURE_FOLDERS[1:])}",
        "put the lists beside the folders of pictures",
    )


def _pictures(folder: Path) -> Iterator[Path]:
    """The picture files, ordered by the number in their name; other names come last."""
    if not folder.is_dir():
        raise DatasetError(f"{folder} is missing")
    visible = (file for file in folder.iterdir() if not file.name.startswith("."))
    files = [file for file in visible if file.suffix.lower() in PICTURE_SUFFIXES]
    yield from sorted(files, key=lambda file: (int(file.stem) if file.stem.isdecimal() else 2**63, file.name))


def _value(path: Path) -> str:
    """The only value of an .npy file as text: the published files hold text, some copies numbers."""
    if not is_file(path):
        raise DatasetError(f"{path} is missing")
    try:
        with path.open("rb") as file:  # np.load would also take a zip of arrays
            return str(np.lib.format.read_array(file, allow_pickle=False).item())
    except Exception as error:  # numpy raises many types for a damaged header
        raise DatasetError(f"{path} does not hold one value: {error}") from error
