"""Several processes train as one: the same network everywhere, a resumable run, and an end when a member ends."""

import json
import os
from functools import partial
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the [train] extra is not installed")

from support import ferplus_folder

from mtclar.engine.errors import MtclarError, UsageError
from mtclar.train import checkpoint, ferplus, loop, presets
from mtclar.train.loop import TrainConfig, TrainData
from mtclar.train.network import NetworkConfig
from mtclar.train.people import People
from mtclar.train.team import Team, gathered

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


def step(folder: Path, team: Team) -> None:
    """One averaged gradient of a member, written where the test finds it."""
    layer = torch.nn.Linear(2, 1)
    for parameter in layer.parameters():
        parameter.grad = torch.full_like(parameter, float(team.rank))
    seconds = team.average(layer, 10.0 * team.rank)
    gradients = [parameter.grad.tolist() for parameter in layer.parameters() if parameter.grad is not None]
    (folder / f"{team.rank}.json").write_text(json.dumps([gradients, seconds]))


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """The members find this module: a new process inherits sys.path."""
    monkeypatch.syspath_prepend(Path(__file__).parents[2])


def vanish(team: Team) -> None:
    """A member that is killed before its first step."""
    if team.rank:
        os._exit(9)


def test_every_member_takes_the_mean_step(tmp_path: Path) -> None:
    with gathered(3, partial(step, tmp_path)) as team:
        step(tmp_path, team)
    told = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(3)]
    assert told == [[[[[1.0, 1.0]], [1.0]], 10.0]] * 3


def test_a_run_of_two_processes_repeats_and_resumes(data: TrainData, tmp_path: Path) -> None:
    said: list[str] = []
    whole = loop.train_together(2, data, CONFIG, tmp_path / "a", say=said.append)
    assert len(said) == 1 + CONFIG.epochs
    kept = checkpoint.load_checkpoint(tmp_path / "a" / checkpoint.WEIGHTS)
    assert "2 epochs" in kept.stages[-1]

    class Interrupted(Exception):
        pass

    def interrupt(line: str) -> None:
        if line.startswith("epoch 1 "):
            raise Interrupted

    with pytest.raises(Interrupted):
        loop.train_together(2, data, CONFIG, tmp_path / "b", say=interrupt)
    again = loop.train_together(2, data, CONFIG, tmp_path / "b", resume=True, say=said.append)
    assert said[-2].endswith("from epoch 2")
    for name, tensor in whole.network.state_dict().items():
        assert torch.equal(tensor, again.network.state_dict()[name]), name


def test_a_member_that_is_killed_ends_the_run(tmp_path: Path) -> None:
    with pytest.raises(MtclarError, match="a training process ended"), gathered(2, vanish) as team:
        step(tmp_path, team)


def fail(folder: Path, team: Team) -> None:
    """A step in which one member meets what people can cause."""
    if team.rank == 2:
        raise UsageError("it cannot be", "do otherwise")
    step(folder, team)


def test_what_ends_a_member_is_said_once_and_by_the_first(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with (
        pytest.raises(UsageError, match=r"^it cannot be$") as raised,
        gathered(3, partial(fail, tmp_path)) as team,
    ):
        step(tmp_path, team)
    assert raised.value.hint == "do otherwise"
    assert capfd.readouterr().err == ""


def test_a_run_that_cannot_be_resumed_says_so_once(
    data: TrainData, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UsageError, match=r"latest\.pt does not exist"):
        loop.train_together(2, data, CONFIG, tmp_path, resume=True)
    assert capfd.readouterr() == ("", "")


def test_a_member_that_is_gone_before_the_first_has_joined_ends_the_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def closed(*_: object, **__: object) -> None:
        raise RuntimeError("Connection closed by peer\nand a second line")

    monkeypatch.setattr(torch.distributed, "init_process_group", closed)
    with (
        pytest.raises(MtclarError, match=r"a training process ended: Connection closed by peer$"),
        gathered(2, vanish),
    ):
        pass


def test_a_member_that_cannot_begin_ends_the_run() -> None:
    class Unknown:
        """Pickled by a name that the new process does not find."""

        def __call__(self, team: Team) -> None:
            pass

    Unknown.__qualname__ = "Unknown"
    globals()["Unknown"] = Unknown
    try:
        with pytest.raises(MtclarError, match="before it began"), gathered(2, Unknown()):
            pass
    finally:
        del globals()["Unknown"]


def test_the_published_schedule_wants_one_process(data: TrainData, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="one process alone"):
        loop.train_together(2, data, presets.PRESETS["paper"], tmp_path)
