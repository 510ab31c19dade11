"""The checkpoint files of a run: latest.pt, from which it resumes, and mtclar.pt, which has the network alone."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import torch

from mtclar.engine.errors import MtclarError, UsageError
from mtclar.engine.files.writing import write_whole
from mtclar.train.network.architecture import NetworkConfig, Siamese

VERSION = 1
LATEST = "latest.pt"
WEIGHTS = "mtclar.pt"
PLANNED_LENGTH = ("epochs", "minutes")  # may change when a run resumes
NAMED = 6  # settings that a message names; it counts the rest


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    """A trained network, its training data and its accuracy."""

    network: Siamese  # in evaluation mode
    stages: tuple[str, ...]  # its training data, one line per run
    figures: dict[str, float]  # accuracy from figures.card_figures; empty until the run ends


@dataclass(slots=True)
class Plateau:
    """Lowers the learning rate when a loss has not fallen for some epochs, as published: factor .1, patience 5."""

    factor: float = 1.0  # of the learning rate
    best: float = float("inf")
    waited: int = 0  # epochs

    def saw(self, loss: float, *, patience: int = 5, step: float = 0.1) -> None:
        """Records the validation loss of an epoch."""
        self.waited += 1
        if loss < self.best:
            self.best, self.waited = loss, 0
        elif self.waited > patience:
            self.factor, self.waited = self.factor * step, 0


@dataclass(slots=True)
class RunState:
    """Everything that changes during training, which is everything needed to resume."""

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
    """The content of latest.pt: a run that can be resumed."""

    path: Path
    settings: dict[str, Any]  # configuration and data sizes of the run, nested by group
    content: dict[str, Any]

    @property
    def enlarged_size(self) -> int | None:
        """Side in pixels to which its network enlarges a picture."""
        enlarged: int | None = self.settings.get("network", {}).get("enlarged_size")
        return enlarged

    def require_same(self, settings: Mapping[str, Any], defaults: Mapping[str, Any]) -> None:
        """Raises UsageError when a setting differs; the planned length may. Missing settings have their defaults."""
        requested = {name: value for name, value in settings.items() if name not in PLANNED_LENGTH}
        if changes := differences(_filled(self.settings, defaults), requested):
            raise UsageError(
                f"{self.path} is the checkpoint of another run: {changes}",
                "pass the data, --preset, --learning-rate and --seed of the run that wrote it, "
                "or start another run from its weights with --init",
            )

    def put_into(self, state: RunState) -> None:
        """Restores the saved state into `state`; raises MtclarError when it does not fit."""
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
    """Saves everything needed to resume after this epoch, with the settings of the run."""
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
    """Reads a file of `save_state`; raises MtclarError when it is missing, damaged or of another kind."""
    stored = _load(path, device)
    if not isinstance(settings := stored.pop("config", None), dict):
        raise MtclarError(f"{path} holds no run to resume", f"name the folder of a {LATEST}")
    return SavedRun(path, settings, stored)


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Lists the settings of `now` that differ from `before`: `seed was 3, is 9; network.stem was 32, is 16`."""
    changes = list(_differences(before, now))
    more = f"; and {len(changes) - NAMED} more" if len(changes) > NAMED else ""
    return "; ".join(changes[:NAMED]) + more


def _differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    for name, value in now.items():
        if isinstance(value, Mapping):
            yield from (f"{name}.{change}" for change in _differences(before[name], value))
        elif before[name] != value:
            yield f"{name} was {before[name]}, is {value}"


def _filled(settings: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """The settings, completed with the defaults of settings that earlier versions did not have."""
    return {
        name: _filled(settings.get(name, {}), default)
        if isinstance(default, Mapping)
        else settings.get(name, default)
        for name, default in defaults.items()
    }


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Saves the network without the state that only training needs."""
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
    """Reads a file of `save_checkpoint`; raises MtclarError when it is missing, damaged or of another kind."""
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
    """Writes the file atomically, so that a run killed while saving keeps its last checkpoint."""
    saved = BytesIO()  # in memory first: torch has its own error for a full disk
    torch.save({"version": VERSION, **content}, saved)
    write_whole(path, saved.getvalue(), private=False)


def _load(path: Path, device: str = "cpu") -> dict[str, Any]:
    if not path.is_file():
        raise UsageError(f"{path} does not exist", "name a checkpoint that `train` wrote")
    try:
        stored = torch.load(path, map_location=device, weights_only=True)
    except Exception as error:  # torch raises errors of pickle, of zip and of its own reader
        raise MtclarError(
            f"{path} is not a checkpoint, or it is damaged", "name a complete checkpoint that `train` wrote"
        ) from error
    if not isinstance(stored, dict) or stored.get("version") != VERSION:
        raise MtclarError(f"{path} is not a checkpoint of version {VERSION}")
    return stored
