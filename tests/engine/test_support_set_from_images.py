"""Support sets made from labelled images, by the bundled networks."""

import numpy as np
import pytest

from mtclar.engine.errors import CalibrationError
from mtclar.engine.support_set import SupportSet
from mtclar.engine.tracker import Tracker


def test_a_support_set_from_images(astronaut: np.ndarray) -> None:
    label = (-0.6, 0.2)
    with Tracker.open() as tracker:
        support = SupportSet.from_images([astronaut] * 2, [label] * 2, subject="eileen", tracker=tracker)
        assert support.encoder == tracker.identity
    assert (support.subject, len(support), support.crops) == ("eileen", 2, None)
    assert support.conditions is not None
    np.testing.assert_allclose(support.labels, [label] * 2)
    with Tracker.open([support]) as tracker:
        (affect,) = tracker(astronaut, 0.0)
    assert affect.subject == "eileen"
    assert affect.raw.in_support
    assert abs(affect.valence - label[0]) < abs(affect.raw.absolute[0] - label[0])


def test_bad_support_images_are_named(astronaut: np.ndarray, coins: np.ndarray) -> None:
    side_by_side = np.hstack([astronaut[:256, 96:352]] * 2)
    dark = (astronaut // 8).astype(np.uint8)
    with Tracker.open() as tracker:
        for bad, match in (
            (coins, r"images\[1\]: no face"),
            (side_by_side, r"images\[1\]: 2 faces"),
            (dark, r"images\[1\]: the face is too dark"),
        ):
            with pytest.raises(CalibrationError, match=match):
                SupportSet.from_images([astronaut, bad], np.zeros((2, 2)), tracker=tracker)
        with pytest.raises(ValueError, match=r"images\[0\]: an image is uint8"):
            SupportSet.from_images([astronaut / 255], np.zeros((1, 2)), tracker=tracker)
        with pytest.raises(ValueError, match=r"labels\[1\] is outside"):
            SupportSet.from_images([astronaut] * 2, [(0, 0), (0, 1.5)], tracker=tracker)
        with pytest.raises(ValueError, match="1 images need labels"):
            SupportSet.from_images([astronaut], [0.5, 0.5], tracker=tracker)
        with pytest.raises(CalibrationError, match="no images"):
            SupportSet.from_images([], np.zeros((0, 2)), tracker=tracker)
