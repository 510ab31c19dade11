"""Active learning: which of many unlabelled faces a person should label next.

The strategy `error` is the one meant for use: the face whose label is expected to reduce the error over all faces most,
by the Gaussian process that later uses the labels (residual_gp). A label informs about every face that is similar to
the encoder, so its worth is a sum over them; the label's value is not needed. `farthest`, `evenly` and `random` are the
baselines; docs/results/active-choice.md has the measurement, and where `error` does not beat them.

    proposals = propose(tracker.encode(crops), support, count=3)  # best first; `index` is the row of the face

Method: expected error reduction, Roy & McCallum, Toward Optimal Active Learning, ICML 2001, with the squared error of a
Gaussian process as in Cohn, Ghahramani & Jordan, Active Learning with Statistical Models, JAIR 1996. Baseline: greedy
k-centre, Gonzalez 1985 (Sener & Savarese, arXiv:1708.00489).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtclar.engine.data_types import Encoded
from mtclar.engine.errors import UsageError
from mtclar.engine.estimate.comparer import CompareParams, bundled_params, labelled_faces
from mtclar.engine.estimate.residual_gp import (
    KernelParams,
    LabelledFaces,
    ResidualGp,
    ResidualPrior,
    outlier_weights,
    unit,
)
from mtclar.engine.support_set import SupportSet

Array = NDArray[np.float64]
Rows = NDArray[np.int64]

MAX_REFERENCES = 500  # faces that the error is summed over, evenly spread: the cost is this times all faces


@dataclass(frozen=True, slots=True)
class Proposal:
    """One face that should be labelled."""

    index: int  # row of the face
    gain: float  # share of the expected squared error over all faces that its label removes; 0 for the baselines


@dataclass(frozen=True, slots=True, eq=False)
class Pool:
    """The faces to choose from, and what a strategy may use."""

    faces: Encoded  # B faces in order of time
    support: SupportSet | None  # labelled already
    allowed: NDArray[np.bool_]  # [B] which may be labelled
    params: CompareParams
    seed: int  # of the strategy `random`


def propose(
    faces: Encoded,
    support: SupportSet | None = None,
    count: int = 1,
    *,
    strategy: str = "error",
    allowed: NDArray[Any] | None = None,
    params: CompareParams | None = None,
    seed: int = 0,
) -> list[Proposal]:
    """Up to `count` of B unlabelled faces, best first, none twice; fewer when fewer are allowed.

    `faces` are in order of time and represent those still to come. `support` holds what is labelled already.
    `allowed` [B] leaves out faces that cannot be labelled (a poor picture), which still count for the error. Later
    proposals take the earlier ones as labelled. `seed` is for the strategy `random`. Raises UsageError for an unknown
    strategy.
    """
    if strategy not in STRATEGIES:
        raise UsageError(
            f"there is no way to choose frames called '{strategy}'", f"one of: {', '.join(STRATEGIES)}"
        )
    size = len(faces)
    may = np.ones(size, bool) if allowed is None else np.asarray(allowed, bool)
    count = min(count, int(may.sum()))
    if count <= 0:
        return []
    return STRATEGIES[strategy](Pool(faces, support, may, params or bundled_params(), seed), count)


class ExpectedError:
    """The expected squared error of the estimates of B faces, and how much one more label would reduce it.

    The covariance of residuals is the mean over the mixture components by posterior weight; the error is that of the
    best linear estimate under it. That a label also changes those weights is left out. A labelled face does not
    count: these faces represent others that are still to come.
    """

    def __init__(self, faces: Encoded, support: SupportSet | None, params: CompareParams) -> None:
        known = labelled_faces(support, params)
        # Their residuals are unknown: zeros.
        unlabelled = LabelledFaces.of(faces.embedding, faces.absolute, faces.absolute)
        both = LabelledFaces(
            np.concatenate([known.unit, unlabelled.unit]) if len(known) else unlabelled.unit,
            np.concatenate([known.length, unlabelled.length]),
            np.concatenate([known.absolute, unlabelled.absolute]),
            np.concatenate([known.residual, unlabelled.residual]),
        )
        self._first = len(known)
        summed_over = self._first + _spread(len(unlabelled), MAX_REFERENCES)
        self._axes = [
            _Axis(both, summed_over, known, prior, params.kernel, axis)
            for axis, prior in enumerate(params.priors)
        ]
        for row in range(self._first):
            for axis in self._axes:
                axis.label(row)

    @property
    def squared(self) -> tuple[float, float]:
        """Expected squared error of valence and of arousal, the mean over the faces; no label can remove all of it.

        0 when every face is labelled.
        """
        valence, arousal = (axis.error() for axis in self._axes)
        return valence, arousal

    def gains(self) -> Array:
        """[B] by how much labelling each face would lower the part of the others in `squared`, V and A together."""
        return np.asarray(sum(axis.gains()[self._first :] for axis in self._axes))

    def label(self, index: int) -> None:
        """Counts face `index` as labelled, whatever the label's value."""
        for axis in self._axes:
            axis.label(self._first + index)


