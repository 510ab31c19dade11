"""The losses of one training batch: expressions and V/A of single images, differences and similarity of pairs."""

import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor

from mtclar.train.data.augmentation import centre
from mtclar.train.data.batches import Batch
from mtclar.train.data.pairs import Indices, same_person_pairs, stranger_pairs
from mtclar.train.losses.label_smoothing import SoftTargets, distilled, mixed
from mtclar.train.losses.objective import (
    Losses,
    ObjectiveConfig,
    PairTargets,
    absolute_loss,
    cosine_loss,
    delta_loss,
    randomly_weighted,
    same_person_targets,
    similarity_loss,
    stranger_targets,
)
from mtclar.train.network.architecture import Siamese
from mtclar.train.network.checkpoint import RunState
from mtclar.train.run.config import TrainConfig


def batch_losses(
    state: RunState, batch: Batch, config: TrainConfig, progress: float, numbers: Generator
) -> Losses:
    """The losses of one batch: single images of every source, and pairs; `progress` of the run in 0..1."""
    network, objective = state.network, config.objective
    autocast = torch.autocast(torch.device(batch.device).type, torch.bfloat16, enabled=config.bfloat16)
    views, soft = list(batch.views), _softened(state, batch, config, autocast, progress, numbers)
    if soft is not None:
        views[0], soft = mixed(views[0], soft, config.label_smoothing, numbers)
    with autocast:
        outputs = network.encoder(torch.cat(views))
    embedding, absolute, logits = (output.float() for output in outputs)
    photos, people = len(batch.photos), len(batch.people)
    real, faces = slice(photos, photos + people), slice(photos + people, None)

    # Single pictures: the expression of photos and real people, valence and arousal of rendered people.
    targets = soft or _photo_targets(batch)
    expression = objective.expression * _photo_expression(logits[:photos], batch, soft)
    if batch.people_targets is not None:
        (view,) = batch.people_targets.views
        people_loss = view.loss(logits[real], batch.people).mean()
        expression = expression + objective.people_expression * people_loss
    none = logits.new_zeros(())
    single = none
    if network.config.temperature is None:
        if targets is not None:
            single = absolute_loss(absolute[:photos], targets.va, objective)
    elif photos + people:
        shift = network.encoder.shift(embedding[: photos + people])
        single = objective.shift * shift.square().mean()
    known = None
    if batch.data.rendered is not None:
        known = torch.from_numpy(batch.data.rendered.va[batch.rendered]).to(batch.device)
        single = single + absolute_loss(absolute[faces], known, objective)

    # Pairs: photos give pairs of strangers, the other sources give pairs of one person.
    pairs: list[tuple[Tensor, Tensor, PairTargets, float]] = []
    if batch.data.photos is not None and targets is not None:
        first, second = _tensors(stranger_pairs(batch.data.photos.label[batch.photos], photos, numbers))
        if objective.pairs != "same person" or known is None:
            truth = stranger_targets(targets.shares, targets.va, first, second, objective)
            pairs.append((embedding[first], embedding[second], truth, 1.0))
    if objective.pairs != "strangers":
        if batch.people_targets is not None and batch.data.people is not None:
            rows = batch.people[batch.grouped]
            _, person = np.unique(batch.data.people.person[rows], return_inverse=True)
            first, second = _tensors(same_person_pairs(person))
            if len(first):
                grouped = embedding[real][batch.grouped]
                target_va = torch.from_numpy(batch.people_targets.va[rows]).to(batch.device)
                truth = same_person_targets(target_va, first, second, objective)
                pairs.append((grouped[first], grouped[second], truth, objective.people_pairs))
        if known is not None and batch.data.rendered is not None:
            first, second = _tensors(same_person_pairs(batch.data.rendered.person[batch.rendered]))
            rendered = embedding[faces]
            truth = same_person_targets(known, first, second, objective)
            pairs.append((rendered[first], rendered[second], truth, 1.0))
    compared = [[none] * 3] + [
        [weight * term for term in _pair_losses(network, a, b, true, objective, progress)]
        for a, b, true, weight in pairs
    ]
    delta, similarity, cosine = (sum(terms, none) for terms in zip(*compared, strict=True))
    losses = Losses(expression=expression, absolute=single, delta=delta, similarity=similarity, cosine=cosine)
    return randomly_weighted(losses, numbers) if objective.random_weights else losses


def _photo_targets(batch: Batch) -> SoftTargets | None:
    """The targets of the photos of a batch, not softened; None without photos."""
    if batch.targets is None:
        return None
    shares, va = (
        torch.from_numpy(part[batch.photos]).to(batch.device)
        for part in (batch.targets.shares, batch.targets.va)
    )
    return SoftTargets(shares, va)


def _photo_expression(logits: Tensor, batch: Batch, soft: SoftTargets | None) -> Tensor:
    """Cross entropy [] of logits [P, 8] of the photos, against every view of their labels or softened targets."""
    if batch.targets is None:
        return logits.new_zeros(())
    if soft is None:
        losses = (view.loss(logits, batch.photos).mean() for view in batch.targets.views)
        return sum(losses, logits.new_zeros(()))
    adjusted = logits + torch.from_numpy(batch.targets.log_prior).to(batch.device)
    return -(soft.shares * adjusted.log_softmax(1)).sum(1).mean()


def _softened(
    state: RunState,
    batch: Batch,
    config: TrainConfig,
    autocast: torch.autocast,
    progress: float,
    numbers: Generator,
) -> SoftTargets | None:
    """Targets of the photos after distillation, for mixup; None when both are disabled, and without photos."""
    targets = _photo_targets(batch)
    if targets is None or batch.targets is None or batch.data.photos is None:
        return None
    if not (config.label_smoothing.mixup_share or config.label_smoothing.distil):
        return None
    images = torch.from_numpy(batch.data.photos.images[batch.photos]).to(batch.device)
    views = centre(images, config.network.input_size, 1.0)
    with autocast:
        return distilled(
            targets,
            views,
            state.averaged,
            torch.from_numpy(batch.targets.log_prior).to(batch.device),
            progress,
            config.label_smoothing,
            numbers,
        )


def _tensors(arrays: tuple[Indices, Indices]) -> tuple[Tensor, Tensor]:
    return torch.from_numpy(arrays[0]), torch.from_numpy(arrays[1])


def _pair_losses(
    network: Siamese,
    first: Tensor,
    second: Tensor,
    truth: PairTargets,
    objective: ObjectiveConfig,
    progress: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """Weighted losses (delta, similarity, cosine) of P pairs of embeddings [P, D]."""
    logit, delta = network.pair.compare(first, second)
    return (
        delta_loss(delta, truth.delta, objective, progress),
        objective.similarity * similarity_loss(logit, truth.similarity),
        objective.cosine * cosine_loss(first, second, truth.similarity, objective.cosine_margin),
    )
