"""Rendered people from files: joined, checked, and never from another split."""

from pathlib import Path

import numpy as np
import pytest

from mtclar.engine.errors import UsageError
from mtclar.train import people
from mtclar.train.ferplus import DatasetError
from mtclar.train.rendered.splits import DEMO, TEST, TRAIN


def write(path: Path, who: int, side: int = 56, **changes: np.ndarray) -> Path:
    arrays = {
        "images": np.full((3, side, side), who % 256, np.uint8),
        "va": np.zeros((3, 2), np.float32),
        "person": np.full(3, who, np.int32),
    }
    np.savez(path, **(arrays | changes))
    return path


def test_files_are_joined(tmp_path: Path) -> None:
    found = people.load([write(tmp_path / "a.npz", 4), write(tmp_path / "b.npz", 9)], "train")
    assert found.images.shape == (6, 56, 56)
    assert found.person.tolist() == [4, 4, 4, 9, 9, 9]
    assert found.core == 48 / 56


@pytest.mark.parametrize("stranger", [TEST.start, TEST.stop - 1, DEMO.start])
def test_nobody_of_another_split_is_trained_on(tmp_path: Path, stranger: int) -> None:
    person = np.array([TRAIN.start, stranger, TRAIN.stop - 1])
    with pytest.raises(DatasetError, match=f"person {stranger} is not in the train split"):
        people.load([write(tmp_path / "a.npz", 0, person=person)], "train")


def test_test_people_load_as_such(tmp_path: Path) -> None:
    assert len(people.load([write(tmp_path / "a.npz", TEST.start)], "test")) == 3


def test_broken_files(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"gone\.npz does not exist"):
        people.load([tmp_path / "gone.npz"], "train")
    (tmp_path / "text.npz").write_text("no archive")
    with pytest.raises(DatasetError, match=r"text\.npz is no file of rendered people"):
        people.load([tmp_path / "text.npz"], "train")
    np.savez(tmp_path / "other.npz", images=np.zeros((1, 8, 8), np.uint8))
    with pytest.raises(DatasetError, match="va"):
        people.load([tmp_path / "other.npz"], "train")
    with pytest.raises(DatasetError, match="do not fit"):
        people.load([write(tmp_path / "short.npz", 1, va=np.zeros((2, 2), np.float32))], "train")
    with pytest.raises(DatasetError, match="differ in the side"):
        people.load([write(tmp_path / "a.npz", 1), write(tmp_path / "b.npz", 2, side=60)], "train")
