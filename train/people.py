"""Pictures of rendered people from npz files: crops, valence/arousal, and who is in them.

The files are written by `mtclar.train.rendered`; only `images`, `va` and `person` are read here. Which ids may be
trained on is decided in one place, `mtclar.train.rendered.splits`.
"""

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mtclar.engine.crop import FRAMING
from mtclar.engine.errors import UsageError
from mtclar.train.labelled import DatasetError
from mtclar.train.rendered.splits import SPLITS


@dataclass(frozen=True, slots=True, eq=False)
class People:
    """n pictures of people who each have several."""

    images: NDArray[np.uint8]  # [n, S, S] grey, cut wider than what the encoder sees: that is the middle
    va: NDArray[np.float32]  # [n, 2]
    person: NDArray[np.int64]  # [n]

    def __len__(self) -> int:
        return len(self.images)

    @property
    def core(self) -> float:
        """Side of the middle that an encoder sees at run time, as a share of the crop's side."""
        return FRAMING.size / self.images.shape[1]


def load(paths: Sequence[Path], split: str) -> People:
    """All pictures of the files; DatasetError when one is broken or shows somebody of another split."""
    parts = [_read(path, split) for path in paths]
    sides = {part.images.shape[1] for part in parts}
    if len(sides) != 1:
        raise DatasetError(f"the picture files differ in the side of their crops: {sorted(sides)} pixels")
    return People(
        *(np.concatenate([getattr(part, name) for part in parts]) for name in ("images", "va", "person"))
    )


def _read(path: Path, split: str) -> People:
    hint = "make it with `python -m mtclar.train.rendered`"
    if not path.is_file():
        raise UsageError(f"{path} does not exist", hint)
    try:
        with np.load(path, allow_pickle=False) as stored:
            images, va, person = stored["images"], stored["va"], stored["person"]
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise DatasetError(f"{path} is no file of rendered people: {error}", hint) from error
    count = len(images)
    square = images.ndim == 3 and images.shape[1] == images.shape[2]
    if (
        images.dtype != np.uint8
        or not square
        or va.shape != (count, 2)
        or person.shape != (count,)
        or not count
    ):
        raise DatasetError(
            f"{path}: images {images.dtype}{list(images.shape)}, va {list(va.shape)} do not fit", hint
        )
    strangers = sorted({int(name) for name in person} - set(SPLITS[split]))
    if strangers:
        ids = SPLITS[split]
        raise DatasetError(
            f"{path}: person {strangers[0]} is not in the {split} split ({ids.start} to {ids.stop - 1})",
            "nobody may be trained on and tested on",
        )
    return People(images, va.astype(np.float32), person.astype(np.int64))
