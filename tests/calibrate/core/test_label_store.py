"""The labels so far: every change can be taken back, and a support set holds them all."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtclar.calibrate.core.label_store import MAX_SAMPLES, Check, Collection
from mtclar.engine.errors import CalibrationError
from mtclar.engine.face.crop import FRAMING, Framing

from ..conftest import DIM

Make = Callable[..., Any]


def support(collection: Collection, framing: Framing = FRAMING) -> Any:
    return collection.support(
        subject="anna", source="webcam:0", model_name="encoder", model_sha256="ab" * 32, framing=framing
    )


def test_a_support_set_holds_every_frame_with_its_label(taken: Make) -> None:
    collection = Collection()
    collection.add(0.5, -0.25, *taken(1, 3), keep_crops=False)
    collection.add(-0.5, 0.75, *taken(2, 2), keep_crops=False)
    made = support(collection)
    assert made.labels.tolist() == [[0.5, -0.25]] * 3 + [[-0.5, 0.75]] * 2
    assert made.embeddings.shape == (5, DIM)
    np.testing.assert_array_equal(made.embeddings[:3], taken(1, 3)[1].embedding)
    assert made.crops is None
    assert made.times_s.tolist() == pytest.approx([1.0, 1.1, 1.2, 2.0, 2.1])


def test_crops_are_kept_where_all_have_them(taken: Make) -> None:
    collection = Collection()
    collection.add(0.5, 0.0, *taken(1), keep_crops=True)
    made = support(collection, Framing(16, 1.0, 0.0))
    assert made.crops.shape == (2, 16, 16)
    collection.add(0.5, 0.0, *taken(2), keep_crops=False)
    assert support(collection, Framing(16, 1.0, 0.0)).crops is None


def test_numbers_are_never_used_twice(taken: Make) -> None:
    collection = Collection()
    first = collection.add(0.0, 0.0, *taken(1), keep_crops=False)
    collection.delete(first)
    assert collection.add(0.0, 0.0, *taken(2), keep_crops=False) == first + 1
    with pytest.raises(KeyError):
        collection[first]
    with pytest.raises(KeyError):
        collection.delete(first)
    with pytest.raises(KeyError):
        collection.relabel(first, 0.0, 0.0)


def test_other_frames_or_another_label_make_a_validation_void(taken: Make) -> None:
    collection = Collection()
    number = collection.add(0.1, 0.2, *taken(1), keep_crops=False)
    for change in (
        lambda: collection.relabel(number, 0.3, 0.4),
        lambda: collection.replace_frames(number, *taken(5), keep_crops=False),
    ):
        collection.checked(number, Check(0.0, 0.0, 0.2))
        assert collection[number].check is not None
        change()
        assert collection[number].check is None
    assert (collection[number].valence, collection[number].arousal) == (0.3, 0.4)
    np.testing.assert_array_equal(collection[number].embeddings, taken(5)[1].embedding)


def test_nothing_gives_no_support_set_and_too_much_is_refused(taken: Make) -> None:
    collection = Collection()
    with pytest.raises(CalibrationError, match="nothing was labelled"):
        support(collection)
    for _ in range(MAX_SAMPLES):
        collection.add(0.0, 0.0, *taken(1, 1), keep_crops=False)
    with pytest.raises(CalibrationError, match="labels already"):
        collection.add(0.0, 0.0, *taken(1, 1), keep_crops=False)


@settings(max_examples=60)
@given(st.lists(st.tuples(st.sampled_from("adrxcm"), st.integers(0, 5)), max_size=25))
def test_undo_goes_back_through_every_change(changes: list[tuple[str, int]]) -> None:
    from mtclar.calibrate.core.support_builder import Taken
    from mtclar.engine.data_types import Encoded

    from ..conftest import crop

    frames = [Taken(crop(), 0.0, 0.0, 0.0, "label")]
    encoded = Encoded(
        np.zeros((1, DIM), np.float32), np.zeros((1, 2), np.float32), np.zeros((1, 8), np.float32)
    )
    collection = Collection()
    seen: list[tuple[Any, bool]] = []
    undone: list[int] = []
    for kind, which in changes:
        numbers = [sample.number for sample in collection.samples]
        before = collection.now
        if kind == "a":
            collection.add(0.1, 0.1, frames, encoded, keep_crops=False)
        elif kind == "c":
            collection.clear(partial(undone.append, len(seen)))
        elif kind == "m":
            labelled = [(0.1, 0.1, frames, encoded)] * which
            collection.make_anew(labelled, False, partial(undone.append, len(seen)))
            assert len(collection.samples) == which
            assert not {sample.number for sample in collection.samples} & set(numbers)
        elif not numbers:
            continue
        elif kind == "d":
            collection.delete(numbers[which % len(numbers)])
        elif kind == "r":
            collection.relabel(numbers[which % len(numbers)], 0.2, -0.2)
        else:
            collection.replace_frames(numbers[which % len(numbers)], frames, encoded, keep_crops=False)
        assert not undone
        seen.append((before, kind in "cm"))
    for at, (before, told) in reversed([*enumerate(seen)]):
        assert collection.undo()
        assert collection.now is before
        assert undone == [at] * told  # what went with the change is told of once, at its undo
        undone.clear()
    assert not collection.can_undo
    assert not collection.undo()
