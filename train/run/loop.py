"""The training loop: a run, an epoch, a step, and how a run starts and resumes.

Every random number is derived from (seed, epoch), so a run that resumes after an epoch gives the same result as an
uninterrupted run. With a budget in minutes the learning rate follows the clock, and only the order of pictures repeats.
"""

import copy
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mtclar.engine.errors import MtclarError, UsageError
from mtclar.train.data.batches import Batches
from mtclar.train.data.ferplus import CROWD_SHARES
from mtclar.train.losses.batch_losses import batch_losses
from mtclar.train.network import evaluation
from mtclar.train.network.architecture import Siamese, move_towards
from mtclar.train.network.checkpoint import (
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
from mtclar.train.run import curves
from mtclar.train.run.config import TrainConfig, TrainData
from mtclar.train.run.distributed import DistributedGroup, process_group

CURVES = "curves.jsonl"
FILES = (WEIGHTS, LATEST, CURVES, str(Path(CURVES).with_suffix(".png")))
"""The files that a run writes into its folder."""

ALONE = DistributedGroup()


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
    curves.jsonl and its picture, curves.png. `initial` gives the weights to start from; `resume` continues the run in
    latest.pt. Every process of a `group` calls this with the same arguments. Raises MtclarError when there is nothing
    to resume or the loss is not finite, UsageError when `initial` has another architecture or latest.pt is of another
    run.
    """
    saved = load_state(out / LATEST, device) if resume else None
    config = _with_saved_size(config, initial, saved)
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
        f"{state.network.parameter_count():,} parameters, {len(data.photos) if data.photos else 0:,} photos, "
        f"{len(data.people) if data.people else 0:,} pictures of real people, "
        f"{len(data.rendered) if data.rendered else 0:,} of rendered people, from epoch {state.epoch + 1}"
    )
    with _flushed_denormals():
        while _progress(state, config) < 1:
            mean_losses = _epoch(batches, config, state, group, clock)
            if group.rank != 0:
                continue
            figures = evaluation.evaluate_photos(state.averaged, data.validation, device)
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
    """Flushes denormal numbers to zero in this process: they make products many times slower on a CPU."""
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


def _stages(data: TrainData, state: RunState) -> tuple[str, ...]:
    """The training data of the network for a model card, one line per run."""
    sources = [f"{len(data.photos):,} FER+ Training photos"] if data.photos else []
    if data.people:
        sources.append(f"{len(data.people):,} pictures of {len(np.unique(data.people.person)):,} real people")
    if data.rendered:
        count = len(np.unique(data.rendered.person))
        sources.append(f"{len(data.rendered):,} pictures of {count} rendered people")
    joined = f"{', '.join(sources[:-1])} and {sources[-1]}" if len(sources) > 1 else sources[0]
    return (*state.earlier, f"{joined}: {state.epoch} epochs, {state.trained_s / 60:.0f} min")


def _epoch(
    batches: "Batches",
    config: TrainConfig,
    state: RunState,
    group: DistributedGroup,
    clock: Callable[[], float],
) -> dict[str, float]:
    """Trains for the batches of one epoch, or until the time of the run ends; returns the mean of each loss."""
    order = np.random.default_rng([config.seed, state.epoch])
    chosen = list(batches.photos(order))
    # A single process reuses the generator that drew the order; several processes need one each.
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
        losses = batch_losses(state, batches.take(photos, numbers), config, _progress(state, config), numbers)
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
    """Runs `train` on the CPU in `workers` processes of one thread, each with its share of every batch."""
    if workers > 1 and config.schedule == "plateau":
        raise UsageError("the plateau schedule needs a single process", "pass --workers 1")
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
    """Updates the running mean of the weights; its decay is lower at the start, while the mean covers few steps."""
    moves = state.step / config.average_every
    decay = min(config.average**config.average_every, (1 + moves) / (10 + moves))
    move_towards(state.averaged, state.network, 1 - decay)


def _with_saved_size(config: TrainConfig, initial: Checkpoint | None, saved: SavedRun | None) -> TrainConfig:
    """The configuration with the enlarged size of the network it starts from, unless it sets its own.

    Raises UsageError when the rest of that network's configuration differs.
    """
    before = initial.network.config.enlarged_size if initial else saved.enlarged_size if saved else None
    network = replace(config.network, enlarged_size=config.network.enlarged_size or before)
    if initial is not None:
        comparable = replace(
            initial.network.config, enlarged_size=network.enlarged_size, temperature=network.temperature
        )
        if changes := differences(asdict(comparable), asdict(network)):
            raise UsageError(
                f"the network to start from differs from the network of this run: {changes}",
                "choose the --preset of that network, or omit --init",
            )
    return replace(config, network=network)


def _settings(data: TrainData, config: TrainConfig) -> dict[str, Any]:
    """The settings that identify a run: its configuration and the sizes of its data."""
    return {
        **asdict(config),
        "data": {
            "photos": len(data.photos) if data.photos else 0,
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
