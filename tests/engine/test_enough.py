"""When there are labels enough, on people whose residuals are known."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtclar.engine.active import ExpectedError
from mtclar.engine.compare import bundled_params
from mtclar.engine.enough import MAX_GAIN, MIN_LABELS, enough

from .test_active import faces, some, support_set


def test_without_a_label_it_says_how_many_are_missing() -> None:
    judged = enough(None, faces(20, 0))
    assert (judged.labels, judged.missing, judged.enough) == (0, MIN_LABELS, False)
    assert str(judged) == f"{MIN_LABELS} more labels at least"
    assert judged.gain is not None
    assert judged.gain > 0


@given(seed=st.integers(0, 10_000), labels=st.integers(1, 12), off=st.floats(-0.4, 0.4))
def test_enough_is_the_least_number_and_a_small_gain(seed: int, labels: int, off: float) -> None:
    known, pool = faces(labels, seed), faces(25, seed + 1)
    support = support_set(known, known.absolute + off)
    judged = enough(support, pool)
    expected = ExpectedError(pool, support, bundled_params())
    share = expected.gains().max() / sum(expected.squared)
    assert judged.gain is not None
    assert (1 - judged.gain) ** 2 == pytest.approx(1 - share)
    assert judged.labels == labels
    assert judged.enough == (labels >= MIN_LABELS and share < MAX_GAIN)
    assert judged.enough == str(judged).startswith("enough")


def test_frames_of_one_prompt_are_one_label() -> None:
    one = faces(1, 0)
    three = some(one, [0, 0, 0])
    assert enough(support_set(three)).labels == 1


def test_without_faces_the_number_alone_counts() -> None:
    few, many = enough(support_set(faces(MIN_LABELS - 1, 0))), enough(support_set(faces(MIN_LABELS, 0)))
    assert not few.enough
    assert str(few) == "1 more label at least"
    assert many.enough
    assert many.gain is None
    assert str(many) == f"{MIN_LABELS} labels: enough as a number"


def test_when_every_face_is_labelled_nothing_is_expected_of_one_more() -> None:
    known = faces(MIN_LABELS, 0)
    judged = enough(support_set(known), some(known, [0]))
    assert judged.gain == 0.0
