"""A gateway between a real nats-server and real websocket clients."""

import asyncio
import json
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from support.peers.nats_server import NatsServer
from support.peers.websocket_client import join, receive, say, until
from support.pipeline_parts import publishing

from mtclar.stream.protocol.messages import AffectMessage, StatusMessage, StreamInfo
from mtclar.stream.server.config import ServerConfig
from mtclar.stream.sinks import SinkGroup

pytest.importorskip("nats", reason="nats-py is not installed; `make setup-all` brings it")

from mtclar.stream.bus.address import parse_bus
from mtclar.stream.client import Client
from mtclar.stream.fleet.gateway import Gateway

Make = Callable[..., AffectMessage]
TOKEN, VIEW_TOKEN = "operators only", "viewers only"


@pytest.fixture
def prefix(request: pytest.FixtureRequest) -> str:
    """Subjects of one test."""
    return "".join(filter(str.isalnum, request.node.name))[:60]


@pytest.fixture
def gateway(bus_server: NatsServer, prefix: str) -> Iterator[Gateway]:
    with Gateway(parse_bus(f"{bus_server.url}/{prefix}"), ServerConfig(port=0), version="1") as running:
        yield running


@contextmanager
def worker(server: NatsServer, prefix: str, *streams: str) -> Iterator[SinkGroup]:
    infos = [StreamInfo(name, "webcam:0", True, (640, 480), 30.0, "latest") for name in streams]
    with publishing(f"{server.url}/{prefix}", *infos) as sinks:
        yield sinks


def announced(gateway: Gateway) -> list[str]:
    return [info.stream for info in gateway.directory.infos]


def test_clients_get_the_streams_of_two_workers(
    bus_server: NatsServer, prefix: str, gateway: Gateway, make_message: Make, eventually: Any
) -> None:
    with ExitStack() as stack:
        one = stack.enter_context(worker(bus_server, prefix, "cam-1"))
        two = stack.enter_context(worker(bus_server, prefix, "cam-2", "door"))
        eventually(lambda: announced(gateway) == ["cam-1", "cam-2", "door"])
        client = stack.enter_context(join(gateway.server))
        hello = receive(client)
        assert [info["stream"] for info in hello["streams"]] == ["cam-1", "cam-2", "door"]
        assert hello["model"]["id"] == "small"
        message = make_message(stream="cam-1")
        one.affect(message)
        got = until(client, "affect")
        original = json.loads(message.encode())
        assert got.pop("t_capture") == pytest.approx(original.pop("t_capture"), abs=0.01)
        assert got == original
        two.status(StatusMessage("door", "live"))
        assert until(client, "status")["state"] == "live"
        say(client, type="subscribe", streams=["door"], fields=["sd"])
        until(client, "subscribed")
        two.affect(make_message(stream="cam-2"))
        two.affect(make_message(stream="door"))
        chosen = until(client, "affect")
        assert chosen["stream"] == "door"
        assert set(chosen["faces"][0]) == {"id", "subject", "state", "valence", "arousal", "calibrated", "sd"}


def test_streams_appear_for_clients_that_are_connected_and_patterns_follow_them(
    bus_server: NatsServer, prefix: str, gateway: Gateway, make_message: Make
) -> None:
    with join(gateway.server) as client:
        assert receive(client)["streams"] == []
        say(client, type="subscribe", streams=["ward-*"])
        until(client, "subscribed")
        with worker(bus_server, prefix, "hall", "ward-1") as sinks:
            assert [info["stream"] for info in until(client, "hello")["streams"]] == ["hall", "ward-1"]
            sinks.affect(make_message(stream="hall"))
            sinks.affect(make_message(stream="ward-1"))
            assert until(client, "affect")["stream"] == "ward-1"
        assert "worker" in until(client, "status")["reason"]
        assert until(client, "hello")["streams"] == []


