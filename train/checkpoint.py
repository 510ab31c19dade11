"""What a run leaves on disk: latest.pt to go on from, and mtclar.pt, the network alone, to export and to keep."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import torch

from mtclar.engine.errors import MtclarError, UsageError
from mtclar.engine.files import write_whole
from mtclar.train.network import NetworkConfig, Siamese

VERSION = 1
LATEST = "latest.pt"
WEIGHTS = "mtclar.pt"
PLANNED_LENGTH = ("epochs", "minutes")  # may change when a run goes on
NAMED = 6  # settings that a message names before it counts them


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    """A trained network with what is known of it."""

    network: Siamese  # in evaluation mode
    stages: tuple[str, ...]  # what it was trained on, one line a run
    figures: dict[str, float]  # measured accuracy, figures.card_figures; empty before the run's end


@dataclass(slots=True)
class Plateau:
    """Lowers the learning rate when a loss has not fallen for some epochs, as published: factor .1, patience 5."""

    factor: float = 1.0  # of the learning rate
    best: float = float("inf")
    waited: int = 0  # epochs

    def saw(self, loss: float, *, patience: int = 5, step: float = 0.1) -> None:
        """Takes the validation loss of one more epoch."""
        self.waited += 1
        if loss < self.best:
            self.best, self.waited = loss, 0
        elif self.waited > patience:
            self.factor, self.waited = self.factor * step, 0


@dataclass(slots=True)
class RunState:
    """Everything that changes while training, and so everything that is needed to go on."""

    network: Siamese
    averaged: Siamese  # running mean of the weights
    optimiser: torch.optim.Optimizer
    earlier: tuple[str, ...]  # stages of the network that this run started from
    epoch: int = 0
    step: int = 0
    trained_s: float = 0.0
    plateau: Plateau = field(default_factory=Plateau)


@dataclass(frozen=True, slots=True, eq=False)
class SavedRun:
    """What latest.pt holds of a run that can go on."""

    path: Path
    settings: dict[str, Any]  # what the run was given, in groups
    content: dict[str, Any]

    @property
    def enlarged_size(self) -> int | None:
        """Side to which its network enlarges a picture."""
        enlarged: int | None = self.settings.get("network", {}).get("enlarged_size")
        return enlarged

    def require_same(self, settings: Mapping[str, Any], defaults: Mapping[str, Any]) -> None:
        """UsageError when it was given other settings, but for its planned length; what it lacks was the default."""
        asked = {name: value for name, value in settings.items() if name not in PLANNED_LENGTH}
        if told := differences(_filled(self.settings, defaults), asked):
            raise UsageError(
                f"{self.path} is of another run: {told}",
                "give it the data, --preset, --learning-rate and --seed that it began with, "
                "or start another run from its weights with --init",
            )

    def put_into(self, state: RunState) -> None:
        """Everything that changes while training; MtclarError when it does not fit."""
        stored = self.content
        try:
            state.network.load_state_dict(stored["network"])
            state.averaged.load_state_dict(stored["averaged"])
            state.optimiser.load_state_dict(stored["optimiser"])
            state.earlier = tuple(stored["earlier"])
            state.epoch, state.step, state.trained_s = stored["epoch"], stored["step"], stored["trained_s"]
            state.plateau = Plateau(**stored["plateau"])
        except (KeyError, RuntimeError, TypeError, ValueError) as error:
            raise MtclarError(
                f"{self.path} does not fit this run: {error}",
                "start another run from its weights with --init",
            ) from error


def save_state(path: Path, state: RunState, settings: dict[str, Any]) -> None:
    """Everything that is needed to go on after this epoch, and what the run was given."""
    _save(
        path,
        {
            "config": settings,
            "network": state.network.state_dict(),
            "averaged": state.averaged.state_dict(),
            "optimiser": state.optimiser.state_dict(),
            "earlier": list(state.earlier),
            "epoch": state.epoch,
            "step": state.step,
            "trained_s": state.trained_s,
            "plateau": asdict(state.plateau),
        },
    )


def load_state(path: Path, device: str = "cpu") -> SavedRun:
    """What `save_state` wrote; MtclarError when the file is missing, broken or something else."""
    stored = _load(path, device)
    if not isinstance(settings := stored.pop("config", None), dict):
        raise MtclarError(f"{path} holds no run to go on with", f"name the folder of a {LATEST}")
    return SavedRun(path, settings, stored)


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """`seed was 3, is 9; network.stem was 32, is 16`: every setting of `now` that was another before."""
    told = list(_differences(before, now))
    more = f"; and {len(told) - NAMED} more" if len(told) > NAMED else ""
    return "; ".join(told[:NAMED]) + more


def _differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    for name, value in now.items():
        if isinstance(value, Mapping):
            yield from (f"{name}.{told}" for told in _differences(before[name], value))
        elif before[name] != value:
            yield f"{name} was {before[name]}, is {value}"


def _filled(settings: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """The settings, and the default of each that an earlier version did not have."""
    return {
        name: _filled(settings.get(name, {}), default)
        if isinstance(default, Mapping)
        else settings.get(name, default)
        for name, default in defaults.items()
    }


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """The network alone, without what only training needs: what is exported and kept."""
    network = checkpoint.network
    _save(
        path,
        {
            "network_config": asdict(network.config),
            "weights": {name: tensor.contiguous() for name, tensor in network.state_dict().items()},
            "stages": list(checkpoint.stages),
            "figures": dict(checkpoint.figures),
        },
    )


def load_checkpoint(path: Path) -> Checkpoint:
    """What `save_checkpoint` wrote; MtclarError when the file is missing, broken or something else."""
    stored = _load(path)
    try:
        network = Siamese(NetworkConfig(**stored["network_config"]))
        network.load_state_dict(stored["weights"])
        return Checkpoint(network.eval(), tuple(stored["stages"]), stored["figures"])
    except (KeyError, TypeError, RuntimeError) as error:
        raise MtclarError(
            f"{path} holds no network of this kind: {error}", f"name a {WEIGHTS} that `train` wrote"
        ) from error


def _save(path: Path, content: dict[str, Any]) -> None:
    """Whole or not at all, so that a run killed while saving leaves the last checkpoint as it was."""
    saved = BytesIO()  # not straight to the disk: torch says in words of its own that one is full
    torch.save({"version": VERSION, **content}, saved)
    write_whole(path, lambda file: file.write(saved.getbuffer()))


def _load(path: Path, device: str = "cpu") -> dict[str, Any]:
    if not path.is_file():
        raise UsageError(f"{path} does not exist", "name a checkpoint that `train` wrote")
    try:
        stored = torch.load(path, map_location=device, weights_only=True)
    except Exception as error:  # torch raises whatever pickle, zip or its own reader met
        raise MtclarError(
            f"{path} is no checkpoint, or a damaged one", "name a checkpoint that `train` wrote, whole"
        ) from error
    if not isinstance(stored, dict) or stored.get("version") != VERSION:
        raise MtclarError(f"{path} is no checkpoint of version {VERSION}")
    return stored
