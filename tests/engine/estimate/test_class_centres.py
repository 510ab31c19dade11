"""The class centres, and what a value says of the classes that may be meant."""

import numpy as np

from mtclar.engine.data_types import EXPRESSIONS
from mtclar.engine.estimate.class_centres import CLASS_CENTRES, class_centres, class_variance


def test_a_rest_face_is_the_origin_and_every_class_has_a_centre() -> None:
    assert tuple(CLASS_CENTRES) == EXPRESSIONS
    centres = class_centres()
    assert centres[0].tolist() == [0, 0]
    assert (np.abs(centres) <= 1).all()
    assert len(np.unique(centres, axis=0)) == len(EXPRESSIONS)


def test_a_centre_means_its_class_and_a_value_between_two_either() -> None:
    centres = class_centres()
    happy, sad = (centres[EXPRESSIONS.index(name)] for name in ("happiness", "sadness"))
    at_rest, at_happy, half_happy, half_sad = class_variance(np.stack([0 * happy, happy, happy / 2, sad / 2]))
    assert half_happy[0] > 4 * max(at_rest[0], at_happy[0])
    assert half_sad[0] > 4 * at_rest[0]
    np.testing.assert_allclose(half_happy[0], (happy[0] / 2) ** 2, rtol=0.3)  # as far from either
    assert half_happy[1] < 0.02  # neutral and happy faces are equally calm


def test_a_value_beyond_every_centre_is_finite() -> None:
    assert np.isfinite(class_variance(np.array([[1.0, 1.0], [-1.0, -1.0]]))).all()
    assert class_variance(np.zeros((0, 2))).shape == (0, 2)
