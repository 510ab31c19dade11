"""Evaluation protocol: labelled frames are not scored, and scores equal their definitions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtclar.engine.data_types import Encoded
from mtclar.engine.errors import UsageError
from mtclar.engine.estimate import metrics
from mtclar.label import evaluation_protocol
from mtclar.label.evaluation_protocol import (
    HOLD,
    INTERPOLATE,
    METHODS,
    MTCLAR,
    WITH_BEST,
    LabelledClip,
    PredictedFrames,
    labelled_mask,
    score,
)
from mtclar.label.values.modes import ModeContext

CONTEXT = ModeContext.bundled(None)


def clip(seed: int, count: int = 50) -> LabelledClip:
    """A person whose labels are off the encoder's values by something of their own, and a slow face."""
    rng = np.random.default_rng(seed)
    slow = np.cumsum(rng.normal(size=(count, 16)), 0)
    absolute = np.clip(0.1 * slow[:, :2], -0.8, 0.8)
    labels = np.clip(absolute + rng.normal(0, 0.1, 2), -1, 1)
    encoded = Encoded(slow.astype(np.float32), absolute.astype(np.float32), np.zeros((count, 8), np.float32))
    return LabelledClip(f"clip {seed}", encoded, labels, np.arange(count), np.arange(count) / 25)


@pytest.mark.parametrize(
    ("plan", "expected"),
    [
        ("every-20", [0, 20, 40]),
        ("first-3", [0, 1, 2]),
        ("spread-3", [0, 16, 33]),
        ("spread-1", [0]),
        ("share-6", [0, 16, 33]),
        ("share-1", [0]),
    ],
)
def test_frames_labelled_by_a_plan(plan: str, expected: list[int]) -> None:
    assert np.flatnonzero(labelled_mask(plan, np.arange(50))).tolist() == expected


def test_a_frame_without_a_face_is_replaced_by_the_next() -> None:
    frames = np.array([*range(20), *range(23, 50)])
    assert frames[labelled_mask("every-20", frames)].tolist() == [0, 23, 40]


@given(st.integers(1, 9999), st.integers(1, 80), st.sampled_from(["every", "first", "random", "spread"]))
def test_every_plan_labels_at_least_one_frame(size: int, count: int, kind: str) -> None:
    chosen = labelled_mask(f"{kind}-{size}", np.arange(count))
    assert 1 <= chosen.sum() <= count
    if kind != "every":
        assert chosen.sum() == min(size, count)


@pytest.mark.parametrize("plan", ["every-0", "every", "share-100", "often-3", "every--2", "", "every-20 "])
def test_unknown_plans_are_usage_errors(plan: str) -> None:
    with pytest.raises(UsageError, match="unknown protocol"):
        evaluation_protocol.require_plan(plan)


def test_labelled_frames_are_never_scored() -> None:
    seen: dict[str, list[int]] = {}

    def spy(trial: evaluation_protocol.Trial) -> PredictedFrames:
        prediction = trial.prediction(trial.clip.labels)
        seen[trial.clip.name] = [int(trial.is_label.sum()), len(prediction.values)]
        return prediction

    result = score([clip(0), clip(1, 45)], "every-20", CONTEXT, {"spy": spy})
    assert seen == {"clip 0": [3, 47], "clip 1": [3, 42]}
    assert (result.labelled, result.scored) == (6, 89)
    assert result.pooled("spy")["rmse"] == pytest.approx([0, 0], abs=1e-7)
    assert result.pooled("spy")["sagr"].tolist() == [1, 1]


@given(st.integers(0, 2**31), st.integers(2, 30), st.booleans())
def test_scores_from_sums_equal_their_definitions(seed: int, count: int, coarse: bool) -> None:
    rng = np.random.default_rng(seed)
    truth, values = rng.uniform(-1, 1, (2, count, 2))
    if coarse:
        truth, values = truth.round(), values.round()
    sums = evaluation_protocol.ScoreSums.of(PredictedFrames(values, np.full((count, 2), 0.3)), truth)
    figures = sums.figures()
    for i in range(2):
        for field in ("ccc", "pcc", "rmse", "sagr"):
            expected = getattr(metrics, field)(values[:, i], truth[:, i])
            assert figures[field][i] == pytest.approx(expected, abs=1e-6, nan_ok=True)
        assert figures["coverage"][i] == np.mean(np.abs(values[:, i] - truth[:, i]) <= 1.6449 * 0.3)


@settings(max_examples=5)
@given(st.integers(0, 1000))
def test_all_methods_are_scored_on_the_same_frames(seed: int) -> None:
    clips = [clip(seed + i) for i in range(3)]
    result = score(clips, "random-4", CONTEXT, WITH_BEST)
    assert set(result.sums) == set(WITH_BEST)
    assert len({tuple(of[:, 0, 0]) for of in result.sums.values()}) == 1
    for name in METHODS:
        low, high = result.intervals(name)["rmse"]
        pooled = result.pooled(name)["rmse"]
        assert (low <= pooled + 1e-9).all()
        assert (pooled <= high + 1e-9).all()
    same = result.intervals(MTCLAR, less=MTCLAR)["rmse"]
    assert np.array_equal(same, np.zeros((2, 2)))


def test_baselines_match_their_names() -> None:
    one = clip(7)
    scored = ~labelled_mask("every-20", one.frames)
    at = np.flatnonzero(~scored)
    result = score([one], "every-20", CONTEXT)
    rows = np.arange(50)
    held = one.labels[rows // 20 * 20][scored]
    line = np.stack([np.interp(rows, at, one.labels[at, i]) for i in range(2)], 1)[scored]
    for name, expected in ((HOLD, held), (INTERPOLATE, line)):
        for i in range(2):
            assert result.pooled(name)["rmse"][i] == pytest.approx(
                metrics.rmse(expected[:, i], one.labels[scored][:, i])
            )


def test_a_plan_that_labels_every_frame() -> None:
    with pytest.raises(UsageError, match="no frame is left"):
        score([clip(0, 5)], "first-9", CONTEXT)
