"""Continuous ratings of a recording: what a person said while it played, how far they lag behind it, and the labels.

A person needs a second or more to see, decide and move. The lag is where the cross-correlation of their trace with the
encoder's own estimates is highest, a way common for such traces: Mariooryad & Busso, Correcting Time-Continuous
Emotional Labels by Modeling the Reaction Lag of Evaluators, IEEE Trans. Affective Computing 2015.
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
STEP_S = 0.1  # of the search
USUAL_LAG_S = 2.0  # taken when the trace does not say: the middle of what the literature finds
CLEAR = 0.4  # correlation below which a peak is weak
STANDS_OUT = 0.05  # by how much a peak must be above the worst lag: a flat top says nothing
MIN_COMPARED_S = 8.0  # a shorter trace correlates with anything
GAP_S = 1.0  # a longer pause in the ratings, or in the estimates, is not bridged
SMOOTH_S = 0.2  # standard deviation of the Gaussian that takes the shaking of a hand away
LABEL_EVERY_S = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """Ratings of a stretch that was played in one go."""

    times_s: Array  # [T] video time, ascending
    values: Array  # [T, 2] valence and arousal

    @property
    def length_s(self) -> float:
        return float(self.times_s[-1] - self.times_s[0])


@dataclass(frozen=True, slots=True)
class Lag:
    """How far a person is behind the video."""

    seconds: float
    correlation: float | None  # at the peak; None where there is nothing to correlate
    origin: Literal["measured", "not clear", "given"]  # "not clear": `seconds` is the usual one


@dataclass(frozen=True, slots=True, eq=False)
class Ratings:
    """A recording's ratings at one moment, and what was made of them: what a journal keeps."""

    length_s: float  # of the recording
    at_s: float  # where it stood
    trace: Array  # [T, 4] time, valence, arousal, run
    lag: Lag | None = None  # None: nothing was made of them yet
    labels: Array = field(default_factory=lambda: np.zeros((0, 3)))  # [L, 3] time, valence, arousal
    kept: Array = field(default_factory=lambda: np.zeros((0, 3)))  # [K, 3] of frames for the support set


class Trace:
    """Ratings while a recording plays; what is played again replaces what was there. `rows` [T, 4] are those before."""

    def __init__(self, rows: Array | None = None) -> None:
        before = [] if rows is None else rows.tolist()
        self._times_s: list[float] = [row[0] for row in before]
        self._rows: list[tuple[float, float, int]] = [(v, a, int(run)) for _, v, a, run in before]
        self._run = max((run for *_, run in self._rows), default=0)
        self._last_s = -math.inf

    @property
    def rows(self) -> Array:
        """[T, 4] time, valence, arousal and the run that it was said in."""
        return np.array([(t_s, *row) for t_s, row in zip(self._times_s, self._rows, strict=True)]).reshape(
            -1, 4
        )

    def begin(self, time_s: float) -> None:
        """It plays from here on: the same run goes on after a pause, a jump begins another."""
        if not -STEP_S <= time_s - self._last_s <= GAP_S:  # the page rounds
            self._run += 1
            self._last_s = math.nextafter(time_s, -math.inf)

    def note(self, time_s: float, valence: float, arousal: float) -> None:
        """What the person says of this moment; one that is not after the last of its run is passed over."""
        if time_s <= self._last_s:
            return
        first, end = bisect_right(self._times_s, self._last_s), bisect_right(self._times_s, time_s)
        self._times_s[first:end] = [time_s]
        self._rows[first:end] = [(valence, arousal, self._run)]
        self._last_s = time_s

    @property
    def rated_s(self) -> float:
        """Seconds of the recording that have a rating."""
        return sum(piece.length_s for piece in self.pieces())

    def pieces(self) -> tuple[Piece, ...]:
        """The ratings, cut where the run changes or has a gap."""
        if not self._rows:
            return ()
        times_s, rows = np.array(self._times_s), np.array(self._rows, float)
        cuts = np.flatnonzero((np.diff(rows[:, 2]) != 0) | (np.diff(times_s) > GAP_S)) + 1
        return tuple(
            Piece(t_s, values[:, :2])
            for t_s, values in zip(np.split(times_s, cuts), np.split(rows, cuts), strict=True)
        )


