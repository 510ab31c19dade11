"""The Gaussian process against its own definition: explicit covariances and explicit inverses."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtclar.engine.estimate.class_centres import class_centres, class_variance
from mtclar.engine.estimate.residual_gp import (
    KernelParams,
    LabelledFaces,
    MixtureComponent,
    ResidualGp,
    ResidualPrior,
    covariances,
    cross_kernel,
    log_evidence,
    outlier_weights,
)

KERNEL = KernelParams(tau=0.3, near_tau=0.1, near_share=0.7, typical_length=2.0)
PRIOR = ResidualPrior(
    (
        MixtureComponent(0.001, 0.0, 0.01, 0.03, 5.0),
        MixtureComponent(0.1, 0.05, 0.01, 0.02, 1.0),
        MixtureComponent(0.001, 0.0, 0.08, 0.005, 2.0),
    ),
    length_power=0.5,
    class_spread=8.0,
    typical_variance=0.04,
    tail=4.0,
    sd_scale=1.0,
)
NORMAL = ResidualPrior(PRIOR.components, 0.5, 8.0, 0.04, tail=1e9, sd_scale=1.0)  # no label is ever far off


def labelled_faces(count: int, seed: int = 0) -> LabelledFaces:
    rng = np.random.default_rng(seed)
    absolute = rng.uniform(-0.6, 0.6, (count, 2))
    return LabelledFaces.of(
        rng.normal(0.5, 1.0, (count, 6)), absolute, absolute + rng.normal(0.1, 0.3, (count, 2))
    )


def noise_scale(length: float, absolute: np.ndarray) -> float:
    """h of one face for valence: larger for a short embedding, and between the centres of two classes."""
    variance = class_variance(absolute[None])[0, 0]
    scale: float = (length / KERNEL.typical_length) ** -PRIOR.length_power
    return scale * np.sqrt(1 + PRIOR.class_spread * variance)


def covariance(
    g: MixtureComponent, one: np.ndarray, other: np.ndarray, a: np.ndarray, b: np.ndarray, far: float
) -> float:
    """Between the residuals of two different faces, word by word as the module says; a, b: absolute values [2].

    `far`: by how much the noise that they share is larger, since their labels are far off.
    """
    lengths = np.linalg.norm(one), np.linalg.norm(other)
    c = one @ other / (lengths[0] * lengths[1]) - 1
    h = [noise_scale(length, value) for length, value in zip(lengths, (a, b), strict=True)]
    alike = g.local * np.exp(c / KERNEL.tau)
    near = far * g.noise * KERNEL.near_share * np.exp(c / KERNEL.near_tau)
    return g.offset + g.gain * a[0] * b[0] + h[0] * h[1] * (alike + near)


def by_definition(
    prior: ResidualPrior, faces: LabelledFaces, query: np.ndarray, absolute: np.ndarray, brought: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Posterior mean and variance of the valence residual of each query [B, D] by one inverse an explanation."""
    embeddings, a = faces.unit * faces.length[:, None], faces.absolute
    h = np.array([noise_scale(*face) for face in zip(faces.length, a, strict=True)])
    far = outlier_weights(faces, prior, h, 0)
    near = np.exp((query / np.linalg.norm(query, axis=1, keepdims=True) @ faces.unit.T - 1) / KERNEL.near_tau)
    far_there = 1 + (near * (far - 1)).max(1)
    means, variances, evidence = [], [], []
    for g in prior.components:
        between = np.array(
            [
                [
                    covariance(g, x, y, b, c, np.sqrt(e * f))
                    for y, c, f in zip(embeddings, a, far, strict=True)
                ]
                for x, b, e in zip(embeddings, a, far, strict=True)
            ]
        ).reshape(len(a), len(a))
        between += np.diag(h**2 * g.noise * (1 - KERNEL.near_share) * far)
        rows = np.array(
            [
                [
                    covariance(g, x, y, b, c, np.sqrt(e * f))
                    for y, c, f in zip(embeddings, a, far, strict=True)
                ]
                for x, b, e in zip(query, absolute, far_there, strict=True)
            ]
        ).reshape(len(query), len(a))
        lengths = np.linalg.norm(query, axis=1)
        own_h = np.array([noise_scale(*face) for face in zip(lengths, absolute, strict=True)])
        alone = g.offset + g.gain * absolute[:, 0] ** 2 + own_h**2 * (g.local + g.noise * far_there)
        weights = rows @ np.linalg.inv(between)
        r = faces.residual[:, 0]
        # The mean is of what the query brings; how far components are apart, of the labels themselves.
        means.append(((weights * brought).sum(1), weights @ r))
        variances.append(alone - (weights * rows).sum(1))
        evidence.append(
            np.log(g.weight) - 0.5 * (r @ np.linalg.inv(between) @ r + np.linalg.slogdet(between)[1])
        )
    weight = np.exp(np.array(evidence) - max(evidence))
    weight /= weight.sum()
    mean = sum(w * m for w, (m, _) in zip(weight, means, strict=True))
    centre = sum(w * m for w, (_, m) in zip(weight, means, strict=True))
    spread = sum(w * (m - centre) ** 2 for w, (_, m) in zip(weight, means, strict=True))
    return mean, sum(w * v for w, v in zip(weight, variances, strict=True)) + spread


