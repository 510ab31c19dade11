"""The Gaussian process against its own definition: explicit inverses and explicit refits."""

import numpy as np
import pytest

from mtclar.engine.residual_gp import Kernel, ResidualGp, ResidualPrior, Variance

PRIOR = ResidualPrior(Variance(0.06, 1.0), Variance(0.02, 1.5), Variance(0.04, 1.0))
TAU = 0.3


def by_definition(
    support: np.ndarray, residuals: np.ndarray, query: np.ndarray, brought: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Posterior mean and variance of a label by one matrix inverse for each combination of the grid.

    `brought` [B, N] are the residuals of the queries; the grid is weighted by `residuals`, those of the support set.
    """
    between, across = Kernel(support, TAU)(support), Kernel(support, TAU)(query)
    means, variances, evidence = [], [], []
    for local, offset, noise, log_prior in zip(*PRIOR.grid(), strict=True):
        covariance = local * between + offset + noise * np.eye(len(support))
        inverse = np.linalg.inv(covariance)
        rows = local * across + offset
        means.append(((rows @ inverse) * brought).sum(1))
        variances.append(local + offset + noise - ((rows @ inverse) * rows).sum(1))
        evidence.append(
            log_prior - 0.5 * (residuals @ inverse @ residuals + np.linalg.slogdet(covariance)[1])
        )
    weight = np.exp(np.array(evidence) - max(evidence))
    weight /= weight.sum()
    mean = weight @ np.array(means)
    return mean, weight @ np.array(variances) + weight @ (np.array(means) - mean) ** 2


@pytest.fixture
def faces() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.normal(0.5, 1.0, (9, 6)), rng.normal(0.1, 0.3, 9), rng.normal(0.5, 1.0, (5, 6))


@pytest.mark.parametrize("count", [1, 2, 9])
def test_posterior_is_that_of_the_definition(faces, count) -> None:
    support, residuals, query = faces[0][:count], faces[1][:count], faces[2]
    brought = residuals + np.random.default_rng(2).normal(0, 0.1, (len(query), count))
    kernel = Kernel(support, TAU)
    mean, variance = ResidualGp(kernel, residuals, PRIOR)(kernel(query), brought)
    expected_mean, expected_variance = by_definition(support, residuals, query, brought)
    np.testing.assert_allclose(mean, expected_mean, atol=1e-9)
    np.testing.assert_allclose(variance, expected_variance, atol=1e-9)


def test_leave_one_out_is_that_of_refitting(faces) -> None:
    support, residuals, _ = faces
    brought = residuals + np.random.default_rng(2).normal(0, 0.1, (9, 9))
    mean, variance = ResidualGp(Kernel(support, TAU), residuals, PRIOR).leave_one_out(brought)
    for i in range(len(support)):
        others = np.arange(len(support)) != i
        expected = by_definition(
            support[others], residuals[others], support[i : i + 1], brought[i : i + 1, others]
        )
        np.testing.assert_allclose((mean[i], variance[i]), np.ravel(expected), atol=1e-9)


def test_without_any_label_it_is_the_prior() -> None:
    kernel = Kernel(np.zeros((0, 6)), TAU)
    mean, variance = ResidualGp(kernel, np.zeros(0), PRIOR)(kernel(np.ones((3, 6))), np.zeros((3, 0)))
    np.testing.assert_array_equal(mean, np.zeros(3))
    np.testing.assert_allclose(np.sqrt(variance), PRIOR.sd)


def predicted(support: np.ndarray, residuals: np.ndarray, query: np.ndarray) -> tuple[float, float]:
    """Mean and variance for one query that brings the residuals of the support set."""
    kernel = Kernel(support, TAU)
    mean, variance = ResidualGp(kernel, residuals, PRIOR)(kernel(query), residuals[None])
    return float(mean[0]), float(variance[0])


def test_repeated_frames_are_no_trouble(faces) -> None:
    mean, variance = predicted(np.repeat(faces[0][:1], 50, axis=0), np.full(50, 0.4), faces[0][:1])
    assert mean == pytest.approx(0.4, abs=0.02)
    assert 0 < variance < PRIOR.sd**2


def test_consistent_residuals_are_believed_and_contradictory_ones_are_not() -> None:
    support = np.random.default_rng(1).normal(0.5, 1.0, (12, 6))
    far = -support.mean(0, keepdims=True)
    consistent = predicted(support, np.full(12, 0.4), far)
    contradictory = predicted(support, 0.4 * (-1.0) ** np.arange(12), far)
    assert consistent[0] > 0.3
    assert abs(contradictory[0]) < 0.1
    assert contradictory[1] > consistent[1]


def test_a_face_is_covered_by_its_own_picture_and_not_by_an_opposite_one(faces) -> None:
    kernel = Kernel(faces[0][:1], TAU)
    assert kernel.covered(faces[0][:1], 0.1)[0] == pytest.approx(1 / 1.1)
    assert kernel.covered(-faces[0][:1], 0.1)[0] < 0.01
