"""The figures of a card: FER+ accuracy on both subsets, V/A by axis."""

import numpy as np
import pytest

from mtclar.engine.data_types import Encoded
from mtclar.engine.estimate.class_centres import class_centres
from mtclar.train.accuracy.encoder_figures import VaFigures, card_figures, photo_figures
from mtclar.train.data.ferplus import Photos


def test_prior_is_added_to_prior_free_logits() -> None:
    """Two faces between neutral and contempt: the crowd calls most such faces neutral."""
    label = np.array([0, 7])
    shares = np.eye(8, dtype=np.float32)[label]
    photos = Photos(np.zeros((2, 48, 48), np.uint8), shares, shares[:, :2], label, np.ones(2, bool), label)
    logits = np.full((2, 8), -9.0, np.float32)
    logits[:, 0], logits[:, 7] = 0.0, (1.0, 4.0)
    encoded = Encoded(np.zeros((2, 2), np.float32), photos.va, logits)
    assert photo_figures(encoded, photos).accuracy == 0.5
    assert photo_figures(encoded, photos, prior_free=True).accuracy == 1.0


def test_photo_figures() -> None:
    label = np.array([0, 1, 2, 3])
    shares = np.eye(8, dtype=np.float32)[label]
    photos = Photos(
        images=np.zeros((4, 48, 48), np.uint8),
        expression=shares,
        va=shares @ class_centres(),
        label=label,
        majority=np.array([True, True, False, True]),
        collected=label,
    )
    message = np.eye(8, dtype=np.float32)[[0, 1, 7, 4]]  # right, right, wrong, wrong
    encoded = Encoded(embedding=np.zeros((4, 2), np.float32), absolute=photos.va, expression=message)
    figures = photo_figures(encoded, photos)
    assert (figures.count, figures.majority_count) == (4, 3)
    assert figures.accuracy == 0.5
    assert figures.majority_accuracy == pytest.approx(2 / 3)
    assert figures.proxy_va.ccc == pytest.approx((1, 1))
    assert "accuracy 0.6667 (majority, n=3), 0.5000 (all, n=4), proxy V/A CCC 1.000/1.000" in str(figures)


def test_card_figures_name_axis_measure_and_test() -> None:
    truth = np.array([[0.0, 0.0], [1.0, 0.5]], np.float32)
    figures = card_figures(None, VaFigures.of(truth + np.float32(0.1), truth))
    assert sorted(figures) == [
        f"rendered_test_{axis}_{m}" for axis in ("arousal", "valence") for m in ("ccc", "rmse")
    ]
    assert figures["rendered_test_valence_rmse"] == 0.1
    assert card_figures(None, None) == {}