@pytest.mark.parametrize("prior", [PRIOR, NORMAL], ids=["tail", "normal"])
@pytest.mark.parametrize("count", [1, 2, 9])
def test_posterior_is_that_of_the_definition(prior, count) -> None:
    faces, rng = labelled_faces(count), np.random.default_rng(5)
    query, absolute = rng.normal(0.5, 1.0, (5, 6)), rng.uniform(-0.6, 0.6, (5, 2))
    brought = faces.residual[:, 0] + rng.normal(0, 0.1, (5, count))
    process = ResidualGp(faces, prior, KERNEL, axis=0)
    mean, variance = process(cross_kernel(query, absolute, faces, KERNEL), brought)
    expected_mean, expected_variance = by_definition(prior, faces, query, absolute, brought)
    np.testing.assert_allclose(mean, expected_mean, atol=1e-3)  # negligible components are left out
    np.testing.assert_allclose(variance, expected_variance, atol=1e-3)


def test_evidence_is_a_normal_density() -> None:
    faces = labelled_faces(4)
    (density, *_) = log_evidence(covariances(faces, NORMAL, KERNEL, 1), faces.residual[:, 1])
    matrix = covariances(faces, NORMAL, KERNEL, 1)[0]
    r = faces.residual[:, 1]
    expected = -0.5 * (r @ np.linalg.inv(matrix) @ r + np.linalg.slogdet(2 * np.pi * matrix)[1])
    assert density == pytest.approx(expected)


def test_without_any_label_it_is_the_prior() -> None:
    nobody = labelled_faces(0)
    query, absolute = np.random.default_rng(1).normal(0.5, 1.0, (3, 6)), np.full((3, 2), 0.4)
    process = ResidualGp(nobody, PRIOR, KERNEL, axis=1)
    mean, variance = process(cross_kernel(query, absolute, nobody, KERNEL), np.zeros((3, 0)))
    np.testing.assert_array_equal(mean, np.zeros(3))
    expected = PRIOR.sd(np.linalg.norm(query, axis=1), absolute, KERNEL, axis=1)
    np.testing.assert_allclose(np.sqrt(variance), expected)


def test_short_embeddings_have_larger_sd() -> None:
    short, typical, long = PRIOR.sd(np.array([0.5, 2.0, 8.0]), np.zeros((3, 2)), KERNEL, axis=0)
    assert short > typical > long > 0
    assert np.isfinite(PRIOR.sd(np.zeros(1), np.zeros((1, 2)), KERNEL, axis=0)).all()


def test_values_between_two_class_centres_have_larger_sd() -> None:
    centres = class_centres()
    at_happiness, between = centres[1], (centres[0] + centres[1]) / 2
    values = np.stack([at_happiness, between])
    sure, torn = PRIOR.sd(np.full(2, 2.0), values, KERNEL, axis=0)
    assert torn > 1.2 * sure
    sure, torn = PRIOR.sd(np.full(2, 2.0), values, KERNEL, axis=1)
    assert torn == pytest.approx(sure, rel=0.2)  # both classes mean about the same arousal


