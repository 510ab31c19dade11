"""Data-parallel training: identical networks, resumable runs, and an error when a process ends."""

import json
import os
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the [train] extra is not installed")

from support.media import ferplus_folder

from mtclar.engine.errors import MtclarError, UsageError
from mtclar.train.data import ferplus
from mtclar.train.data.rendered_people import People
from mtclar.train.network import checkpoint
from mtclar.train.network.architecture import NetworkConfig
from mtclar.train.run import loop, presets
from mtclar.train.run.config import TrainConfig, TrainData
from mtclar.train.run.distributed import DistributedGroup, process_group

SMALL = NetworkConfig(stem=8, stages=((8, 1), (16, 1)), embedding=16, dropout=0.2, pair_hidden=(16, 8))
CONFIG = TrainConfig(network=SMALL, epochs=2, batch=32, pictures_a_person=4, average=0.9, bfloat16=False)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> TrainData:
    photos = ferplus.load(ferplus_folder.write(tmp_path_factory.mktemp("data") / "ferplus", 120))
    person = np.repeat(np.arange(6), 5)
    random = np.random.default_rng(8)
    crops = random.integers(0, 256, (len(person), 56, 56), dtype=np.uint8)
    va = random.uniform(-1, 1, (len(person), 2)).astype(np.float32)
    return TrainData(photos.split("Training"), photos.split("PublicTest"), People(crops, va, person))


def step(folder: Path, group: DistributedGroup) -> None:
    """Writes one averaged gradient of a process to a file."""
    layer = torch.nn.Linear(2, 1)
    for parameter in layer.parameters():
        parameter.grad = torch.full_like(parameter, float(group.rank))
    seconds = group.average_gradients(layer, 10.0 * group.rank)
    gradients = [parameter.grad.tolist() for parameter in layer.parameters() if parameter.grad is not None]
    (folder / f"{group.rank}.json").write_text(json.dumps([gradients, seconds]))


def average_weights(folder: Path, group: DistributedGroup) -> None:
    """Writes the weights and the clock of a process after averaging to a file."""
    layer = torch.nn.BatchNorm1d(1)
    with torch.no_grad():
        layer.weight.fill_(float(group.rank))
    layer.running_mean.fill_(float(group.rank))
    optimiser = torch.optim.Adam([layer.weight], lr=0.0)
    layer.weight.grad = torch.full_like(layer.weight, float(group.rank))
    optimiser.step()
    seconds = group.average_weights(layer, optimiser, 4.0)
    moment = optimiser.state[layer.weight]["exp_avg"].item() / 0.1  # the mean gradient after one step
    told = [[layer.weight.item(), layer.running_mean.item()], [round(moment, 5)], seconds]
    (folder / f"{group.rank}.json").write_text(json.dumps(told))


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Puts this module on sys.path, which new processes inherit."""
    monkeypatch.syspath_prepend(Path(__file__).parents[3])


def vanish(group: DistributedGroup) -> None:
    """Kills the process before its first step."""
    if group.rank:
        os._exit(9)


def test_processes_average_gradients(tmp_path: Path) -> None:
    with process_group(3, partial(step, tmp_path)) as group:
        step(tmp_path, group)
    told = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(3)]
    assert told == [[[[[1.0, 1.0]], [1.0]], 10.0]] * 3


def test_processes_average_weights(tmp_path: Path) -> None:
    with process_group(3, partial(average_weights, tmp_path)) as group:
        average_weights(tmp_path, group)
    told = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(3)]
    assert told == [[[1.0, 1.0], [1.0], 4.0]] * 3


@pytest.mark.parametrize("average_every", [1, 2])
def test_a_run_of_two_processes_repeats_and_resumes(
    data: TrainData, tmp_path: Path, average_every: int
) -> None:
    config = replace(CONFIG, average_every=average_every)
    message: list[str] = []
    whole = loop.train_together(2, data, config, tmp_path / "a", say=message.append)
    assert len(message) == 1 + CONFIG.epochs
    kept = checkpoint.load_checkpoint(tmp_path / "a" / checkpoint.WEIGHTS)
    assert "2 epochs" in kept.stages[-1]

    class Interrupted(Exception):
        pass

    def interrupt(line: str) -> None:
        if line.startswith("epoch 1 "):
            raise Interrupted

    with pytest.raises(Interrupted):
        loop.train_together(2, data, config, tmp_path / "b", say=interrupt)
    again = loop.train_together(2, data, config, tmp_path / "b", resume=True, say=message.append)
    assert message[-2].endswith("from epoch 2")
    for name, tensor in whole.network.state_dict().items():
        assert torch.equal(tensor, again.network.state_dict()[name]), name


def test_killed_process_ends_the_run(tmp_path: Path) -> None:
    with pytest.raises(MtclarError, match="a training process ended"), process_group(2, vanish) as group:
        step(tmp_path, group)


def fail(folder: Path, group: DistributedGroup) -> None:
    """A step in which one process raises a user error."""
    if group.rank == 2:
        raise UsageError("it cannot be", "do otherwise")
    step(folder, group)


def test_error_of_a_process_is_reported_once(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with (
        pytest.raises(UsageError, match=r"(?m)^it cannot be$") as raised,
        process_group(3, partial(fail, tmp_path)) as group,
    ):
        step(tmp_path, group)
    assert raised.value.hint == "do otherwise"
    assert capfd.readouterr().err == ""


def test_failed_resume_is_reported_once(
    data: TrainData, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UsageError, match=r"latest\.pt does not exist"):
        loop.train_together(2, data, CONFIG, tmp_path, resume=True)
    assert capfd.readouterr() == ("", "")


def test_process_that_ends_before_joining_ends_the_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def closed(*_: object, **__: object) -> None:
        raise RuntimeError("Connection closed by peer\nand a second line")

    monkeypatch.setattr(torch.distributed, "init_process_group", closed)
    with (
        pytest.raises(MtclarError, match=r"(?m)a training process ended: Connection closed by peer$"),
        process_group(2, vanish),
    ):
        pass


def test_process_that_cannot_start_ends_the_run() -> None:
    class Unknown:
        """A callable that the new process cannot unpickle."""

        def __call__(self, group: DistributedGroup) -> None:
            pass

    Unknown.__qualname__ = "Unknown"
    globals()["Unknown"] = Unknown
    try:
        with pytest.raises(MtclarError, match="before it started training"), process_group(2, Unknown()):
            pass
    finally:
        del globals()["Unknown"]


def test_plateau_schedule_needs_one_process(data: TrainData, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="needs a single process"):
        loop.train_together(2, data, presets.PRESETS["paper"], tmp_path)
