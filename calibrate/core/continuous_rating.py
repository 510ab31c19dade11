"""Continuous ratings of a recording: the trace, the person's reaction lag, and the labels made of both.

A person needs a second or more to see, decide and move. The lag is where the cross-correlation of their trace with the
encoder's own estimates is highest, a way common for such traces: Mariooryad & Busso, Correcting Time-Continuous
Emotional Labels by Modeling the Reaction ReactionLag of Evaluators, IEEE Trans. Affective Computing 2015.
"""

import math
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

MAX_LAG_S = 5.0
LAG_STEP_S = 0.1
USUAL_LAG_S = 2.0  # when the lag cannot be measured: the middle of what the literature finds
MIN_CORRELATION = 0.4  # of a peak
MIN_PEAK_RISE = 0.05  # of the peak above the worst lag: a flat curve has no peak
MIN_COMPARED_S = 8.0  # shorter traces correlate with anything
GAP_S = 1.0  # longer gaps in ratings or estimates are not interpolated
SMOOTH_S = 0.2  # standard deviation of the Gaussian that removes hand tremor
LABEL_EVERY_S = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class RatingSegment:
    """Ratings of one stretch played without interruption."""

    times_s: Array  # [T] video time, ascending
    values: Array  # [T, 2] valence and arousal

    @property
    def duration_s(self) -> float:
        return float(self.times_s[-1] - self.times_s[0])


@dataclass(frozen=True, slots=True)
class ReactionLag:
    """How far the ratings are behind the video."""

    seconds: float
    correlation: float | None  # at the peak; None when there was too little to correlate
    origin: Literal["measured", "not clear", "given"]  # "not clear": `seconds` is the usual one


@dataclass(frozen=True, slots=True, eq=False)
class Ratings:
    """Ratings of a recording and the labels made of them, as stored in the journal."""

    length_s: float  # of the recording
    position_s: float  # where playback stopped
    trace: Array  # [T, 4] time, valence, arousal, run
    lag: ReactionLag | None = None  # None: no labels were made yet
    labels: Array = field(default_factory=lambda: np.zeros((0, 3)))  # [L, 3] time, valence, arousal
    kept: Array = field(default_factory=lambda: np.zeros((0, 3)))  # [K, 3] of frames for the support set
    notes: tuple[tuple[float, str], ...] = ()  # (time, text), in order of time


class RatingTrace:
    """Ratings while a recording plays; rating a part again replaces its ratings. `rows` [T, 4]: a trace to continue."""

    def __init__(self, rows: Array | None = None) -> None:
        earlier = [] if rows is None else rows.tolist()
        self._times_s: list[float] = [row[0] for row in earlier]
        self._rows: list[tuple[float, float, int]] = [(v, a, int(run)) for _, v, a, run in earlier]
        self._run = max((run for *_, run in self._rows), default=0)
        self._last_s = -math.inf

    @property
    def rows(self) -> Array:
        """[T, 4] time, valence, arousal and the run of each rating."""
        return np.array([(t_s, *row) for t_s, row in zip(self._times_s, self._rows, strict=True)]).reshape(
            -1, 4
        )

    def start_run(self, time_s: float) -> None:
        """Playback starts at `time_s`: after a pause the run continues, after a jump a new one starts."""
        if not -LAG_STEP_S <= time_s - self._last_s <= GAP_S:  # the page rounds
            self._run += 1
            self._last_s = math.nextafter(time_s, -math.inf)

    def add(self, time_s: float, valence: float, arousal: float) -> None:
        """Adds one rating; ignored unless it is later than the last one of its run."""
        if time_s <= self._last_s:
            return
        first, end = bisect_right(self._times_s, self._last_s), bisect_right(self._times_s, time_s)
        self._times_s[first:end] = [time_s]
        self._rows[first:end] = [(valence, arousal, self._run)]
        self._last_s = time_s

    @property
    def rated_s(self) -> float:
        """Rated seconds of the recording."""
        return sum(segment.duration_s for segment in self.segments())

    def segments(self) -> tuple[RatingSegment, ...]:
        """The ratings, split where the run changes or has a gap."""
        if not self._rows:
            return ()
        times_s, rows = np.array(self._times_s), np.array(self._rows, float)
        cuts = np.flatnonzero((np.diff(rows[:, 2]) != 0) | (np.diff(times_s) > GAP_S)) + 1
        return tuple(
            RatingSegment(t_s, values[:, :2])
            for t_s, values in zip(np.split(times_s, cuts), np.split(rows, cuts), strict=True)
        )


