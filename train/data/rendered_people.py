"""Loads crops of rendered people, with V/A and person ids, from npz files.

`mtclar.train.rendered` writes the files; this module reads only `images`, `va` and `person`.
`mtclar.train.rendered.splits` defines the ids of each split.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.npyio import NpzFile
from numpy.typing import NDArray

from mtclar.engine.errors import UsageError
from mtclar.engine.face.crop import FRAMING
from mtclar.train.data.labelled import DatasetError, is_file
from mtclar.train.rendered.splits import SPLITS

MAKE_IT = "make it with `python -m mtclar.train.rendered`"


@dataclass(frozen=True, slots=True, eq=False)
class People:
    """n pictures of people with several pictures each."""

    images: NDArray[np.uint8]  # [n, S, S] grey; the encoder's view is the middle
    va: NDArray[np.float32]  # [n, 2]
    person: NDArray[np.int64]  # [n]

    def __len__(self) -> int:
        return len(self.images)

    @property
    def core(self) -> float:
        """Side of the middle that an encoder sees at run time, as a share of the crop's side."""
        return FRAMING.size / self.images.shape[1]


def load(paths: Sequence[Path], split: str) -> People:
    """Reads all files; raises DatasetError when one is broken or shows a person of another split."""
    parts = [_read(path, split) for path in paths]
    sides = {part.images.shape[1] for part in parts}
    if len(sides) != 1:
        raise DatasetError(f"the picture files differ in the side of their crops: {sorted(sides)} pixels")
    return People(
        *(np.concatenate([getattr(part, name) for part in parts]) for name in ("images", "va", "person"))
    )


def _read(path: Path, split: str) -> People:
    images, va, person = _arrays(path)
    if problem := _problem(images, va, person):
        raise DatasetError(f"{path}: {problem}", MAKE_IT)
    strangers = sorted(set(person.tolist()) - set(SPLITS[split]))
    if strangers:
        ids = SPLITS[split]
        raise DatasetError(
            f"{path}: person {strangers[0]} is not in the {split} split ({ids.start} to {ids.stop - 1})",
            "a person must not be in both training and test data",
        )
    return People(images, va.astype(np.float32), person.astype(np.int64))


def _arrays(path: Path) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """`images`, `va` and `person` as stored, not validated."""
    if not is_file(path):
        raise UsageError(f"{path} does not exist", MAKE_IT)
    try:
        with path.open("rb") as file:  # numpy does not close a file that is not a complete zip
            stored = np.load(file, allow_pickle=False)
            if not isinstance(stored, NpzFile):
                raise ValueError("it holds only one array")
            # numpy returns a member that is not an array as bytes
            images, va, person = (np.asarray(stored[name]) for name in ("images", "va", "person"))
    except Exception as error:  # numpy raises errors of zip, of zlib and of its own reader
        raise DatasetError(f"{path} is not a file of rendered people: {error}", MAKE_IT) from error
    return images, va, person


def _problem(images: NDArray[Any], va: NDArray[Any], person: NDArray[Any]) -> str | None:
    """Describes what is wrong with the arrays of a file; None when they are valid."""
    if images.dtype != np.uint8 or images.ndim != 3 or images.shape[1] != images.shape[2] or not len(images):
        return f"images are {_type_and_shape(images)}, expected uint8 [n, S, S]"
    if images.shape[1] < FRAMING.size:
        return f"images are {images.shape[1]} pixels wide, and the encoder needs {FRAMING.size}"
    count = len(images)
    if va.dtype.kind not in "fiu" or va.shape != (count, 2):
        return f"va is {_type_and_shape(va)}, expected numbers [{count}, 2]"
    if person.dtype.kind not in "iu" or person.shape != (count,):
        return f"person is {_type_and_shape(person)}, expected whole numbers [{count}]"
    fits = ((va >= -1) & (va <= 1)).all(axis=1)
    if not fits.all():
        return f"va of picture {fits.argmin()} is {va[fits.argmin()].tolist()}, not in [-1, 1]"
    return None


def _type_and_shape(array: NDArray[Any]) -> str:
    """Data type and shape, such as `float32 [3, 2]`."""
    return f"{array.dtype} {list(array.shape)}"
