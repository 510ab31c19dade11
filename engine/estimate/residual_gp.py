"""A Gaussian process on the residuals of the absolute head for one person, from a handful of labelled frames.

The residual of labelled face i is r_i = label_i - absolute_i, valence and arousal apart. Its covariance is

    cov(r_i, r_j) = offset + gain a_i a_j + h_i h_j (local exp((c - 1) / tau) + noise S_ij),
    S_ij = sqrt(f_i f_j) (near_share exp((c - 1) / near_tau) + (1 - near_share) [i = j])

with c = cos(x_i, x_j) of the embeddings and a the absolute values. `offset` and `gain` are differences between this
person's labels and the encoder's values that hold everywhere; `local` is the error shared by faces that are similar to
the encoder; `noise` is the error of one label, which nearly equal images share. The noise scale h_i falls with the
length of the embedding, which is short where the encoder is uncertain. f_i is the outlier weight, 1 or more.

The variances (offset, gain, local, noise) are a mixture of a few components with prior weights (measured in
docs/results/few-shot.md). Each is weighted by its marginal likelihood on this support set, and the estimate is the
mean over all. So one label changes little; five consistent ones that contradict the encoder win. An outlier among the
labels is trusted less elsewhere, as if the noise had Student's distribution (one step of reweighted least squares).

Equations: Rasmussen & Williams, Gaussian Processes for Machine Learning, 2006: 2.25-2.26 (posterior), 2.30 (marginal
likelihood); Lange et al., Robust statistical modeling using the t distribution, 1989 (weights).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtclar.engine.estimate.class_centres import class_variance

Array = NDArray[np.float64]
Embeddings = NDArray[np.floating[Any]]

NEGLIGIBLE = 1e-4  # posterior weight below which a component is left out


@dataclass(frozen=True, slots=True)
class KernelParams:
    """The kernels between two faces; the same for valence and arousal."""

    tau: float  # length scale of local errors, in 1 - cosine
    near_tau: float  # length scale of the noise that nearly equal images share
    near_share: float  # share of the noise that they share
    typical_length: float  # length of an embedding at which h = 1


@dataclass(frozen=True, slots=True)
class MixtureComponent:
    """One component of the mixture: variances of residuals in V/A units squared, and its prior weight."""

    offset: float
    gain: float
    local: float
    noise: float
    weight: float


@dataclass(frozen=True, slots=True)
class ResidualPrior:
    """The prior of a person's residuals in one dimension."""

    components: tuple[MixtureComponent, ...]
    # h = (length / typical length) ** -length_power * sqrt(1 + class_spread * class_variance)
    length_power: float
    class_spread: float
    typical_variance: float  # of r / h; labels many times beyond it are outliers
    tail: float  # degrees of freedom of Student's distribution
    sd_scale: float  # factor on the process's sd that makes its intervals hold

    def columns(self) -> tuple[Array, Array, Array, Array, Array]:
        """offset, gain, local, noise, weight of the G components, [G] each; the weights sum to 1."""
        rows = [(c.offset, c.gain, c.local, c.noise, c.weight) for c in self.components]
        offset, gain, local, noise, weight = np.array(rows, np.float64).T
        return offset, gain, local, noise, weight / weight.sum()

    def noise_scale(self, length: Array, absolute: Array, kernel: KernelParams, axis: int) -> Array:
        """h [B] of faces whose embeddings have these lengths [B], from their absolute values [B, 2]."""
        return self.scale_of(length, class_variance(absolute)[:, axis], kernel)

    def scale_of(self, length: Array, variance: Array, kernel: KernelParams) -> Array:
        """h [B] from these lengths and the variances [B] of the classes that may be meant."""
        ratio = np.maximum(length / kernel.typical_length, 0.05)  # no division by zero for an empty embedding
        return np.asarray(ratio**-self.length_power * np.sqrt(1.0 + self.class_spread * variance))

    def sd(self, length: Array, absolute: Array, kernel: KernelParams, axis: int) -> Array:
        """Sd [B] of a new person's labels around the absolute values [B, 2] of faces."""
        offset, gain, local, noise, weight = self.columns()
        h2 = self.noise_scale(length, absolute, kernel, axis) ** 2
        variance = weight @ offset + weight @ gain * absolute[:, axis] ** 2 + (weight @ (local + noise)) * h2
        return np.asarray(self.sd_scale * np.sqrt(variance))


