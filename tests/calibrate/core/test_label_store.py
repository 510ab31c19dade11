"""The labels so far: every change can be taken back, and a support set holds them all."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.media.calibration_faces import DIM, crop

from mtclar.calibrate.core.label_store import MAX_SAMPLES, LabelCheck, LabelStore
from mtclar.engine.errors import CalibrationError
from mtclar.engine.face.crop import FRAMING, Framing
from mtclar.engine.models import EncoderIdentity

Make = Callable[..., Any]


def support(store: LabelStore, framing: Framing = FRAMING) -> Any:
    return store.support(
        encoder=EncoderIdentity("encoder", "ab" * 32, framing), subject="anna", source="webcam:0"
    )


def test_a_support_set_holds_every_frame_with_its_label(taken: Make) -> None:
    store = LabelStore()
    store.add(0.5, -0.25, *taken(1, 3), keep_crops=False)
    store.add(-0.5, 0.75, *taken(2, 2), keep_crops=False)
    made = support(store)
    assert made.labels.tolist() == [[0.5, -0.25]] * 3 + [[-0.5, 0.75]] * 2
    assert made.embeddings.shape == (5, DIM)
    np.testing.assert_array_equal(made.embeddings[:3], taken(1, 3)[1].embedding)
    assert made.crops is None
    assert made.times_s.tolist() == pytest.approx([1.0, 1.1, 1.2, 2.0, 2.1])


def test_crops_are_kept_where_all_have_them(taken: Make) -> None:
    store = LabelStore()
    store.add(0.5, 0.0, *taken(1), keep_crops=True)
    made = support(store, Framing(16, 1.0, 0.0))
    assert made.crops.shape == (2, 16, 16)
    store.add(0.5, 0.0, *taken(2), keep_crops=False)
    assert support(store, Framing(16, 1.0, 0.0)).crops is None


def test_numbers_are_never_used_twice(taken: Make) -> None:
    store = LabelStore()
    first = store.add(0.0, 0.0, *taken(1), keep_crops=False)
    store.delete(first)
    assert store.add(0.0, 0.0, *taken(2), keep_crops=False) == first + 1
    with pytest.raises(KeyError):
        store[first]
    with pytest.raises(KeyError):
        store.delete(first)
    with pytest.raises(KeyError):
        store.relabel(first, 0.0, 0.0)


def test_other_frames_or_another_label_make_a_validation_void(taken: Make) -> None:
    store = LabelStore()
    number = store.add(0.1, 0.2, *taken(1), keep_crops=False)
    for change in (
        lambda: store.relabel(number, 0.3, 0.4),
        lambda: store.replace_frames(number, *taken(5), keep_crops=False),
    ):
        store.set_check(number, LabelCheck(0.0, 0.0, 0.2))
        assert store[number].check is not None
        change()
        assert store[number].check is None
    assert (store[number].valence, store[number].arousal) == (0.3, 0.4)
    np.testing.assert_array_equal(store[number].embeddings, taken(5)[1].embedding)


def test_nothing_gives_no_support_set_and_too_much_is_refused(taken: Make) -> None:
    store = LabelStore()
    with pytest.raises(CalibrationError, match="there are no labels yet"):
        support(store)
    for _ in range(MAX_SAMPLES):
        store.add(0.0, 0.0, *taken(1, 1), keep_crops=False)
    with pytest.raises(CalibrationError, match="labels are the most"):
        store.add(0.0, 0.0, *taken(1, 1), keep_crops=False)


@settings(max_examples=60)
@given(st.lists(st.tuples(st.sampled_from("adrxcm"), st.integers(0, 5)), max_size=25))
def test_undo_goes_back_through_every_change(changes: list[tuple[str, int]]) -> None:
    from mtclar.calibrate.core.frame_check import AcceptedFrame
    from mtclar.engine.data_types import Encoded

    frames = [AcceptedFrame(crop(), 0.0, 0.0, 0.0, "label")]
    encoded = Encoded(
        np.zeros((1, DIM), np.float32), np.zeros((1, 2), np.float32), np.zeros((1, 8), np.float32)
    )
    store = LabelStore()
    seen: list[tuple[Any, bool]] = []
    on_undo: list[int] = []
    for kind, which in changes:
        numbers = [sample.number for sample in store.samples]
        before = store.snapshot
        if kind == "a":
            store.add(0.1, 0.1, frames, encoded, keep_crops=False)
        elif kind == "c":
            store.clear(partial(on_undo.append, len(seen)))
        elif kind == "m":
            labelled = [(0.1, 0.1, frames, encoded)] * which
            store.replace_all(labelled, False, partial(on_undo.append, len(seen)))
            assert len(store.samples) == which
            assert not {sample.number for sample in store.samples} & set(numbers)
        elif not numbers:
            continue
        elif kind == "d":
            store.delete(numbers[which % len(numbers)])
        elif kind == "r":
            store.relabel(numbers[which % len(numbers)], 0.2, -0.2)
        else:
            store.replace_frames(numbers[which % len(numbers)], frames, encoded, keep_crops=False)
        assert not on_undo
        seen.append((before, kind in "cm"))
    for at, (before, told) in reversed([*enumerate(seen)]):
        assert store.undo()
        assert store.snapshot is before
        assert on_undo == [at] * told  # what went with the change is told of once, at its undo
        on_undo.clear()
    assert not store.can_undo
    assert not store.undo()
