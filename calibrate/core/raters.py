"""Several raters of one recording: their labels at common times, how far they agree, and their mean.

Agreement is that of single ratings, ICC(2,1) (Shrout and Fleiss 1979), that of the mean of these raters, ICC(2,k), and
the mean CCC of all pairs (Lin 1989). Labels of one recording depend on each other: there is no p value here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from mtclar.engine.errors import UsageError
from mtclar.engine.estimate.metrics import ccc, icc
from mtclar.stream.label_formats.label_file import Label

SAME_TIME_S = 0.1  # labels that are this close are of the same moment
DIGITS = 4

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class AxisAgreement:
    """The agreement of valence or arousal; nan where nothing varies."""

    ccc: float  # mean over all pairs of raters
    icc: float  # ICC(2,1): of single ratings
    icc_mean: float  # ICC(2,k): of the mean of these raters


@dataclass(frozen=True, slots=True, eq=False)
class CommonRatings:
    """The ratings of k >= 2 raters at the n >= 1 moments that all of them rated."""

    raters: tuple[str, ...]  # [k]
    times_s: Array  # [n]
    values: Array  # [n, k, 2]

    @property
    def agreement(self) -> tuple[AxisAgreement, AxisAgreement]:
        """Of valence and of arousal."""
        valence, arousal = (_agreement(self.values[:, :, axis]) for axis in range(2))
        return valence, arousal

    @property
    def mean(self) -> tuple[Label, ...]:
        """The mean of the raters, as labels."""
        means = self.values.mean(axis=1).round(DIGITS)
        return tuple(
            Label(float(t_s), float(v) + 0.0, float(a) + 0.0)
            for t_s, (v, a) in zip(self.times_s, means, strict=True)
        )


def _agreement(ratings: Array) -> AxisAgreement:
    pairs = [ccc(ratings[:, i], ratings[:, j]) for i, j in combinations(range(ratings.shape[1]), 2)]
    single, of_mean = icc(ratings)
    return AxisAgreement(float(np.mean(pairs)), single, of_mean)


def common_ratings(raters: Sequence[tuple[str, Sequence[Label]]]) -> CommonRatings:
    """The moments that every rater (name, labels) rated: those of the one with the fewest labels.

    Raises UsageError for fewer than two raters, and if they have no moment in common.
    """
    if len(raters) < 2:
        raise UsageError("agreement needs at least two raters", "name the label files of two or more")
    tables = [
        np.array(sorted((one.time_s, one.valence, one.arousal) for one in labels)).reshape(-1, 3)
        for _, labels in raters
    ]
    times_s = min(tables, key=len)[:, 0]
    values = np.full((len(times_s), len(tables), 2), np.nan)
    for column, table in enumerate(tables):
        if len(table) == 0 or len(times_s) == 0:
            continue
        nearest = np.abs(table[:, 0][None] - times_s[:, None]).argmin(axis=1)
        there = np.abs(table[nearest, 0] - times_s) <= SAME_TIME_S
        values[there, column] = table[nearest[there], 1:]
    common = ~np.isnan(values).any(axis=(1, 2))
    if not common.any():
        raise UsageError(
            "the raters have no moment in common",
            f"rate the same frames, or all of the recording: labels within {SAME_TIME_S:g} s count as of one moment",
        )
    return CommonRatings(tuple(name for name, _ in raters), times_s[common], values[common])
