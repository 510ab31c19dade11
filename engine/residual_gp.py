"""A Gaussian process on what the absolute head gets wrong for one person, learned from a handful of labelled frames.

The residual of support frame i is r_i = label_i - absolute_i, valence and arousal apart. Its covariance is

    cov(r_i, r_j) = local * exp((cos(x_i, x_j) - 1) / tau) + offset + noise * [i = j]

on embeddings x: `local` is the error shared by faces that look alike to the encoder, `offset` the error that this
person's labels have everywhere, `noise` what one label adds by itself. How much of a support set to believe is not
fixed: the three variances have a prior (docs/few-shot.md says what it was measured on), every combination on a small
grid around it is weighted by how well it explains this support set (its marginal likelihood), and the estimate is the
weighted mean over the grid. So one label changes little, and twenty consistent ones that contradict the encoder win.

Equations: Rasmussen & Williams, Gaussian Processes for Machine Learning, 2006: 2.25-2.26 (posterior), 2.30 (marginal
likelihood), 5.12 (leave-one-out).
"""

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Embeddings = NDArray[np.floating[Any]]

GRID_Z = (
    -2.0,
    -1.0,
    0.0,
    1.0,
    2.0,
)  # where the prior of each variance is sampled, in its standard deviations


@dataclass(frozen=True, slots=True)
class Variance:
    """Log-normal prior of one variance, in V/A units squared."""

    centre: float
    spread: float  # standard deviation between people, in octaves


@dataclass(frozen=True, slots=True)
class ResidualPrior:
    """What is known of a person's residuals in one dimension before any label of theirs."""

    local: Variance
    offset: Variance
    noise: Variance

    def grid(self) -> tuple[Array, Array, Array, Array]:
        """local, offset, noise and log weight (unnormalised) of the G combinations, [G] each."""
        z = np.array(list(itertools.product(GRID_Z, repeat=3)))  # [G, 3]
        axes = (self.local, self.offset, self.noise)
        local, offset, noise = (axis.centre * 2.0 ** (axis.spread * z[:, i]) for i, axis in enumerate(axes))
        return local, offset, noise, -0.5 * (z**2).sum(1)

    @property
    def sd(self) -> float:
        """How far a label of a new person lies from the absolute head."""
        local, offset, noise, log_weight = self.grid()
        return float(np.sqrt(_softmax(log_weight, axis=0) @ (local + offset + noise)))


class Kernel:
    """exp((cos - 1) / tau) between embeddings and those of a support set, with its eigenvectors, made once."""

    def __init__(self, support: Embeddings, tau: float) -> None:
        self._unit = unit(support)  # [N, D]
        self._tau = tau
        self.eigenvalues, self.eigenvectors = np.linalg.eigh(self(support))  # [N], [N, N]
        self.eigenvalues = np.maximum(self.eigenvalues, 0.0)  # rounding leaves some a little below zero

    def __call__(self, query: Embeddings) -> Array:
        """query [B, D] -> [B, N], each in (0, 1]."""
        return np.exp((unit(query) @ self._unit.T - 1.0) / self._tau)

    def covered(self, query: Embeddings, jitter: float) -> Array:
        """query [B, D] -> [B] in [0, 1): the share of the local variance that noise-free labels would settle."""
        rotated = self(query) @ self.eigenvectors  # [B, N]
        return (rotated**2 / (self.eigenvalues + jitter)).sum(1)


class ResidualGp:
    """Residuals of one dimension on a support set [N] -> mean and variance for any query; N = 0 gives the prior.

    Everything is kept in the kernel's eigenbasis, where each of the G combinations is a diagonal and a rank-one term:
    K^-1 = diag(1 / d) - shrink v v^T (Sherman-Morrison). So a query costs a few products with [N, G] and [N, N].
    """

    def __init__(self, kernel: Kernel, residuals: Array, prior: ResidualPrior) -> None:
        self._local, self._offset, noise, log_prior = prior.grid()  # [G]
        self._basis = kernel.eigenvectors
        self._residuals = residuals
        d = self._local[:, None] * kernel.eigenvalues + noise[:, None]  # [G, N]
        z, u = self._basis.T @ residuals, self._basis.sum(0)  # [N] residuals and the vector of ones, rotated
        v = u / d  # [G, N]
        s = 1.0 + self._offset * (v @ u)  # [G]
        self._inverse_d, self._v, self._uv = 1.0 / d, v, v @ u
        self._shrink = self._offset / s
        alpha = z / d - (self._shrink * (v @ z))[:, None] * v  # [G, N] K^-1 r
        self._log_weight = log_prior - 0.5 * (alpha @ z + np.log(d).sum(1) + np.log(s))
        self._weight = _softmax(self._log_weight, axis=0)  # [G]

        # Variance of combination g: local + offset + noise - k^T K^-1 k, where k = local e + offset at kernel vector e.
        a = self._weight * self._local**2
        self._quadratic = (v.T * (a * self._shrink)) @ v - np.diag(a @ self._inverse_d)  # [N, N]
        self._linear = -2.0 * (self._weight * self._local * self._shrink) @ v  # [N]
        self._constant = float(self._weight @ (self._local + noise + self._shrink))

    def __call__(self, kernel_rows: Array, residuals: Array) -> tuple[Array, Array]:
        """Kernel rows and residuals, both [B, N] -> mean residual [B] and variance [B] of a label, its noise included.

        A query may bring residuals of its own: label_i + delta_i - absolute, where the pair graph says delta_i.
        """
        e, z = kernel_rows @ self._basis, residuals @ self._basis  # [B, N]
        through_v = self._shrink * (self._local * (e @ self._v.T) + self._offset * self._uv)  # [B, G]
        across = self._local * ((e * z) @ self._inverse_d.T) + self._offset * (z @ self._v.T)
        means = across - through_v * (z @ self._v.T)  # [B, G]
        mean = means @ self._weight
        spread = (means - mean[:, None]) ** 2 @ self._weight
        return mean, ((e @ self._quadratic) * e).sum(1) + e @ self._linear + self._constant + spread

    def leave_one_out(self, residuals: Array) -> tuple[Array, Array]:
        """Mean [N] and variance [N] at each support frame given all the others: the closed form of N refits.

        residuals [N, N]: row i is what frame i would bring as a query.
        """
        means, variances, log_density = [], [], []
        for inverse_d, v, shrink in zip(self._inverse_d, self._v, self._shrink, strict=True):
            rotated = self._basis @ v
            precision = (self._basis * inverse_d) @ self._basis.T - shrink * np.outer(
                rotated, rotated
            )  # [N, N]
            own = np.diag(precision)
            error = precision @ self._residuals / own  # [N] residual less what the others say of it
            means.append(np.diag(residuals) - (precision * residuals).sum(1) / own)
            variances.append(1.0 / own)
            log_density.append(-0.5 * (error**2 * own - np.log(own)))
        # Without frame i, the grid is weighted by what the others alone say of it.
        weight = _softmax(self._log_weight[:, None] - np.array(log_density), axis=0)  # [G, N]
        mean = (weight * means).sum(0)
        return mean, (weight * (np.array(variances) + (np.array(means) - mean) ** 2)).sum(0)


def unit(embeddings: Embeddings) -> Array:
    """Rows of length one in float64; a row of zeros stays zero."""
    rows = np.asarray(embeddings, np.float64)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


def _softmax(logits: Array, axis: int) -> Array:
    shifted = np.exp(logits - logits.max(axis=axis, keepdims=True))
    return shifted / shifted.sum(axis=axis, keepdims=True)
