"""A Gaussian process on what the absolute head gets wrong for one person, learned from a handful of labelled frames.

The residual of labelled face i is r_i = label_i - absolute_i, valence and arousal apart. Its covariance is

    cov(r_i, r_j) = offset + gain a_i a_j + h_i h_j (local exp((c - 1) / tau) + noise S_ij),
    S_ij = sqrt(f_i f_j) (near_share exp((c - 1) / near_tau) + (1 - near_share) [i = j])

with c = cos(x_i, x_j) of the embeddings and a the absolute values. `offset` and `gain` say that this person's labels
mean something else than the encoder's values, everywhere; `local` is the error shared by faces that look alike to the
encoder; `noise` is what one label adds, and nearly equal pictures share it. h_i falls with the length of the
embedding, which is short where the encoder is in doubt. f_i is 1, and more where a label is far off the others.

How much of a support set to believe is not fixed: there are a few explanations (offset, gain, local, noise), each with
a prior weight (docs/few-shot.md says what they were measured on); each is weighted by how well it explains this support
set (its marginal likelihood), and the estimate is the mean over all. So one label changes little, and five consistent
ones that contradict the encoder win. A label far off the others is trusted less elsewhere, as if the noise had
Student's distribution (one step of iteratively reweighted least squares).

Equations: Rasmussen & Williams, Gaussian Processes for Machine Learning, 2006: 2.25-2.26 (posterior), 2.30 (marginal
likelihood); Lange et al., Robust statistical modeling using the t distribution, 1989 (weights).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Embeddings = NDArray[np.floating[Any]]

NEGLIGIBLE = 1e-4  # an explanation with a smaller posterior weight is left out


@dataclass(frozen=True, slots=True)
class Likeness:
    """How alike two faces are to the process; the same for valence and arousal."""

    tau: float  # how fast local errors part with 1 - cosine
    near_tau: float  # the same for the noise that nearly equal pictures share
    near_share: float  # of the noise
    typical_length: float  # of an embedding: there h = 1


@dataclass(frozen=True, slots=True)
class Explanation:
    """One account of where residuals come from: variances in V/A units squared, and how often it holds."""

    offset: float
    gain: float
    local: float
    noise: float
    weight: float


@dataclass(frozen=True, slots=True)
class ResidualPrior:
    """What is known of a person's residuals in one dimension before any label of theirs."""

    explanations: tuple[Explanation, ...]
    length_power: float  # h = (length / typical length) ** -power
    typical_variance: float  # of r / h: a label is far off when it is many times that
    tail: float  # degrees of freedom of Student's distribution
    sd_scale: float  # what is multiplied to the process's sd so that its intervals hold

    def columns(self) -> tuple[Array, Array, Array, Array, Array]:
        """offset, gain, local, noise, weight of the G explanations, [G] each; the weights sum to 1."""
        rows = [(e.offset, e.gain, e.local, e.noise, e.weight) for e in self.explanations]
        offset, gain, local, noise, weight = np.array(rows, np.float64).T
        return offset, gain, local, noise, weight / weight.sum()

    def doubt(self, length: Array, likeness: Likeness) -> Array:
        """h [B] of faces whose embeddings have these lengths [B]."""
        ratio = np.maximum(
            length / likeness.typical_length, 0.05
        )  # an embedding of nothing is no division by zero
        return np.asarray(ratio**-self.length_power)

    def sd(self, length: Array, absolute: Array, likeness: Likeness) -> Array:
        """How far a label of a new person lies from the absolute value [B] of a face: sd [B]."""
        offset, gain, local, noise, weight = self.columns()
        h2 = self.doubt(length, likeness) ** 2
        variance = weight @ offset + weight @ gain * absolute**2 + (weight @ (local + noise)) * h2
        return np.asarray(self.sd_scale * np.sqrt(variance))


@dataclass(frozen=True, slots=True, eq=False)
class Labelled:
    """M labelled faces."""

    unit: Array  # [M, D] embeddings of length one
    length: Array  # [M] that they had
    absolute: Array  # [M, 2]
    residual: Array  # [M, 2] label less absolute value

    @classmethod
    def of(cls, embeddings: Embeddings, absolute: NDArray[Any], labels: NDArray[Any]) -> "Labelled":
        """From embeddings [M, D], absolute values and labels [M, 2]."""
        length = np.linalg.norm(np.asarray(embeddings, np.float64), axis=1)
        a = np.asarray(absolute, np.float64)
        return cls(unit(embeddings), length, a, np.asarray(labels, np.float64) - a)

    def __len__(self) -> int:
        return len(self.length)


@dataclass(frozen=True, slots=True, eq=False)
class Beside:
    """B faces beside M labelled ones."""

    local: Array  # [B, M] exp((cosine - 1) / tau)
    near: Array  # [B, M] exp((cosine - 1) / near_tau)
    length: Array  # [B] of the embeddings
    absolute: Array  # [B, 2]


