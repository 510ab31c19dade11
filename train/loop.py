"""The training loop, to be read from top to bottom: configuration, a run, an epoch, the losses of a batch.

Every random number follows from (seed, epoch), so a run that is resumed after an epoch goes on exactly as if it had
never stopped. With a budget in minutes the learning rate follows the clock, and only the order of pictures repeats.
"""

import copy
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from mtclar.engine.errors import MtclarError, UsageError
from mtclar.train import curves, evaluate
from mtclar.train.augment import AugmentConfig, augment, centre
from mtclar.train.checkpoint import (
    LATEST,
    WEIGHTS,
    Checkpoint,
    RunState,
    SavedRun,
    differences,
    load_state,
    save_checkpoint,
    save_state,
)
from mtclar.train.ferplus import Photos
from mtclar.train.network import NetworkConfig, Siamese, move_towards
from mtclar.train.objective import (
    Losses,
    ObjectiveConfig,
    PairTargets,
    absolute_loss,
    class_weights,
    cosine_loss,
    delta_loss,
    expression_loss,
    randomly_weighted,
    same_person_targets,
    similarity_loss,
    stranger_targets,
)
from mtclar.train.pairs import PeopleSampler, epoch_batches, same_person_pairs, stranger_pairs
from mtclar.train.people import People
from mtclar.train.soften import SoftenConfig, Targets, distilled, mixed
from mtclar.train.team import Team, gathered

CURVES = "curves.jsonl"
FILES = (WEIGHTS, LATEST, CURVES, str(Path(CURVES).with_suffix(".png")))
"""What a run writes into its folder."""

ALONE = Team()


