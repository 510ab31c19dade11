"""A fleet whose workers are killed, frozen and cut off, and whose bus dies, loses its quorum and comes back empty."""

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from support.faults.proxy import PlainProxy
from support.faults.wall_clock import WallClock
from support.peers.fleet_worker import WorkerProcess
from support.peers.nats_server import nats_cluster, nats_server
from support.peers.server_program import free_port
from support.peers.websocket_client import join, say
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

pytest.importorskip("nats", reason="nats-py is not installed; `make setup-all` brings it")

from mtclar.stream.bus.address import parse_bus
from mtclar.stream.fleet.gateway import Gateway
from mtclar.stream.protocol.messages import AffectMessage, StreamInfo
from mtclar.stream.server.config import ServerConfig
from mtclar.stream.sinks import SinkGroup, open_sink

pytestmark = pytest.mark.faults

STREAMS = ("cam-1", "cam-2", "cam-3")

Start = Callable[..., WorkerProcess]


class Seen:
    """What a websocket client of a gateway gets."""

    def __init__(self) -> None:
        self.numbers: dict[str, list[int]] = {stream: [] for stream in STREAMS}

    def take(self, message: dict[str, Any]) -> None:
        if message["type"] == "affect":
            self.numbers[message["stream"]].append(message["seq"])

    def check(self) -> None:
        """Nothing came twice or out of order."""
        for numbers in self.numbers.values():
            assert numbers == sorted(set(numbers))


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts worker processes, which end with the test."""
    started: list[WorkerProcess] = []

    def one(url: str, name: str, environment: Mapping[str, str] | None = None) -> WorkerProcess:
        started.append(WorkerProcess(url, name, STREAMS, environment=environment))
        return started[-1]

    yield one
    for worker in started:
        worker.kill()


@contextmanager
def watching(url: str) -> Iterator[tuple[Gateway, Seen]]:
    """A gateway with a client that gets every message."""
    seen = Seen()
    with ExitStack() as stack:
        gateway = stack.enter_context(Gateway(parse_bus(url), ServerConfig(port=0)))
        client = stack.enter_context(join(gateway.server))
        say(client, type="subscribe", delivery="all")

        def read() -> None:
            with suppress(ConnectionClosed):
                while True:
                    seen.take(json.loads(client.recv()))

        thread = threading.Thread(target=read)
        thread.start()
        yield gateway, seen
        client.close()
        thread.join()
    seen.check()


def owners(gateway: Gateway) -> dict[str, str]:
    return {name: state.worker for name, state in gateway.directory.streams.items()}


def flows(gateway: Gateway, eventually: Any, worker: str | None = None) -> None:
    """Every stream has new messages from now on, all of this worker if one is named."""
    if worker is not None:
        eventually(lambda: owners(gateway) == dict.fromkeys(STREAMS, worker))
    before = {name: state.messages for name, state in list(gateway.directory.streams.items())}
    eventually(
        lambda: all(
            (state := gateway.directory.streams.get(name)) is not None
            and state.messages > before.get(name, 0) + 2
            for name in STREAMS
        )
    )


def outdated(gateway: Gateway) -> int:
    return sum(state.outdated for state in gateway.directory.streams.values())


def test_a_killed_worker_is_replaced(tmp_path: Path, start: Start, eventually: Any) -> None:
    with nats_server(tmp_path) as server, watching(server.url) as (gateway, seen):
        first = start(server.url, "first")
        flows(gateway, eventually, "first")
        start(server.url, "second")
        eventually(lambda: "second" in gateway.directory.workers)
        first.kill()
        flows(gateway, eventually, "second")
        assert all(state.epochs == 2 for state in gateway.directory.streams.values())
        assert min(map(len, seen.numbers.values())) > 3


def test_a_frozen_worker_is_replaced_and_does_not_double_when_it_returns(
    tmp_path: Path, start: Start, eventually: Any
) -> None:
    with nats_server(tmp_path) as server, watching(server.url) as (gateway, _):
        first = start(server.url, "first")
        flows(gateway, eventually, "first")
        start(server.url, "second")
        eventually(lambda: "second" in gateway.directory.workers)
        first.signal(signal.SIGSTOP)
        flows(gateway, eventually, "second")
        first.signal(signal.SIGCONT)
        eventually(lambda: gateway.directory.workers["first"].streams == {})  # it has given up
        flows(gateway, eventually, "second")


def test_a_worker_that_is_cut_off_is_replaced_and_comes_back_empty_handed(
    tmp_path: Path, start: Start, eventually: Any
) -> None:
    with (
        nats_server(tmp_path) as server,
        PlainProxy(server.port) as network,
        watching(server.url) as (gateway, _),
    ):
        start(f"nats://127.0.0.1:{network.port}", "first")
        flows(gateway, eventually, "first")
        start(server.url, "second")
        eventually(lambda: "second" in gateway.directory.workers)
        network.freeze()
        flows(gateway, eventually, "second")
        network.refuse()
        network.cut()
        network.thaw()
        network.refuse(False)
        eventually(lambda: gateway.directory.workers["first"].streams == {})
        flows(gateway, eventually, "second")


@pytest.mark.parametrize("empty", [False, True], ids=["as it was", "empty"])
def test_a_bus_that_comes_back_has_the_same_owners(
    tmp_path: Path, start: Start, eventually: Any, empty: bool
) -> None:
    with nats_server(tmp_path) as server, watching(server.url) as (gateway, _):
        start(server.url, "first")
        flows(gateway, eventually, "first")
        start(server.url, "second")
        eventually(lambda: "second" in gateway.directory.workers)
        server.kill()
        eventually(lambda: not gateway.connection.connected)
        if empty:
            server.forget()
        server.start()
        flows(gateway, eventually, None if empty else "first")
        if empty:  # a claim of the other may come first; there is one owner all the same
            eventually(lambda: len(set(owners(gateway).values()) - {"first", "second"}) == 0)


def test_a_cluster_loses_a_server_then_its_quorum_and_gets_it_back(
    tmp_path: Path, start: Start, eventually: Any
) -> None:
    with nats_cluster(tmp_path) as servers:
        url = f"nats://{','.join(server.url.removeprefix('nats://') for server in servers)}/mtclar?replicas=3"
        with watching(url) as (gateway, _):
            first = start(url, "first")
            flows(gateway, eventually, "first")
            start(url, "second")
            eventually(lambda: "second" in gateway.directory.workers)
            servers[0].kill()
            flows(gateway, eventually, "first")
            servers[1].kill()
            eventually(lambda: gateway.connection.connected)
            flows(gateway, eventually, "first")  # without a quorum nothing is placed, and everything runs
            first.kill()
            servers[1].start()
            flows(gateway, eventually, "second")


@contextmanager
def gateway_process(
    url: str, port: int, environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[str]]:
    """`mtclar-stream gateway` as a process, when it serves."""
    command = [sys.executable, "-m", "mtclar.cli.main", "gateway", "--nats", url, "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        assert any(line.startswith("Websocket") for line in process.stdout)
        try:
            yield process
        finally:
            process.kill()


def first_number(port: int) -> int:
    """The number of the first message of cam-1 that a new client gets."""
    with connect(f"ws://127.0.0.1:{port}/ws", proxy=None, open_timeout=60) as client:
        while True:
            message = json.loads(client.recv(60))
            if message["type"] == "affect" and message["stream"] == "cam-1":
                return int(message["seq"])


def test_a_gateway_that_is_a_slow_consumer_then_killed(tmp_path: Path, start: Start, eventually: Any) -> None:
    """NATS closes the connection of a frozen gateway; it comes back, and another one in its place serves the same."""
    port = free_port()
    with (
        nats_server(tmp_path, 'write_deadline: "1s"\nmax_pending: 2MB') as server,
        watching(server.url) as (other, _),
    ):
        start(server.url, "first")
        flows(other, eventually, "first")
        with gateway_process(server.url, port) as gateway:
            before = first_number(port)
            gateway.send_signal(signal.SIGSTOP)
            for _ in range(60):  # more than both systems' buffers hold
                other.connection.publish("mtclar.noise", bytes(500_000))
            eventually(lambda: "Slow Consumer" in server.log)
            flows(other, eventually, "first")  # neither the worker nor the other gateway waits
            gateway.send_signal(signal.SIGCONT)
            assert first_number(port) > before
        with gateway_process(server.url, port):
            assert first_number(port) >= 0
        assert other.directory.streams["cam-1"].missed == 0


def test_wall_clocks_that_are_set_move_no_stream_and_no_time(
    tmp_path: Path, start: Start, eventually: Any
) -> None:
    port, wall = free_port(), WallClock(tmp_path)
    with nats_server(tmp_path) as server, watching(server.url) as (other, _):
        start(server.url, "first", wall.environment)
        flows(other, eventually, "first")
        start(server.url, "second")
        eventually(lambda: "second" in other.directory.workers)
        with (
            gateway_process(server.url, port, wall.environment),
            connect(f"ws://127.0.0.1:{port}/ws", proxy=None, open_timeout=60) as client,
        ):
            client.send(json.dumps({"type": "subscribe", "streams": ["cam-*"], "max_hz": 5}))
            for ahead_s in (3600.0, -3600.0):
                wall.set(ahead_s)
                times: list[tuple[float, int]] = []
                while len(times) < 2 or times[-1][0] < times[0][0] + 4.0:  # longer than a lease
                    message = json.loads(client.recv(60))
                    if message["type"] == "affect" and message["stream"] == "cam-1":
                        times.append((message["t_capture"], message["seq"]))
                assert times == sorted(set(times))
                assert len(times) > 10
                assert times[-1][0] < times[0][0] + 60.0  # no hour has passed
        assert owners(other) == dict.fromkeys(STREAMS, "first")
        assert all(state.epochs == 1 and state.missed == 0 for state in other.directory.streams.values())


def test_a_frozen_bus_delays_no_tracker(
    tmp_path: Path, make_message: Callable[..., AffectMessage], eventually: Any
) -> None:
    info = StreamInfo("cam-1", "webcam:0", True, (640, 480), 30.0, "latest")
    with nats_server(tmp_path) as server, watching(server.url) as (gateway, seen):
        sink = open_sink(server.url)
        with SinkGroup([sink]) as sinks:
            sinks.open([info])
            (delivery,) = sinks.deliveries
            eventually(lambda: sink.trouble is None and "cam-1" in gateway.directory.streams)
            sinks.affect(make_message(0, stream="cam-1"))
            eventually(lambda: seen.numbers["cam-1"] == [0])
            server.signal(signal.SIGSTOP)
            number = iter(range(1, 10**9))
            eventually(lambda: sinks.affect(make_message(next(number), stream="cam-1")) or sink.trouble)
            assert delivery.dropped == 0
            server.signal(signal.SIGCONT)
            eventually(lambda: sink.trouble is None and gateway.connection.connected)
            last = next(number)
            eventually(
                lambda: sinks.affect(make_message(last, stream="cam-1")) or len(seen.numbers["cam-1"]) > 1
            )
