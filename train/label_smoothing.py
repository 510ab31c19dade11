"""Softer targets for FER+: mixup of two pictures, and votes averaged with the network's own predictions.

Ten votes say little about how a hundred people would have voted, and a small network learns single votes by heart. Both
changes are linear in pictures and targets, so shares, valence/arousal and their differences stay consistent.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mtclar.train.network import Siamese


@dataclass(frozen=True)
class LabelSmoothingConfig:
    """How much the targets of FER+ are softened; zero, the default, switches either change off.

    Both are for a network that has learned single votes by heart, as the one was that the last two runs behind the
    bundled network went on from (presets `longer` and `larger`). Any other is only held back by them.
    """

    mixup_share: float = 0.0  # of the photos of a batch that get a second photo laid over them
    mixup_alpha: float = 0.4  # Beta(alpha, alpha) draws how much of the second is seen, up to one half
    distil: float = 0.0  # share of the averaged network's opinion in the targets at the end of the run
    distil_from: float = 0.25  # progress of the run at which that opinion starts to count


@dataclass(frozen=True, slots=True)
class SoftTargets:
    """What is true of n photos."""

    shares: Tensor  # [n, 8] of the votes
    va: Tensor  # [n, 2]


def distilled(
    targets: SoftTargets,
    images: Tensor,
    teacher: Siamese,
    log_prior: Tensor,
    progress: float,
    config: LabelSmoothingConfig,
    numbers: np.random.Generator,
) -> SoftTargets:
    """Mixes in what `teacher`, the running mean of the weights, says of the unchanged images float [n, S, S].

    `log_prior` [8] is added to its logits: zeros, or the prior that they are free of.

    The teacher improves while it teaches (Tarvainen and Valpola 2017, https://arxiv.org/abs/1703.01780), so no second
    network has to be trained first. Its share grows linearly from `distil_from` to the end. Each picture is mirrored or
    not at random: over the epochs that teaches the mean of both views, which is right more often than either, at the
    cost of one.
    """
    share = config.distil * max(progress - config.distil_from, 0.0) / (1 - config.distil_from)
    if share == 0:
        return targets
    mirrored = torch.from_numpy(numbers.random(len(images)) < 0.5).to(images.device).view(-1, 1, 1)
    with torch.no_grad():
        _, absolute, logits = teacher.encoder(torch.where(mirrored, images.flip(2), images))
    return SoftTargets(
        targets.shares.lerp((logits.float() + log_prior).softmax(1), share),
        targets.va.lerp(absolute.float(), share),
    )


def mixed(
    views: Tensor, targets: SoftTargets, config: LabelSmoothingConfig, numbers: np.random.Generator
) -> tuple[Tensor, SoftTargets]:
    """Mixup (Zhang et al. 2018, https://arxiv.org/abs/1710.09412) of views float [n, S, S] and their targets.

    At most half of the other picture is laid over, so every view keeps the label under which pairs are drawn.
    """
    count = len(views)
    other = numbers.permutation(count)
    weight = numbers.beta(config.mixup_alpha, config.mixup_alpha, count)
    weight = np.minimum(weight, 1 - weight) * (numbers.random(count) < config.mixup_share)
    laid_over = torch.from_numpy(weight.astype(np.float32)).to(views.device).unsqueeze(1)  # [n, 1]
    return views.lerp(views[other], laid_over.unsqueeze(2)), SoftTargets(
        targets.shares.lerp(targets.shares[other], laid_over), targets.va.lerp(targets.va[other], laid_over)
    )
