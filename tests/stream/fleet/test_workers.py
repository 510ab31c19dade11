"""Workers share the streams of a fleet over a real nats-server; the tracker is a small one."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.peers.nats_server import NatsServer, listener
from support.pipeline_parts import SmallTracker

pytest.importorskip("nats", reason="nats-py is not installed; `make setup-all` brings it")

from mtclar.engine.errors import UsageError
from mtclar.engine.support_set import SupportSet
from mtclar.stream.bus.address import parse_bus
from mtclar.stream.fleet.control import Control
from mtclar.stream.fleet.fleet_file import Camera
from mtclar.stream.fleet.worker import Worker

SOURCE = "synthetic:64x48@10"
CAMERAS = {name: Camera(name, SOURCE) for name in ("cam-1", "cam-2", "cam-3", "cam-4")}
PASSPHRASE = "correct horse"


def small(_: Any, _supports: Sequence[SupportSet]) -> AbstractContextManager[Any]:
    return nullcontext(SmallTracker())


@pytest.fixture
def make_worker(bus_server: NatsServer, request: pytest.FixtureRequest) -> Callable[..., Worker]:
    """Makes a worker on subjects of the test's own."""
    prefix = "".join(filter(str.isalnum, request.node.name))[:50]
    bus = parse_bus(f"{bus_server.url}/{prefix}")

    def make(name: str, cameras: dict[str, Camera] = CAMERAS, **options: Any) -> Worker:
        return Worker(bus, cameras, name, **{"open_tracker": small, "balance": False} | options)

    make.bus = bus  # type: ignore[attr-defined]
    return make


def test_two_workers_share_the_streams_and_one_takes_over_what_the_other_gives_away(
    make_worker: Callable[..., Worker], bus_server: NatsServer, eventually: Any
) -> None:
    with listener(bus_server, f"{make_worker.bus.prefix}.>") as heard, make_worker("b") as stays:  # type: ignore[attr-defined]
        with make_worker("a") as leaves:
            eventually(lambda: sorted([*leaves.streams, *stays.streams]) == sorted(CAMERAS))
            assert leaves.failure() is None
        eventually(lambda: stays.streams == sorted(CAMERAS))
        eventually(
            lambda: (
                {name for name in CAMERAS if any(f"stream.{name}.b." in one.subject for one in heard)}
                == set(CAMERAS)
            )
        )
    hello = next(
        one.content for one in reversed(heard) if one.subject.endswith(".b.hello") and one.content["streams"]
    )
    assert all(info["label"] == info["stream"] for info in hello["streams"])  # no address of a camera
    affects = [one for one in heard if one.subject.endswith(".affect")]
    for name in CAMERAS:
        epochs = [int(one.subject.split(".")[4]) for one in affects if one.content["stream"] == name]
        assert epochs == sorted(epochs)
        by_epoch = [
            [one.content["seq"] for one in affects if one.subject.split(".")[2:5:2] == [name, str(epoch)]]
            for epoch in sorted(set(epochs))
        ]
        assert all(seqs == sorted(set(seqs)) for seqs in by_epoch)


def test_streams_are_moved_and_workers_drained(make_worker: Callable[..., Worker], eventually: Any) -> None:
    with make_worker("a") as one, make_worker("b") as two, Control(make_worker.bus) as control:  # type: ignore[attr-defined]
        eventually(lambda: len(one.streams) + len(two.streams) == 4)
        control.drain("a")
        eventually(lambda: two.streams == sorted(CAMERAS) and not one.streams)
        state = control.state()
        assert state.facts.members["a"].draining
        assert {owner.worker for owner in state.facts.owners.values()} == {"b"}
        control.drain("a", undo=True)
        control.move("cam-3", "a")
        eventually(lambda: one.streams == ["cam-3"])
        for wrong in (lambda: control.move("cam-9", "a"), lambda: control.move("cam-1", "c")):
            with pytest.raises(UsageError, match="there is no"):
                wrong()


def test_a_camera_that_cannot_be_opened_stops_no_other(
    make_worker: Callable[..., Worker], eventually: Any, caplog: pytest.LogCaptureFixture
) -> None:
    cameras = {"good": Camera("good", SOURCE), "bad": Camera("bad", "/nowhere.mp4")}
    with make_worker("a", cameras) as worker:
        eventually(lambda: worker.streams == ["good"] and "bad" in worker.leases.troubles)
        with Control(make_worker.bus) as control:  # type: ignore[attr-defined]
            eventually(lambda: control.state().troubles == {"bad": "there is no file /nowhere.mp4"})
    assert "bad cannot run here" in caplog.text


def test_a_worker_that_is_busier_gives_a_stream_away(
    make_worker: Callable[..., Worker], eventually: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mtclar.stream.fleet.leases.BALANCE_S", 0.5)
    workers: dict[str, Worker] = {}

    def load_of(name: str) -> Callable[[], float]:
        return lambda: 0.2 * len(workers[name].streams) if name in workers else 0.0

    with make_worker("a", balance=True, load=load_of("a")) as workers["a"]:
        eventually(lambda: len(workers["a"].streams) == 4)
        with make_worker("b", balance=True, load=load_of("b")) as workers["b"]:
            eventually(lambda: len(workers["a"].streams) == len(workers["b"].streams) == 2)


def test_an_encrypted_support_set_travels_to_the_worker_that_has_the_stream(
    make_worker: Callable[..., Worker], tmp_path: Path, eventually: Any
) -> None:
    pytest.importorskip("cryptography", reason="cryptography is not installed; `make setup-all` brings it")
    got: list[str] = []

    def note(_: Any, supports: Sequence[SupportSet]) -> AbstractContextManager[Any]:
        got.extend(support.subject for support in supports)
        return nullcontext(SmallTracker())

    frames = np.ones((2, 4), np.float32)
    support = SupportSet(frames, np.zeros((2, 2), np.float32), np.zeros((2, 2), np.float32), subject="anna")
    support.save(tmp_path / "open.mtclar")
    support.save(tmp_path / "anna.mtclar", passphrase=PASSPHRASE)
    cameras = {"cam": Camera("cam", SOURCE, ("anna",)), "other": Camera("other", SOURCE, ("unknown",))}
    with Control(make_worker.bus) as control:  # type: ignore[attr-defined]
        with pytest.raises(UsageError, match="is not encrypted"):
            control.put_set("open", (tmp_path / "open.mtclar").read_bytes())
        control.put_set("anna", (tmp_path / "anna.mtclar").read_bytes())
    with make_worker("a", cameras, open_tracker=note, passphrase=lambda: PASSPHRASE) as worker:
        eventually(lambda: worker.streams == ["cam"] and "other" in worker.leases.troubles)
        assert "no support set 'unknown'" in worker.leases.troubles["other"]
    assert got == ["anna"]


def test_there_is_no_fleet_before_the_first_worker(make_worker: Callable[..., Worker]) -> None:
    with (
        Control(make_worker.bus) as control,  # type: ignore[attr-defined]
        pytest.raises(UsageError, match="there is no fleet on this bus"),
    ):
        control.state()
