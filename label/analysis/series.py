"""The series of one face in one recording: times, values and states, without the columns that nothing here needs."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Texts = NDArray[np.str_]

AXES = ("valence", "arousal")
NO_TEXTS: Texts = np.empty(0, np.str_)
MEASURED = ("", "ok", "labelled", "between")
"""States whose values were measured in this frame or beside it; `held` and gated values repeat older ones."""

MAX_GAP = 2.5
"""Periods between two frames that still follow on each other: further apart, frames are missing."""

SAME_TIME_S = 1e-3
"""Times that differ by less are the same."""


class Key(NamedTuple):
    """Whose series it is. Empty: the table does not say."""

    recording: str  # the table's file, without its suffix
    participant: str = ""
    session: str = ""
    stream: str = ""
    face: str = ""  # whose support set was used, otherwise the number of the track

    def __str__(self) -> str:
        """For messages: all that is known."""
        return self.named(("participant", "session", "stream", "face"))

    def named(self, fields: Iterable[str]) -> str:
        """The recording, and these fields where they are filled."""
        known = [(name, getattr(self, name)) for name in fields]
        return ", ".join([self.recording, *(f"{name} {text}" for name, text in known if text)])


def names_of(keys: Sequence[Key]) -> dict[Key, str]:
    """Short names: the recording, and of several in one recording what tells them apart."""
    names = {}
    for key in keys:
        others = [other for other in keys if other.recording == key.recording]
        differing = [name for name in Key._fields[1:] if len({getattr(other, name) for other in others}) > 1]
        names[key] = key.named(differing)
    return names


@dataclass(frozen=True, eq=False)  # no slots: the cached properties
class Series:
    """n frames in order of time; nan: no value."""

    key: Key
    times_s: Array  # [n] from the first frame, rising
    values: Array  # [n, 2] valence and arousal; nan where they were not measured
    sds: Array  # [n, 2]; nan where the table has none
    state: Texts  # [n]
    drift: Texts  # [n] reasons; empty without drift
    faults: Texts  # [n] reasons of low quality
    marks: Texts  # [n] labels of marks before this frame
    unix_s: Array = field(default_factory=lambda: np.empty(0))  # [n], or empty where the table has none
    group: str = ""  # of the column that the caller groups by
    caveats: Texts = field(default_factory=lambda: NO_TEXTS)  # [n], or empty where the table has none

    def __len__(self) -> int:
        return len(self.times_s)

    @cached_property
    def valid(self) -> NDArray[np.bool_]:
        """[n] whether both axes have a value; of an axis without any, the other counts alone."""
        there = ~np.isnan(self.values)
        return np.asarray((there | ~there.any(axis=0)).all(axis=1) & there.any(axis=1))

    @cached_property
    def period_s(self) -> float:
        """Median time between frames; nan with fewer than two."""
        return float(np.median(np.diff(self.times_s))) if len(self) > 1 else float("nan")

    @cached_property
    def durations_s(self) -> Array:
        """[n] until the next frame; the last one, and one before a gap, lasts one period."""
        if len(self) < 2:
            return np.zeros(len(self))
        steps = np.append(np.diff(self.times_s), self.period_s)
        return np.where(steps > MAX_GAP * self.period_s, self.period_s, steps)

    def __getitem__(self, rows: NDArray[np.bool_] | slice) -> "Series":
        """Some of the frames."""
        chosen = {
            name: getattr(self, name)[rows]
            for name in ("times_s", "values", "sds", "state", "drift", "faults", "marks")
        }
        for name in ("unix_s", "caveats"):
            whole = getattr(self, name)
            chosen[name] = whole[rows] if len(whole) else whole
        return replace(self, **chosen)

    @cached_property
    def caveat_share(self) -> float:
        """Share of the frames with a value of their own that have a caveat; nan where that is not known."""
        own = self.valid & (self.state != "between")
        return float((self.caveats[own] != "").mean()) if len(self.caveats) and own.any() else float("nan")


def series_of(key: Key, times_s: Array, values: Array, sds: Array | None = None) -> Series:
    """A series with nothing but times [n], values [n, 2] and perhaps sd [n, 2]; in order of time."""
    order = np.argsort(times_s, kind="stable")
    blank = np.full(len(times_s), "", dtype=np.str_)
    no_sds = np.full_like(values, np.nan)
    return Series(
        key, times_s[order], values[order], no_sds if sds is None else sds[order], blank, blank, blank, blank
    )


def at_times(series: Series, times_s: Array) -> Array:
    """Values [n, 2] at other times [n], interpolated between neighbours that are no gap apart; nan elsewhere."""
    found = np.full((len(times_s), 2), np.nan)
    period_s = series.period_s if len(series) > 1 else SAME_TIME_S
    for axis in range(2):
        there = ~np.isnan(series.values[:, axis])
        known_s, known = series.times_s[there], series.values[there, axis]
        if not known.size:
            continue
        after = np.clip(np.searchsorted(known_s, times_s), 1, max(1, len(known_s) - 1))
        before = after - 1
        after = np.minimum(after, len(known_s) - 1)
        exact = np.minimum(np.abs(known_s[before] - times_s), np.abs(known_s[after] - times_s)) <= SAME_TIME_S
        between = (known_s[before] <= times_s) & (times_s <= known_s[after])
        near = known_s[after] - known_s[before] <= MAX_GAP * period_s
        values = np.interp(times_s, known_s, known)
        found[:, axis] = np.where(exact | (between & near), values, np.nan)
    return found
