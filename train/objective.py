"""What the network is trained to do: the MT-CLAR losses over single pictures and over pairs.

Published (Parameshwara et al. 2023): cross entropy on similarity, cosine-embedding loss with margin .25, and for each
delta w MSE + (1 - w)(1 - CCC) with w = (epoch / epochs)^2, the four terms weighted at random in every batch. Different
here: fixed weights; MSE and CCC mixed at a fixed rate; absolute V/A and the crowd's votes trained at the same time in
the same network; similarity targets are probabilities (below), since both votes and V/A are graded.
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
    pairs: Literal["both", "strangers", "same person"] = "both"  # which pairs the four losses below see
    delta_mse: float = 1.0
    delta_ccc: float = 0.25
    similarity: float = 0.25
    cosine: float = 0.25
    cosine_margin: float = 0.25  # dissimilar pairs closer than this cosine are pushed apart
    # Published: every term's weight drawn from U(0, 1) in each batch, all of them scaled to sum to one; and the delta
    # loss w MSE + (1 - w)(1 - CCC) with w = (epoch / epochs)^2; and strangers alike or not by their class alone.
    random_weights: bool = False
    delta_schedule: bool = False
    alike_by_class: bool = False
    alike_distance: float = (
        0.3  # V/A distance at which two pictures of one person are alike with probability exp(-1/2)
    )
    # Of a network whose V/A is a mean of class centres: what its linear head may add on photos, which is to be nothing.
    shift: float = 2.0
    people_expression: float = 0.5  # cross entropy of real people's single labels
    people_pairs: float = 0.5  # the four losses of pairs of one real person, beside 1 for rendered people


@dataclass(frozen=True, slots=True)
class Losses:
    """Each term of one batch, weighted; their sum is what is minimised."""

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
    """What is true of P pairs."""

    delta: Tensor  # [P, 2] V/A of the first less V/A of the second
    similarity: Tensor  # [P] probability that the two show the same


def ccc_loss(predicted: Tensor, truth: Tensor) -> Tensor:
    """[n, 2], [n, 2] -> 1 - CCC, mean of valence and arousal; population variances, as in `metrics`."""
    mean_p, mean_t = predicted.mean(0), truth.mean(0)
    covariance = ((predicted - mean_p) * (truth - mean_t)).mean(0)
    spread = predicted.var(0, unbiased=False) + truth.var(0, unbiased=False) + (mean_p - mean_t).square()
    return (1 - 2 * covariance / (spread + TINY)).mean()


def absolute_loss(predicted: Tensor, truth: Tensor, config: ObjectiveConfig) -> Tensor:
    """V/A of single pictures, [n, 2] each."""
    return config.absolute_mse * F.mse_loss(predicted, truth) + config.absolute_ccc * ccc_loss(
        predicted, truth
    )


def delta_loss(predicted: Tensor, truth: Tensor, config: ObjectiveConfig, progress: float = 0.0) -> Tensor:
    """V/A differences of pairs, [P, 2] each; progress of the run in 0..1.

    Taken over both orders, so that the CCC does not depend on which picture came first: their mean is then zero.
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
    """Cosine-embedding loss of embeddings [P, D] x 2, its two cases mixed by the probability of `similar` [P]."""
    cosine = F.cosine_similarity(first, second)
    return (similarity * (1 - cosine) + (1 - similarity) * F.relu(cosine - margin)).mean()


def stranger_targets(
    shares: Tensor, va: Tensor, first: Tensor, second: Tensor, config: ObjectiveConfig
) -> PairTargets:
    """Pairs of different people: similar = one vote drawn for each picture names the same expression.

    Scaled so that two pictures with the same distribution of votes are similar with certainty. With `alike_by_class`,
    as published: similar = the expression with most votes is the same.
    """
    a, b = shares[first], shares[second]
    if config.alike_by_class:
        return PairTargets(va[first] - va[second], (a.argmax(1) == b.argmax(1)).float())
    agreement = (a * b).sum(1) / torch.maximum(a.square().sum(1), b.square().sum(1)).clamp_min(TINY)
    return PairTargets(va[first] - va[second], agreement.clamp(0, 1))


def same_person_targets(va: Tensor, first: Tensor, second: Tensor, config: ObjectiveConfig) -> PairTargets:
    """Pairs of one person: similar as far as valence and arousal are close."""
    delta = va[first] - va[second]
    return PairTargets(delta, torch.exp(-delta.square().sum(1) / (2 * config.alike_distance**2)))


def randomly_weighted(losses: Losses, numbers: np.random.Generator) -> Losses:
    """The pair terms, each times a weight from U(0, 1), the weights scaled to sum to one.

    As published, but for valence and arousal, which share a weight here. What the paper has no term for, V/A and
    expression of single pictures, keeps its weight.
    """
    names = ("delta", "similarity", "cosine")
    weights = numbers.random(len(names))
    weights /= weights.sum()
    return replace(
        losses, **{name: float(w) * getattr(losses, name) for name, w in zip(names, weights, strict=True)}
    )