@dataclass(frozen=True, slots=True, eq=False)
class LabelledFaces:
    """M labelled faces."""

    unit: Array  # [M, D] embeddings of length one
    length: Array  # [M] that they had
    absolute: Array  # [M, 2]
    residual: Array  # [M, 2] label less absolute value

    @classmethod
    def of(cls, embeddings: Embeddings, absolute: NDArray[Any], labels: NDArray[Any]) -> "LabelledFaces":
        """From embeddings [M, D], absolute values and labels [M, 2]."""
        length = np.linalg.norm(np.asarray(embeddings, np.float64), axis=1)
        a = np.asarray(absolute, np.float64)
        return cls(unit(embeddings), length, a, np.asarray(labels, np.float64) - a)

    def __len__(self) -> int:
        return len(self.length)


@dataclass(frozen=True, slots=True, eq=False)
class CrossKernel:
    """The kernels between B faces and M labelled ones."""

    local: Array  # [B, M] exp((cosine - 1) / tau)
    near: Array  # [B, M] exp((cosine - 1) / near_tau)
    length: Array  # [B] of the embeddings
    absolute: Array  # [B, 2]
    variance: Array  # [B, 2] of the classes that may be meant

    def outlier_weights(self, labelled: Array) -> Array:
        """[B] for the faces, from those of the labelled ones [M]: near copies of an outlier share its noise."""
        return np.asarray(1.0 + (self.near * (labelled - 1.0)).max(1, initial=0.0))


def cross_kernel(
    embeddings: Embeddings, absolute: NDArray[Any], labelled: LabelledFaces, kernel: KernelParams
) -> CrossKernel:
    """From embeddings [B, D] and absolute values [B, 2] of the faces."""
    rows, values = np.asarray(embeddings, np.float64), np.asarray(absolute, np.float64)
    distance = unit(rows) @ labelled.unit.T - 1.0
    return CrossKernel(
        local=np.exp(distance / kernel.tau),
        near=np.exp(distance / kernel.near_tau),
        length=lengths(rows),
        absolute=values,
        variance=class_variance(values),
    )


def covariances(labelled: LabelledFaces, prior: ResidualPrior, kernel: KernelParams, axis: int) -> Array:
    """Covariance of the residuals of M labelled faces under each of the G components: [G, M, M]."""
    offset, gain, local, noise, _ = (column[:, None, None] for column in prior.columns())
    h = prior.noise_scale(labelled.length, labelled.absolute, kernel, axis)
    a = labelled.absolute[:, axis]
    own = cross_kernel(labelled.unit, labelled.absolute, labelled, kernel)
    hh = np.outer(h, h)
    outlier = outlier_weights(labelled, prior, h, axis)
    shared = kernel.near_share * own.near * np.sqrt(np.outer(outlier, outlier))
    noise_kernel = hh * (shared + np.diag((1.0 - kernel.near_share) * outlier))
    return np.asarray(offset + gain * np.outer(a, a) + local * hh * own.local + noise * noise_kernel)


def outlier_weights(labelled: LabelledFaces, prior: ResidualPrior, h: Array, axis: int) -> Array:
    """[M] >= 1: factor on each label's noise variance, larger the farther it lies from the others' median."""
    count = len(labelled)
    if not count:
        return np.ones(0)
    residual = labelled.residual[:, axis]
    middle = np.median(residual) * (count - 1) / (count + 1)  # one label has no others to agree with
    q = (residual - middle) ** 2 / (prior.typical_variance * h**2)
    return np.asarray(np.maximum(1.0, (prior.tail + q) / (prior.tail + 1.0)))


def log_evidence(covariance: Array, residual: Array) -> Array:
    """Log density [G] of residuals [M] under each covariance [G, M, M]."""
    factor = np.linalg.cholesky(covariance)
    targets = np.broadcast_to(residual[:, None], (*covariance.shape[:2], 1))
    white = np.linalg.solve(factor, targets)[..., 0]  # [G, M]
    log_det = 2.0 * np.log(np.diagonal(factor, axis1=1, axis2=2)).sum(1)
    return np.asarray(-0.5 * ((white**2).sum(1) + log_det + len(residual) * np.log(2 * np.pi)))


