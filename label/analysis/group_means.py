"""Means over series, such as the participants of a condition, with confidence bands, over the time of a segment."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from mtclar.engine.errors import UsageError
from mtclar.label.analysis.segments import Segment, whole
from mtclar.label.analysis.series import AXES, Array, Series, at_times

CONFIDENCE = 0.95
MAX_STEPS = 2000  # along the time axis
SLOWEST_HZ = 1.0
WHOLE_GROUP = "all"


@dataclass(frozen=True, slots=True, eq=False)
class GroupMean:
    """m times; nan where fewer than two participants have a value, of the mean where none has."""

    name: str
    count: int  # participants
    times_s: Array  # [m] from the beginning of the segment
    mean: Array  # [m, 2] valence and arousal
    low: Array  # [m, 2] of the confidence interval of the mean, by the t distribution over participants
    high: Array  # [m, 2]


def group_means(
    series: Sequence[Series], segments: Sequence[Segment] = (), baseline: str | None = None
) -> list[GroupMean]:
    """The mean over series of each segment name, or without segments of each group (`Series.group`).

    A participant counts once, as does a series without one: all that it has of a name is averaged first. Time counts
    from the segment's start, or from the first frame. With `baseline`, the mean of that segment is subtracted from each
    series; one without it is left out. Raises UsageError if nothing is left.
    """
    parts: dict[str, dict[str, list[tuple[Series, float, float]]]] = {}
    for one in series:
        moved = one if baseline is None else _from_baseline(one, segments, baseline)
        if moved is None:
            continue
        person = one.key.participant or str(one.key)
        for segment in [s for s in segments if s.is_of(one)] if segments else [whole(one)]:
            name = segment.name if segments else (one.group or WHOLE_GROUP)
            parts.setdefault(name, {}).setdefault(person, []).append((moved, *segment.span(one)))
    if not parts:
        raise UsageError("no series is left for the means", "is the baseline in the segments?")
    return [_mean(name, list(parts[name].values())) for name in sorted(parts)]


def _from_baseline(series: Series, segments: Sequence[Segment], name: str) -> Series | None:
    inside = np.zeros(len(series), bool)
    for segment in segments:
        if segment.name == name and segment.is_of(series):
            inside |= segment.rows(series)
    known = series.values[inside]
    if not (~np.isnan(known)).any(axis=0).all():
        return None
    return replace(series, values=series.values - np.nanmean(known, axis=0))


def _mean(name: str, parts: Sequence[Sequence[tuple[Series, float, float]]]) -> GroupMean:
    from scipy.stats import t as student

    longest_s = max(end_s - start_s for occurrences in parts for _, start_s, end_s in occurrences)
    period_s = max(
        (one.period_s for occurrences in parts for one, *_ in occurrences if len(one) > 1), default=1.0
    )
    steps = int(np.clip(longest_s / min(period_s, 1 / SLOWEST_HZ), 2, MAX_STEPS))
    times_s = np.linspace(0, longest_s, steps, endpoint=False)
    values = np.stack([_average([_values(*one, times_s) for one in occurrences]) for occurrences in parts])
    n = (~np.isnan(values)).sum(axis=0)
    total = np.nansum(values, axis=0)
    mean = np.divide(total, n, out=np.full_like(total, np.nan), where=n > 0)
    squares = np.nansum((values - mean) ** 2, axis=0)
    variance = np.divide(squares, n - 1, out=np.full_like(squares, np.nan), where=n > 1)
    half = student.ppf((1 + CONFIDENCE) / 2, np.maximum(n - 1, 1)) * np.sqrt(variance / np.maximum(n, 1))
    return GroupMean(name, len(parts), times_s, mean, mean - half, mean + half)


def _values(series: Series, start_s: float, end_s: float, times_s: Array) -> Array:
    values = at_times(series, start_s + times_s)
    values[times_s >= end_s - start_s] = np.nan
    return values


def _average(occurrences: Sequence[Array]) -> Array:
    stacked = np.stack(occurrences)
    n = (~np.isnan(stacked)).sum(axis=0)
    total = np.nansum(stacked, axis=0)
    return np.divide(total, n, out=np.full((stacked.shape[1], len(AXES)), np.nan), where=n > 0)