def beside(embeddings: Embeddings, absolute: NDArray[Any], labelled: Labelled, likeness: Likeness) -> Beside:
    """Embeddings [B, D] and absolute values [B, 2] of faces, compared with the labelled ones."""
    distance = unit(embeddings) @ labelled.unit.T - 1.0
    return Beside(
        local=np.exp(distance / likeness.tau),
        near=np.exp(distance / likeness.near_tau),
        length=np.linalg.norm(np.asarray(embeddings, np.float64), axis=1),
        absolute=np.asarray(absolute, np.float64),
    )


def covariances(labelled: Labelled, prior: ResidualPrior, likeness: Likeness, axis: int) -> Array:
    """Of the residuals of M labelled faces, by each of the G explanations: [G, M, M]."""
    offset, gain, local, noise, _ = (column[:, None, None] for column in prior.columns())
    h, a = prior.doubt(labelled.length, likeness), labelled.absolute[:, axis]
    own = beside(labelled.unit, labelled.absolute, labelled, likeness)
    hh = np.outer(h, h)
    far = far_off(labelled, prior, h, axis)
    shared = likeness.near_share * own.near * np.sqrt(np.outer(far, far))
    noise_kernel = hh * (shared + np.diag((1.0 - likeness.near_share) * far))
    return np.asarray(offset + gain * np.outer(a, a) + local * hh * own.local + noise * noise_kernel)


def far_off(labelled: Labelled, prior: ResidualPrior, h: Array, axis: int) -> Array:
    """[M] >= 1: by how much the noise of each label is larger for lying far from the others' middle."""
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


class ResidualGp:
    """Residuals of one dimension (`axis`: 0 valence, 1 arousal) on M labelled faces; M = 0 gives the prior.

    Made once for a support set, in O(G M^3). Mean and variance of the mixture are then two bilinear forms in the
    features of a query, its likeness to each labelled face, 1 and its absolute value: O(M^2) a query whatever G is.
    """

    def __init__(self, labelled: Labelled, prior: ResidualPrior, likeness: Likeness, axis: int) -> None:
        self._prior, self._likeness, self._axis = prior, likeness, axis
        offset, gain, local, noise, weight = prior.columns()
        count = len(labelled)
        h = prior.doubt(labelled.length, likeness)  # [M]
        a, r = labelled.absolute[:, axis], labelled.residual[:, axis]
        self._far = far_off(labelled, prior, h, axis)  # [M]
        covariance = covariances(labelled, prior, likeness, axis)
        posterior = _softmax(np.log(weight) + log_evidence(covariance, r))
        kept = np.flatnonzero(posterior >= NEGLIGIBLE)
        self.posterior = np.where(posterior >= NEGLIGIBLE, posterior, 0.0) / posterior[kept].sum()  # [G]
        # Features of a query: local [M], near [M], 1, its absolute value. Its covariance with the labels is T features.
        size = 2 * count + 2
        self._to_mean = np.zeros((size, count))
        self._to_variance = np.zeros((size, size))
        by_explanation = np.zeros(
            (len(kept), size)
        )  # feature weights of each one's mean, from the labels alone
        for i, g in enumerate(kept):
            t = np.zeros((size, count))  # T transposed
            t[:count] = np.diag(local[g] * h)
            t[count:-2] = np.diag(noise[g] * likeness.near_share * h * np.sqrt(self._far))
            t[-2], t[-1] = offset[g], gain[g] * a
            gained = t @ np.linalg.inv(covariance[g])
            self._to_mean += self.posterior[g] * gained
            self._to_variance -= self.posterior[g] * gained @ t.T
            by_explanation[i] = gained @ r
        # The explanations differ in their means: that is uncertainty as well.
        w = self.posterior[kept]
        apart = by_explanation - w @ by_explanation
        self._to_variance += (apart.T * w) @ apart
        self._offset, self._gain = float(self.posterior @ offset), float(self.posterior @ gain)
        self._local, self._noise = float(self.posterior @ local), float(self.posterior @ noise)

    def __call__(self, query: Beside, residuals: Array) -> tuple[Array, Array]:
        """Mean residual [B] and variance [B] of a label of B faces, its noise included.

        residuals [B, M]: a query may bring its own, label_i + delta_i - absolute, where the pair graph says delta_i.
        """
        h = self._prior.doubt(query.length, self._likeness)
        absolute = query.absolute[:, self._axis]
        # Pictures nearly equal to one whose label is far off share that noise: its label comes back for itself.
        far = 1.0 + (query.near * (self._far - 1.0)).max(1, initial=0.0)
        features = np.hstack(
            [
                h[:, None] * query.local,
                (h * np.sqrt(far))[:, None] * query.near,
                np.ones((len(h), 1)),
                absolute[:, None],
            ]
        )
        mean = ((features @ self._to_mean) * residuals).sum(1)
        alone = self._offset + self._gain * absolute**2 + (self._local + self._noise * far) * h**2
        variance = alone + ((features @ self._to_variance) * features).sum(1)
        return mean, self._prior.sd_scale**2 * np.maximum(variance, 1e-9)


def unit(embeddings: Embeddings) -> Array:
    """Rows of length one in float64; a row of zeros stays zero."""
    rows = np.asarray(embeddings, np.float64)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


def _softmax(logits: Array) -> Array:
    shifted = np.exp(logits - logits.max())
    return shifted / shifted.sum()
