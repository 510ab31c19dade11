"""Agreement of two series, such as predicted valence and the truth: CCC, PCC, RMSE and SAGR; ICC of several raters.

Those of two series take two arrays of one shape with n values and return one float. Variances are population variances
(divided by n), as in the published figures that these are compared with.
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


def icc(ratings: ArrayLike) -> tuple[float, float]:
    """ICC(2,1) and ICC(2,k) of Shrout and Fleiss (1979): absolute agreement of single ratings, and of their mean.

    McGraw and Wong (1996) call them ICC(A,1) and ICC(A,k). `ratings` [n, k] of k >= 2 raters without nan; nan for fewer
    than two values, or if nothing varies.
    """
    values = np.asarray(ratings, np.float64)
    n, k = values.shape
    if n < 2:
        return float("nan"), float("nan")
    centred = values - values.mean()
    rows, columns = centred.mean(axis=1), centred.mean(axis=0)
    between = k * float(rows @ rows) / (n - 1)
    raters = n * float(columns @ columns) / (k - 1)
    residual = centred - rows[:, None] - columns
    error = float((residual**2).sum()) / ((n - 1) * (k - 1))
    single = between + (k - 1) * error + k * (raters - error) / n
    of_mean = between + (raters - error) / n
    return tuple(  # type: ignore[return-value]
        (between - error) / spread if spread > 1e-12 else float("nan") for spread in (single, of_mean)
    )


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