def estimate_lag(segments: tuple[RatingSegment, ...], times_s: Array, estimates: Array) -> ReactionLag:
    """The lag of the ratings behind the encoder's estimates [N, 2] at `times_s` [N], ascending.

    Correlates both axes together, each around its mean. Skips the first MAX_LAG_S of each segment, so that every lag is
    judged by the same ratings. "not clear": too little to compare, a constant signal, a weak or flat peak, or a peak at
    an end of the search.
    """
    grids = [np.arange(p.times_s[0] + MAX_LAG_S, p.times_s[-1], LAG_STEP_S) for p in segments]
    at_s = np.concatenate([np.zeros(0), *grids])
    rated = np.concatenate(
        [
            np.zeros((0, 2)),
            *(_interpolate(g, p.times_s, p.values) for g, p in zip(grids, segments, strict=True)),
        ]
    )
    lags_s = np.arange(0.0, MAX_LAG_S + LAG_STEP_S / 2, LAG_STEP_S)
    correlations = np.array([_correlation(at_s - lag_s, rated, times_s, estimates) for lag_s in lags_s])
    if np.isnan(correlations).any():
        return ReactionLag(USUAL_LAG_S, None, "not clear")
    peak = int(correlations.argmax())
    best = float(correlations[peak])
    clear = (
        0 < peak < len(lags_s) - 1 and best >= MIN_CORRELATION and best - correlations.min() >= MIN_PEAK_RISE
    )
    if not clear:
        return ReactionLag(USUAL_LAG_S, best, "not clear")
    return ReactionLag(round(float(lags_s[peak]), 2), best, "measured")


def shift_by_lag(segments: tuple[RatingSegment, ...], lag_s: float) -> tuple[RatingSegment, ...]:
    """The segments moved back by the lag.

    Ratings from the first `lag_s` of a segment are dropped: they would fall before its start, which the person did not
    see. Segments shorter than the lag are dropped whole.
    """
    moved = []
    for segment in segments:
        moved_s = segment.times_s - lag_s
        seen = moved_s >= segment.times_s[0]
        if seen.any():
            moved.append(RatingSegment(moved_s[seen], segment.values[seen]))
    return tuple(moved)


def values_at(segments: tuple[RatingSegment, ...], times_s: Array) -> Array:
    """[N, 2] smoothed ratings at `times_s` [N]; NaN outside the segments. Stays within the range of nearby ratings."""
    found = np.full((len(times_s), 2), np.nan)
    for segment in segments:
        inside = np.flatnonzero((times_s >= segment.times_s[0]) & (times_s <= segment.times_s[-1]))
        for row in inside:
            near = slice(*np.searchsorted(segment.times_s, times_s[row] + np.array([-1.0, 1.0]) * GAP_S))
            far = (segment.times_s[near] - times_s[row]) / SMOOTH_S
            weights = np.exp(-0.5 * (far**2 - (far**2).min()))
            values = segment.values[near]
            found[row] = np.clip(weights @ values / weights.sum(), values.min(0), values.max(0))
    return found


def label_times(segments: tuple[RatingSegment, ...]) -> Array:
    """[L] the rated multiples of LABEL_EVERY_S."""
    grids = [
        np.arange(math.ceil(p.times_s[0] / LABEL_EVERY_S), math.floor(p.times_s[-1] / LABEL_EVERY_S) + 1)
        for p in segments
    ]
    return np.asarray(np.concatenate([np.zeros(0), *grids]) * LABEL_EVERY_S)


def apply_corrections(labels: Array, kept: Array, current: Mapping[float, tuple[float, float]]) -> Array:
    """[L, 3] the labels, corrected as the person corrected support frames of the same ratings.

    `kept` [K, 3]: the support frames as made (time, valence, arousal); `current`: time -> label of the frames not
    deleted. A correction applies to the labels nearest to its frame, within half a label interval.
    """
    changes: dict[float, tuple[float, float] | None] = {
        t_s: current.get(t_s) for t_s, *label in kept.tolist() if current.get(t_s) != tuple(label)
    }
    if not changes:
        return labels
    frames_s = kept[:, 0]
    rows, applied = [], set()
    for t_s, *label in labels.tolist():
        nearest_s = float(frames_s[np.abs(frames_s - t_s).argmin()])
        if nearest_s in changes and abs(nearest_s - t_s) <= LABEL_EVERY_S / 2:
            applied.add(nearest_s)
            moved = changes[nearest_s]
            if moved is None:
                continue
            label = list(moved)
        rows.append((t_s, *label))
    rows += [(t_s, *label) for t_s, label in changes.items() if label is not None and t_s not in applied]
    return np.array(sorted(rows)).reshape(-1, 3)


def _interpolate(at_s: Array, times_s: Array, values: Array) -> Array:
    """[N, 2] linear interpolation."""
    return np.stack([np.interp(at_s, times_s, values[:, axis]) for axis in range(2)], axis=1)


def _correlation(at_s: Array, rated: Array, times_s: Array, estimates: Array) -> float:
    """Pearson correlation of both axes together, at moments with nearby estimates; NaN with too few of them."""
    if len(times_s) < 2 or not len(at_s):
        return math.nan
    after = np.clip(np.searchsorted(times_s, at_s), 1, len(times_s) - 1)
    compared = (at_s >= times_s[0]) & (at_s <= times_s[-1]) & (times_s[after] - times_s[after - 1] <= GAP_S)
    if compared.sum() * LAG_STEP_S < MIN_COMPARED_S:
        return math.nan
    x, y = rated[compared], _interpolate(at_s[compared], times_s, estimates)
    x, y = x - x.mean(0), y - y.mean(0)
    energy = float((x**2).sum() * (y**2).sum())
    return float((x * y).sum() / math.sqrt(energy)) if energy > 1e-12 else math.nan
