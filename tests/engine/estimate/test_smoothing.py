"""Smoothers: constants stay, outputs stay within the inputs, time is source time."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtclar.engine.errors import UsageError
from mtclar.engine.estimate import SMOOTHERS
from mtclar.engine.estimate.smoothing import RESTART_AFTER_S, make_smoother

SD = (0.2, 0.15)
names = st.sampled_from(sorted(SMOOTHERS))
affect = st.tuples(st.floats(-1, 1), st.floats(-1, 1))
deviation = st.tuples(st.floats(0, 1), st.floats(0, 1))
steps = st.floats(-0.2, 3.0)  # duplicates, swaps and gaps among them
tracks = st.lists(st.tuples(steps, affect, deviation), min_size=1, max_size=40)


def smooth(name: str, times: np.ndarray, values: np.ndarray) -> np.ndarray:
    smoother = make_smoother(name)
    return np.array([smoother(t, value, SD)[0] for t, value in zip(times, values, strict=True)])


@given(names, tracks)
def test_outputs_stay_within_the_inputs(name, track) -> None:
    smoother, t_s, seen = make_smoother(name), 0.0, []
    for step, value, sd in track:
        t_s += step
        seen.append(value)
        output, output_sd = smoother(t_s, value, sd)
        assert (np.min(seen, 0) - 1e-9 <= output).all()
        assert (output <= np.max(seen, 0) + 1e-9).all()
        assert np.isfinite(output_sd).all()
        assert (output_sd >= 0).all()


@given(names, affect, st.lists(st.floats(0.001, 0.5), min_size=1, max_size=30))
def test_constants_stay(name, value, gaps) -> None:
    times = np.cumsum(gaps)
    np.testing.assert_allclose(
        smooth(name, times, np.tile(value, (len(times), 1))), [value] * len(times), atol=1e-9
    )


@given(names, st.integers(0, 2**32 - 1), st.floats(-5, 5), st.floats(-100, 100))
def test_shifting_values_or_time_shifts_the_output(name, seed, shift, later_s) -> None:
    values = np.random.default_rng(seed).normal(size=(30, 2)) * 0.3
    times = np.arange(30) / 25
    plain = smooth(name, times, values)
    np.testing.assert_allclose(smooth(name, times, values + shift), plain + shift, atol=1e-6)
    np.testing.assert_allclose(smooth(name, times + later_s, values), plain, atol=1e-6)


@pytest.mark.parametrize("name", sorted(set(SMOOTHERS) - {"kalman"}))
def test_half_the_rate_gives_nearly_the_same(name) -> None:
    """(Kalman apart: more pictures are more evidence there, so it rightly follows faster.)"""
    times = np.arange(240) / 60
    values = np.stack([np.sin(times), np.cos(1.3 * times)], 1) * 0.6
    every, second = smooth(name, times, values), smooth(name, times[::2], values[::2])
    assert np.abs(every[::2] - second).max() < 0.02


@pytest.mark.parametrize("name", sorted(SMOOTHERS))
def test_a_step_is_reached(name) -> None:
    times = np.arange(200) / 25
    values = np.where(times[:, None] < 2.0, 0.0, (0.8, -0.4))
    assert np.abs(smooth(name, times, values)[-1] - (0.8, -0.4)).max() < 0.02


@pytest.mark.parametrize("name", sorted(set(SMOOTHERS) - {"none"}))
def test_noise_shrinks(name) -> None:
    values = np.random.default_rng(0).normal(0.0, 0.05, (500, 2))
    assert smooth(name, np.arange(500) / 25, values)[50:].std() < 0.6 * values.std()


@pytest.mark.parametrize("name", sorted(set(SMOOTHERS) - {"none"}))
def test_a_picture_that_is_not_later_changes_nothing(name) -> None:
    smoother = make_smoother(name)
    smoother(0.0, (0.0, 0.0), SD)
    before = smoother(0.04, (0.1, 0.1), SD)
    np.testing.assert_array_equal(smoother(0.04, (1.0, 1.0), SD), before)
    np.testing.assert_array_equal(smoother(0.02, (-1.0, 1.0), SD), before)


@pytest.mark.parametrize("name", sorted(SMOOTHERS))
@pytest.mark.parametrize("jump_s", [RESTART_AFTER_S + 0.01, -RESTART_AFTER_S - 0.01])
def test_a_long_gap_and_a_reset_start_afresh(name, jump_s) -> None:
    smoother = make_smoother(name)
    smoother(10.0, (0.0, 0.0), SD)
    np.testing.assert_allclose(smoother(10.0 + jump_s, (0.9, -0.9), SD)[0], (0.9, -0.9))
    smoother.reset()
    np.testing.assert_allclose(smoother(10.0 + jump_s, (-0.5, 0.5), SD)[0], (-0.5, 0.5))


def test_kalman_gives_uncertain_frames_less_weight() -> None:
    moved = {}
    for sd in (0.05, 0.5):
        smoother = make_smoother("kalman")
        smoother(0.0, (0.0, 0.0), SD)
        moved[sd] = smoother(0.04, (0.5, 0.5), (sd, sd))[0][0]
    assert moved[0.05] > 2 * moved[0.5] > 0


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError) as raised:
        make_smoother("median")
    assert "one-euro" in raised.value.hint
