"""Training targets of pictures: one or two label views per picture, each with its class prior.

FER+ has two label views of a picture: the crowd's ten votes, and the class for which FER2013 collected the picture.
They agree for about two thirds of the pictures. Each has its own prior (a third of all votes is `neutral`). The
expression logits are trained by logit adjustment (Menon et al. 2021, https://arxiv.org/abs/2007.07314): the logarithm
of the view's prior is added only in the loss, so the logits do not include it.
"""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from mtclar.engine.data_types import EXPRESSIONS
from mtclar.engine.estimate.class_centres import class_centres
from mtclar.train.data.ferplus import Photos
from mtclar.train.data.labelled import UNKNOWN

Shares = NDArray[np.float32]

RAREST = 1e-4  # smallest prior of a class: FER2013 has no contempt


@dataclass(frozen=True)
class TargetConfig:
    """How labels become targets, and how often pictures are drawn; the defaults use the plain FER+ votes."""

    vote_power: float = 1.0  # exponent of the vote shares, which are then normalised; above 1 sharpens
    collected_share: float = 0.0  # weight in the loss of FER2013's own label
    spread: float = 0.1  # share of a single label that is spread over all classes of its source
    balance: float = 0.0  # pictures are drawn by (size of their class) ** -balance; 0: uniformly
    people_balance: float = 0.5  # the same for real people
    adjust_logits: bool = False  # whether the loss adds class priors, so that logits do not include them


@dataclass(frozen=True, slots=True, eq=False)
class LabelView:
    """One view of the labels of n pictures."""

    shares: Shares  # [n, 8] of the classes, in the order of EXPRESSIONS
    weight: Shares  # [n] of this view in the loss of each picture
    log_prior: Shares  # [8] added to the logits in the loss

    def loss(self, logits: Tensor, rows: NDArray[np.int64]) -> Tensor:
        """Weighted cross entropy [len(rows)] of logits [len(rows), 8] of these pictures."""
        device = logits.device
        shares, weight = (torch.from_numpy(part[rows]).to(device) for part in (self.shares, self.weight))
        log_probability = F.log_softmax(logits + torch.from_numpy(self.log_prior).to(device), 1)
        return -weight * (shares * log_probability).sum(1)


@dataclass(frozen=True, slots=True, eq=False)
class Targets:
    """Targets of n pictures and the probability of drawing each."""

    views: tuple[LabelView, ...]
    shares: Shares  # [n, 8] mean over the views
    log_prior: Shares  # [8] of those shares
    va: Shares  # [n, 2] of those shares
    odds: NDArray[np.float64]  # [n] probability of drawing each picture; sums to 1


def photo_targets(photos: Photos, config: TargetConfig) -> Targets:
    """Targets of FER+: votes and, where known and configured, FER2013's own label."""
    votes = photos.expression**config.vote_power
    votes /= votes.sum(1, keepdims=True)
    known = photos.collected != UNKNOWN
    collected = np.zeros_like(votes)
    collected[known] = one_hot(photos.collected[known], config.spread, len(EXPRESSIONS) - 1)
    collected_weight = np.where(known, config.collected_share, 0.0).astype(np.float32)
    shares = (1 - collected_weight[:, None]) * votes + collected_weight[:, None] * collected
    odds = shares @ np.maximum(shares.sum(0), 1.0) ** -config.balance
    odds = odds.astype(np.float64)  # shares in float32 do not sum to 1 closely enough
    odds /= odds.sum()
    views = [LabelView(votes, 1 - collected_weight, log_prior(votes, odds, config))]
    if collected_weight.any():
        views.append(LabelView(collected, collected_weight, log_prior(collected, odds * known, config)))
    prior = log_prior(shares, odds, config)
    return Targets(tuple(views), shares, prior, shares @ class_centres(), odds)


def people_targets(
    expression: NDArray[np.int64], config: TargetConfig, frequency: NDArray[np.float64] | None = None
) -> Targets:
    """Targets of real people from one label per picture [n]; `frequency` [n] replaces the odds in the prior."""
    shares = one_hot(expression, config.spread, len(EXPRESSIONS))
    count = np.bincount(expression, minlength=len(EXPRESSIONS))
    odds = count[expression].astype(np.float64) ** -config.people_balance
    odds = np.asarray(odds / odds.sum(), np.float64)
    prior = log_prior(shares, odds if frequency is None else frequency, config)
    view = LabelView(shares, np.ones(len(shares), np.float32), prior)
    return Targets((view,), shares, prior, shares @ class_centres(), odds)


def one_hot(label: NDArray[np.int64], smoothing: float, classes: int) -> Shares:
    """label [n] -> [n, 8]: 1 - `smoothing` on the label; the rest is spread over the first `classes` classes."""
    shares = np.zeros((len(label), len(EXPRESSIONS)), np.float32)
    shares[:, :classes] = smoothing / classes
    shares[np.arange(len(label)), label] += 1 - smoothing
    return shares


def log_prior(shares: Shares, odds: NDArray[np.float64], config: TargetConfig) -> Shares:
    """[8] logarithm of the class frequencies in draws by `odds` [n]; zeros when logits are not adjusted."""
    if not config.adjust_logits:
        return np.zeros(shares.shape[1], np.float32)
    prior = (odds[:, None] * shares).sum(0) / odds.sum()
    return np.log(np.maximum(prior, RAREST)).astype(np.float32)
