"""Statistics of a segment, against numpy, statsmodels and what is known of simulated series."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mtclar.label.analysis.statistics import (
    AXIS_STATISTICS,
    QUADRANTS,
    axis_statistics,
    effective_n,
    quadrant_seconds,
    slope,
)

VALUE = st.floats(-1, 1, width=32)
SOME = arrays(np.float64, st.integers(3, 60), elements=VALUE)


def autoregressive(n: int, correlation: float, seed: int = 0) -> np.ndarray:
    """A stationary AR(1) series."""
    random = np.random.default_rng(seed)
    noise = random.normal(size=n)
    values = np.empty(n)
    values[0] = noise[0]
    for at in range(1, n):
        values[at] = correlation * values[at - 1] + np.sqrt(1 - correlation**2) * noise[at]
    return values


@given(SOME)
def test_location_and_spread_are_numpys(values: np.ndarray) -> None:
    times_s = np.arange(len(values)) / 25
    found = axis_statistics(times_s, values)
    assert found["mean"] == pytest.approx(values.mean(), abs=1e-9)
    assert found["sd"] == pytest.approx(values.std(ddof=1), abs=1e-9)
    assert found["median"] == pytest.approx(np.median(values), abs=1e-9)
    assert (
        found["min"]
        <= found["q05"]
        <= found["q25"]
        <= found["median"]
        <= found["q75"]
        <= found["q95"]
        <= found["max"]
    )
    assert found["slope_per_min"] == pytest.approx(60 * np.polyfit(times_s, values, 1)[0], abs=1e-6)
    assert abs(found["peak"]) == np.abs(values).max()
    assert values[round(found["peak_time"] * 25)] == found["peak"]


@given(SOME, st.data())
def test_missing_values_change_nothing_but_the_number(values: np.ndarray, data: st.DataObject) -> None:
    there = data.draw(arrays(np.bool_, len(values)))
    times_s = np.arange(len(values)) / 25
    gappy = np.where(there, values, np.nan)
    found = axis_statistics(times_s, gappy)
    if not there.any():
        assert all(np.isnan(value) for value in found.values())
        return
    for name in set(AXIS_STATISTICS) - {"effective_n", "mean_se"}:
        expected = axis_statistics(times_s[there], values[there])[name]
        assert found[name] == pytest.approx(expected, abs=1e-9, nan_ok=True), name
    assert 1 <= found["effective_n"] <= there.sum()


@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.9])
def test_effective_n_of_an_autoregressive_series(correlation: float) -> None:
    n = 40_000
    expected = n * (1 - correlation) / (1 + correlation)
    assert effective_n(autoregressive(n, correlation)) == pytest.approx(expected, rel=0.15)


def test_effective_n_hardly_changes_when_frames_are_missing() -> None:
    values = autoregressive(20_000, 0.9)
    holes = values.copy()
    holes[np.random.default_rng(1).random(len(values)) < 0.2] = np.nan
    per_frame = effective_n(values) / len(values)
    assert effective_n(holes) / len(values) == pytest.approx(per_frame, rel=0.25)


@given(SOME)
def test_effective_n_is_that_of_statsmodels_autocorrelation(values: np.ndarray) -> None:
    stattools = pytest.importorskip(
        "statsmodels.tsa.stattools", reason="statsmodels is missing: `make setup-all`"
    )
    if values.max() - values.min() < 1e-3:
        return
    lags = stattools.acf(values, nlags=len(values) - 1, fft=False)
    total = 0.0
    for pair in lags[: len(lags) // 2 * 2].reshape(-1, 2).sum(axis=1):
        if pair <= 1e-9:
            break
        total += pair
    expected = np.clip(len(values) / (2 * total - 1), 1, len(values)) if total > 0.5 else len(values)
    found = effective_n(values)
    if abs(total - 0.5) > 1e-6 and np.abs(lags[:-1:2] + lags[1::2][: len(lags[:-1:2])]).min() > 1e-6:
        assert found == pytest.approx(expected, rel=1e-6)


def test_a_constant_and_hardly_any_values() -> None:
    assert effective_n(np.full(50, 0.3)) == 50
    assert effective_n(np.array([0.1, np.nan])) == 1
    assert np.isnan(effective_n(np.array([np.nan])))
    assert np.isnan(slope(np.array([1.0]), np.array([0.5])))
    assert np.isnan(slope(np.array([1.0, 1.0]), np.array([0.5, 0.6])))


@given(arrays(np.float64, st.tuples(st.integers(0, 40), st.just(2)), elements=VALUE | st.just(np.nan)))
def test_quadrants_share_all_the_time_with_values(values: np.ndarray) -> None:
    durations_s = np.linspace(0.01, 0.1, len(values))
    found = quadrant_seconds(values, durations_s)
    assert tuple(found) == QUADRANTS
    assert sum(found.values()) == pytest.approx(durations_s[~np.isnan(values).any(axis=1)].sum())


def test_each_quadrant() -> None:
    values = np.array([(0.5, 0.5), (-0.5, 0.5), (-0.5, -0.5), (0.5, -0.5), (0.0, 0.0)])
    assert list(quadrant_seconds(values, np.array([1.0, 2, 4, 8, 16])).values()) == [17, 2, 4, 8]
