"""A CSV of the user's photos: relative paths, optional subjects, broken lines."""

from pathlib import Path

import numpy as np
import pytest
from support.media.pictures import level_of, write_picture

from mtclar.engine.errors import UsageError
from mtclar.train.data import photos
from mtclar.train.data.labelled import UNKNOWN, DatasetError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for i in range(3):
        write_picture(tmp_path / "in here" / f"{i}.png", 50 * i)
    return tmp_path


def write(folder: Path, text: str) -> Path:
    path = folder / "photos.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_paths_are_relative_and_further_columns_ignored(folder: Path) -> None:
    table = "\ufeffnote,arousal,path,valence\nx,0.5,in here/2.png,-1\n,-0.25,in here/1.png,0.125\n"
    read = photos.load(write(folder, table))
    np.testing.assert_allclose(read.va, [[-1, 0.5], [0.125, -0.25]])
    assert [level_of(read.read(i)) for i in range(2)] == [100, 50]
    assert read.subject is None
    assert read.expression.tolist() == [UNKNOWN, UNKNOWN]


def test_column_names_of_spreadsheets(folder: Path) -> None:
    read = photos.load(write(folder, "Path, Valence ,AROUSAL,Subject \nin here/0.png,0.5,-0.5,anna\n"))
    np.testing.assert_allclose(read.va, [[0.5, -0.5]])
    assert read.subject is not None
    assert read.subject.tolist() == ["anna"]


def test_subjects(folder: Path) -> None:
    rows = "path,valence,arousal,subject\nin here/0.png,0,0, anna \nin here/1.png,0,0,\n"
    read = photos.load(write(folder, rows))
    assert read.subject is not None
    assert read.subject.tolist() == ["anna", ""]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("in here/0.png,0,0\nin here/9.png,0,0\n", r"line 3: there is no photo .*9\.png"),
        ("in here/0.png,1.5,0\n", r"line 2: valence is 1\.5, not in \[-1, 1\]"),
        ("in here/0.png,0,calm\n", r"line 2: arousal is 'calm', not a number"),
        ("in here/0.png,0,nan\n", r"line 2: arousal is nan, not in"),
        ("in here/0.png,0\n", r"line 2: arousal is '', not a number"),
        (",0,0\n", "line 2: no path"),
        ("x" * 300 + ".png,0,0\n", r"line 2: there is no photo .*x\.png"),
        ("in here/0.png,0,0,7\n", "line 2: more values than the 3 columns"),
        ("", "names no photo"),
        (
            "in here/0.png,0,0\nin here/../in here/0.png,1,0\n",
            r"line 3: the photo .*0\.png is already named in .*line 2",
        ),
    ],
)
def test_broken_line_is_named(folder: Path, rows: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        photos.load(write(folder, "path,valence,arousal\n" + rows))
    assert caught.value.hint


def test_invalid_table_is_reported(folder: Path) -> None:
    with pytest.raises(UsageError, match=r"there is no file .*gone\.csv"):
        photos.load(folder / "gone.csv")
    with pytest.raises(UsageError, match=r"there is no file .*x\.csv"):
        photos.load(folder / ("x" * 300 + ".csv"))
    with pytest.raises(UsageError, match="line 1: no column arousal"):
        photos.load(write(folder, "path,valence\n"))
    with pytest.raises(UsageError, match="line 1: 2 columns are called valence"):
        photos.load(write(folder, "path,valence,Valence,arousal\n"))
    (folder / "photos.csv").write_bytes(b"path,valence,arousal\n\xff\xfe\n")
    with pytest.raises(UsageError, match=r"(?m)photos\.csv is not a CSV file: it is not text in UTF-8$"):
        photos.load(folder / "photos.csv")


def test_unreadable_picture_is_named(folder: Path) -> None:
    (folder / "in here" / "1.png").write_text("no picture")
    read = photos.load(write(folder, "path,valence,arousal\nin here/1.png,0,0\nin here/2.png,0,0\n"))
    assert level_of(read.read(1)) == 100
    with pytest.raises(
        DatasetError, match=r"photos\.csv, line 2: .*1\.png is not a picture that can be read"
    ):
        read.read(0)
