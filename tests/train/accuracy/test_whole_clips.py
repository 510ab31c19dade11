"""Whole clips: labelled frames, the latest support of each query, clips without queries."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtclar.engine.estimate import metrics
from mtclar.train.accuracy import whole_clips
from mtclar.train.accuracy.methods import METHODS, Engine

from . import synthetic


def test_frame_0_and_every_20th_after_it() -> None:
    rows, frames = np.arange(50) + 7, np.arange(50)
    support, queries, latest = whole_clips.split(rows, frames, 20)
    assert support.tolist() == [7, 27, 47]
    assert len(queries) == len(latest) == 47
    assert latest[queries < 27].tolist() == [7] * 19
    assert latest[-1] == 47


@given(st.sets(st.integers(0, 200), min_size=1), st.integers(1, 30))
def test_split_is_disjoint_and_causal(seen: set[int], every: int) -> None:
    frames = np.array(sorted(seen))
    support, queries, latest = whole_clips.split(np.arange(len(frames)), frames, every)
    assert sorted([*support, *queries]) == list(range(len(frames)))
    assert len(set((frames[support] // every).tolist())) == len(support)
    assert set(latest.tolist()) <= set(support.tolist())
    assert (latest < queries).all()
    assert (frames[queries] // every == frames[latest] // every).all()


def test_scores_of_two_clips_are_pooled() -> None:
    lengths = [40, 25]
    answers = synthetic.answers(
        lengths,
        offset=0.3,
        clip=np.repeat([0, 1], lengths),
        frame=np.concatenate([np.arange(n) for n in lengths]),
    )
    clips = whole_clips.score(answers, Engine(), every=20)
    assert clips is not None
    assert (clips.clips, clips.labelled, clips.queries) == (2, 4, 61)
    assert set(clips.figures) == {*METHODS, "paper-latest", "hold-last"}
    held = np.concatenate(
        [np.repeat(answers.va[[0, 20]], 20, 0), np.repeat(answers.va[[40, 60]], [20, 5], 0)]
    )
    queries = np.setdiff1d(np.arange(65), [0, 20, 40, 60])
    expected = metrics.rmse(held[queries, 0], answers.va[queries, 0])
    assert clips.figures["hold-last"][0].rmse == pytest.approx(expected)
    assert clips.figures["paper-latest"][0].rmse < 0.06, "one label of the person's own tells the habit"
    assert clips.figures["absolute"][0].rmse == pytest.approx(0.3, abs=0.02)


def test_no_clips_or_no_queries() -> None:
    assert whole_clips.score(synthetic.answers([5]), Engine()) is None
    lone = synthetic.answers([1], clip=np.zeros(1, np.int64), frame=np.zeros(1, np.int64))
    assert whole_clips.score(lone, Engine()) is None
