"""Continuous ratings: the measured lag, gaps without labels, and ratings replaced by a second playback."""

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mtclar.calibrate.core.continuous_rating import (
    LABEL_EVERY_S,
    USUAL_LAG_S,
    Array,
    RatingSegment,
    RatingTrace,
    apply_corrections,
    estimate_lag,
    label_times,
    shift_by_lag,
    values_at,
)

LENGTH_S = 60.0


def affect(times_s: Array, seed: int) -> Array:
    """[N, 2] what somebody goes through: slow waves of several periods."""
    rng = np.random.default_rng(seed)
    periods_s, phases = rng.uniform(6.0, 20.0, (4, 2)), rng.uniform(0.0, 2 * np.pi, (4, 2))
    waves = np.sin(2 * np.pi * times_s[:, None, None] / periods_s + phases)
    return np.asarray(0.25 * waves.sum(1))


def rating(lag_s: float, seed: int, noise: float) -> tuple[RatingSegment, Array, Array]:
    """A person's ratings, `lag_s` behind, and an encoder's estimates; both with noise and a scale of their own."""
    rng = np.random.default_rng(seed + 1)
    said_s, seen_s = np.arange(0.0, LENGTH_S, 1 / 15), np.arange(0.0, LENGTH_S, 0.2)
    said = 0.8 * affect(said_s - lag_s, seed) + 0.1 + rng.normal(0, noise, (len(said_s), 2))
    seen = 0.5 * affect(seen_s, seed) - 0.2 + rng.normal(0, noise, (len(seen_s), 2))
    return RatingSegment(said_s, np.clip(said, -1, 1)), seen_s, seen


@settings(max_examples=60, deadline=None)
@given(st.floats(0.5, 4.5), st.integers(0, 2**20), st.floats(0.0, 0.1))
def test_a_known_lag_is_found_again(lag_s: float, seed: int, noise: float) -> None:
    segment, seen_s, seen = rating(lag_s, seed, noise)
    found = estimate_lag((segment,), seen_s, seen)
    assert found.origin == "measured"
    assert found.seconds == pytest.approx(lag_s, abs=0.35)
    assert found.correlation is not None
    assert found.correlation > 0.7


@given(st.floats(-1, 1), st.floats(-1, 1), st.booleans(), st.integers(0, 99))
def test_a_constant_signal_is_not_clear(valence: float, arousal: float, person: bool, seed: int) -> None:
    segment, seen_s, seen = rating(1.5, seed, 0.02)
    if person:
        segment = RatingSegment(segment.times_s, np.tile([valence, arousal], (len(segment.times_s), 1)))
    else:
        seen = np.tile([valence, arousal], (len(seen_s), 1))
    found = estimate_lag((segment,), seen_s, seen)
    assert (found.seconds, found.origin) == (USUAL_LAG_S, "not clear")


@pytest.mark.parametrize("length_s", [0.0, 4.0, 12.0])
def test_a_short_trace_is_not_clear(length_s: float) -> None:
    segment, seen_s, seen = rating(1.5, 3, 0.0)
    short = segment.times_s <= length_s
    segments = (RatingSegment(segment.times_s[short], segment.values[short]),)
    assert estimate_lag(segments, seen_s, seen).origin == "not clear"
    assert estimate_lag((), seen_s, seen).origin == "not clear"
    assert estimate_lag((segment,), seen_s[:1], seen[:1]).origin == "not clear"


def test_a_peak_at_the_end_of_the_search_is_not_clear() -> None:
    times_s = np.arange(0.0, LENGTH_S, 0.1)
    rising = np.stack([(times_s / LENGTH_S) ** 2, times_s / LENGTH_S], axis=1)
    late = np.stack([((times_s - 9.0) / LENGTH_S) ** 2, np.sin((times_s - 9.0) / 8.0)], axis=1)
    early = np.stack([(times_s / LENGTH_S) ** 2, np.sin(times_s / 8.0)], axis=1)
    assert estimate_lag((RatingSegment(times_s, late),), times_s, early).origin == "not clear"
    assert estimate_lag((RatingSegment(times_s, rising),), times_s, rising).origin == "not clear"


def test_parts_of_a_recording_serve_as_well_as_all_of_it() -> None:
    segment, seen_s, seen = rating(2.3, 7, 0.03)
    segments = tuple(
        RatingSegment(segment.times_s[part], segment.values[part])
        for part in ((segment.times_s < 25), (segment.times_s > 30) & (segment.times_s < 55))
    )
    without_face = (seen_s < 10) | (seen_s > 13)
    found = estimate_lag(segments, seen_s[without_face], seen[without_face])
    assert found.origin == "measured"
    assert found.seconds == pytest.approx(2.3, abs=0.2)


PLAYED = st.lists(
    st.tuples(st.floats(0, 50), st.integers(1, 80), st.floats(0.02, 0.9)), min_size=1, max_size=5
)


def traced(played: list[tuple[float, int, float]], data: Any) -> RatingTrace:
    """Plays stretches (from where, how many ratings, how far apart) one after the other."""
    trace = RatingTrace()
    for from_s, count, step_s in played:
        trace.start_run(from_s)
        for n in range(count):
            valence = data.draw(st.floats(-1, 1)) if n < 3 else np.sin(n)
            trace.add(from_s + n * step_s, valence, 0.5)
    return trace