def predicted(
    residuals: list[float] | np.ndarray, absolute: float = 0.0, prior: ResidualPrior = PRIOR
) -> tuple[float, float]:
    """Mean and variance for a face unlike any labelled one, whose labels are off by `residuals`."""
    values = np.asarray(residuals, np.float64)
    rng = np.random.default_rng(1)
    known = rng.normal(0, 1.0, (len(values), 200))  # in so many dimensions nobody looks alike
    at = np.zeros((len(values), 2))
    faces = LabelledFaces.of(
        known * 2 / np.linalg.norm(known, axis=1, keepdims=True), at, at + values[:, None]
    )
    query = rng.normal(0, 1.0, (1, 200))
    process = ResidualGp(faces, prior, KERNEL, axis=0)
    mean, variance = process(
        cross_kernel(query, np.array([[absolute, 0.0]]), faces, KERNEL), faces.residual[None, :, 0]
    )
    return float(mean[0]), float(variance[0])


def test_five_consistent_labels_outweigh_the_prior() -> None:
    one, five = predicted([0.4]), predicted([0.4] * 5)
    assert abs(one[0]) < 0.2
    assert five[0] > 0.3
    assert five[1] < one[1]


def test_contradictory_labels_get_less_weight() -> None:
    residuals = 0.4 * (-1.0) ** np.arange(12)
    assert abs(predicted(residuals)[0]) < 0.1
    assert predicted(residuals)[1] > predicted([0.4] * 12)[1]


def test_outliers_are_trusted_less() -> None:
    """Ten labels that say nothing and one that is badly wrong: with a tail it moves the estimate less."""
    residuals = [0.05, -0.05, 0.0, 0.04, -0.04, 0.9]
    assert 0 <= predicted(residuals)[0] < 0.7 * predicted(residuals, prior=NORMAL)[0]


def test_a_gain_in_the_labels_is_learnt() -> None:
    """Labels of 1.5 times the encoder's values: a face of 0.6 is said to be more, one of -0.6 less."""
    rng = np.random.default_rng(3)
    absolute = rng.uniform(-0.6, 0.6, (12, 2))
    faces = LabelledFaces.of(rng.normal(0, 1, (12, 200)), absolute, 1.5 * absolute)
    asked = np.array([[0.6, 0.0], [-0.6, 0.0]])
    query = cross_kernel(rng.normal(0, 1, (2, 200)), asked, faces, KERNEL)
    mean, _ = ResidualGp(faces, PRIOR, KERNEL, axis=0)(query, np.tile(faces.residual[:, 0], (2, 1)))
    assert mean[0] > 0.15
    assert mean[1] < -0.15


@settings(max_examples=60, deadline=None)
@given(count=st.integers(1, 12), seed=st.integers(0, 999), scale=st.floats(0, 2), copies=st.booleans())
def test_any_labels_give_a_usable_posterior(count, seed, scale, copies) -> None:
    """Labels of any size, frames repeated or not: finite, positive, and a whole posterior."""
    rng = np.random.default_rng(seed)
    embeddings = np.repeat(rng.normal(0.3, 1, (1, 6)), count, 0) if copies else rng.normal(0.3, 1, (count, 6))
    absolute = rng.uniform(-1, 1, (count, 2))
    faces = LabelledFaces.of(
        embeddings, absolute, np.clip(absolute + rng.normal(0, scale, (count, 2)), -1, 1)
    )
    query = rng.normal(0.3, 1, (4, 6))
    at = rng.uniform(-1, 1, (4, 2))
    for axis in (0, 1):
        process = ResidualGp(faces, PRIOR, KERNEL, axis)
        mean, variance = process(
            cross_kernel(query, at, faces, KERNEL), np.tile(faces.residual[:, axis], (4, 1))
        )
        assert np.isfinite(mean).all()
        assert (variance > 0).all()
        assert process.posterior.sum() == pytest.approx(1.0)