def test_our_own_client_follows_a_pattern(
    bus_server: NatsServer, prefix: str, gateway: Gateway, make_message: Make, eventually: Any
) -> None:
    async def first_of_ward() -> str:
        async with Client(gateway.server.ws_url) as client:
            await client.subscribe(["ward-*"])
            sinks.affect(make_message(stream="hall"))
            sinks.affect(make_message(stream="ward-2"))
            async for message in client:
                if isinstance(message, dict) and message["type"] == "affect":
                    return str(message["stream"])
                stream = getattr(message, "stream", None)
                if getattr(message, "type", "") == "affect":
                    return str(stream)
        raise AssertionError

    with worker(bus_server, prefix, "hall", "ward-2") as sinks:
        eventually(lambda: announced(gateway) == ["hall", "ward-2"])
        assert asyncio.run(first_of_ward()) == "ward-2"


def test_roles_and_a_mark_that_reaches_the_other_gateway(
    bus_server: NatsServer, prefix: str, eventually: Any
) -> None:
    bus = parse_bus(f"{bus_server.url}/{prefix}")
    config = ServerConfig(port=0, token=TOKEN, view_token=VIEW_TOKEN)
    with Gateway(bus, config) as one, Gateway(bus, config) as two, ExitStack() as stack:
        eventually(lambda: one.connection.connected and two.connection.connected)

        def client(gateway: Gateway, token: str) -> Any:
            headers = {"Authorization": f"Bearer {token}"}
            return stack.enter_context(join(gateway.server, additional_headers=headers))

        operator, viewer = client(one, TOKEN), client(two, VIEW_TOKEN)
        assert receive(viewer)["role"] == "viewer"
        say(viewer, type="mark", label="no")
        assert until(viewer, "error")["code"] == "not_allowed"
        say(operator, type="mark", label="trial 1")
        mine, theirs = until(operator, "mark"), until(viewer, "mark")
        assert mine["label"] == theirs["label"] == "trial 1"
        assert theirs["t"] == pytest.approx(mine["t"], abs=0.05)


def test_metrics_show_workers_and_streams(
    bus_server: NatsServer, prefix: str, gateway: Gateway, make_message: Make, eventually: Any
) -> None:
    with worker(bus_server, prefix, "cam") as sinks:
        eventually(lambda: announced(gateway) == ["cam"])
        for seq in (0, 1, 4):
            sinks.affect(make_message(seq))
        eventually(lambda: gateway.directory.streams["cam"].messages == 3)
        page = urllib.request.urlopen(f"{gateway.server.url}metrics", timeout=60).read().decode()
    assert 'mtclar_relayed_messages_total{stream="cam"} 3.0' in page
    assert 'mtclar_relayed_missed_total{stream="cam"} 2.0' in page
    assert "mtclar_worker_heartbeat_age_seconds{worker=" in page
    assert "mtclar_bus_connected 1.0" in page
    assert "mtclar_clients 0.0" in page


def test_what_is_not_mtclar_v1_is_counted_and_sent_to_nobody(
    bus_server: NatsServer, prefix: str, gateway: Gateway, make_message: Make, eventually: Any
) -> None:
    with worker(bus_server, prefix, "cam") as sinks, join(gateway.server) as client:
        eventually(lambda: announced(gateway) == ["cam"])
        (name,) = gateway.directory.workers
        publish = gateway.connection.publish
        place = f"{prefix}.stream.cam.{name.replace('.', '%2E')}"
        for subject, payload in (
            (f"{place}.1.affect", b'{"type":"affect"}'),
            (f"{place}.1.status", b"no JSON"),
            (f"{place}.x.affect", b"{}"),
            (f"{prefix}.gateway", b"{}"),
            (f"{prefix}.worker.w.hello", b'{"type":"hello"}'),
        ):
            publish(subject, payload)
        eventually(lambda: gateway.malformed == 5)
        sinks.affect(make_message())
        assert until(client, "affect")["seq"] == 0
