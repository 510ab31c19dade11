"""The training losses of MT-CLAR: over single pictures and over pairs.

Published (Parameshwara et al. 2023): cross entropy on similarity, cosine-embedding loss with margin .25, and for each
delta w MSE + (1 - w)(1 - CCC) with w = (epoch / epochs)^2, the four terms weighted at random in every batch. Different
here: fixed weights; MSE and CCC mixed at a fixed rate; absolute V/A and the crowd's votes are trained at the same time
in the same network; similarity targets are probabilities (below), because both votes and V/A are graded.
"""

from dataclasses import dataclass, fields, replace
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

TINY = 1e-6  # keeps the CCC of a constant batch finite


@dataclass(frozen=True)
class ObjectiveConfig:
    """Weights of the losses, and the constants in them."""

    expression: float = 1.0  # cross entropy of FER+
    absolute_mse: float = 2.0
    absolute_ccc: float = 0.5
    pairs: Literal["both", "strangers", "same person"] = "both"  # the pairs used by the four losses below
    delta_mse: float = 1.0
    delta_ccc: float = 0.25
    similarity: float = 0.25
    cosine: float = 0.25
    cosine_margin: float = 0.25  # dissimilar pairs closer than this cosine are pushed apart
    # As published: the weight of every term is drawn from U(0, 1) in each batch and the weights are scaled to sum to
    # one; the delta loss is w MSE + (1 - w)(1 - CCC) with w = (epoch / epochs)^2; strangers are similar when their
    # classes are equal.
    random_weights: bool = False
    delta_schedule: bool = False
    alike_by_class: bool = False
    alike_distance: float = 0.3  # V/A distance at which pictures of one person have similarity exp(-1/2)
    # For a network whose V/A is a mean of class centres: weight of the penalty on the output of its linear head.
    shift: float = 2.0
    people_expression: float = 0.5  # cross entropy of real people's single labels
    people_pairs: float = 0.5  # the four losses of pairs of one real person; 1 for rendered people


@dataclass(frozen=True, slots=True)
class Losses:
    """The weighted loss terms of one batch; training minimises their sum."""

    expression: Tensor
    absolute: Tensor
    delta: Tensor
    similarity: Tensor
    cosine: Tensor

    def total(self) -> Tensor:
        """The sum of all terms, []."""
        return torch.stack([getattr(self, field.name) for field in fields(self)]).sum()


@dataclass(frozen=True, slots=True)
class PairTargets:
    """Targets of P pairs."""

    delta: Tensor  # [P, 2] V/A of the first minus V/A of the second
    similarity: Tensor  # [P] probability that both show the same expression


def ccc_loss(predicted: Tensor, truth: Tensor) -> Tensor:
    """[n, 2], [n, 2] -> 1 - CCC, mean of valence and arousal; population variances, as in `metrics`."""
    mean_p, mean_t = predicted.mean(0), truth.mean(0)
    covariance = ((predicted - mean_p) * (truth - mean_t)).mean(0)
    spread = predicted.var(0, unbiased=False) + truth.var(0, unbiased=False) + (mean_p - mean_t).square()
    return (1 - 2 * covariance / (spread + TINY)).mean()


def absolute_loss(predicted: Tensor, truth: Tensor, config: ObjectiveConfig) -> Tensor:
    """Loss of the V/A of single pictures, [n, 2] each."""
    return config.absolute_mse * F.mse_loss(predicted, truth) + config.absolute_ccc * ccc_loss(
        predicted, truth
    )


def delta_loss(predicted: Tensor, truth: Tensor, config: ObjectiveConfig, progress: float = 0.0) -> Tensor:
    """Loss of the V/A differences of pairs, [P, 2] each; progress of the run in 0..1.

    The CCC is taken over both orders of each pair, so that it does not depend on the order: the mean is then zero.
    """
    both, both_true = torch.cat([predicted, -predicted]), torch.cat([truth, -truth])
    mse_weight, ccc_weight = config.delta_mse, config.delta_ccc
    if config.delta_schedule:
        mse_weight, ccc_weight = mse_weight * progress**2, ccc_weight * (1 - progress**2)
    return mse_weight * F.mse_loss(predicted, truth) + ccc_weight * ccc_loss(both, both_true)


def similarity_loss(logit: Tensor, similarity: Tensor) -> Tensor:
    """Binary cross entropy of logits [P] against probabilities [P]."""
    return F.binary_cross_entropy_with_logits(logit, similarity)


def cosine_loss(first: Tensor, second: Tensor, similarity: Tensor, margin: float) -> Tensor:
    """Cosine-embedding loss of embeddings [P, D] x 2, its two cases mixed by the probability `similarity` [P]."""
    cosine = F.cosine_similarity(first, second)
    return (similarity * (1 - cosine) + (1 - similarity) * F.relu(cosine - margin)).mean()


def stranger_targets(
    shares: Tensor, va: Tensor, first: Tensor, second: Tensor, config: ObjectiveConfig
) -> PairTargets:
    """Targets of pairs of different people: similarity is the probability that a vote for each names one expression.

    It is scaled so that two pictures with the same distribution of votes have similarity 1. With `alike_by_class`, as
    published, it is 1 when the expression with most votes is the same, and 0 otherwise.
    """
    a, b = shares[first], shares[second]
    if config.alike_by_class:
        return PairTargets(va[first] - va[second], (a.argmax(1) == b.argmax(1)).float())
    agreement = (a * b).sum(1) / torch.maximum(a.square().sum(1), b.square().sum(1)).clamp_min(TINY)
    return PairTargets(va[first] - va[second], agreement.clamp(0, 1))


def same_person_targets(va: Tensor, first: Tensor, second: Tensor, config: ObjectiveConfig) -> PairTargets:
    """Targets of pairs of one person: similarity falls with the distance in valence and arousal."""
    delta = va[first] - va[second]
    return PairTargets(delta, torch.exp(-delta.square().sum(1) / (2 * config.alike_distance**2)))


def randomly_weighted(losses: Losses, numbers: np.random.Generator) -> Losses:
    """Multiplies each pair term by a weight from U(0, 1); the weights are scaled to sum to one.

    As published, except that valence and arousal share a weight here. The terms that the paper does not have (V/A and
    expression of single pictures) keep their weights.
    """
    names = ("delta", "similarity", "cosine")
    weights = numbers.random(len(names))
    weights /= weights.sum()
    return replace(
        losses, **{name: float(w) * getattr(losses, name) for name, w in zip(names, weights, strict=True)}
    )
