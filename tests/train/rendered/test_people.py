"""Rendered people: head data, expressions and their V/A, splits, renderer."""

from itertools import combinations

import numpy as np
import pytest

pytest.importorskip("numba", reason="the [train] extra is not installed")

from mtclar.engine.face.crop import pose_deg
from mtclar.train.rendered.drawing.renderer import View
from mtclar.train.rendered.face_crop import FaceCropper
from mtclar.train.rendered.person.expressions import EXPRESSIONS, MAIN, between, mixed
from mtclar.train.rendered.person.head import Material, load_head, sided
from mtclar.train.rendered.person.idle import blink, gaze, lids_closed
from mtclar.train.rendered.person.people import Person
from mtclar.train.rendered.splits import DEMO, SPLITS, TEST, TRAIN, split_of


def test_splits_are_disjoint():
    for first, second in combinations(SPLITS.values(), 2):
        assert not set(first) & set(second)
    assert (split_of(TRAIN[-1]), split_of(TEST[0]), split_of(DEMO[0])) == ("train", "test", "demo")
    assert split_of(5000) is None


def test_head_has_all_units_and_consistent_indices():
    head = load_head()
    assert len(head.units) == 52
    assert head.triangle.max() == len(head.base) - 1
    assert head.triangle_uv.max() == len(head.uv) - 1
    assert set(np.unique(head.material)) == set(Material) - {Material.HAIR}
    for offsets in [*head.units.values(), *head.morphs.values()]:
        assert offsets.vertex.max(initial=0) < len(head.base)
        assert np.abs(offsets.offset).max(initial=0) < 5  # decimetres
    masks = np.stack(list(head.masks.values()))
    assert masks.min() == 0
    assert masks.max() == 1


def test_jaw_unit_lowers_the_chin():
    head = load_head()
    vertices = head.base.copy()
    head.units["jawOpen"].add(vertices, 1.0)
    assert (vertices[:, 1] - head.base[:, 1]).min() < -0.1


def test_sided_names():
    head = load_head()
    assert sided("jawOpen", head) == ("jawOpen",)
    assert sided("mouthSmile", head) == ("mouthSmileLeft", "mouthSmileRight")
    with pytest.raises(KeyError, match="wiggleEars"):
        sided("wiggleEars", head)


def test_every_expression_uses_known_units_and_valid_affect():
    head = load_head()
    for expression in EXPRESSIONS.values():
        assert all(sided(unit, head) for unit in expression.weights)
        assert -1 <= expression.valence <= 1
        assert -1 <= expression.arousal <= 1
    assert set(MAIN) <= set(EXPRESSIONS)


@pytest.mark.parametrize(
    ("mixture", "affect"),
    [
        ({}, (0, 0)),
        ({"happy": 1}, (0.8, 0.45)),
        ({"surprised": 1}, (0.2, 0.8)),
        ({"sad": 1}, (-0.65, -0.35)),
        ({"angry": 1}, (-0.6, 0.7)),
        ({"happy": 0.5}, (0.4, 0.225)),
        (between({"sad": 1}, {"angry": 1}, 0.5), (-0.625, 0.175)),
        ({"happy": 2}, (1, 0.9)),
    ],
)
def test_affect_of_a_mixture(mixture, affect):
    assert mixed(mixture)[1] == pytest.approx(affect)


def test_a_mixture_of_one_is_that_expression():
    weights, _ = mixed({"angry": 1.0})
    shown = {unit: weight for unit, weight in weights.items() if abs(weight) > 1e-12}
    assert shown == pytest.approx(dict(EXPRESSIONS["angry"].weights))


def test_person_is_reproducible_and_unique():
    first, again, other = Person.sample(17), Person.sample(17), Person.sample(18)
    assert np.array_equal(first.shape, again.shape)
    assert (first.look, first.gains, first.resting, first.about) == (
        again.look,
        again.gains,
        again.resting,
        again.about,
    )
    assert not np.array_equal(first.shape, other.shape)


def test_people_differ_in_group_attributes():
    abouts = [Person.sample(person_id).about for person_id in range(60)]
    assert {about.sex for about in abouts} == {"female", "male", "between"}
    assert {about.age_group for about in abouts} == {"child", "adult", "old"}
    tones = [about.skin_tone for about in abouts]
    assert min(tones) < 0.1
    assert max(tones) > 0.9


def test_blink_closes_the_lids():
    shut = blink({"eyeWideLeft": 1.0, "eyeBlinkLeft": 0.3, "jawOpen": 0.2}, 1.0)
    assert shut == {"eyeWideLeft": 0.0, "eyeBlinkLeft": 1.0, "eyeBlinkRight": 1.0, "jawOpen": 0.2}
    assert lids_closed([1.0], 1.0) == 1
    assert lids_closed([1.0], 2.0) == 0
    assert lids_closed([], 1.0) == 0


def test_gaze_moves_both_eyes_one_way():
    assert gaze(1.0, 0.0)["eyeLookOutLeft"] == gaze(1.0, 0.0)["eyeLookInRight"] == 1
    assert gaze(0.0, -0.5)["eyeLookDown"] == 0.5


def test_pictures_repeat_exactly_and_expressions_change_them(show):
    neutral = show()
    assert neutral.shape == (160, 160, 3)
    assert np.array_equal(neutral, show())
    for name in EXPRESSIONS:
        if name != "neutral":
            changed = np.abs(show({name: 1.0}).astype(int) - neutral)
            assert changed.max() > 40, name


def test_background_shows_around_the_person(show):
    corner = show()[:4, :4].reshape(-1, 3)
    assert np.ptp(corner, axis=0).max() == 0
    assert corner[0] == pytest.approx(255 * 0.3 ** (1 / 2.2), abs=1)


@pytest.mark.parametrize(
    ("view", "axis"),
    [(View(yaw=0.35, span=3.2), 0), (View(pitch=-0.3, span=3.2), 1), (View(roll=-0.3, span=3.2), 2)],
)
def test_engine_landmarks_follow_the_view(show, view, axis):
    with FaceCropper() as cropper:
        turned, straight = (pose_deg(cropper.points(show(view=v))) for v in (view, View(span=3.2)))
    assert turned[axis] - straight[axis] > 8