def posterior_weights(
    prior: Array, covariance: Array, residual: Array, negligible: float
) -> tuple[NDArray[np.int64], Array]:
    """The components [G'] whose posterior weight is not negligible, and these weights [G'], which sum to 1.

    From prior weights [G], covariances [G, M, M] and residuals [M].
    """
    logits = np.log(prior) + log_evidence(covariance, residual)
    weight = np.exp(logits - logits.max())
    weight /= weight.sum()
    kept = np.flatnonzero(weight >= negligible)
    return kept, weight[kept] / weight[kept].sum()


class ResidualGp:
    """Residuals of one dimension (`axis`: 0 valence, 1 arousal) on M labelled faces; M = 0 gives the prior.

    Made once for a support set, in O(G M^3). Mean and variance of the mixture are then two bilinear forms in the
    features of a query, its kernels with each labelled face, 1 and its absolute value: O(M^2) a query whatever G is.
    """

    def __init__(
        self, labelled: LabelledFaces, prior: ResidualPrior, kernel: KernelParams, axis: int
    ) -> None:
        self._prior, self._kernel, self._axis = prior, kernel, axis
        offset, gain, local, noise, weight = prior.columns()
        count = len(labelled)
        h = prior.noise_scale(labelled.length, labelled.absolute, kernel, axis)  # [M]
        a, r = labelled.absolute[:, axis], labelled.residual[:, axis]
        self._outlier = outlier_weights(labelled, prior, h, axis)  # [M]
        covariance = covariances(labelled, prior, kernel, axis)
        kept, w = posterior_weights(weight, covariance, r, NEGLIGIBLE)
        self.posterior = np.zeros(len(weight))  # [G]
        self.posterior[kept] = w
        # Features of a query: local [M], near [M], 1, its absolute value. Its covariance with the labels is T features.
        size = 2 * count + 2
        self._to_mean = np.zeros((size, count))
        self._to_variance = np.zeros((size, size))
        by_component = np.zeros((len(kept), size))  # feature weights of each mean, from the labels alone
        for i, g in enumerate(kept):
            t = np.zeros((size, count))  # T transposed
            t[:count] = np.diag(local[g] * h)
            t[count:-2] = np.diag(noise[g] * kernel.near_share * h * np.sqrt(self._outlier))
            t[-2], t[-1] = offset[g], gain[g] * a
            gained = t @ np.linalg.inv(covariance[g])
            self._to_mean += self.posterior[g] * gained
            self._to_variance -= self.posterior[g] * gained @ t.T
            by_component[i] = gained @ r
        # The components differ in their means: that is uncertainty as well.
        apart = by_component - w @ by_component
        self._to_variance += (apart.T * w) @ apart
        self._offset, self._gain = float(self.posterior @ offset), float(self.posterior @ gain)
        self._local, self._noise = float(self.posterior @ local), float(self.posterior @ noise)

    def __call__(self, query: CrossKernel, residuals: Array) -> tuple[Array, Array]:
        """Mean residual [B] and variance [B] of a label of B faces, its noise included.

        residuals [B, M]: each query has its own, label_i + delta_i less the mean to which the caller adds the result
        (mtclar.engine.estimate.comparer.GpRule), with delta_i from the pair graph.
        """
        h = self._prior.scale_of(query.length, query.variance[:, self._axis], self._kernel)
        absolute = query.absolute[:, self._axis]
        outlier = query.outlier_weights(self._outlier)
        features = np.empty((len(h), len(self._to_mean)))
        count = len(self._outlier)
        np.multiply(h[:, None], query.local, out=features[:, :count])
        np.multiply((h * np.sqrt(outlier))[:, None], query.near, out=features[:, count:-2])
        features[:, -2], features[:, -1] = 1.0, absolute
        mean = ((features @ self._to_mean) * residuals).sum(1)
        alone = self._offset + self._gain * absolute**2 + (self._local + self._noise * outlier) * h**2
        variance = alone + ((features @ self._to_variance) * features).sum(1)
        return mean, self._prior.sd_scale**2 * np.maximum(variance, 1e-9)


def lengths(embeddings: Embeddings) -> Array:
    """Lengths [B] of rows [B, D] in float64. As np.linalg.norm, which takes twice as long for one row."""
    rows = np.asarray(embeddings, np.float64)
    return np.asarray(np.sqrt((rows * rows).sum(1)))


def unit(embeddings: Embeddings) -> Array:
    """Rows of length one in float64; a row of zeros stays zero."""
    rows = np.asarray(embeddings, np.float64)
    return np.asarray(rows / np.maximum(lengths(rows), 1e-12)[:, None])
