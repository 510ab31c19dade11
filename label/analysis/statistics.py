"""Statistics of one axis or of the affect plane in one segment, as functions of arrays; nan is no value.

Frames count equally, apart from times in quadrants, which are in seconds.
"""

import numpy as np
from numpy.typing import NDArray

from mtclar.label.analysis.series import Array

QUANTILES = (0.05, 0.25, 0.75, 0.95)
QUADRANTS = ("pleasant_activated", "unpleasant_activated", "unpleasant_deactivated", "pleasant_deactivated")
"""In the order of the angle; zero is pleasant and activated."""

MIN_FOR_SLOPE = 2


def effective_n(values: Array) -> float:
    """Number of independent values [n] with the same standard error of the mean; nan without a value.

    Neighbouring frames resemble each other, so n / (1 + 2 * sum of autocorrelations), over Geyer's (1992) initial
    positive sequence: pairs of lags up to the first pair whose sum is not positive. Missing values are left out of each
    lag. Between 1 and the number of values; that number itself for a constant, which says nothing of its correlation.
    """
    there = ~np.isnan(values)
    n = int(there.sum())
    if n < 3:
        return float(n) if n else float("nan")
    autocorrelation = _autocorrelation(values, there)
    if autocorrelation is None:
        return float(n)
    pairs = autocorrelation[: len(autocorrelation) // 2 * 2].reshape(-1, 2).sum(axis=1)  # lags 0+1, 2+3, ...
    ends = np.flatnonzero(~(pairs > 0))
    positive = pairs[: ends[0]] if len(ends) else pairs
    inflation = 2 * positive.sum() - 1
    return float(np.clip(n / inflation, 1.0, n)) if inflation > 0 else float(n)


def _autocorrelation(values: Array, there: NDArray[np.bool_]) -> Array | None:
    """At lags 0 ... n - 1, by FFT; None for a constant."""
    mean = values[there].mean()
    centred = np.where(there, values - mean, 0.0)
    if values[there].min() == values[there].max():
        return None
    size = 2 ** int(np.ceil(np.log2(2 * len(values))))

    def sums(series: Array) -> Array:
        spectrum = np.fft.rfft(series, size)
        return np.fft.irfft(spectrum * spectrum.conj(), size)[: len(values)]

    pairs = np.round(sums(there.astype(np.float64)))  # with both values, at each lag
    complete = len(values) - np.arange(len(values))
    mean_product = np.divide(sums(centred), pairs, out=np.zeros_like(pairs), where=pairs > 0)
    covariance = mean_product * complete / len(values)  # long lags, from few pairs, weigh less
    return covariance / covariance[0]


def slope(times_s: Array, values: Array) -> float:
    """Least-squares slope per second; nan with fewer than two values, or all of them at one time."""
    there = ~np.isnan(values)
    if there.sum() < MIN_FOR_SLOPE:
        return float("nan")
    t = times_s[there] - times_s[there].mean()
    spread = float(t @ t)
    return float(t @ (values[there] - values[there].mean())) / spread if spread > 0 else float("nan")


def quadrant_seconds(values: Array, durations_s: Array) -> dict[str, float]:
    """Time in each of QUADRANTS; frames [n, 2] that last `durations_s` [n]. One without both values counts nowhere."""
    valence, arousal = values.T
    there = ~np.isnan(values).any(axis=1)
    pleasant, activated = valence >= 0, arousal >= 0
    masks = (pleasant & activated, ~pleasant & activated, ~pleasant & ~activated, pleasant & ~activated)
    return {name: float(durations_s[there & mask].sum()) for name, mask in zip(QUADRANTS, masks, strict=True)}


def axis_statistics(times_s: Array, values: Array) -> dict[str, float]:
    """The statistics of one axis: times [n] from the beginning of the recording, values [n]; all nan without a value.

    `peak` is the value farthest from 0, and `peak_time` its time; of equal ones the first. `sd` divides by n - 1.
    `slope_per_min`: least squares. `mean_se`: sd / sqrt(effective_n).
    """
    there = ~np.isnan(values)
    known = values[there]
    if not known.size:
        return dict.fromkeys(AXIS_STATISTICS, float("nan"))
    n, peak = effective_n(values), int(np.argmax(np.abs(known)))
    sd = float(known.std(ddof=1)) if known.size > 1 else float("nan")
    low, lower, upper, high = (float(q) for q in np.quantile(known, QUANTILES))
    found = (
        known.mean(), sd, sd / np.sqrt(n), n, np.median(known), low, lower, upper, high, known.min(), known.max(),
        60 * slope(times_s, values), known[peak], times_s[there][peak],
    )  # fmt: skip
    return {name: float(value) for name, value in zip(AXIS_STATISTICS, found, strict=True)}


AXIS_STATISTICS = (
    *("mean", "sd", "mean_se", "effective_n", "median"),
    *(f"q{100 * share:02.0f}" for share in QUANTILES),
    *("min", "max", "slope_per_min", "peak", "peak_time"),
)
