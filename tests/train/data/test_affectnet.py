"""A miniature AffectNet in both layouts: classes, invalid labels, boxes, broken files."""

from pathlib import Path

import numpy as np
import pytest
from support.media.pictures import level_of, write_picture

from mtclar.engine.data_types import EXPRESSIONS
from mtclar.engine.errors import UsageError
from mtclar.train.data import affectnet
from mtclar.train.data.labelled import UNKNOWN, DatasetError

HEADER = ",".join(affectnet.COLUMNS)
ROWS = [
    "689/737db2.jpg,134,134,899,899,1.5;2.5;3.5;4.5,1,0.785714,-0.055556",
    "392/c4db2f.jpg,0,0,60,80,1;2,7,-0.5,0.6",
    "468/21772b.jpg,NULL,NULL,NULL,NULL,NULL,10,-2,-2",
    "944/06e9ae.jpg,10,20,0,0,1;2,9,0,0.25",
]


def csv_layout(root: Path, rows: list[str], name: str = "validation.csv", header: str = HEADER) -> Path:
    pictures = root / "Manually_Annotated_Images"
    for level, row in enumerate(ROWS):
        write_picture(pictures / row.partition(",")[0], 20 * level)
    (root / name).write_text("\n".join([header, *rows] if header else rows) + "\n")
    return root


def npy_layout(root: Path, values: dict[int, tuple[object, object, object]]) -> Path:
    """values: ID -> expression, valence, arousal."""
    folder = root / "val_set" / "annotations"
    folder.mkdir(parents=True)
    for number, (expression, valence, arousal) in values.items():
        write_picture(root / "val_set" / "images" / f"{number}.jpg", number)
        for kind, value in (("exp", expression), ("val", valence), ("aro", arousal)):
            np.save(folder / f"{number}_{kind}.npy", np.array(value))
        np.save(folder / f"{number}_lnd.npy", np.zeros(136))
    return root


@pytest.mark.parametrize("header", [HEADER, ""], ids=["with a header line", "without"])
def test_the_list_of_2017(tmp_path: Path, header: str) -> None:
    read = affectnet.load(csv_layout(tmp_path, ROWS, header=header))
    assert len(read) == 3
    assert read.unlabelled == 1
    np.testing.assert_allclose(read.va, [[0.785714, -0.055556], [-0.5, 0.6], [0, 0.25]])
    happy, contempt = EXPRESSIONS.index("happiness"), EXPRESSIONS.index("contempt")
    assert read.expression.tolist() == [happy, contempt, UNKNOWN], "uncertain is no expression"
    assert read.boxes is not None
    assert read.boxes[0].tolist() == [134, 134, 1033, 1033]
    assert np.isnan(read.boxes[2]).all()
    assert [level_of(read.read(i)) for i in range(3)] == [0, 20, 60]


def test_all_eight_classes_have_our_names() -> None:
    assert set(affectnet.CLASSES) == set(EXPRESSIONS)
    assert affectnet.CLASSES[2:4] == ("sadness", "surprise"), "not FER+'s order"


def test_splits_and_list_folders(tmp_path: Path) -> None:
    csv_layout(tmp_path, ROWS[:1], "training.csv")
    assert len(affectnet.load(tmp_path, "training")) == 1
    with pytest.raises(
        UsageError, match=r"no validation split of AffectNet: neither validation\.csv nor val_set/"
    ):
        affectnet.load(tmp_path)
    (tmp_path / "Manually_Annotated_file_lists").mkdir()
    (tmp_path / "training.csv").rename(tmp_path / "Manually_Annotated_file_lists" / "validation.csv")
    assert len(affectnet.load(tmp_path)) == 1


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("689/737db2.jpg,1,1,9,9,1;2,11,0,0", r"line 3: expression is 11, not in 0\.\.10"),
        ("689/737db2.jpg,1,1,9,9,1;2,happy,0,0", "line 3: expression is 'happy'"),
        ("689/737db2.jpg,1,1,9,9,1;2,1,2,0", r"line 3: valence is 2, not in \[-1, 1\]"),
        ("689/737db2.jpg,1,1,9,9,1;2,1,0,", "line 3: arousal is '', not a number"),
        ("689/737db2.jpg,1,x,9,9,1;2,1,0,0", "line 3: a face_x, face_y, face_width or face_height"),
        (",1,1,9,9,1;2,1,0,0", "line 3: no path"),
    ],
)
def test_broken_row_is_named(tmp_path: Path, row: str, message: str) -> None:
    with pytest.raises(DatasetError, match=r"validation\.csv, " + message):
        affectnet.load(csv_layout(tmp_path, [ROWS[0], row]))


def test_missing_pictures_are_reported(tmp_path: Path) -> None:
    csv_layout(tmp_path, [ROWS[0], "1/gone.jpg,1,1,9,9,1;2,1,0,0"])
    read = affectnet.load(tmp_path)
    with pytest.raises(DatasetError, match=r"gone\.jpg is missing"):
        read.read(1)
    (tmp_path / "validation.csv").write_text(f"{HEADER}\n1/gone.jpg,1,1,9,9,1;2,1,0,0\n")
    with pytest.raises(DatasetError, match=r"gone\.jpg is missing, also from Manually_Annotated_Images"):
        affectnet.load(tmp_path)
    (tmp_path / "validation.csv").write_text(f"{HEADER}\n{ROWS[2]}\n")
    with pytest.raises(DatasetError, match="no picture with valence and arousal"):
        affectnet.load(tmp_path)


def test_the_arrays_of_2021(tmp_path: Path) -> None:
    values = {10: ("1", "0.5", "-0.25"), 9: (np.int64(6), -0.5, 0.75), 200: ("8", "-2", "-2")}
    read = affectnet.load(npy_layout(tmp_path, values))  # text, as published, or numbers
    assert [file.name for file in read.files] == ["9.jpg", "10.jpg"], "by number"
    np.testing.assert_allclose(read.va, [[-0.5, 0.75], [0.5, -0.25]])
    assert read.expression.tolist() == [EXPRESSIONS.index("anger"), EXPRESSIONS.index("happiness")]
    assert read.unlabelled == 1
    assert level_of(read.read(0)) == 9


def test_broken_arrays_are_named(tmp_path: Path) -> None:
    npy_layout(tmp_path, {1: (0, 0.0, 0.0), 2: (0, 0.0, 0.0)})
    broken = tmp_path / "val_set" / "annotations" / "2_aro.npy"
    broken.write_bytes(b"no array")
    with pytest.raises(DatasetError, match=r"2_aro\.npy does not hold one value"):
        affectnet.load(tmp_path)
    np.save(broken, np.zeros(3))
    with pytest.raises(DatasetError, match=r"2_aro\.npy does not hold one value"):
        affectnet.load(tmp_path)
    np.save(broken, np.array([{"pickled": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(DatasetError, match=r"2_aro\.npy does not hold one value"):
        affectnet.load(tmp_path)
    with broken.open("wb") as file:
        np.savez(file, np.array(0.5))
    with pytest.raises(DatasetError, match=r"2_aro\.npy does not hold one value"):
        affectnet.load(tmp_path)
    broken.write_bytes(b"PK\x03\x04 and no zip")
    with pytest.raises(DatasetError, match=r"2_aro\.npy does not hold one value"):
        affectnet.load(tmp_path)
    np.save(broken, np.array(1.5))
    with pytest.raises(DatasetError, match=r"2_aro\.npy: arousal is 1\.5"):
        affectnet.load(tmp_path)
    broken.unlink()
    with pytest.raises(DatasetError, match=r"2_aro\.npy is missing"):
        affectnet.load(tmp_path)
