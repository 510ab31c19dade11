"""Real people: crops of the engine, files, splits by person."""

import csv
import zipfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from mtclar.engine.errors import MtclarError
from mtclar.train.data import real_people
from mtclar.train.data.labelled import DatasetError
from mtclar.train.data.real_people import CROP_SIDE, RealPeople, cut_out, load, split_of


def write(folder: Path, rows: list[tuple[str, str, str]], pictures: dict[str, np.ndarray]) -> Path:
    folder.mkdir(exist_ok=True)
    with (folder / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("name", "person", "expression"), *rows])
    with zipfile.ZipFile(folder / "photos.zip", "w") as packed:
        for name, picture in pictures.items():
            packed.writestr(f"photos/{name}", cv2.imencode(".png", picture)[1].tobytes())
    return folder


def some(count: int = 40) -> RealPeople:
    rng = np.random.default_rng(1)
    images = rng.integers(0, 256, (count, CROP_SIDE, CROP_SIDE), dtype=np.uint8)
    return RealPeople(images, rng.integers(0, 8, count), np.array([f"p{i // 2}" for i in range(count)]))


def test_crops_are_wide_and_misses_are_counted(show: Callable[..., np.ndarray], tmp_path: Path) -> None:
    face, empty = show({"happy": 1.0}), np.full((160, 160, 3), 90, np.uint8)
    folder = write(
        tmp_path / "people",
        [("a.png", "p1", "happiness"), ("b.png", "p2", "neutral")],
        {"a.png": face, "b.png": empty},
    )
    people, without_face = cut_out(folder)
    assert without_face == 1
    assert people.person.tolist() == ["p1"]
    assert people.images.shape == (1, CROP_SIDE, CROP_SIDE)
    assert people.images[0].std() > 10
    assert round(people.core * CROP_SIDE) == real_people.VIEW_SIDE


def test_save_and_load(tmp_path: Path) -> None:
    people, path = some(), tmp_path / "crops.npz"
    people.save(path)
    again = load(path)
    np.testing.assert_array_equal(again.images, people.images)
    np.testing.assert_array_equal(again.expression, people.expression)
    assert again.person.tolist() == people.person.tolist()


def test_each_person_has_one_split() -> None:
    people = some(400)
    parts = [people.split(split) for split in ("training", "calibration", "test")]
    assert sum(map(len, parts)) == len(people)
    names = [set(part.person.tolist()) for part in parts]
    assert not names[0] & names[1] | names[0] & names[2] | names[1] & names[2]
    assert len(names[0]) > len(names[1]) > 10
    assert [split_of(name) for name in ("p0000", "p0001", "p0002")] == ["training", "training", "calibration"]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([("a.png", "p1", "joy")], r"labels\.csv, line 2: there is no expression 'joy'"),
        ([("z.png", "p1", "fear")], r"labels\.csv, line 2: .*photos\.zip has no picture 'z\.png'"),
    ],
)
def test_broken_line_is_named(tmp_path: Path, rows: list[tuple[str, str, str]], message: str) -> None:
    folder = write(tmp_path / "people", rows, {"a.png": np.zeros((40, 40, 3), np.uint8)})
    with pytest.raises(DatasetError, match=message):
        cut_out(folder)


def test_file_of_another_kind_is_named(tmp_path: Path) -> None:
    path = tmp_path / "crops.npz"
    with pytest.raises(MtclarError, match=r"crops\.npz holds no pictures of real people"):
        load(path)
    np.savez(
        path, images=np.zeros((2, 5, 5), np.uint8), expression=np.zeros(2, int), person=np.array(["a", "b"])
    )
    with pytest.raises(MtclarError, match="its arrays do not fit"):
        load(path)
    people = some(4)
    RealPeople(people.images, people.expression + 8, people.person).save(path)
    with pytest.raises(MtclarError, match="an expression is not one of neutral"):
        load(path)