@dataclass(frozen=True)
class TrainConfig:
    """Every hyper-parameter of a run; stored in its checkpoints."""

    network: NetworkConfig = field(default_factory=NetworkConfig)
    objective: ObjectiveConfig = field(default_factory=ObjectiveConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    soften: SoftenConfig = field(default_factory=SoftenConfig)
    epochs: int = 40  # of the photos; ignored where minutes are given
    minutes: float | None = None  # of training, validation not counted
    batch: int = 128  # pictures
    people_share: float = 0.3  # of a batch, where rendered people are given
    pictures_a_person: int = 8
    learning_rate: float = 3e-3
    final_learning_rate: float = 1e-5
    warm_up: float = 0.03  # share of the run
    schedule: Literal["cosine", "plateau"] = "cosine"
    optimiser: Literal["adamw", "adam"] = "adamw"
    weight_decay: float = 0.05
    average: float = (
        0.998  # decay of the running mean of the weights, which is what is evaluated and exported
    )
    clip_norm: float = 5.0
    bfloat16: bool = True  # autocast: 1.4 times as fast on a CPU with AVX512-BF16
    seed: int = 1


@dataclass(frozen=True, slots=True, eq=False)
class TrainData:
    """What a run learns from and what it is watched on."""

    photos: Photos
    validation: Photos
    people: People | None = None


def train(
    data: TrainData,
    config: TrainConfig,
    out: Path,
    *,
    initial: Checkpoint | None = None,
    resume: bool = False,
    device: str = "cpu",
    team: Team = ALONE,
    clock: Callable[[], float] = time.monotonic,
    say: Callable[[str], None] = print,
) -> Checkpoint:
    """Trains into the folder `out` and returns the averaged network.

    After every epoch `out` holds latest.pt (to resume from), mtclar.pt (weights alone, to export), one more line of
    curves.jsonl and its picture, curves.png. `initial` gives the weights to start from; `resume` goes on from
    latest.pt. Every member of a `team` calls this with the same arguments. MtclarError when there is nothing to resume,
    or the loss is no longer a number; UsageError when what it goes on from is another network or another run.
    """
    saved = load_state(out / LATEST, device) if resume else None
    config = _going_on(config, initial, saved)
    settings = _settings(data, config)
    state = _start(config, initial, device)
    if saved is not None:
        saved.require_same(settings, defaults=_settings(data, TrainConfig()))
        saved.put_into(state)
    if team.rank == 0 and resume:
        curves.cut(out / CURVES, state.epoch)
    elif team.rank == 0:
        (out / CURVES).unlink(missing_ok=True)
    say(
        f"{state.network.parameter_count():,} parameters, {len(data.photos):,} photos, "
        f"{len(data.people) if data.people else 0:,} pictures of rendered people, from epoch {state.epoch + 1}"
    )
    weights = class_weights(data.photos.expression, config.objective).to(device)
    with _flushed_denormals():
        while _progress(state, config) < 1:
            mean_losses = _epoch(data, config, state, weights, team, device, clock)
            if team.rank != 0:
                continue
            figures = evaluate.evaluate_photos(state.averaged, data.validation, device)
            if config.schedule == "plateau":
                state.plateau.saw(1 - sum(figures.proxy_va.ccc) / 2)
            reached = {"epoch": state.epoch, "step": state.step, "trained_s": round(state.trained_s, 1)}
            curves.append(out / CURVES, {**reached, **mean_losses, "validation": asdict(figures)})
            save_state(out / LATEST, state, settings)
            save_checkpoint(out / WEIGHTS, Checkpoint(state.averaged, _stages(data, state), {}))
            curves.draw(out / CURVES)
            terms = " ".join(f"{name} {value:.3f}" for name, value in mean_losses.items())
            say(f"epoch {state.epoch} {state.trained_s / 60:.1f} min | {terms} | validation {figures}")
    return Checkpoint(state.averaged, _stages(data, state), {})


@contextmanager
def _flushed_denormals() -> Iterator[None]:
    """Denormal weights of dying channels cost a CPU many times an ordinary product; the setting is the process's."""
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


def _stages(data: TrainData, state: RunState) -> tuple[str, ...]:
    """What the network has been trained on, a line of a model card for each run."""
    shown = f"{len(data.photos):,} FER+ Training photos"
    if data.people:
        shown += f" and {len(data.people):,} pictures of {len(np.unique(data.people.person))} rendered people"
    return (*state.earlier, f"{shown}: {state.epoch} epochs, {state.trained_s / 60:.0f} min")


def _epoch(
    data: TrainData,
    config: TrainConfig,
    state: RunState,
    weights: Tensor,
    team: Team,
    device: str,
    clock: Callable[[], float],
) -> dict[str, float]:
    """Once over the photos, or until the run's time is over; gives the mean of each loss."""
    order = np.random.default_rng([config.seed, state.epoch])
    people_count = round(config.batch * config.people_share) if data.people else 0
    batches = list(epoch_batches(len(data.photos), config.batch - people_count, order))
    # One member alone continues the stream that drew the order; several need a stream each.
    numbers = order if team.size == 1 else np.random.default_rng([config.seed, state.epoch, team.rank])
    changes = torch.Generator().manual_seed(int(numbers.integers(2**62)))
    torch.manual_seed(int(numbers.integers(2**62)))  # dropout
    sampler = (
        PeopleSampler(
            data.people.person,
            max(people_count // (team.size * config.pictures_a_person), 1),
            config.pictures_a_person,
        )
        if data.people
        else None
    )
    state.network.train()
    sums: dict[str, float] = {}
    steps = 0
    started = clock()
    for i, batch in enumerate(batches):
        chosen = batch[team.rank :: team.size]
        rate = state.plateau.factor * learning_rate(_progress(state, config, i / len(batches)), config)
        for group in state.optimiser.param_groups:
            group["lr"] = rate
        people = sampler(numbers) if sampler else None
        losses = batch_losses(state, data, chosen, people, config, weights, numbers, changes, device)
        loss = losses.total()
        if not torch.isfinite(loss):
            raise MtclarError(
                f"the loss became {loss.item()} in step {state.step}", "lower the learning rate"
            )
        state.optimiser.zero_grad()
        loss.backward()
        state.trained_s = team.average(state.network, state.trained_s + clock() - started)
        started = clock()
        torch.nn.utils.clip_grad_norm_(state.network.parameters(), config.clip_norm)
        state.optimiser.step()
        state.step += 1
        _average(state, config)
        for term in fields(losses):
            sums[term.name] = sums.get(term.name, 0.0) + getattr(losses, term.name).item()
        steps += 1
        if config.minutes is not None and _progress(state, config) >= 1:
            break
    state.epoch += 1
    return {name: value / steps for name, value in sums.items()}


def train_together(
    workers: int,
    data: TrainData,
    config: TrainConfig,
    out: Path,
    *,
    initial: Checkpoint | None = None,
    resume: bool = False,
    say: Callable[[str], None] = print,
) -> Checkpoint:
    """`train` by `workers` processes of one thread each, every one with its share of a batch; on the CPU."""
    if workers > 1 and config.schedule == "plateau":
        raise UsageError(
            "a learning rate that waits for a plateau is set by one process alone", "give --workers 1"
        )
    with gathered(workers, partial(_train_beside, data, config, out, initial, resume)) as team:
        return train(data, config, out, initial=initial, resume=resume, team=team, say=say)


def _train_beside(
    data: TrainData, config: TrainConfig, out: Path, initial: Checkpoint | None, resume: bool, team: Team
) -> None:
    """What the other members do: the same run, without a word."""
    train(data, config, out, initial=initial, resume=resume, team=team, say=lambda _: None)


def batch_losses(
    state: RunState,
    data: TrainData,
    chosen: np.ndarray,
    people: np.ndarray | None,
    config: TrainConfig,
    weights: Tensor,
    numbers: np.random.Generator,
    changes: torch.Generator,
    device: str,
) -> Losses:
    """The losses of one batch of photos `chosen` and, beside them, pictures `people` of rendered people."""
    network, size = state.network, config.network.input_size
    photos = len(chosen)
    autocast = torch.autocast(torch.device(device).type, torch.bfloat16, enabled=config.bfloat16)
    images = torch.from_numpy(data.photos.images[chosen]).to(device)
    targets = Targets(
        torch.from_numpy(data.photos.expression[chosen]).to(device),
        torch.from_numpy(data.photos.va[chosen]).to(device),
    )
    progress = _progress(state, config)
    with autocast:
        targets = distilled(
            targets, centre(images, size, 1.0), state.averaged, progress, config.soften, numbers
        )
    view, targets = mixed(
        augment(images, size, 1.0, config.augment, changes), targets, config.soften, numbers
    )
    shares, va = targets.shares, targets.va
    views = [view]
    if people is not None and data.people is not None:
        crops = torch.from_numpy(data.people.images[people]).to(device)
        views.append(augment(crops, size, data.people.core, config.augment, changes))
    with autocast:
        outputs = network.encoder(torch.cat(views))
    embedding, absolute, logits = (output.float() for output in outputs)

    objective = config.objective
    first, second = (torch.from_numpy(i) for i in stranger_pairs(data.photos.label[chosen], photos, numbers))
    truth = stranger_targets(shares, va, first, second, objective)
    pairs = []
    if objective.pairs != "same person" or people is None:
        pairs.append((embedding[first], embedding[second], truth))
    single = absolute_loss(absolute[:photos], va, objective)
    if people is not None and data.people is not None:
        known = torch.from_numpy(data.people.va[people]).to(device)
        first, second = (torch.from_numpy(i) for i in same_person_pairs(data.people.person[people]))
        truth = same_person_targets(known, first, second, objective)
        own = embedding[photos:]
        if objective.pairs != "strangers":
            pairs.append((own[first], own[second], truth))
        single = single + absolute_loss(absolute[photos:], known, objective)
    compared = [_pair_losses(network, a, b, true, objective, progress) for a, b, true in pairs]
    delta, similarity, cosine = (sum(terms, single.new_zeros(())) for terms in zip(*compared, strict=True))
    losses = Losses(
        expression=objective.expression * expression_loss(logits[:photos], shares, weights),
        absolute=single,
        delta=delta,
        similarity=similarity,
        cosine=cosine,
    )
    return randomly_weighted(losses, numbers) if objective.random_weights else losses


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


def learning_rate(progress: float, config: TrainConfig) -> float:
    """Linear warm-up, then half a cosine down to the final rate, or no change for a plateau; progress in 0..1."""
    if config.schedule == "plateau":
        return config.learning_rate
    if progress < config.warm_up:
        share = progress / config.warm_up
    else:
        share = 0.5 * (1 + math.cos(math.pi * min((progress - config.warm_up) / (1 - config.warm_up), 1)))
    return config.learning_rate * share + config.final_learning_rate


def _progress(state: RunState, config: TrainConfig, within_epoch: float = 0.0) -> float:
    """How much of the run is done, 0..1."""
    if config.minutes is not None:
        return state.trained_s / (60 * config.minutes)
    return (state.epoch + within_epoch) / config.epochs


def _average(state: RunState, config: TrainConfig) -> None:
    """Moves the averaged weights a little towards the current ones; further at the start, when they mean little."""
    decay = min(config.average, (1 + state.step) / (10 + state.step))
    move_towards(state.averaged, state.network, 1 - decay)


def _going_on(config: TrainConfig, initial: Checkpoint | None, saved: SavedRun | None) -> TrainConfig:
    """The configuration, with pictures enlarged as they were before where it does not say so itself."""
    before = initial.network.config.enlarged_size if initial else saved.enlarged_size if saved else None
    network = replace(config.network, enlarged_size=config.network.enlarged_size or before)
    if initial is not None:
        comparable = replace(initial.network.config, enlarged_size=network.enlarged_size)
        if told := differences(asdict(comparable), asdict(network)):
            raise UsageError(
                f"the network to start from is another than this run's: {told}",
                "choose the --preset of that network, or leave out --init",
            )
    return replace(config, network=network)


def _settings(data: TrainData, config: TrainConfig) -> dict[str, Any]:
    """What makes a run the run that it is."""
    return {
        **asdict(config),
        "data": {"photos": len(data.photos), "rendered": len(data.people) if data.people else 0},
    }


def _start(config: TrainConfig, initial: Checkpoint | None, device: str) -> RunState:
    torch.manual_seed(config.seed)
    network = Siamese(config.network)
    if initial is not None:
        network.load_state_dict(initial.network.state_dict())
    network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    averaged = copy.deepcopy(network).eval().requires_grad_(False)
    kind = {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam}[config.optimiser]
    optimiser = kind(network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    return RunState(network, averaged, optimiser, initial.stages if initial else ())
