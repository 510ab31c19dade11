"""The training loop, to be read from top to bottom: configuration, a run, an epoch, a batch, its losses.

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
from numpy.random import Generator
from torch import Tensor

from mtclar.engine.errors import MtclarError, UsageError
from mtclar.train import curves, evaluate
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
from mtclar.train.data.augmentation import CameraConfig, centre, photograph
from mtclar.train.data.ferplus import CROWD_SHARES, Photos
from mtclar.train.data.pairs import (
    Indices,
    PeopleSampler,
    RealPeopleSampler,
    epoch_batches,
    same_person_pairs,
    stranger_pairs,
)
from mtclar.train.data.real_people import RealPeople
from mtclar.train.data.rendered_people import People
from mtclar.train.data.targets import TargetConfig, Targets, people_targets, photo_targets
from mtclar.train.distributed import DistributedGroup, process_group
from mtclar.train.label_smoothing import LabelSmoothingConfig, SoftTargets, distilled, mixed
from mtclar.train.network import NetworkConfig, Siamese, move_towards
from mtclar.train.objective import (
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

CURVES = "curves.jsonl"
FILES = (WEIGHTS, LATEST, CURVES, str(Path(CURVES).with_suffix(".png")))
"""What a run writes into its folder."""

ALONE = DistributedGroup()


@dataclass(frozen=True)
class TrainConfig:
    """Every hyper-parameter of a run; stored in its checkpoints."""

    network: NetworkConfig = field(default_factory=NetworkConfig)
    objective: ObjectiveConfig = field(default_factory=ObjectiveConfig)
    camera: CameraConfig = field(default_factory=CameraConfig)
    targets: TargetConfig = field(default_factory=TargetConfig)
    label_smoothing: LabelSmoothingConfig = field(default_factory=LabelSmoothingConfig)
    epochs: int = 40  # of the photos; ignored where minutes are given
    minutes: float | None = None  # of training, validation not counted
    batch: int = 128  # pictures
    rendered_share: float = 0.3  # of a batch, where rendered people are given
    people_share: float = 0.22  # of a batch, where real people are given
    pictures_a_person: int = 8  # of rendered people
    learning_rate: float = 3e-3
    final_learning_rate: float = 1e-5
    warm_up: float = 0.03  # share of the run
    schedule: Literal["cosine", "plateau"] = "cosine"
    optimiser: Literal["adamw", "adam"] = "adamw"
    weight_decay: float = 0.05
    average: float = (
        0.998  # decay of the running mean of the weights, which is what is evaluated and exported
    )
    # Steps after which several processes average their weights; 1: they average the gradients of every step instead.
    average_every: int = 1
    clip_norm: float = 5.0
    bfloat16: bool = True  # autocast: 1.4 times as fast on a CPU with AVX512-BF16
    seed: int = 1


@dataclass(frozen=True, slots=True, eq=False)
class TrainData:
    """What a run learns from and what it is watched on."""

    photos: Photos
    validation: Photos
    rendered: People | None = None
    people: RealPeople | None = None


def train(
    data: TrainData,
    config: TrainConfig,
    out: Path,
    *,
    initial: Checkpoint | None = None,
    resume: bool = False,
    device: str = "cpu",
    group: DistributedGroup = ALONE,
    clock: Callable[[], float] = time.monotonic,
    say: Callable[[str], None] = print,
) -> Checkpoint:
    """Trains into the folder `out` and returns the averaged network.

    After every epoch `out` holds latest.pt (to resume from), mtclar.pt (weights alone, to export), one more line of
    curves.jsonl and its picture, curves.png. `initial` gives the weights to start from; `resume` goes on from
    latest.pt. Every process of a `group` calls this with the same arguments. MtclarError when there is nothing to
    resume or the loss is no longer a number; UsageError when what it goes on from is another network or another run.
    """
    saved = load_state(out / LATEST, device) if resume else None
    config = _going_on(config, initial, saved)
    settings = _settings(data, config)
    state = _start(config, initial, device)
    if saved is not None:
        saved.require_same(settings, defaults=_settings(data, TrainConfig()))
        saved.put_into(state)
    if group.rank == 0 and resume:
        curves.cut(out / CURVES, state.epoch)
    elif group.rank == 0:
        (out / CURVES).unlink(missing_ok=True)
    batches = Batches(data, config, group, device)
    say(
        f"{state.network.parameter_count():,} parameters, {len(data.photos):,} photos, "
        f"{len(data.people) if data.people else 0:,} pictures of real people, "
        f"{len(data.rendered) if data.rendered else 0:,} of rendered people, from epoch {state.epoch + 1}"
    )
    with _flushed_denormals():
        while _progress(state, config) < 1:
            mean_losses = _epoch(batches, config, state, group, clock)
            if group.rank != 0:
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
    shown = [f"{len(data.photos):,} FER+ Training photos"]
    if data.people:
        shown.append(f"{len(data.people):,} pictures of {len(np.unique(data.people.person)):,} real people")
    if data.rendered:
        count = len(np.unique(data.rendered.person))
        shown.append(f"{len(data.rendered):,} pictures of {count} rendered people")
    said = f"{', '.join(shown[:-1])} and {shown[-1]}" if len(shown) > 1 else shown[0]
    return (*state.earlier, f"{said}: {state.epoch} epochs, {state.trained_s / 60:.0f} min")


def _epoch(
    batches: "Batches",
    config: TrainConfig,
    state: RunState,
    group: DistributedGroup,
    clock: Callable[[], float],
) -> dict[str, float]:
    """As many steps as go once over the photos, or until the run's time is over; gives the mean of each loss."""
    order = np.random.default_rng([config.seed, state.epoch])
    chosen = list(batches.photos(order))
    # One process alone continues the stream that drew the order; several need a stream each.
    numbers = order if group.size == 1 else np.random.default_rng([config.seed, state.epoch, group.rank])
    torch.manual_seed(int(numbers.integers(2**62)))  # dropout
    state.network.train()
    sums: dict[str, float] = {}
    steps = 0
    started = clock()
    for i, photos in enumerate(chosen):
        rate = state.plateau.factor * learning_rate(_progress(state, config, i / len(chosen)), config)
        for parameters in state.optimiser.param_groups:
            parameters["lr"] = rate
        losses = batch_losses(state, batches.take(photos, numbers), config, numbers)
        loss = losses.total()
        if not torch.isfinite(loss):
            raise MtclarError(
                f"the loss became {loss.item()} in step {state.step}", "lower the learning rate"
            )
        state.optimiser.zero_grad()
        loss.backward()
        if config.average_every == 1:
            state.trained_s = group.average_gradients(state.network, state.trained_s + clock() - started)
            started = clock()
        torch.nn.utils.clip_grad_norm_(state.network.parameters(), config.clip_norm)
        state.optimiser.step()
        state.step += 1
        together = state.step % config.average_every == 0 or i == len(chosen) - 1
        if together and config.average_every > 1:
            seconds = state.trained_s + clock() - started
            state.trained_s = group.average_weights(state.network, state.optimiser, seconds)
            started = clock()
        if together:
            _average(state, config)
        for term in fields(losses):
            sums[term.name] = sums.get(term.name, 0.0) + getattr(losses, term.name).item()
        steps += 1
        if together and config.minutes is not None and _progress(state, config) >= 1:
            break
    state.epoch += 1
    return {name: value / steps for name, value in sums.items()}


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """The pictures of one step of one process, by their numbers in each source, and as a camera saw them."""

    data: TrainData
    photos: Indices  # [P]
    people: Indices  # [Q]; none where there are no real people
    grouped: slice  # those of `people` that come in groups of one person
    rendered: Indices  # [R]; none where there are no rendered people
    targets: Targets  # of all photos
    people_targets: Targets | None  # of all pictures of real people
    views: tuple[Tensor, ...]  # float32 [P, S, S], [Q, S, S], [R, S, S], without those of absent sources
    device: str


