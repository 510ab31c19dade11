"""Modes: causality, values at the labels, selection of the best mode."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from mtclar.engine.data_types import Encoded
from mtclar.engine.errors import UsageError
from mtclar.label.values import modes
from mtclar.label.values.modes import (
    BEST,
    DEFAULT,
    MODES,
    LabelledFrames,
    ModeContext,
    leave_one_out_errors,
    propagate,
)
from mtclar.label.values.temporal_gp import CONSTANTS, LabellingConstants, TimeKernel

CONTEXT = ModeContext.bundled(None)
SEEDS = st.integers(0, 2**32 - 1)


def faces(rng: np.random.Generator, count: int) -> Encoded:
    """Random ones, a few kinds of them."""
    kinds = rng.normal(size=(4, 128))
    embedding = kinds[rng.integers(0, 4, count)] + 0.3 * rng.normal(size=(count, 128))
    return Encoded(
        (embedding / 3).astype(np.float32),
        rng.uniform(-0.6, 0.6, (count, 2)).astype(np.float32),
        np.zeros((count, 8), np.float32),
    )


def trial(seed: int, count: int = 60, labels: int = 8) -> tuple[LabelledFrames, Encoded, NDArray[np.float64]]:
    rng = np.random.default_rng(seed)
    everything = faces(rng, count)
    times_s = np.arange(count) / 5
    at = np.sort(rng.choice(count, labels, replace=False))
    known = LabelledFrames(everything[at], rng.uniform(-1, 1, (labels, 2)), times_s[at])
    return known, everything, times_s


@pytest.mark.parametrize("mode", MODES)
@settings(max_examples=15)
@given(seed=SEEDS)
def test_values_are_in_range_or_missing(mode: str, seed: int) -> None:
    known, everything, times_s = trial(seed)
    result = propagate(mode, known, everything, times_s, CONTEXT)
    there = ~np.isnan(result.values)
    assert (np.abs(result.values[there]) <= 1).all()
    early = times_s < known.times_s[0]
    assert np.array_equal(~there[:, 0], early if mode == "causal" else np.zeros(len(times_s), bool))
    assert (result.sds[there] > 0).all()


@settings(max_examples=15)
@given(seed=SEEDS)
def test_causal_does_not_look_ahead(seed: int) -> None:
    known, everything, times_s = trial(seed)
    changed = known.labels.copy()
    changed[-1] = -changed[-1]
    other = replace(known, labels=changed)
    before = times_s < known.times_s[-1]
    one = MODES["causal"](known, everything, times_s, CONTEXT)[0]
    two = MODES["causal"](other, everything, times_s, CONTEXT)[0]
    assert np.array_equal(one[before], two[before], equal_nan=True)


@pytest.mark.parametrize("mode", ["causal", "nearest"])
def test_a_labelled_frame_gets_its_label(mode: str) -> None:
    known, _, _ = trial(1)
    values, _ = MODES[mode](known, known.encoded, known.times_s, CONTEXT)
    assert values == pytest.approx(known.labels, abs=1e-6)


def test_the_process_follows_labels_with_a_constant_offset() -> None:
    known, everything, times_s = trial(2, labels=12)
    off = np.array([0.3, -0.2])
    shifted = replace(known, labels=np.clip(known.encoded.absolute + off, -1, 1).astype(np.float64))
    values, sds = MODES[DEFAULT](shifted, everything, times_s, CONTEXT)
    assert np.abs(values - np.clip(everything.absolute + off, -1, 1)).max() < 0.1
    agreeing = sds.mean()
    noisy = replace(
        shifted, labels=np.clip(shifted.labels + np.resize([[0.3, -0.3], [-0.3, 0.3]], (12, 2)), -1, 1)
    )
    assert MODES[DEFAULT](noisy, everything, times_s, CONTEXT)[1].mean() > 1.5 * agreeing


def test_the_sd_is_smallest_at_the_label() -> None:
    rng = np.random.default_rng(3)
    one = faces(rng, 1)
    still = one[np.zeros(100, int)]
    times_s = np.arange(100) / 5
    known = LabelledFrames(still[50:51], np.array([[0.4, 0.2]]), times_s[50:51])
    values, sds = MODES[DEFAULT](known, still, times_s, CONTEXT)
    assert (sds.argmin(0) == 50).all()
    assert (np.abs(values - known.labels).argmin(0) == 50).all()


def test_a_moment_between_two_labels_is_not_taken_for_known() -> None:
    kernel = TimeKernel(1.0, 1.6)
    labels_s, between_s = np.array([0.0, 0.8]), np.array([0.4])
    near = kernel(between_s, labels_s)
    left = kernel(between_s, between_s) - near @ np.linalg.solve(kernel(labels_s, labels_s), near.T)
    assert kernel(labels_s, labels_s).diagonal().tolist() == [1.0, 1.0]
    # A squared exponential of this length leaves .008 of the variance, and its intervals held 83 % in place of 90.
    assert 0.02 < left[0, 0] < 0.1


def test_long_recordings_in_spans_are_continuous(monkeypatch: pytest.MonkeyPatch) -> None:
    off, off_sd = [], []
    # Several seeds: the error on one set of random labels depends on the fitted constants.
    for seed in range(4, 8):
        known, everything, times_s = trial(seed, count=400, labels=60)
        monkeypatch.setattr(modes, "MAX_LABELS", 160)
        whole, whole_sd = MODES[DEFAULT](known, everything, times_s, CONTEXT)
        monkeypatch.setattr(modes, "MAX_LABELS", 40)
        spans, spans_sd = MODES[DEFAULT](known, everything, times_s, CONTEXT)
        off.append(np.abs(spans - whole).mean())
        off_sd.append(np.abs(spans_sd / whole_sd - 1).mean())
    assert np.mean(off) < 0.1
    assert np.mean(off_sd) < 0.2
    monkeypatch.setattr(modes, "MAX_LABELS", 160)
    monkeypatch.setattr(modes, "MAX_SPAN_FACES", 64)
    again, _ = MODES[DEFAULT](known, everything, times_s, CONTEXT)
    assert again == pytest.approx(
        whole, abs=1e-6
    )  # the same labels in every span: the span length does not matter


def test_best_selects_the_lowest_leave_one_out_error() -> None:
    known, everything, times_s = trial(5, labels=20)
    # Labels that depend on time only, so `nearest` has the lowest error.
    slow = np.stack([np.sin(known.times_s / 3), np.cos(known.times_s / 3)], 1)
    follows = replace(known, labels=slow)
    result = propagate(BEST, follows, everything, times_s, CONTEXT)
    assert set(result.rmse) == set(MODES)
    assert result.mode == min(result.rmse, key=lambda mode: np.hypot(*result.rmse[mode]))
    few = known.subset(np.arange(2))
    assert propagate(BEST, few, everything, times_s, CONTEXT).mode == DEFAULT


def test_labels_near_in_time_are_left_out_together() -> None:
    rng = np.random.default_rng(6)
    pair = faces(rng, 2)
    twice = pair[np.repeat(np.arange(len(pair)), 2)]
    labels = np.array([[0.9, 0.9], [0.9, 0.9], [-0.9, -0.9], [-0.9, -0.9]])
    twins = LabelledFrames(twice, labels, np.array([0.0, 0.2, 10.0, 10.2]))
    errors = leave_one_out_errors("nearest", twins, CONTEXT)
    assert (np.abs(errors) > 0.5).all()  # a label 0.2 s away would have made the error zero


def test_an_unknown_mode_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="unknown mode"):
        propagate("median", *trial(0), CONTEXT)


def test_the_constants_match_the_bundled_encoder() -> None:
    assert LabellingConstants.read(CONSTANTS).encoder_sha256 == CONTEXT.params.encoder_sha256
