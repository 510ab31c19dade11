"""The FER+ loader on a folder of sheets: tiles, votes, targets, twins, errors for broken files."""

from collections.abc import Callable
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from support.media import ferplus_folder

from mtclar.engine.data_types import EXPRESSIONS
from mtclar.engine.errors import UsageError
from mtclar.engine.estimate.class_centres import CLASS_CENTRES, class_centres
from mtclar.train.data import ferplus
from mtclar.train.data.ferplus import DatasetError

USAGE_COLUMN, SHEET_COLUMN, TILE_COLUMN = (
    ferplus_folder.COLUMNS.index(n) for n in ("usage", "sheet", "tile")
)
TWIN_COLUMN = ferplus_folder.COLUMNS.index("twin_in_other_split")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return ferplus_folder.write(tmp_path / "ferplus", 80)


def votes(**counts: int) -> np.ndarray:
    return np.array([[counts.get(name, 0) for name in ferplus.VOTES]], np.float32)


def test_each_picture_comes_from_its_tile(folder: Path) -> None:
    data = ferplus.load(folder)
    random = np.random.default_rng(5)
    expected = np.stack([ferplus_folder.face(i % len(EXPRESSIONS), random) for i in range(80)])
    np.testing.assert_array_equal(data.images, expected)


def test_splits_and_targets(folder: Path) -> None:
    data = ferplus.load(folder)
    assert [len(data.split(usage)) for usage in ("Training", "PublicTest", "PrivateTest")] == [48, 16, 16]
    photos = data.split("PrivateTest")
    happy = photos.label == EXPRESSIONS.index("happiness")
    assert happy.sum() == 2
    np.testing.assert_allclose(photos.expression[happy][0], [0, 0.8, 0.2, 0, 0, 0, 0, 0])
    centres = np.array([CLASS_CENTRES["happiness"], CLASS_CENTRES["surprise"]])
    np.testing.assert_allclose(photos.va[happy][0], 0.8 * centres[0] + 0.2 * centres[1], rtol=1e-6)
    assert photos.va.dtype == photos.expression.dtype == np.float32


def test_training_twins_are_left_out_of_training_only(folder: Path) -> None:
    rows = ferplus_folder.read_labels(folder)
    chosen = [
        next(row for row in rows if row[USAGE_COLUMN] == usage) for usage in ("Training", "PrivateTest")
    ]
    for row in chosen:
        row[TWIN_COLUMN] = "1"
    ferplus_folder.write_labels(folder, rows)
    data = ferplus.load(folder)
    assert len(data.split("Training")) == 47
    assert len(data.split("PrivateTest")) == 16


@pytest.mark.parametrize("usage", get_args(ferplus.Usage))
def test_too_few_pictures_are_reported(folder: Path, usage: ferplus.Usage) -> None:
    rows = ferplus_folder.read_labels(folder)
    mine = [row for row in rows if row[USAGE_COLUMN] == usage]
    ferplus_folder.write_labels(folder, [*(row for row in rows if row not in mine), mine[0]])
    data = ferplus.load(folder)
    assert len(data.split(usage)) == 1
    with pytest.raises(DatasetError, match=f"^{folder}: 1 usable pictures in {usage}, at least 2 needed"):
        data.split(usage, at_least=2)
    ferplus_folder.write_labels(folder, [row for row in rows if row not in mine])
    with pytest.raises(DatasetError, match=f"^{folder}: 0 usable pictures in {usage}, at least 1 needed"):
        ferplus.load(folder).split(usage)


def test_unknown_and_no_face_are_not_usable() -> None:
    assert ferplus.usable(votes(neutral=5, unknown=4))[0]
    assert not ferplus.usable(votes(neutral=3, unknown=6))[0]
    assert not ferplus.usable(votes(sadness=3, not_a_face=7))[0]
    assert not ferplus.usable(votes())[0]


def test_unknown_votes_do_not_enter_the_shares() -> None:
    shares = ferplus.expression_shares(votes(neutral=2, anger=2, unknown=6))[0]
    np.testing.assert_allclose(shares, [0.5, 0, 0, 0, 0.5, 0, 0, 0])


def test_majority_drops_single_votes_first() -> None:
    assert ferplus.majority(votes(neutral=5, happiness=1, surprise=1, sadness=1, anger=1, fear=1))[0]
    assert not ferplus.majority(votes(neutral=5, happiness=5))[0]
    assert not ferplus.majority(votes(neutral=3, unknown=6))[0]
    assert not ferplus.majority(votes(neutral=1))[0]


def test_neutral_is_the_origin_and_every_class_has_a_centre() -> None:
    assert CLASS_CENTRES["neutral"] == (0, 0)
    assert tuple(CLASS_CENTRES) == EXPRESSIONS
    assert class_centres().shape == (8, 2)


def test_folder_without_labels(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"labels\.csv") as caught:
        ferplus.load(tmp_path)
    assert str(tmp_path) in caught.value.what


def test_missing_sheet_names_the_line(folder: Path) -> None:
    (folder / "sheet_01.png").unlink()
    with pytest.raises(DatasetError, match=r"sheet_01\.png is missing.*line 3"):
        ferplus.load(folder)


def test_damaged_sheet(folder: Path) -> None:
    (folder / "sheet_00.png").write_bytes(b"no picture")
    with pytest.raises(DatasetError, match=r"sheet_00\.png: no readable picture"):
        ferplus.load(folder)


def test_missing_column(folder: Path) -> None:
    path = folder / ferplus.LABELS
    path.write_text(path.read_text().replace("contempt", "contemp"))
    with pytest.raises(DatasetError, match="line 1: no column contempt"):
        ferplus.load(folder)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda row: row.__setitem__(TILE_COLUMN, "1000"), "line 5: tile 1000"),
        (lambda row: row.__setitem__(SHEET_COLUMN, "x"), "line 5: invalid literal"),
        (lambda row: row.__setitem__(USAGE_COLUMN, "Test"), "line 5: usage is 'Test'"),
        (lambda row: row.__setitem__(5, "-1"), "line 5: a vote count is negative"),
        (lambda row: row.__setitem__(5, "9" * 400), "line 5: a vote count is above 1000"),
        (lambda row: row.__setitem__(SHEET_COLUMN, "9" * 400), "9.png is missing, and .*line 5"),
        (lambda row: row.__delitem__(slice(6, None)), "line 5"),
    ],
)
def test_broken_row_is_named_by_its_line(
    folder: Path, spoil: Callable[[list[str]], None], message: str
) -> None:
    rows = ferplus_folder.read_labels(folder)
    spoil(rows[3])
    ferplus_folder.write_labels(folder, [list(row) for row in rows])
    with pytest.raises(DatasetError, match=message):
        ferplus.load(folder)


def test_labels_without_rows(folder: Path) -> None:
    ferplus_folder.write_labels(folder, [])
    with pytest.raises(DatasetError, match="no rows"):
        ferplus.load(folder)
