"""AFEW-VA (Kossaifi et al. 2017, doi:10.1016/j.imavis.2017.02.001): 600 clips of films, labelled frame by frame.

A folder for each clip, 001 to 600, with its frames 00000.png, 00001.png, ... and 001.json: {"actor", "video_id",
"frames": {"00000": {"valence", "arousal", "landmarks": [68 x 2]}}}; valence and arousal are whole numbers from -10 to
10. There are no split files: the splits here are by actor, always the same ones, a fifth of the actors each for
validation and test.
"""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from mtclar.engine.errors import UsageError
from mtclar.train.data.labelled import Clip, DatasetError, Picture, is_file, read_picture

Split = Literal["all", "train", "validation", "test"]
DEFAULT_SPLIT: Split = "all"  # no network of this project was trained on AFEW-VA

FPS = 25.0  # the frames have no times; films have 24 or 25
SCALE = 10.0  # AFEW-VA labels divided by labels in [-1, 1]
LANDMARKS = (68, 2)
FIFTHS: dict[int, Split] = {3: "validation", 4: "test"}


def load(root: Path, split: Split = DEFAULT_SPLIT) -> list[Clip]:
    """The clips of a split by number; an actor is in one split only.

    Raises UsageError when `root` holds no clip, DatasetError that names the broken file and key.
    """
    folders = sorted(folder for folder in root.iterdir() if folder.is_dir()) if root.is_dir() else []
    annotations = [folder / f"{folder.name}.json" for folder in folders]
    annotations = [path for path in annotations if is_file(path)]
    if not annotations:
        raise UsageError(
            f"{root} is not an AFEW-VA folder: it has no clip such as 001/001.json",
            "name the folder that holds the folders 001 to 600",
        )
    clips = [_clip(path) for path in annotations]
    chosen = [clip for clip in clips if split in ("all", split_of(clip.subject))]
    if not chosen:
        raise UsageError(
            f"no clip in {root} is in the {split} split", f"splits: {', '.join(get_args(Split))}"
        )
    return chosen


def split_of(actor: str) -> Split:
    """The split of an actor; it depends on the name of the actor alone."""
    return FIFTHS.get(hashlib.sha256(actor.encode()).digest()[0] % 5, "train")


def _clip(path: Path) -> Clip:
    try:
        stored = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise DatasetError(f"{path} is not JSON: {error}") from error
    actor, frames = _get(stored, "actor", path), _get(stored, "frames", path)
    if not isinstance(actor, str) or not actor:
        raise DatasetError(f"{path}: actor is {actor!r}, not a name")
    if not isinstance(frames, dict) or not frames:
        raise DatasetError(f"{path}: frames holds no frame")
    names = sorted(frames)
    files = [path.parent / f"{name}.png" for name in names]
    for name, file in zip(names, files, strict=True):
        if not is_file(file):
            raise DatasetError(f"{file} is missing, and {path}, frames, {name} refers to it")

    def pictures() -> Iterator[Picture | None]:
        return map(read_picture, files)

    return Clip(
        name=path.stem,
        subject=actor,
        fps=FPS,
        va=np.array([_va(frames[name], f"{path}, frames, {name}") for name in names], np.float32),
        frames=pictures,
        boxes=np.array([_box(frames[name], f"{path}, frames, {name}") for name in names], np.float32),
    )


def _get(fields: Any, key: str, where: object) -> Any:
    if not isinstance(fields, dict) or key not in fields:
        raise DatasetError(f"{where}: no {key}")
    return fields[key]


def _va(fields: Any, where: str) -> tuple[float, float]:
    values = []
    for key in ("valence", "arousal"):
        value = _get(fields, key, where)
        if isinstance(value, bool) or not isinstance(value, int | float) or not -SCALE <= value <= SCALE:
            raise DatasetError(f"{where}: {key} is {value!r}, not a number from -10 to 10")
        values.append(value / SCALE)
    return values[0], values[1]


def _box(fields: Any, where: str) -> tuple[float, float, float, float]:
    """The bounding box of the landmarks."""
    try:
        landmarks = np.array(_get(fields, "landmarks", where), np.float64)
    except (ValueError, TypeError, OverflowError) as error:
        raise DatasetError(f"{where}: landmarks are not numbers") from error
    if landmarks.shape != LANDMARKS or not np.isfinite(landmarks).all():
        raise DatasetError(
            f"{where}: landmarks are {list(landmarks.shape)}, expected {list(LANDMARKS)} numbers"
        )
    (x0, y0), (x1, y1) = landmarks.min(0), landmarks.max(0)
    return float(x0), float(y0), float(x1), float(y1)