@settings(max_examples=60, deadline=None)
@given(PLAYED, st.floats(0, 5), st.data())
def test_nothing_is_said_of_what_was_not_rated(
    played: list[tuple[float, int, float]], lag_s: float, data: Any
) -> None:
    trace = traced(played, data)
    segments = trace.segments()
    moved = shift_by_lag(segments, lag_s)
    times_s = label_times(moved)
    values = values_at(moved, times_s)
    assert np.isfinite(values).all()
    assert (np.diff(times_s) > 0).all()  # none twice: segments do not overlap
    for time_s, value in zip(times_s, values, strict=True):
        of = [p for p in segments if p.times_s[0] <= time_s <= p.times_s[-1] - lag_s + 1e-9]
        assert len(of) == 1
        assert (of[0].values.min(0) <= value).all()
        assert (value <= of[0].values.max(0)).all()
    outside = np.array([p.times_s[-1] + 1e-3 for p in moved][-1:])
    assert np.isnan(values_at(moved, outside)).all()


@settings(max_examples=60, deadline=None)
@given(PLAYED, st.data())
def test_what_is_played_again_replaces_what_was_there(
    played: list[tuple[float, int, float]], data: Any
) -> None:
    from_s, count, step_s = played[-1]
    assume(count > 1)
    trace = traced(played, data)
    segments = trace.segments()
    times_s = np.concatenate([p.times_s for p in segments])
    assert (np.diff(times_s) > 0).all()
    last = (times_s >= from_s) & (times_s <= from_s + (count - 1) * step_s)
    assert last.sum() <= count
    assert trace.rated_s == pytest.approx(sum(p.duration_s for p in segments))


def test_a_pause_continues_the_run_and_a_jump_starts_another() -> None:
    trace = RatingTrace()
    trace.start_run(0.0)
    for n in range(20):
        trace.add(n / 10, 0.0, 0.0)
    trace.start_run(1.95)
    for n in range(20, 40):
        trace.add(n / 10, 0.0, 0.0)
    assert len(trace.segments()) == 1
    trace.start_run(1.0)
    trace.add(1.0, 0.5, 0.0)
    trace.add(0.9, 0.9, 0.0)  # from before the jump: late
    trace.add(1.1, 0.5, 0.0)
    before, again, after = trace.segments()
    assert before.times_s[-1] == pytest.approx(0.9)
    assert again.values[:, 0].tolist() == [0.5, 0.5]
    assert after.times_s[0] == pytest.approx(1.2)


def test_labels_follow_the_face_when_the_lag_is_taken_out() -> None:
    segment, _, _ = rating(2.0, 5, 0.03)
    moved = shift_by_lag((segment,), 2.0)
    times_s = label_times(moved)
    assert np.diff(times_s) == pytest.approx(LABEL_EVERY_S)
    truth = np.clip(0.8 * affect(times_s, 5) + 0.1, -1, 1)
    assert np.abs(values_at(moved, times_s) - truth).mean() < 0.03


def test_a_saved_trace_is_continued() -> None:
    trace = RatingTrace()
    trace.start_run(0.0)
    for n in range(20):
        trace.add(0.1 * n, 0.5, -0.5)
    again = RatingTrace(trace.rows)
    np.testing.assert_array_equal(again.rows, trace.rows)
    again.start_run(2.0)  # after a restart it is another run, even where it goes on at once
    for n in range(20, 40):
        again.add(0.1 * n, -0.5, 0.5)
    first, second = again.segments()
    assert first.times_s.tolist() == trace.rows[:, 0].tolist()
    assert second.values[:, 0].tolist() == [-0.5] * 20


labelled = st.lists(
    st.tuples(st.integers(0, 40), st.floats(-1, 1), st.floats(-1, 1)), max_size=30, unique_by=lambda r: r[0]
)


@given(labelled, labelled, st.data())
def test_labels_follow_the_frames_that_stand_for_them(
    labels: list[tuple[int, float, float]], frames: list[tuple[int, float, float]], data: st.DataObject
) -> None:
    made = np.array(sorted((LABEL_EVERY_S * n, v, a) for n, v, a in labels)).reshape(-1, 3)
    kept = np.array(sorted((0.2 * n, v, a) for n, v, a in frames)).reshape(-1, 3)
    now = {t_s: (v, a) for t_s, v, a in kept.tolist()}
    np.testing.assert_array_equal(apply_corrections(made, kept, now), made)
    if not now:
        return
    chosen = data.draw(st.sampled_from(sorted(now)))
    frames_s = kept[:, 0]
    stands_for = {
        t_s
        for t_s in made[:, 0].tolist()
        if abs(t_s - chosen) <= LABEL_EVERY_S / 2 and frames_s[np.abs(frames_s - t_s).argmin()] == chosen
    }
    moved = {**now, chosen: (2.0, -2.0)}  # nobody said that before
    after = {t_s: (v, a) for t_s, v, a in apply_corrections(made, kept, moved).tolist()}
    changed = {t_s for t_s, label in after.items() if label == (2.0, -2.0)}
    assert changed == (stands_for or {chosen})
    assert {t_s: label for t_s, label in after.items() if t_s not in changed} == {
        t_s: (v, a) for t_s, v, a in made.tolist() if t_s not in changed
    }
    del now[chosen]
    assert apply_corrections(made, kept, now)[:, 0].tolist() == [
        t for t in made[:, 0].tolist() if t not in stands_for
    ]
