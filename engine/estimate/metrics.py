"""Agreement of predicted valence or arousal with the truth: CCC, PCC, RMSE and SAGR of two series.

All take two arrays of one shape with n values and return one float. Variances are population variances (divided by n),
as in the published figures that these are compared with.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Z_90 = 1.6449
"""Half-width of the 90 % interval of a normal distribution, in standard deviations."""


def ccc(predicted: ArrayLike, truth: ArrayLike) -> float:
    """Concordance correlation coefficient (Lin 1989): 1 only where the series are equal, 0 for a constant prediction.

    2 cov / (var_p + var_t + (mean_p - mean_t)^2), in [-1, 1]; nan when both series are the same constant.
    """
    p, t = _series(predicted, truth)
    p0, t0 = _centred(p), _centred(t)
    spread = np.mean(p0**2) + np.mean(t0**2) + (p.mean() - t.mean()) ** 2
    return _ratio(float(2 * np.mean(p0 * t0)), float(spread))


def pcc(predicted: ArrayLike, truth: ArrayLike) -> float:
    """Pearson correlation, in [-1, 1]: blind to offset and scale; nan when either series is constant."""
    p, t = _series(predicted, truth)
    p0, t0 = _centred(p), _centred(t)
    return _ratio(float(np.mean(p0 * t0)), float(np.sqrt(np.mean(p0**2) * np.mean(t0**2))))


def rmse(predicted: ArrayLike, truth: ArrayLike) -> float:
    """Root of the mean squared error, in the unit of the values."""
    p, t = _series(predicted, truth)
    return float(np.sqrt(np.mean((p - t) ** 2)))


def sagr(predicted: ArrayLike, truth: ArrayLike) -> float:
    """Sign agreement (Nicolaou et al. 2011): share of equal signs, in [0, 1]; zero agrees only with zero."""
    p, t = _series(predicted, truth)
    return float(np.mean(np.sign(p) == np.sign(t)))


def _series(predicted: ArrayLike, truth: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    p, t = np.asarray(predicted, np.float64), np.asarray(truth, np.float64)
    if p.shape != t.shape or not p.size:
        raise ValueError(
            f"two series of one shape and at least one value needed, got {p.shape} and {t.shape}"
        )
    return p.ravel(), t.ravel()


def _centred(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Less their mean; exactly zero for a constant, whose mean may differ from it by rounding."""
    return np.zeros_like(values) if values.min() == values.max() else values - values.mean()


def _ratio(numerator: float, denominator: float) -> float:
    return numerator / denominator if denominator > 0 else float("nan")
