"""Picture sets of rendered people: reproducible, framed like the engine's crops, written atomically."""

import argparse

import cv2
import numpy as np
import pytest

pytest.importorskip("numba", reason="the [train] extra is not installed")

from mtclar.engine.errors import WriteError
from mtclar.engine.face.crop import FRAMING, cut
from mtclar.train.data.rendered_people import load
from mtclar.train.rendered import pictures
from mtclar.train.rendered.__main__ import main, people
from mtclar.train.rendered.face_crop import CROP_SIDE, MARGIN, FaceCropper
from mtclar.train.rendered.person.expressions import mixed
from mtclar.train.rendered.person.idle import distract
from mtclar.train.rendered.pictures import PictureSet, degrade, make_pictures, sample_mixture
from mtclar.train.rendered.splits import TEST


@pytest.fixture(scope="module")
def made():
    """Four pictures of each of two people."""
    return make_pictures(range(TEST[0], TEST[0] + 2), 4)


def test_layout_of_a_picture_set(made):
    assert made.images.shape == (8, CROP_SIDE, CROP_SIDE)
    assert made.images.dtype == np.uint8
    assert made.va.shape == (8, 2)
    assert made.va.dtype == np.float32
    assert np.abs(made.va).max() <= 1
    assert made.person.tolist() == [1000] * 4 + [1001] * 4
    assert made.people.tolist() == [1000, 1001]
    assert len(made.age_group) == len(made.sex) == len(made.skin_tone) == 2
    assert made.images.reshape(8, -1).std(1).min() > 5, "no picture is blank"


def test_affect_follows_from_the_expressions(made):
    for amounts, va in zip(made.expression, made.va, strict=True):
        mixture = dict(zip(made.expression_name.tolist(), amounts.tolist(), strict=True))
        assert mixed(mixture)[1] == pytest.approx(va.tolist(), abs=1e-5)


def test_pictures_do_not_depend_on_other_people(made):
    alone = make_pictures(range(TEST[1], TEST[1] + 1), 4)
    assert np.array_equal(alone.images, made.images[4:])
    assert np.array_equal(alone.va, made.va[4:])


def test_saved_set_loads_for_training(made, tmp_path):
    path = tmp_path / "people.npz"
    made.save(path)
    again = PictureSet.load(path)
    for name in PictureSet.__slots__:
        assert np.array_equal(getattr(again, name), getattr(made, name)), name
    assert [p.name for p in tmp_path.iterdir()] == ["people.npz"], "nothing half-written is left"
    assert np.array_equal(load([path], "test").images, made.images)


def test_failed_save_leaves_no_file(made, tmp_path):
    blocked = tmp_path / "taken.npz"
    blocked.mkdir()
    with pytest.raises(WriteError, match="cannot write"):
        made.save(blocked)
    assert list(tmp_path.iterdir()) == [blocked]
    assert list(blocked.iterdir()) == []
    (tmp_path / "file").touch()
    with pytest.raises(WriteError, match="cannot write"):
        made.save(tmp_path / "file" / "people.npz")


def test_middle_of_a_crop_is_the_engine_crop(show):
    picture = show({"happy": 1.0})
    with FaceCropper() as cropper:
        wide, points = cropper(picture), cropper.points(picture)
    middle = wide[MARGIN:-MARGIN, MARGIN:-MARGIN].astype(int)
    engine = cut(picture, points, FRAMING)
    assert middle.shape == engine.shape
    assert np.abs(middle - engine).mean() < 2


def test_a_picture_without_a_face_gives_no_crop():
    with FaceCropper() as cropper:
        assert cropper(np.full((120, 160, 3), 127, np.uint8)) is None


def test_undetected_person_gives_no_pictures(person):
    def blind(_picture):
        return None

    assert list(pictures.pictures_of(person, 2, blind)) == []


def test_mixtures_reach_all_corners():
    rng = np.random.default_rng(0)
    va = np.array([mixed(sample_mixture(rng))[1] for _ in range(500)])
    assert (va[:, 0] > 0.5).any()
    assert (va[:, 0] < -0.5).any()
    assert (va[:, 1] > 0.5).any()
    assert (va[:, 1] < -0.3).any()
    assert 0.05 < (np.abs(va).max(1) == 0).mean() < 0.2, "some are neutral"


def test_distraction_keeps_what_is_expressed(person):
    shown = person.shows(mixed({"happy": 1.0})[0])
    weights = distract(shown, np.random.default_rng(1), pictures.load_head())
    assert weights["mouthSmileLeft"] == pytest.approx(shown["mouthSmileLeft"], rel=0.6)


def test_degrading_leaves_the_face_recognisable(show):
    with FaceCropper() as cropper:
        crop = cropper(show())
    for seed in range(8):
        worse = degrade(crop, np.random.default_rng(seed))
        assert worse.shape == crop.shape
        assert worse.dtype == np.uint8
        assert np.corrcoef(cv2.blur(crop, (5, 5)).ravel(), cv2.blur(worse, (5, 5)).ravel())[0, 1] > 0.8


@pytest.mark.parametrize(
    "text", ["0", "a:b", "5:5", "990:1010", "1023:1025", "5000:5001", "0:99999999999999"]
)
def test_people_outside_one_split_are_refused(text):
    with pytest.raises(argparse.ArgumentTypeError):
        people(text)


def test_command_writes_the_set(tmp_path, monkeypatch, capsys):
    out = tmp_path / "one.npz"
    monkeypatch.setattr("sys.argv", ["rendered", str(out), "--people", "1000:1001", "--pictures", "1"])
    main()
    assert "1 pictures of 1 people" in capsys.readouterr().out
    assert len(PictureSet.load(out).images) == 1
