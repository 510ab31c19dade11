"""Two support sets of one person: which predicts the labels of both better."""

from dataclasses import replace

import numpy as np
import pytest

from mtclar.calibrate.core.evaluation.comparison import compare
from mtclar.engine.errors import UsageError
from mtclar.engine.models import EncoderIdentity
from mtclar.engine.support_set import SupportSet

LABELS = np.array([(0, 0), (0.6, 0), (0.6, 0.6), (0, 0.7), (-0.6, 0.6), (-0.6, 0), (-0.5, -0.5), (0, -0.6)])


def made(labels: np.ndarray, noise: float = 0.0, seed: int = 0) -> SupportSet:
    """Faces whose embeddings follow the expression, each three times; the labels are off by `noise`."""
    rng = np.random.default_rng(seed)
    shown = np.repeat(labels, 3, axis=0)
    directions = np.random.default_rng(7).normal(size=(2, 16))
    embeddings = np.concatenate([np.ones((len(shown), 1)), shown @ directions], axis=1)
    given = np.repeat(np.clip(labels + rng.normal(0, noise, labels.shape), -1, 1), 3, axis=0)
    absolute = np.clip(shown + np.array([0.25, -0.25]) + rng.normal(0, 0.02, shown.shape), -1, 1)
    jitter = rng.normal(0, 0.02, embeddings.shape)
    return SupportSet(
        (embeddings + jitter).astype(np.float32), absolute.astype(np.float32), given.astype(np.float32)
    )


def test_careful_labels_are_better_than_careless_ones() -> None:
    careful, careless = made(LABELS), made(LABELS[:4], noise=0.5, seed=1)
    found = compare(careful, careless)
    assert found.better == "a"
    assert compare(careless, careful).better == "b"
    assert (found.a.labels, found.a.frames, found.a.regions) == (8, 24, 8)
    assert found.b.labels == 4
    assert found.a.own_error < found.b.own_error
    assert found.a.error < found.uncalibrated


def test_a_set_is_not_better_than_itself() -> None:
    one = made(LABELS)
    found = compare(one, one)
    assert found.better is None
    assert found.a == found.b


def test_sets_of_two_encoders_are_refused() -> None:
    one = made(LABELS)
    other = replace(one, encoder=EncoderIdentity("other", "ab" * 32, embedding_dim=17))
    with pytest.raises(UsageError, match="encoder"):
        compare(one, other)
