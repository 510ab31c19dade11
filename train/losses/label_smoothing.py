"""Softer targets for FER+: mixup of two pictures, and votes averaged with the network's own predictions.

Ten votes are a noisy estimate of the distribution of votes, and a small network overfits single votes. Both changes
are linear in pictures and targets, so shares, valence/arousal and their differences stay consistent.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mtclar.train.network.architecture import Siamese


@dataclass(frozen=True)
class LabelSmoothingConfig:
    """How much the targets of FER+ are softened; zero, the default, disables a change.

    Both help a network that overfits single votes, such as the one from which the last two runs of the bundled network
    started (presets `longer` and `larger`). They slow the training of any other network.
    """

    mixup_share: float = 0.0  # of the photos of a batch that are mixed with a second photo
    mixup_alpha: float = 0.4  # Beta(alpha, alpha) gives the weight of the second photo, at most one half
    distil: float = 0.0  # share of the averaged network's prediction in the targets at the end of the run
    distil_from: float = 0.25  # progress of the run from which that prediction is used


@dataclass(frozen=True, slots=True)
class SoftTargets:
    """Targets of n photos."""

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
    """Mixes the predictions of `teacher` (the running mean of the weights) for the unchanged images float [n, S, S] in.

    `log_prior` [8] is added to its logits: zeros, or the prior that the logits do not include.

    The teacher improves during training (mean teacher, Tarvainen and Valpola 2017, https://arxiv.org/abs/1703.01780),
    so no second network has to be trained first. Its share grows linearly from `distil_from` to the end. Each picture
    is mirrored at random: over the epochs the network learns the mean of both views, which is more accurate than one
    view, for the cost of one view.
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

    The weight of the other picture is at most one half, so every view keeps the label by which pairs are drawn.
    """
    count = len(views)
    other = numbers.permutation(count)
    weight = numbers.beta(config.mixup_alpha, config.mixup_alpha, count)
    weight = np.minimum(weight, 1 - weight) * (numbers.random(count) < config.mixup_share)
    other_weight = torch.from_numpy(weight.astype(np.float32)).to(views.device).unsqueeze(1)  # [n, 1]
    return views.lerp(views[other], other_weight.unsqueeze(2)), SoftTargets(
        targets.shares.lerp(targets.shares[other], other_weight),
        targets.va.lerp(targets.va[other], other_weight),
    )