class _Axis:
    """Covariances of one dimension, as they are after the labels so far; n faces, R of them summed over."""

    def __init__(
        self,
        faces: LabelledFaces,
        references: Rows,
        known: LabelledFaces,
        prior: ResidualPrior,
        kernel: KernelParams,
        axis: int,
    ) -> None:
        posterior = ResidualGp(known, prior, kernel, axis).posterior
        self._offset, self._gain, self._local, self._noise = (
            float(posterior @ column) for column in prior.columns()[:4]
        )
        self._kernel, self._scale = kernel, prior.sd_scale**2
        self._unit, self._a = faces.unit, faces.absolute[:, axis]
        self._h = prior.noise_scale(faces.length, faces.absolute, kernel, axis)
        outlier = np.ones(len(faces))
        outlier[: len(known)] = outlier_weights(known, prior, self._h[: len(known)], axis)
        self._root_outlier = np.sqrt(outlier)
        correlated = self._h**2 * (self._local + self._noise * kernel.near_share * outlier)
        self._variance = self._offset + self._gain * self._a**2 + correlated  # [n] that other faces share
        self._own = self._noise * (1.0 - kernel.near_share) * outlier * self._h**2  # [n] a label's own noise
        self._white = np.zeros((0, len(faces)))  # rows of the Cholesky factor of what was labelled
        self._references = references  # [R]
        self._shared = self._prior(references)  # [R, n]

    def _prior(self, rows: Rows) -> Array:
        """Covariance [m, n] of m faces with all, before any label and without the labels' own noise."""
        distance = self._unit[rows] @ self._unit.T - 1.0
        correlated = self._local * np.exp(distance / self._kernel.tau)
        shared = self._noise * self._kernel.near_share * np.exp(distance / self._kernel.near_tau)
        correlated += shared * np.outer(self._root_outlier[rows], self._root_outlier)
        same = self._offset + self._gain * np.outer(self._a[rows], self._a)
        return np.asarray(same + np.outer(self._h[rows], self._h) * correlated)

    def label(self, row: int) -> None:
        """One step of a Cholesky factorisation: conditions the covariance on the label of `row`."""
        left = self._prior(np.array([row]))[0] - self._white[:, row] @ self._white
        white = left / np.sqrt(self._variance[row] + self._own[row])
        self._white = np.vstack([self._white, white])
        self._variance = np.maximum(self._variance - white**2, 0.0)
        self._shared -= np.outer(white[self._references], white)
        others = self._references != row
        self._references, self._shared = self._references[others], self._shared[others]

    def gains(self) -> Array:
        """[n] how much labelling each face would reduce the mean variance over the R faces, its own share left out."""
        reduction = self._shared**2
        reduction[np.arange(len(self._references)), self._references] = 0.0
        total = np.maximum(self._variance + self._own, 1e-12)
        return np.asarray(self._scale * reduction.sum(0) / (max(len(self._references), 1) * total))

    def error(self) -> float:
        """Mean variance over the R faces, the own noise of their labels included."""
        of = self._references
        return float(self._scale * (self._variance[of] + self._own[of]).sum() / max(len(of), 1))


def by_expected_error(pool: Pool, count: int) -> list[Proposal]:
    """Greedily the face whose label reduces the expected error over all faces most."""
    expected, free = ExpectedError(pool.faces, pool.support, pool.params), pool.allowed.copy()
    found = []
    for _ in range(count):
        gains, before = expected.gains(), sum(expected.squared)
        index = int(np.where(free, gains, -1.0).argmax())
        found.append(Proposal(index, float(gains[index] / before) if before else 0.0))
        free[index] = False
        expected.label(index)
    return found


def by_distance(pool: Pool, count: int) -> list[Proposal]:
    """The face farthest from every labelled one by the cosine of embeddings; without any, the most central first."""
    known, free, found = unit(pool.faces.embedding), pool.allowed.copy(), []
    labelled = known.mean(0, keepdims=True) if pool.support is None else unit(pool.support.embeddings)
    nearest = (known @ labelled.T).max(1)  # cosine to the nearest labelled face
    if pool.support is None:
        index = int(np.where(free, nearest, -np.inf).argmax())
        nearest = known @ known[index]
        free[index] = False
        found.append(Proposal(index, 0.0))
    while len(found) < count:
        index = int(np.where(free, nearest, np.inf).argmin())
        nearest = np.maximum(nearest, known @ known[index])
        free[index] = False
        found.append(Proposal(index, 0.0))
    return found


def evenly(pool: Pool, count: int) -> list[Proposal]:
    """The middles of equal stretches of time, in order of time: 'every 20th' for as many labels as a clip gives."""
    free = np.flatnonzero(pool.allowed)
    return [Proposal(int(index), 0.0) for index in free[_spread(len(free), count)]]


def at_random(pool: Pool, count: int) -> list[Proposal]:
    """Any faces."""
    free = np.flatnonzero(pool.allowed)
    return [Proposal(int(index), 0.0) for index in np.random.default_rng(pool.seed).permutation(free)[:count]]


STRATEGIES: Mapping[str, Callable[[Pool, int], list[Proposal]]] = {
    "error": by_expected_error,
    "farthest": by_distance,
    "evenly": evenly,
    "random": at_random,
}


def _spread(size: int, count: int) -> Rows:
    """`count` of `size` rows, the middles of equal stretches; all rows when there are no more than `count`."""
    count = min(size, count)
    return ((np.arange(count) + 0.5) * size / max(count, 1)).astype(np.int64)
