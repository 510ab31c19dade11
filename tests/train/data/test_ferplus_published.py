"""FER+ as published, fer2013.csv beside fer2013new.csv: pixels, votes, twins by their pixels, and broken lines."""

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mtclar.engine.data_types import EXPRESSIONS
from mtclar.engine.errors import UsageError
from mtclar.engine.estimate.class_centres import class_centres
from mtclar.train.data import ferplus
from mtclar.train.data.labelled import DatasetError

HEADER = ["Usage", "Image name", *EXPRESSIONS, "unknown", "NF"]
USAGES = ["Training", "Training", "Training", "PublicTest", "PrivateTest", "PrivateTest"]


def pixels(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (48, 48), dtype=np.uint8)


def write(
    folder: Path,
    faces: list[np.ndarray] | None = None,
    spoil: Callable[[list[list[str]], list[list[str]]], None] = lambda *_: None,
) -> Path:
    """Six faces; face i has most votes for expression i. `spoil` may change the rows of both files."""
    faces = faces or [pixels(i) for i in range(len(USAGES))]
    pictured, named = [], []
    for i, (face, usage) in enumerate(zip(faces, USAGES, strict=True)):
        pictured.append([str(i % 7), " ".join(map(str, face.ravel())), usage])
        votes = [0] * 10
        votes[i], votes[8] = 8, 2
        named.append([usage, f"fer{i:07d}.png", *map(str, votes)])
    spoil(pictured, named)
    for name, header, rows in (
        ("fer2013.csv", ["emotion", "pixels", "Usage"], pictured),
        ("fer2013new.csv", HEADER, named),
    ):
        with (folder / name).open("w", newline="") as file:
            csv.writer(file).writerows([header, *rows])
    return folder


def test_pixels_votes_and_splits(tmp_path: Path) -> None:
    data = ferplus.load(write(tmp_path))
    np.testing.assert_array_equal(data.images[4], pixels(4))
    assert data.votes.shape == (6, 10)
    photos = data.split("PrivateTest")
    assert photos.label.tolist() == [4, 5]
    np.testing.assert_allclose(photos.va[0], class_centres()[4])
    assert photos.majority.all()


def test_twins_have_identical_pixels(tmp_path: Path) -> None:
    faces = [pixels(i) for i in (0, 1, 1, 3, 0, 5)]  # 0 is also in the test split, 1 twice in training alone
    data = ferplus.load(write(tmp_path, faces))
    assert data.twin_elsewhere.tolist() == [True, False, False, False, True, False]
    assert len(data.split("Training")) == 2
    assert len(data.split("PrivateTest")) == 2, "the test keeps its pictures"


def test_row_without_image_name_is_skipped(tmp_path: Path) -> None:
    data = ferplus.load(write(tmp_path, spoil=lambda _, named: named[1].__setitem__(1, "")))
    assert len(data.images) == 5
    np.testing.assert_array_equal(data.images[1], pixels(2))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (
            lambda pictured, _: pictured[2].__setitem__(1, "1 2 3"),
            r"fer2013\.csv, line 4: 3 pixels, expected 48x48",
        ),
        (
            lambda pictured, _: pictured[2].__setitem__(1, "1 256 3"),
            r"fer2013\.csv, line 4: .*range\(0, 256\)",
        ),
        (lambda pictured, _: pictured[2].__setitem__(1, "9" * 400), r"fer2013\.csv, line 4: "),
        (
            lambda _, named: named[0].__setitem__(3, "9" * 400),
            r"fer2013new\.csv, line 2: a vote count is above",
        ),
        (lambda pictured, _: pictured[2].__setitem__(1, "1 x"), r"fer2013\.csv, line 4: invalid literal"),
        (
            lambda pictured, _: pictured[2].__setitem__(2, "PublicTest"),
            r"fer2013new\.csv, line 4: Usage is 'Training', and .*fer2013\.csv, line 4 says 'PublicTest'",
        ),
        (lambda _, named: named[0].__setitem__(3, "many"), r"fer2013new\.csv, line 2: invalid literal"),
        (
            lambda _, named: named[0].__setitem__(3, "-1"),
            r"fer2013new\.csv, line 2: a vote count is negative",
        ),
        (lambda _, named: named.pop(), r"fer2013\.csv, line 7: .*fer2013new\.csv has no such line"),
        (lambda pictured, _: pictured.pop(), r"fer2013new\.csv, line 7: .*fer2013\.csv has no such line"),
    ],
)
def test_broken_line_is_named(tmp_path: Path, spoil: Callable[..., None], message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        ferplus.load(write(tmp_path, spoil=spoil))


def test_missing_column_and_missing_file(tmp_path: Path) -> None:
    path = write(tmp_path) / "fer2013new.csv"
    path.write_text(path.read_text().replace("contempt", "scorn"))
    with pytest.raises(DatasetError, match=r"fer2013new\.csv, line 1: no column contempt"):
        ferplus.load(tmp_path)
    path.unlink()
    with pytest.raises(UsageError, match=r"neither labels\.csv nor fer2013\.csv with fer2013new\.csv"):
        ferplus.load(tmp_path)
