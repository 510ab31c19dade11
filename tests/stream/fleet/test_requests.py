"""What clients ask of a gateway: faces and thresholds of the workers, and what is refused with a reason."""

import json
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pytest
from support.peers.nats_server import NatsServer
from support.peers.websocket_client import join, say, until
from support.pipeline_parts import SmallTracker, publishing

from mtclar.engine.errors import UsageError
from mtclar.stream.protocol.messages import AffectMessage
from mtclar.stream.server.config import ServerConfig
from mtclar.stream.sinks.prometheus import Metrics

pytest.importorskip("nats", reason="nats-py is not installed; `make setup-all` brings it")

from mtclar.stream.bus.address import Bus, parse_bus
from mtclar.stream.fleet.fleet_file import Camera
from mtclar.stream.fleet.gateway import Gateway
from mtclar.stream.fleet.worker import Worker

SOURCE = "synthetic:64x48@10"


class Assigned(SmallTracker):
    """A tracker with one face, 0, and one support set, of anna."""

    subjects: list[str | None]

    def assign(self, track_id: int, subject: str | None) -> None:
        if track_id != 0:
            raise UsageError(f"there is no face {track_id}", "faces: 0")
        self.subjects.append(subject)


@pytest.fixture
def tracker() -> Assigned:
    one = Assigned()
    one.subjects = []
    return one


@pytest.fixture
def bus(bus_server: NatsServer, request: pytest.FixtureRequest) -> Bus:
    """Subjects of the test's own."""
    return parse_bus(f"{bus_server.url}/{''.join(filter(str.isalnum, request.node.name))[:50]}")


@pytest.fixture
def gateway(bus: Bus) -> Iterator[Gateway]:
    with Gateway(bus, ServerConfig(port=0)) as running:
        yield running


def make_worker(bus: Bus, tracker: SmallTracker, **options: Any) -> Worker:
    def open_tracker(_: Any, _supports: Sequence[Any]) -> AbstractContextManager[Any]:
        return nullcontext(tracker)

    return Worker(bus, {"cam": Camera("cam", SOURCE)}, "w", open_tracker=open_tracker, **options)


def page(address: str) -> str:
    with urllib.request.urlopen(address, timeout=60) as answer:
        return str(answer.read().decode())


def flows(gateway: Gateway) -> bool:
    return "cam" in gateway.directory.streams and gateway.directory.streams["cam"].messages > 1


def test_a_face_is_assigned_by_the_worker_that_has_the_stream(
    bus: Bus, gateway: Gateway, tracker: Assigned, eventually: Any
) -> None:
    with make_worker(bus, tracker), join(gateway.server) as client, join(gateway.server) as other:
        eventually(lambda: flows(gateway))
        say(client, type="assign", stream="cam", face=0, subject="anna")
        expected = {"type": "assigned", "stream": "cam", "face": 0, "subject": "anna"}
        assert until(client, "assigned") == expected
        assert until(other, "assigned") == expected
        assert tracker.subjects == ["anna"]
        say(client, type="assign", stream="cam", face=7, subject="anna")
        error = until(client, "error")
        assert (error["code"], error["message"]) == ("cannot_assign", "there is no face 7 (faces: 0)")


def test_thresholds_hold_for_all_workers_and_gateways_also_for_later_ones(
    bus: Bus, gateway: Gateway, tracker: Assigned, eventually: Any
) -> None:
    above = {"axis": "valence", "side": "above", "value": 0.0, "seconds": 0.1}
    with make_worker(bus, tracker), join(gateway.server) as client:
        eventually(lambda: flows(gateway))
        say(client, type="thresholds", thresholds=[above])
        assert until(client, "thresholds")["thresholds"] == [above]
        event = until(client, "event")
        assert (event["stream"], event["active"], event["threshold"]) == ("cam", True, above)
        assert until(client, "affect")["t_capture"] == pytest.approx(event["t"], abs=10)
        with Gateway(bus, ServerConfig(port=0)) as later, join(later.server) as newcomer:
            assert until(newcomer, "thresholds")["thresholds"] == [above]
        say(client, type="thresholds", thresholds=[])
        assert until(client, "thresholds")["thresholds"] == []


def test_what_a_gateway_cannot_do_is_refused_with_the_reason(
    bus: Bus,
    bus_server: NatsServer,
    gateway: Gateway,
    make_message: Callable[..., AffectMessage],
    eventually: Any,
) -> None:
    with publishing(f"{bus_server.url}/{bus.prefix}") as sinks, join(gateway.server) as client:
        eventually(lambda: "cam" in gateway.directory.streams)
        sinks.affect(make_message())
        until(client, "affect")

        def refused(**message: Any) -> tuple[str, str]:
            say(client, **message)
            error = until(client, "error")
            return error["code"], error["message"]

        code, reason = refused(type="assign", stream="cam", face=0, subject=None)
        assert (code, "takes no requests" in reason) == ("cannot_assign", True)
        code, reason = refused(type="thresholds", thresholds=[])
        assert (code, "no worker of a fleet" in reason) == ("cannot_watch", True)
        code, reason = refused(type="record", recording=True)
        assert (code, "fleet record" in reason) == ("cannot_record", True)
        assert refused(type="preview", stream="cam")[0] == "cannot_preview"
        assert refused(type="camera")[0] == "unknown_stream"


def test_a_worker_and_its_gateway_show_its_health(
    bus: Bus, gateway: Gateway, tracker: Assigned, eventually: Any
) -> None:
    metrics = Metrics(address=("127.0.0.1", 0))
    with make_worker(bus, tracker, metrics=metrics, load=lambda: 0.25, version="1") as worker:
        eventually(lambda: flows(gateway))
        eventually(lambda: gateway.directory.workers["w"].load == 0.25)
        worker.check()
        assert metrics.address is not None
        own = page(f"http://127.0.0.1:{metrics.address[1]}/metrics")
        health = json.loads(page(f"{gateway.server.url}health"))
        shown = page(f"{gateway.server.url}metrics")
    for line in (
        'mtclar_source_state{state="live",stream="cam"} 1.0',
        'mtclar_latency_seconds_count{part="total",stream="cam"}',
        'mtclar_faces_total{state="ok",stream="cam"}',
        'mtclar_frames_answered_total{stream="cam"}',
        "mtclar_worker_load 0.25",
        "mtclar_bus_connected 1.0",
    ):
        assert line in own
    assert 'mtclar_worker_load{worker="w"} 0.25' in shown
    assert 'mtclar_worker_trouble{worker="w"} 0.0' in shown
    assert health["bus"] == "connected"
    assert health["workers"]["w"] | {"heartbeat_age_s": 0} == {
        "heartbeat_age_s": 0,
        "streams": 1,
        "load": 0.25,
        "trouble": None,
    }
    assert metrics.page().body.count(b'stream="cam"') == 0  # it has given the stream away
