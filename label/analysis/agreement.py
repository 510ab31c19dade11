"""Agreement of two tables, such as a rater and this program, or two programs: paired, aligned in time, and measured.

Frames of a recording depend on each other, so their number is no sample size: there is no p value here. Over
recordings, the table has one row for each.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from mtclar.engine.errors import UsageError
from mtclar.engine.estimate.metrics import ccc, icc, pcc, rmse
from mtclar.label.analysis.series import AXES, SAME_TIME_S, Array, Key, Series, at_times, names_of
from mtclar.label.analysis.statistics import effective_n
from mtclar.label.analysis.tables import require_pandas

if TYPE_CHECKING:
    from pandas import DataFrame

MAX_LAG_S = 5.0
MIN_FOR_LAG = 20
"""Pairs of values at a lag; fewer say nothing."""

LIMITS_OF_AGREEMENT = 1.96  # sd: 95 % of normal differences (Bland and Altman 1986)
ALL = "all"
"""Name of the row of all pairs together."""

MATCHES: Sequence[Callable[[Key], tuple[str, ...]]] = (
    lambda key: key,
    lambda key: (key.recording, key.face),
    lambda key: (key.participant, key.session, key.face) if key.participant else (),
    lambda key: (key.recording,),
    lambda key: (key.participant, key.session) if key.participant else (),
)
"""What two series have in common, from the strictest; only one to one counts."""


@dataclass(frozen=True, eq=False)
class Pair:
    """Two series of one recording, with `b` at the times of `a` or the other way round."""

    a: Series
    b: Series
    name: str = ""  # of the recording, for people

    @cached_property
    def aligned(self) -> tuple[Array, Array, Array]:
        """Times [n] and the values [n, 2] of both: at the times of the one with fewer frames, the other interpolated.

        nan where one has no value, or none near enough. Nothing is interpolated if both have the same times.
        """
        a, b = self.a, self.b
        if len(a) == len(b) and np.allclose(a.times_s, b.times_s, rtol=0, atol=SAME_TIME_S):
            return a.times_s, a.values, b.values
        first = max(a.times_s[0], b.times_s[0])
        last = min(a.times_s[-1], b.times_s[-1])
        times_s = (a if _period(a) >= _period(b) else b).times_s
        times_s = times_s[(times_s >= first) & (times_s <= last)]
        return times_s, at_times(a, times_s), at_times(b, times_s)

    def both(self, axis: int) -> tuple[Array, Array, Array]:
        """Times and values [n] of an axis where both have one."""
        times_s, a, b = self.aligned
        there = ~np.isnan(a[:, axis] + b[:, axis])
        return times_s[there], a[there, axis], b[there, axis]


def _period(series: Series) -> float:
    """Between frames; of a single one, forever."""
    return series.period_s if len(series) > 1 else float("inf")


def pair_up(a: Sequence[Series], b: Sequence[Series]) -> tuple[list[Pair], list[Series]]:
    """The pairs of series that belong together, in the order of `a`, and those that are left over.

    One series each is a pair whatever its name; otherwise recordings of one name, or of one participant and session.
    """
    names_a, names_b = (names_of([one.key for one in series]) for series in (a, b))

    def pair(one: Series, other: Series) -> Pair:
        names = dict.fromkeys((names_a[one.key], names_b[other.key]))
        return Pair(one, other, " - ".join(names))

    if len(a) == len(b) == 1:
        return [pair(a[0], b[0])], []
    partner: dict[int, int] = {}
    for match in MATCHES:
        free_a = [i for i in range(len(a)) if i not in partner]
        free_b = [j for j in range(len(b)) if j not in partner.values()]
        for i in free_a:
            common = match(a[i].key)
            same_a = [other for other in free_a if match(a[other].key) == common]
            same_b = [j for j in free_b if match(b[j].key) == common]
            if any(common) and len(same_a) == len(same_b) == 1:
                partner[i] = same_b[0]
    left = [one for i, one in enumerate(a) if i not in partner]
    left += [one for j, one in enumerate(b) if j not in partner.values()]
    return [pair(a[i], b[partner[i]]) for i in sorted(partner)], left


def cross_correlation(pair: Pair, axis: int, max_lag_s: float = MAX_LAG_S) -> tuple[Array, Array]:
    """Lags [m] in seconds, and the Pearson correlation of `a` with `b` that much later; nan with too few values.

    Both are interpolated onto one regular grid with the period of the slower one. At least half of the values of the
    shorter one must have a partner.
    """
    a, b = pair.a, pair.b
    step_s = max(_period(a), _period(b))
    first, last = min(a.times_s[0], b.times_s[0]), max(a.times_s[-1], b.times_s[-1])
    if not np.isfinite(step_s) or step_s <= 0:
        return np.empty(0), np.empty(0)
    grid_s = np.arange(first, last + step_s / 2, step_s)
    x, y = (at_times(series, grid_s)[:, axis] for series in (a, b))
    most = min(int(max_lag_s / step_s + 1e-9), len(grid_s) - 1)
    lags = np.arange(-most, most + 1)
    least = max(MIN_FOR_LAG, min(int((~np.isnan(x)).sum()), int((~np.isnan(y)).sum())) // 2)
    correlation = [_correlation_at(x, y, int(lag), least) for lag in lags]
    return np.asarray(lags * step_s, np.float64), np.array(correlation)


def _correlation_at(x: Array, y: Array, lag: int, least: int) -> float:
    one, other = (x[: len(x) - lag], y[lag:]) if lag >= 0 else (x[-lag:], y[: len(y) + lag])
    there = ~np.isnan(one + other)
    return pcc(one[there], other[there]) if there.sum() >= least else float("nan")


def lag(pair: Pair, axis: int, max_lag_s: float = MAX_LAG_S) -> tuple[float, float]:
    """How much later `b` is than `a` in seconds, where their correlation is highest, and that correlation.

    Refined by a parabola through the highest value and its neighbours. nan if it is highest at the longest or shortest
    lag that has enough values: the lag is not within `max_lag_s`.
    """
    lags_s, correlation = cross_correlation(pair, axis, max_lag_s)
    known = np.flatnonzero(~np.isnan(correlation))
    best = int(np.nanargmax(correlation)) if len(known) else -1
    if not len(known) or best in (known[0], known[-1]):
        return float("nan"), float("nan")
    left, middle, right = correlation[best - 1 : best + 2]
    curvature = left - 2 * middle + right
    offset = 0.5 * (left - right) / curvature if curvature < 0 else 0.0
    return float(lags_s[best] + offset * (lags_s[1] - lags_s[0])), float(middle)


def figures_of(a: Array, b: Array) -> dict[str, float]:
    """The agreement of two series [n] without nan, n >= 1; `bias` is the mean of b - a, with limits of agreement."""
    difference = b - a
    sd = float(difference.std(ddof=1)) if len(a) > 1 else float("nan")
    bias = float(difference.mean())
    return {
        "n": len(a),
        "ccc": ccc(a, b),
        "pcc": pcc(a, b),
        "rmse": rmse(a, b),
        "icc_2_1": icc(np.column_stack([a, b]))[0],
        "bias": bias,
        "bias_se": sd / np.sqrt(effective_n(difference)),
        "loa_low": bias - LIMITS_OF_AGREEMENT * sd,
        "loa_high": bias + LIMITS_OF_AGREEMENT * sd,
    }


def agreement_table(pairs: Sequence[Pair], max_lag_s: float = MAX_LAG_S) -> "DataFrame":
    """One row for each pair and axis, then one for each axis over all pairs if there are several.

    Columns: pair, a, b (their names), axis, those of `figures_of`, lag_s (how much later b is) and pcc_at_lag, both nan
    over all pairs. Raises UsageError if no pair has a value at the same time.
    """
    rows: list[dict[str, object]] = []
    for pair in pairs:
        for i, axis in enumerate(AXES):
            _, a, b = pair.both(i)
            if len(a):
                lag_s, at_lag = lag(pair, i, max_lag_s)
                whose = {
                    "pair": pair.name,
                    "a": pair.a.key.recording,
                    "b": pair.b.key.recording,
                    "axis": axis,
                }
                rows.append({**whose, **figures_of(a, b), "lag_s": lag_s, "pcc_at_lag": at_lag})
    if not rows:
        raise UsageError(
            "the tables have no value at the same time",
            "times count from the first frame in both; --shift moves B",
        )
    if len({row["pair"] for row in rows}) > 1:
        rows += _over_all(pairs)
    return require_pandas().DataFrame(rows)


def _over_all(pairs: Sequence[Pair]) -> Iterator[dict[str, object]]:
    for i, axis in enumerate(AXES):
        found = [pair.both(i)[1:] for pair in pairs]
        a, b = (np.concatenate([one[side] for one in found]) for side in (0, 1))
        if len(a):
            figures = figures_of(a, b) | {
                "bias_se": float("nan"),
                "lag_s": float("nan"),
                "pcc_at_lag": float("nan"),
            }
            yield {"pair": ALL, "a": "", "b": "", "axis": axis, **figures}
