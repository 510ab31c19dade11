"""Agreement of two series, against pingouin and known answers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

pandas = pytest.importorskip("pandas", reason="pandas is missing: pip install 'mtclar-stream[analysis]'")

from mtclar.engine.errors import UsageError
from mtclar.engine.estimate.metrics import icc
from mtclar.label.analysis.agreement import (
    ALL,
    Pair,
    agreement_table,
    figures_of,
    lag,
    pair_up,
)
from mtclar.label.analysis.series import Key, Series, at_times, series_of

VALUE = st.floats(-1, 1, width=32)
TWO = st.integers(5, 40).flatmap(lambda n: arrays(np.float64, (n, 2), elements=VALUE))


def waves(key: Key, rate_hz: float = 25, seconds: float = 40, late_s: float = 0, scale: float = 1) -> Series:
    """Slow waves of valence and arousal that never repeat."""
    times_s = np.arange(round(rate_hz * seconds)) / rate_hz
    t = times_s - late_s
    values = np.column_stack([np.sin(t) + np.sin(0.37 * t), np.cos(1.3 * t) + np.sin(0.51 * t)])
    return series_of(key, times_s, 0.4 * scale * values)


A = waves(Key("a"))


@pytest.mark.filterwarnings("ignore")  # pingouin's own
@settings(max_examples=30)
@given(TWO)
def test_icc_is_pingouins(ratings: np.ndarray) -> None:
    pingouin = pytest.importorskip("pingouin", reason="pingouin is missing: `make setup-all`")
    if np.ptp(ratings.mean(axis=1)) < 1e-2 or np.ptp(ratings[:, 0] - ratings[:, 1]) < 1e-2:
        return  # nothing varies, or nothing disagrees: F is infinite
    n = len(ratings)
    long = pandas.DataFrame({
        "target": np.tile(np.arange(n), 2), "rater": np.repeat(["a", "b"], n), "rating": ratings.T.ravel(),
    })  # fmt: skip
    found = pingouin.intraclass_corr(long, targets="target", raters="rater", ratings="rating")
    expected = found.set_index("Type")["ICC"]
    name = "ICC2" if "ICC2" in expected else "ICC(A,1)"
    of_mean = "ICC2k" if "ICC2k" in expected else "ICC(A,k)"
    assert icc(ratings) == pytest.approx((float(expected[name]), float(expected[of_mean])), abs=1e-5)


@given(arrays(np.float64, st.integers(2, 40), elements=VALUE))
def test_a_series_agrees_with_itself(values: np.ndarray) -> None:
    found = figures_of(values, values)
    assert found["rmse"] == found["bias"] == 0
    if np.ptp(values) > 1e-3:
        assert found["ccc"] == pytest.approx(1)
        assert found["icc_2_1"] == pytest.approx(1)


@given(TWO)
def test_exchanging_the_series_turns_only_the_bias(ratings: np.ndarray) -> None:
    one, other = figures_of(*ratings.T), figures_of(*ratings.T[::-1])
    for name in ("ccc", "pcc", "rmse", "icc_2_1"):
        assert one[name] == pytest.approx(other[name], nan_ok=True, abs=1e-9)
    assert one["bias"] == pytest.approx(-other["bias"], abs=1e-12)
    assert one["loa_low"] == pytest.approx(-other["loa_high"], abs=1e-9)


@given(TWO, st.floats(0.1, 1))
def test_an_offset_lowers_agreement_and_not_correlation(ratings: np.ndarray, offset: float) -> None:
    a, b = ratings[:, 0], ratings[:, 0] + offset
    if np.ptp(a) < 1e-2:
        return
    found = figures_of(a, b)
    assert found["pcc"] == pytest.approx(1)
    assert found["ccc"] < 1
    assert found["icc_2_1"] < 1
    assert found["bias"] == pytest.approx(offset)
    assert found["loa_low"] == pytest.approx(found["loa_high"], abs=1e-6)


@pytest.mark.parametrize("late_s", [0.0, 0.5, 1.23, -2.0])
@pytest.mark.parametrize("rate_hz", [10, 25, 30])
def test_the_lag_of_a_delayed_series(late_s: float, rate_hz: float) -> None:
    pair = Pair(A, waves(Key("b"), rate_hz, late_s=late_s))
    for axis in (0, 1):
        found_s, correlation = lag(pair, axis)
        assert found_s == pytest.approx(late_s, abs=0.02)
        assert correlation > 0.99


def test_series_of_different_rates_are_aligned() -> None:
    b = waves(Key("b"), 7)
    times_s, one, other = Pair(A, b).aligned
    assert len(times_s) <= len(b)
    np.testing.assert_allclose(one, other, atol=2e-3)
    np.testing.assert_array_equal(other, at_times(b, times_s))


def test_nothing_is_interpolated_over_a_gap() -> None:
    inside = (A.times_s < 10) | (A.times_s > 12)
    found = at_times(A[inside], np.array([9.99, 11.0, 12.02, 39.9, 50.0]))
    assert np.isnan(found[:, 0]).tolist() == [True, True, True, False, True]


def test_recordings_are_paired_by_name_then_by_participant() -> None:
    a = [waves(Key("r1")), waves(Key("r2", "p2", "s1")), waves(Key("r9"))]
    b = [waves(Key("other", "p2", "s1")), waves(Key("r1"))]
    pairs, left = pair_up(a, b)
    assert [(pair.a.key.recording, pair.b.key.recording) for pair in pairs] == [("r1", "r1"), ("r2", "other")]
    assert [one.key.recording for one in left] == ["r9"]
    assert len(pair_up([A], [waves(Key("any"))])[0]) == 1


def test_two_faces_of_a_recording_are_not_confused() -> None:
    a = [waves(Key("r1", face="1")), waves(Key("r1", face="2"), scale=-1)]
    pairs, left = pair_up(a, list(reversed(a)))
    assert not left
    assert all(pair.a.key == pair.b.key for pair in pairs)


def test_one_row_for_each_pair_and_axis_then_all() -> None:
    pairs, _ = pair_up([waves(Key("r1")), waves(Key("r2"))], [waves(Key("r1")), waves(Key("r2"), late_s=1)])
    table = agreement_table(pairs)
    assert table.pair.tolist() == ["r1", "r1", "r2", "r2", ALL, ALL]
    assert table.axis.tolist() == ["valence", "arousal"] * 3
    assert table.ccc[0] == pytest.approx(1)
    assert table.lag_s.tolist()[:4] == pytest.approx([0, 0, 1, 1], abs=0.02)
    assert table.lag_s[4:].isna().all()


def test_no_common_time_is_an_error() -> None:
    late = Series(Key("b"), A.times_s + 100, A.values, A.sds, A.state, A.drift, A.faults, A.marks)
    with pytest.raises(UsageError, match="no value at the same time"):
        agreement_table([Pair(A, late)])
