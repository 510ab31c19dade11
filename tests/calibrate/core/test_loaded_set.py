"""A saved support set becomes labels again, and one region is labelled anew."""

from collections.abc import Callable
from typing import Any

import numpy as np

from mtclar.calibrate.core.label_store import LabelStore
from mtclar.engine.support_set import SupportSet


def support() -> SupportSet:
    labels = np.repeat(np.array([(0.5, 0.0), (-0.5, 0.5), (0.5, 0.0)], np.float32), (2, 3, 1), axis=0)
    embeddings = np.random.default_rng(0).normal(size=(6, 8)).astype(np.float32)
    return SupportSet(embeddings, np.zeros((6, 2), np.float32), labels, times_s=np.arange(6.0))


def test_frames_in_a_row_with_one_label_are_one_sample() -> None:
    store, saved = LabelStore(), support()
    store.load(saved)
    assert [(s.number, s.valence, s.arousal, len(s)) for s in store.samples] == [
        (1, 0.5, 0.0, 2),
        (2, -0.5, 0.5, 3),
        (3, 0.5, 0.0, 1),
    ]
    again = store.support()
    np.testing.assert_array_equal(again.embeddings, saved.embeddings)
    np.testing.assert_array_equal(again.labels, saved.labels)
    assert store.undo()
    assert store.samples == ()


def test_a_label_takes_the_place_of_others_as_one_change(taken: Callable[..., Any]) -> None:
    store = LabelStore()
    store.load(support())
    frames, encoded = taken(1)
    number = store.add(0.4, 0.1, frames, encoded, False, category="happy", note="n", instead_of=[1, 3])
    assert [s.number for s in store.samples] == [2, number]
    assert (store[number].category, store[number].note) == ("happy", "n")
    store.undo()
    assert [s.number for s in store.samples] == [1, 2, 3]
