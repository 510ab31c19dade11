"""What a picture is taught to mean: the views of its label, each with the class prior that it was drawn with.

FER+ has two views of a picture, and they agree in about two thirds of the pictures: the crowd's ten votes, and the
class that FER2013 collected the picture as. Each has its own prior (a third of all votes says `neutral`). The
expression logits are trained by logit adjustment (Menon et al. 2021, https://arxiv.org/abs/2007.07314): the logarithm
of the view's prior is added in the loss alone, so what the network learns is free of it.
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

RAREST = 1e-4  # smallest prior of a class: FER2013 has no contempt at all


@dataclass(frozen=True)
class TargetConfig:
    """How labels become targets, and how often pictures are drawn; the defaults take FER+ as it is."""

    vote_power: float = 1.0  # above 1 sharpens: the votes' shares to this power, scaled to sum to one
    collected_share: float = 0.0  # of the loss that asks for the class that FER2013 collected the picture as
    spread: float = 0.1  # share of a single label that is spread over all classes of its source
    balance: float = 0.0  # pictures are drawn by (size of their class) ** -balance; 0: all alike often
    people_balance: float = 0.5  # the same for real people
    adjust_logits: bool = False  # whether priors are added in the loss, so that logits carry none


@dataclass(frozen=True, slots=True, eq=False)
class LabelView:
    """One view of the labels of n pictures."""

    shares: Shares  # [n, 8] of the classes, in the order of EXPRESSIONS
    weight: Shares  # [n] of the view in the loss of a picture
    log_prior: Shares  # [8] added to the logits in the loss

    def loss(self, logits: Tensor, rows: NDArray[np.int64]) -> Tensor:
        """Weighted cross entropy [len(rows)] of logits [len(rows), 8] of these pictures."""
        device = logits.device
        shares, weight = (torch.from_numpy(part[rows]).to(device) for part in (self.shares, self.weight))
        log_probability = F.log_softmax(logits + torch.from_numpy(self.log_prior).to(device), 1)
        return -weight * (shares * log_probability).sum(1)


@dataclass(frozen=True, slots=True, eq=False)
class Targets:
    """What n pictures are taught, and how often each is drawn."""

    views: tuple[LabelView, ...]
    shares: Shares  # [n, 8] mean over the views
    log_prior: Shares  # [8] of those shares
    va: Shares  # [n, 2] of those shares
    odds: NDArray[np.float64]  # [n] how probable each picture is in a draw; sums to 1


def photo_targets(photos: Photos, config: TargetConfig) -> Targets:
    """Of FER+: votes and, where it is known and asked for, what FER2013 collected the picture as."""
    votes = photos.expression**config.vote_power
    votes /= votes.sum(1, keepdims=True)
    known = photos.collected != UNKNOWN
    collected = np.zeros_like(votes)
    collected[known] = one_hot(photos.collected[known], config.spread, len(EXPRESSIONS) - 1)
    of_collected = np.where(known, config.collected_share, 0.0).astype(np.float32)
    shares = (1 - of_collected[:, None]) * votes + of_collected[:, None] * collected
    odds = shares @ np.maximum(shares.sum(0), 1.0) ** -config.balance
    odds = odds.astype(np.float64)  # shares in float32 do not sum to 1 closely enough
    odds /= odds.sum()
    views = [LabelView(votes, 1 - of_collected, log_prior(votes, odds, config))]
    if of_collected.any():
        views.append(LabelView(collected, of_collected, log_prior(collected, odds * known, config)))
    prior = log_prior(shares, odds, config)
    return Targets(tuple(views), shares, prior, shares @ class_centres(), odds)


def people_targets(
    expression: NDArray[np.int64], config: TargetConfig, frequency: NDArray[np.float64] | None = None
) -> Targets:
    """Of real people with one label a picture [n]; `frequency` [n]: how often each is drawn, where not by the odds."""
    shares = one_hot(expression, config.spread, len(EXPRESSIONS))
    count = np.bincount(expression, minlength=len(EXPRESSIONS))
    odds = count[expression].astype(np.float64) ** -config.people_balance
    odds = np.asarray(odds / odds.sum(), np.float64)
    prior = log_prior(shares, odds if frequency is None else frequency, config)
    view = LabelView(shares, np.ones(len(shares), np.float32), prior)
    return Targets((view,), shares, prior, shares @ class_centres(), odds)


def one_hot(label: NDArray[np.int64], smoothing: float, classes: int) -> Shares:
    """label [n] -> [n, 8]: all but `smoothing` on the label, the rest spread over the first `classes` classes."""
    shares = np.zeros((len(label), len(EXPRESSIONS)), np.float32)
    shares[:, :classes] = smoothing / classes
    shares[np.arange(len(label)), label] += 1 - smoothing
    return shares


def log_prior(shares: Shares, odds: NDArray[np.float64], config: TargetConfig) -> Shares:
    """[8] logarithm of how often each class is met in draws by `odds` [n]; zeros where logits are not adjusted."""
    if not config.adjust_logits:
        return np.zeros(shares.shape[1], np.float32)
    prior = (odds[:, None] * shares).sum(0) / odds.sum()
    return np.log(np.maximum(prior, RAREST)).astype(np.float32)
