"""Rendered people from files: concatenated, validated, from one split."""

import zipfile
from pathlib import Path

import numpy as np
import pytest

from mtclar.engine.errors import UsageError
from mtclar.train.data import rendered_people
from mtclar.train.data.ferplus import DatasetError
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
    found = rendered_people.load([write(tmp_path / "a.npz", 4), write(tmp_path / "b.npz", 9)], "train")
    assert found.images.shape == (6, 56, 56)
    assert found.person.tolist() == [4, 4, 4, 9, 9, 9]
    assert found.core == 48 / 56


@pytest.mark.parametrize("stranger", [TEST.start, TEST.stop - 1, DEMO.start])
def test_person_of_another_split_is_refused(tmp_path: Path, stranger: int) -> None:
    person = np.array([TRAIN.start, stranger, TRAIN.stop - 1])
    with pytest.raises(DatasetError, match=f"person {stranger} is not in the train split"):
        rendered_people.load([write(tmp_path / "a.npz", 0, person=person)], "train")


def test_test_people_load(tmp_path: Path) -> None:
    assert len(rendered_people.load([write(tmp_path / "a.npz", TEST.start)], "test")) == 3


def test_broken_files(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"gone\.npz does not exist"):
        rendered_people.load([tmp_path / "gone.npz"], "train")
    (tmp_path / "text.npz").write_text("no archive")
    with pytest.raises(DatasetError, match=r"text\.npz is not a file of rendered people"):
        rendered_people.load([tmp_path / "text.npz"], "train")
    np.savez(tmp_path / "other.npz", images=np.zeros((1, 8, 8), np.uint8))
    with pytest.raises(DatasetError, match="va"):
        rendered_people.load([tmp_path / "other.npz"], "train")
    with (tmp_path / "alone.npz").open("wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(
        DatasetError, match=r"alone\.npz is not a file of rendered people: it holds only one array"
    ):
        rendered_people.load([tmp_path / "alone.npz"], "train")
    with zipfile.ZipFile(write(tmp_path / "texts.npz", 1), "w") as archive:
        for name in ("images", "va", "person"):
            archive.writestr(name, "no array")
    with pytest.raises(DatasetError, match=r"texts\.npz: images are \|S8 \[\]"):
        rendered_people.load([tmp_path / "texts.npz"], "train")
    short = write(tmp_path / "short.npz", 1)
    short.write_bytes(short.read_bytes()[:-100])
    with pytest.raises(DatasetError, match=r"short\.npz is not a file of rendered people: File is not a zip"):
        rendered_people.load([short], "train")
    content = bytearray(write(tmp_path / "damaged.npz", 1).read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "damaged.npz").write_bytes(content)
    with pytest.raises(DatasetError, match=r"damaged\.npz is not a file of rendered people: Bad CRC"):
        rendered_people.load([tmp_path / "damaged.npz"], "train")
    with pytest.raises(DatasetError, match="differ in the side"):
        rendered_people.load([write(tmp_path / "a.npz", 1), write(tmp_path / "b.npz", 2, side=60)], "train")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"va": np.zeros((2, 2), np.float32)}, r"va is float32 \[2, 2\], expected numbers \[3, 2\]"),
        ({"va": np.full((3, 2), "calm")}, r"va is <U4 \[3, 2\], expected numbers"),
        (
            {"va": np.array([[0, 0], [0, np.nan], [9, 0]])},
            r"va of picture 1 is \[0.0, nan\], not in \[-1, 1\]",
        ),
        ({"va": np.full((3, 2), -128, np.int8)}, r"va of picture 0 is \[-128, -128\], not in"),
        ({"person": np.array(["1", "1", "2"])}, r"person is <U1 \[3\], expected whole numbers \[3\]"),
        ({"person": np.array([1, 1.5, 2])}, r"person is float64 \[3\], expected whole numbers"),
        ({"person": np.int64(1)}, r"person is int64 \[\], expected whole numbers \[3\]"),
        ({"images": np.uint8(1)}, r"images are uint8 \[\], expected uint8 \[n, S, S\]"),
        ({"images": np.zeros((0, 56, 56), np.uint8)}, r"images are uint8 \[0, 56, 56\], expected"),
        ({"images": np.zeros((3, 56, 56))}, r"images are float64 \[3, 56, 56\], expected uint8"),
        ({"images": np.zeros((3, 10, 10), np.uint8)}, "images are 10 pixels wide, and the encoder needs 48"),
    ],
)
def test_invalid_arrays_are_described(tmp_path: Path, changes: dict[str, np.ndarray], message: str) -> None:
    with pytest.raises(DatasetError, match=rf"a\.npz: {message}") as caught:
        rendered_people.load([write(tmp_path / "a.npz", 1, **changes)], "train")
    assert "python -m mtclar.train.rendered" in caught.value.hint
