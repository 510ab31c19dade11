"""Crops of real people with one expression label each, cut by the engine; the command that makes them.

    python -m mtclar.train.data.real_people FOLDER people_crops.npz

FOLDER holds labels.csv (name, person, expression) and the pictures, in photos.zip or beside it. A crop is wider than
the encoder's view and has twice its resolution: its middle is the engine's FRAMING. The name of a person alone decides
the split: training, calibration of the few-shot constants, or test.
"""

import argparse
import hashlib
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from mtclar.engine.data_types import EXPRESSIONS
from mtclar.engine.face.crop import FRAMING, cut
from mtclar.engine.face.detector import PORTRAIT_BORDER
from mtclar.engine.files.writing import require_new, write_whole
from mtclar.train.command_line import in_words
from mtclar.train.data.labelled import DatasetError, csv_rows, is_file, read_picture
from mtclar.train.rendered.face_crop import FaceCropper

Split = Literal["training", "calibration", "test"]
LABELS, PICTURES = "labels.csv", "photos.zip"
VIEW_SIDE, CROP_SIDE = (
    2 * FRAMING.size,
    112,
)  # pixels: the encoder's view at twice its resolution, and the whole crop
CROP_FRAMING = replace(FRAMING, size=CROP_SIDE, scale=FRAMING.scale * CROP_SIDE / VIEW_SIDE)
MAKE_IT = "make it with `python -m mtclar.train.data.real_people`"


@dataclass(frozen=True, slots=True, eq=False)
class RealPeople:
    """n pictures of people; some people have several."""

    images: NDArray[np.uint8]  # [n, CROP_SIDE, CROP_SIDE] grey
    expression: NDArray[np.int64]  # [n] index in EXPRESSIONS
    person: NDArray[np.str_]  # [n]

    def __len__(self) -> int:
        return len(self.images)

    @property
    def core(self) -> float:
        """Side of the middle that an encoder sees at run time, as a share of the crop's side."""
        return VIEW_SIDE / self.images.shape[1]

    def split(self, split: Split) -> "RealPeople":
        """The pictures of the people of one split."""
        chosen = np.array([split_of(str(person)) == split for person in self.person], bool)
        return RealPeople(self.images[chosen], self.expression[chosen], self.person[chosen])

    def save(self, path: Path) -> None:
        """Writes an npz file atomically; raises WriteError."""
        write_whole(
            path,
            lambda file: np.savez_compressed(
                file, images=self.images, expression=self.expression, person=self.person
            ),
        )


def split_of(person: str) -> Split:
    """The split of a person, from a hash of the name: 20 % test, 20 % calibration, 60 % training."""
    tenth = hashlib.sha256(person.encode()).digest()[0] % 10
    return "test" if tenth < 2 else "calibration" if tenth < 4 else "training"


def load(path: Path) -> RealPeople:
    """Reads a file of `save`; raises DatasetError when it is missing or of another kind."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            people = RealPeople(*(stored[name] for name in ("images", "expression", "person")))
    except Exception as error:  # numpy raises errors of zip, of zlib and of its own reader
        raise DatasetError(f"{path} holds no pictures of real people: {error}", MAKE_IT) from error
    count = len(people.images)
    fits = people.images.dtype == np.uint8 and people.images.shape == (count, CROP_SIDE, CROP_SIDE)
    if not (count and fits and people.expression.shape == people.person.shape == (count,)):
        raise DatasetError(f"{path} holds no pictures of real people: its arrays do not fit", MAKE_IT)
    if people.expression.min() < 0 or people.expression.max() >= len(EXPRESSIONS):
        raise DatasetError(f"{path}: an expression is not one of {', '.join(EXPRESSIONS)}", MAKE_IT)
    return people


def cut_out(folder: Path) -> tuple[RealPeople, int]:
    """Cuts the face out of each picture; returns the crops and the number of pictures without a face.

    Raises DatasetError that names a broken line.
    """
    images, expression, person, without_face = [], [], [], 0
    with FaceCropper() as cropper:
        for row, picture in _rows(folder):
            wide = crop_of(picture, cropper)
            if wide is None:
                without_face += 1
                continue
            images.append(wide)
            expression.append(EXPRESSIONS.index(row["expression"]))
            person.append(row["person"])
    if not images:
        raise DatasetError(f"{folder}: no picture shows a face")
    return RealPeople(np.stack(images), np.array(expression, np.int64), np.array(person)), without_face


def crop_of(picture: NDArray[np.uint8], cropper: FaceCropper) -> NDArray[np.uint8] | None:
    """Cuts the largest face of a picture [H, W, 3]; a second search adds a border. None: no face."""
    points = cropper.points(picture)
    if points is None:
        border = round(PORTRAIT_BORDER * max(picture.shape[:2]))
        wider = cv2.copyMakeBorder(picture, border, border, border, border, cv2.BORDER_REPLICATE)
        picture = np.asarray(wider, np.uint8)
        points = cropper.points(picture)
    return None if points is None else cut(picture, points, CROP_FRAMING)


def _rows(folder: Path) -> Iterator[tuple[dict[str, str], NDArray[np.uint8]]]:
    packed = zipfile.ZipFile(folder / PICTURES) if is_file(folder / PICTURES) else None
    members = {Path(name).name: name for name in packed.namelist()} if packed else {}
    for where, row in csv_rows(folder / LABELS, ("name", "person", "expression")):
        if row["expression"] not in EXPRESSIONS:
            raise DatasetError(
                f"{where}: there is no expression {row['expression']!r}", ", ".join(EXPRESSIONS)
            )
        if packed is None:
            yield row, read_picture(folder / row["name"])
            continue
        if row["name"] not in members:
            raise DatasetError(f"{where}: {folder / PICTURES} has no picture {row['name']!r}")
        coded = np.frombuffer(packed.read(members[row["name"]]), np.uint8)
        picture = cv2.imdecode(coded, cv2.IMREAD_COLOR)
        if picture is None:
            raise DatasetError(f"{where}: {row['name']} is not a picture that can be read")
        yield row, np.asarray(picture, np.uint8)


@in_words
def main() -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(prog="python -m mtclar.train.data.real_people", description=__doc__)
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("out", type=Path, metavar="OUT.npz")
    options = parser.parse_args()
    require_new(options.out)
    people, without_face = cut_out(options.folder)
    people.save(options.out)
    count = len(np.unique(people.person))
    print(f"{options.out}: {len(people)} pictures of {count} people, {without_face} pictures without a face")


if __name__ == "__main__":
    main()