def estimate_lag(pieces: tuple[Piece, ...], times_s: Array, estimates: Array) -> Lag:
    """How far the ratings are behind the encoder's estimates [N, 2] of the moments `times_s` [N], ascending.

    Both axes count together, each around its mean. A moment is only compared when the person had seen the MAX_LAG_S
    before it, so that every lag is judged by the same ratings. Not clear: too little to compare, a constant signal, a
    weak or flat peak, or one at an end of the search.
    """
    grids = [np.arange(p.times_s[0] + MAX_LAG_S, p.times_s[-1], STEP_S) for p in pieces]
    at_s = np.concatenate([np.zeros(0), *grids])
    rated = np.concatenate(
        [np.zeros((0, 2)), *(_between(g, p.times_s, p.values) for g, p in zip(grids, pieces, strict=True))]
    )
    lags_s = np.arange(0.0, MAX_LAG_S + STEP_S / 2, STEP_S)
    correlations = np.array([_correlation(at_s - lag_s, rated, times_s, estimates) for lag_s in lags_s])
    if np.isnan(correlations).any():
        return Lag(USUAL_LAG_S, None, "not clear")
    peak = int(correlations.argmax())
    best = float(correlations[peak])
    clear = 0 < peak < len(lags_s) - 1 and best >= CLEAR and best - correlations.min() >= STANDS_OUT
    if not clear:
        return Lag(USUAL_LAG_S, best, "not clear")
    return Lag(round(float(lags_s[peak]), 2), best, "measured")


def shifted(pieces: tuple[Piece, ...], lag_s: float) -> tuple[Piece, ...]:
    """The ratings at the moments that they are about.

    What was said in the first `lag_s` of a piece is about what came before it, which the person did not see: it is
    dropped. So is a piece that is no longer than that.
    """
    moved = []
    for piece in pieces:
        about_s = piece.times_s - lag_s
        seen = about_s >= piece.times_s[0]
        if seen.any():
            moved.append(Piece(about_s[seen], piece.values[seen]))
    return tuple(moved)


def values_at(pieces: tuple[Piece, ...], times_s: Array) -> Array:
    """[N, 2] the smoothed ratings at `times_s` [N]; NaN where there are none. Never beyond what was rated."""
    found = np.full((len(times_s), 2), np.nan)
    for piece in pieces:
        inside = np.flatnonzero((times_s >= piece.times_s[0]) & (times_s <= piece.times_s[-1]))
        for row in inside:
            near = slice(*np.searchsorted(piece.times_s, times_s[row] + np.array([-1.0, 1.0]) * GAP_S))
            far = (piece.times_s[near] - times_s[row]) / SMOOTH_S
            weights = np.exp(-0.5 * (far**2 - (far**2).min()))
            values = piece.values[near]
            found[row] = np.clip(weights @ values / weights.sum(), values.min(0), values.max(0))
    return found


def label_times(pieces: tuple[Piece, ...]) -> Array:
    """[L] moments to write labels for: multiples of LABEL_EVERY_S that were rated."""
    grids = [
        np.arange(math.ceil(p.times_s[0] / LABEL_EVERY_S), math.floor(p.times_s[-1] / LABEL_EVERY_S) + 1)
        for p in pieces
    ]
    return np.asarray(np.concatenate([np.zeros(0), *grids]) * LABEL_EVERY_S)


def corrected(labels: Array, kept: Array, now: Mapping[float, tuple[float, float]]) -> Array:
    """[L, 3] the labels after a person has moved or deleted frames that were made of the same ratings.

    `kept` [K, 3] are the frames as they were made (time, valence, arousal), `now` the label of each that is still
    there, by its time. A frame stands for the labels that are nearest to it, within half of what lies between two.
    """
    wanted: dict[float, tuple[float, float] | None] = {
        t_s: now.get(t_s) for t_s, *label in kept.tolist() if now.get(t_s) != tuple(label)
    }
    if not wanted:
        return labels
    frames_s = kept[:, 0]
    rows, met = [], set()
    for t_s, *label in labels.tolist():
        nearest_s = float(frames_s[np.abs(frames_s - t_s).argmin()])
        if nearest_s in wanted and abs(nearest_s - t_s) <= LABEL_EVERY_S / 2:
            met.add(nearest_s)
            moved = wanted[nearest_s]
            if moved is None:
                continue
            label = list(moved)
        rows.append((t_s, *label))
    rows += [(t_s, *label) for t_s, label in wanted.items() if label is not None and t_s not in met]
    return np.array(sorted(rows)).reshape(-1, 3)


def _between(at_s: Array, times_s: Array, values: Array) -> Array:
    """[N, 2] linear interpolation."""
    return np.stack([np.interp(at_s, times_s, values[:, axis]) for axis in range(2)], axis=1)


def _correlation(at_s: Array, rated: Array, times_s: Array, estimates: Array) -> float:
    """Pearson's, both axes together, where there are estimates near by; NaN where there is nothing to say."""
    if len(times_s) < 2 or not len(at_s):
        return math.nan
    after = np.clip(np.searchsorted(times_s, at_s), 1, len(times_s) - 1)
    near = (at_s >= times_s[0]) & (at_s <= times_s[-1]) & (times_s[after] - times_s[after - 1] <= GAP_S)
    if near.sum() * STEP_S < MIN_COMPARED_S:
        return math.nan
    x, y = rated[near], _between(at_s[near], times_s, estimates)
    x, y = x - x.mean(0), y - y.mean(0)
    energy = float((x**2).sum() * (y**2).sum())
    return float((x * y).sum() / math.sqrt(energy)) if energy > 1e-12 else math.nan
