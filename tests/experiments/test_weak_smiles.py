"""How strong a smile is comes from the landmarks, and people without both faces are left out."""

import zipfile
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="the [train] extra is not installed")

import cv2

from experiments.networks import weak_smiles
from mtclar.engine.face.crop import MOUTH
from mtclar.train.accuracy.answers import Networks

PEOPLE = Path(__file__).parents[1] / "support" / "media" / "people"
HEADER = "name,person,expression,gender,ethnicity\n"


def london(folder: Path) -> Path:
    """Two people: of the second the smile shows no face."""
    anna, ben = (cv2.imread(str(PEOPLE / f"{name}.png")) for name in ("anna", "ben"))
    photos = {
        "001_neutral.jpg,001,neutral,female,white": anna,
        "001_smiling.jpg,001,smiling,female,white": anna,
        "002_neutral.jpg,002,neutral,male,east_asian": ben,
        "002_smiling.jpg,002,smiling,male,east_asian": np.zeros_like(ben),
    }
    (folder / "labels.csv").write_text(HEADER + "\n".join(photos) + "\n")
    with zipfile.ZipFile(folder / "photos.zip", "w") as packed:
        for line, picture in photos.items():
            packed.writestr(f"photos/{line.split(',')[0]}", cv2.imencode(".jpg", picture)[1].tobytes())
    return folder


def test_a_person_needs_both_faces_and_the_same_face_twice_is_no_wider(tmp_path: Path) -> None:
    with Networks() as networks:
        measured = weak_smiles.smiles(london(tmp_path), networks)
    assert (measured.photos, measured.found) == (4, 3)
    assert measured.group.tolist() == ["female, white"]
    assert measured.wider == pytest.approx([0.0])
    text = "\n".join(weak_smiles.tables(measured))
    assert "3 of 4 faces are found at the first search" in text
    assert "| below 0.05 | 1 |" in text


def test_the_width_of_a_mouth_does_not_depend_on_the_size_of_the_face() -> None:
    points = np.zeros((468, 3))
    points[MOUTH[0]], points[MOUTH[1]] = (10, 50, 3), (40, 50, -3)
    points[weak_smiles.OUTER_RIGHT], points[weak_smiles.OUTER_LEFT] = (0, 0, 0), (60, 0, 0)
    assert weak_smiles.mouth_width(points) == pytest.approx(0.5)
    assert weak_smiles.mouth_width(3 * points) == pytest.approx(0.5)