class Batches:
    """Draws what each step of one process sees."""

    def __init__(self, data: TrainData, config: TrainConfig, group: DistributedGroup, device: str) -> None:
        self._data, self._config, self._group, self._device = data, config, group, device
        rendered = round(config.batch * config.rendered_share) if data.rendered else 0
        people = round(config.batch * config.people_share) if data.people else 0
        self._photo_count = config.batch - rendered - people
        self._targets = photo_targets(data.photos, config.targets)
        self._rendered = self._people = self._people_targets = None
        if data.rendered:
            size = config.pictures_a_person
            count = max(rendered // (group.size * size), 1)
            self._rendered = PeopleSampler(data.rendered.person, count, size)
        if data.people:
            odds = people_targets(data.people.expression, config.targets).odds
            mine = max(people // group.size, 1)
            self._people = RealPeopleSampler(data.people.person, data.people.expression, odds, mine)
            frequency = self._people.frequency()
            self._people_targets = people_targets(data.people.expression, config.targets, frequency)

    def photos(self, order: Generator) -> Iterator[Indices]:
        """The photos of this process's batches of one epoch; every process has to bring the same numbers."""
        odds = self._targets.odds if self._config.targets.balance else None
        for batch in epoch_batches(len(self._data.photos), self._photo_count, order, odds):
            yield batch[self._group.rank :: self._group.size]

    def take(self, photos: Indices, numbers: Generator) -> Batch:
        """A batch of these photos and of people drawn beside them."""
        data, config = self._data, self._config
        nobody = np.zeros(0, np.int64)
        people = self._people(numbers) if self._people else nobody
        rendered = self._rendered(numbers) if self._rendered else nobody
        shown = [(data.photos.images[photos], 1.0)]
        if data.people:
            shown.append((data.people.images[people], data.people.core))
        if data.rendered:
            shown.append((data.rendered.images[rendered], data.rendered.core))
        views = [
            photograph(crops, config.network.input_size, core, config.camera, numbers)
            for crops, core in shown
        ]
        return Batch(
            data,
            photos,
            people,
            slice(self._people.singles if self._people else 0, len(people)),
            rendered,
            self._targets,
            self._people_targets,
            tuple(torch.from_numpy(view).to(self._device) for view in views),
            self._device,
        )


def batch_losses(state: RunState, batch: Batch, config: TrainConfig, numbers: Generator) -> Losses:
    """The losses of one batch: single pictures of every source, and pairs."""
    network, objective = state.network, config.objective
    autocast = torch.autocast(torch.device(batch.device).type, torch.bfloat16, enabled=config.bfloat16)
    views, soft = list(batch.views), _softened(state, batch, config, autocast, numbers)
    if soft is not None:
        views[0], soft = mixed(views[0], soft, config.label_smoothing, numbers)
    with autocast:
        outputs = network.encoder(torch.cat(views))
    embedding, absolute, logits = (output.float() for output in outputs)
    photos, people = len(batch.photos), len(batch.people)
    real, faces = slice(photos, photos + people), slice(photos + people, None)

    # Single pictures: the expression of photos and real people, valence and arousal of rendered people.
    shares = (
        torch.from_numpy(batch.targets.shares[batch.photos]).to(batch.device) if soft is None else soft.shares
    )
    va = torch.from_numpy(batch.targets.va[batch.photos]).to(batch.device) if soft is None else soft.va
    if soft is None:
        views_of = batch.targets.views
        expression = sum(
            (view.loss(logits[:photos], batch.photos).mean() for view in views_of), logits.new_zeros(())
        )
    else:
        adjusted = logits[:photos] + torch.from_numpy(batch.targets.log_prior).to(batch.device)
        expression = -(shares * adjusted.log_softmax(1)).sum(1).mean()
    expression = objective.expression * expression
    if batch.people_targets is not None:
        (view,) = batch.people_targets.views
        of_people = view.loss(logits[real], batch.people).mean()
        expression = expression + objective.people_expression * of_people
    if network.config.temperature is None:
        single = absolute_loss(absolute[:photos], va, objective)
    else:
        shift = network.encoder.shift(embedding[: photos + people])
        single = objective.shift * shift.square().mean()
    known = None
    if batch.data.rendered is not None:
        known = torch.from_numpy(batch.data.rendered.va[batch.rendered]).to(batch.device)
        single = single + absolute_loss(absolute[faces], known, objective)

    # Pairs: of strangers among the photos, of the same person among the others.
    pairs: list[tuple[Tensor, Tensor, PairTargets, float]] = []
    first, second = _tensors(stranger_pairs(batch.data.photos.label[batch.photos], photos, numbers))
    if objective.pairs != "same person" or known is None:
        truth = stranger_targets(shares, va, first, second, objective)
        pairs.append((embedding[first], embedding[second], truth, 1.0))
    if objective.pairs != "strangers":
        if batch.people_targets is not None and batch.data.people is not None:
            rows = batch.people[batch.grouped]
            _, person = np.unique(batch.data.people.person[rows], return_inverse=True)
            first, second = _tensors(same_person_pairs(person))
            if len(first):
                own = embedding[real][batch.grouped]
                meant = torch.from_numpy(batch.people_targets.va[rows]).to(batch.device)
                truth = same_person_targets(meant, first, second, objective)
                pairs.append((own[first], own[second], truth, objective.people_pairs))
        if known is not None and batch.data.rendered is not None:
            first, second = _tensors(same_person_pairs(batch.data.rendered.person[batch.rendered]))
            own = embedding[faces]
            truth = same_person_targets(known, first, second, objective)
            pairs.append((own[first], own[second], truth, 1.0))
    compared = [
        [weight * term for term in _pair_losses(network, a, b, true, objective, _progress(state, config))]
        for a, b, true, weight in pairs
    ]
    delta, similarity, cosine = (sum(terms, single.new_zeros(())) for terms in zip(*compared, strict=True))
    losses = Losses(expression=expression, absolute=single, delta=delta, similarity=similarity, cosine=cosine)
    return randomly_weighted(losses, numbers) if objective.random_weights else losses


def _softened(
    state: RunState, batch: Batch, config: TrainConfig, autocast: torch.autocast, numbers: Generator
) -> SoftTargets | None:
    """Targets of the photos that mixup and distillation may change; None where both are off."""
    if not (config.label_smoothing.mixup_share or config.label_smoothing.distil):
        return None
    shares, va = (
        torch.from_numpy(part[batch.photos]).to(batch.device)
        for part in (batch.targets.shares, batch.targets.va)
    )
    images = torch.from_numpy(batch.data.photos.images[batch.photos]).to(batch.device)
    seen = centre(images, config.network.input_size, 1.0)
    with autocast:
        return distilled(
            SoftTargets(shares, va),
            seen,
            state.averaged,
            torch.from_numpy(batch.targets.log_prior).to(batch.device),
            _progress(state, config),
            config.label_smoothing,
            numbers,
        )


def _tensors(arrays: tuple[Indices, Indices]) -> tuple[Tensor, Tensor]:
    return torch.from_numpy(arrays[0]), torch.from_numpy(arrays[1])


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
    with process_group(workers, partial(_train_silently, data, config, out, initial, resume)) as group:
        return train(data, config, out, initial=initial, resume=resume, group=group, say=say)


def _train_silently(
    data: TrainData,
    config: TrainConfig,
    out: Path,
    initial: Checkpoint | None,
    resume: bool,
    group: DistributedGroup,
) -> None:
    """The same run in another process of the group, which reports nothing."""
    train(data, config, out, initial=initial, resume=resume, group=group, say=lambda _: None)


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
    moves = state.step / config.average_every
    decay = min(config.average**config.average_every, (1 + moves) / (10 + moves))
    move_towards(state.averaged, state.network, 1 - decay)


def _going_on(config: TrainConfig, initial: Checkpoint | None, saved: SavedRun | None) -> TrainConfig:
    """The configuration, with pictures enlarged as they were before where it does not say so itself."""
    before = initial.network.config.enlarged_size if initial else saved.enlarged_size if saved else None
    network = replace(config.network, enlarged_size=config.network.enlarged_size or before)
    if initial is not None:
        comparable = replace(
            initial.network.config, enlarged_size=network.enlarged_size, temperature=network.temperature
        )
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
        "data": {
            "photos": len(data.photos),
            "rendered": len(data.rendered) if data.rendered else 0,
            "people": len(data.people) if data.people else 0,
        },
    }


def _start(config: TrainConfig, initial: Checkpoint | None, device: str) -> RunState:
    torch.manual_seed(config.seed)
    network = Siamese(config.network)
    if initial is not None:
        network.start_from(initial.network, CROWD_SHARES)
    network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    averaged = copy.deepcopy(network).eval().requires_grad_(False)
    kind = {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam}[config.optimiser]
    optimiser = kind(network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    return RunState(network, averaged, optimiser, initial.stages if initial else ())
