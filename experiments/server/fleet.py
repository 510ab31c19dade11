"""How fast a fleet recovers from faults, and what bus and gateway cost: docs/server/fleet.md.

    python -m experiments.server.fleet --faults --tries 20 --write
    python -m experiments.server.fleet --scale 1 2 4 8 4:10 --write      # workers, or workers:clients

Real nats-servers on loopback; workers are processes whose networks are replaced by a sleep of their measured time.
Recovery is from the fault to the moment at which the gateway has a message of a new owner of every stream. Needs
nats-server.
"""

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psutil
from websockets.sync.client import connect

from mtclar.stream.bus.address import parse_bus
from mtclar.stream.fleet.gateway import Gateway
from mtclar.stream.server.config import ServerConfig
from tests.support.peers.fleet_worker import WorkerProcess
from tests.support.peers.nats_server import NatsServer, nats_cluster, nats_server
from tools.docs.figures import table
from tools.docs.generated import replace_section

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "server" / "fleet.md"
RESULT = ROOT / "docs" / "results" / "data" / "fleet.json"

STREAMS = ("cam-1", "cam-2", "cam-3")
WAIT_S = 120.0
POLL_S = 0.005
READY_S = 4.0  # a new worker takes over from others when it has watched them for a lease
NETWORK_S = 0.012  # of a frame, as `bench` measures it on two cores
STREAMS_A_WORKER, HZ = 4, 15.0
WARM_S, MEASURE_S = 12.0, 15.0

Fault = Callable[["Scene"], None]


def wait_for(condition: Callable[[], Any]) -> None:
    """Returns when it holds. Raises TimeoutError."""
    until_s = time.monotonic() + WAIT_S
    while not condition():
        if time.monotonic() > until_s:
            raise TimeoutError("it has not recovered")
        time.sleep(POLL_S)


class Scene:
    """A fleet of two workers before a fault; the first has all streams."""

    def __init__(self, stack: ExitStack, servers: Sequence[NatsServer], url: str) -> None:
        self.servers, self.url = servers, url
        self.gateway = stack.enter_context(Gateway(parse_bus(url), ServerConfig(port=0)))
        self._stack = stack
        self.first = self._start("first")
        wait_for(lambda: self._flows_from("first"))
        self.second = self._start("second")
        wait_for(lambda: "second" in self.gateway.directory.workers)
        time.sleep(READY_S)
        self._before: dict[str, int] = {}

    def _start(self, name: str) -> WorkerProcess:
        worker = WorkerProcess(self.url, name, STREAMS)
        self._stack.callback(worker.kill)
        return worker

    def mark(self) -> None:
        """From here on messages count as new."""
        self._before = {name: one.messages for name, one in self.gateway.directory.streams.items()}

    def flows(self) -> bool:
        """Whether every stream has had two new messages."""
        states = self.gateway.directory.streams
        return all(states[name].messages > self._before.get(name, 0) + 1 for name in STREAMS)

    def _flows_from(self, worker: str) -> bool:
        states = self.gateway.directory.streams
        return all(
            name in states and states[name].worker == worker and states[name].messages for name in STREAMS
        )

    def moved(self) -> bool:
        """Whether the second worker has every stream, and its messages arrive."""
        return self._flows_from("second")

    def doubled(self) -> int:
        """Messages that were dropped as repeated, out of order or outdated, and not sent to clients."""
        return sum(one.repeated + one.outdated for one in self.gateway.directory.streams.values())


def recoveries(tries: int) -> dict[str, list[float]]:
    """Seconds of each try, by fault."""
    times: dict[str, list[float]] = {}
    for number in range(tries):
        for name, measure in FAULTS.items():
            with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
                servers = (
                    stack.enter_context(nats_cluster(Path(folder)))
                    if "cluster" in name
                    else [stack.enter_context(nats_server(Path(folder)))]
                )
                hosts = ",".join(server.url.removeprefix("nats://") for server in servers)
                url = f"nats://{hosts}/mtclar?replicas={len(servers)}"
                seconds = measure(Scene(stack, servers, url))
            times.setdefault(name, []).append(seconds)
            print(f"{number + 1}/{tries} {name}: {seconds:.2f} s", flush=True)
    return times


def _until(scene: Scene, fault: Callable[[], None], recovered: Callable[[], bool]) -> float:
    scene.mark()
    fault()
    begun_s = time.monotonic()
    wait_for(recovered)
    return time.monotonic() - begun_s


def _bus_returns(scene: Scene, *, empty: bool) -> float:
    (server,) = scene.servers
    server.kill()
    wait_for(lambda: not scene.gateway.connection.connected)
    if empty:
        server.forget()
    return _until(scene, server.start, scene.flows)


def _without_quorum(scene: Scene) -> float:
    """Two of three servers die and one returns; the first worker has died meanwhile: until its streams are moved."""
    for server in scene.servers[:2]:
        server.kill()
    scene.first.kill()
    time.sleep(2.0)
    return _until(scene, scene.servers[0].start, scene.moved)


def _new_gateway(scene: Scene) -> float:
    begun_s = time.monotonic()
    with Gateway(parse_bus(scene.url), ServerConfig(port=0)) as other:
        wait_for(lambda: len(other.directory.streams) == len(STREAMS))
        wait_for(lambda: all(one.messages for one in other.directory.streams.values()))
        return time.monotonic() - begun_s


FAULTS: dict[str, Callable[[Scene], float]] = {
    "worker stopped (SIGTERM)": lambda one: _until(one, lambda: one.first.signal(signal.SIGTERM), one.moved),
    "worker killed": lambda one: _until(one, one.first.kill, one.moved),
    "worker frozen": lambda one: _until(one, lambda: one.first.signal(signal.SIGSTOP), one.moved),
    "NATS restarted": lambda one: _bus_returns(one, empty=False),
    "NATS restarted empty": lambda one: _bus_returns(one, empty=True),
    "cluster: one of three servers killed": lambda one: _until(one, one.servers[0].kill, one.flows),
    "cluster: quorum lost with a worker, and back": _without_quorum,
    "gateway started beside the first": _new_gateway,
}
"""Fault -> how it is measured."""


@contextmanager
def processor(*pids: int) -> Iterator[list[float]]:
    """Fills the list with the cores that each process has used."""
    processes = [psutil.Process(pid) for pid in pids]
    before = [sum(process.cpu_times()[:2]) for process in processes]
    begun_s = time.monotonic()
    cores: list[float] = []
    yield cores
    passed_s = time.monotonic() - begun_s
    cores += [
        (sum(one.cpu_times()[:2]) - used) / passed_s for one, used in zip(processes, before, strict=True)
    ]


def scale(workers: int, clients: int) -> dict[str, float]:
    """What so many workers and clients cost, each in processes of their own."""
    names = [f"cam-{number}" for number in range(workers * STREAMS_A_WORKER)]
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        server = stack.enter_context(nats_server(Path(folder)))
        command = [sys.executable, "-m", "mtclar.cli.main", "gateway", "--nats", server.url, "--port", "0"]
        gateway = stack.enter_context(
            subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "COLUMNS": "200"})
        )
        stack.callback(gateway.kill)
        assert gateway.stdout is not None
        address = next(line.split()[1] for line in gateway.stdout if line.startswith("Websocket"))
        running = [
            WorkerProcess(server.url, f"w{number}", names, pause_s=NETWORK_S, hz=HZ)
            for number in range(workers)
        ]
        for worker in running:
            stack.callback(worker.kill)
        others = [stack.enter_context(_reader(address)) for _ in range(clients - 1)]
        with connect(address, proxy=None, max_queue=None, open_timeout=60) as client:
            client.send(json.dumps({"type": "subscribe", "delivery": "all"}))
            seen: set[str] = set()
            until_s = time.monotonic() + WAIT_S
            while len(seen) < len(names) and time.monotonic() < until_s:
                if (message := json.loads(client.recv(WAIT_S)))["type"] == "affect":
                    seen.add(message["stream"])
            settled_s = time.monotonic() + WARM_S
            while time.monotonic() < settled_s:
                client.recv(WAIT_S)
            late_ms: list[float] = []
            with processor(server.pid, gateway.pid, *(one.process.pid for one in running)) as cores:
                until_s = time.monotonic() + MEASURE_S
                while time.monotonic() < until_s:
                    message = json.loads(client.recv(WAIT_S))
                    if message["type"] == "affect":
                        made_s = message["t_capture"] + 1e-3 * message["latency_ms"]["total"]
                        late_ms.append(1e3 * (time.monotonic() - made_s))
    late_ms.sort()
    return {
        "workers": workers,
        "streams": len(seen),
        "clients": len(others) + 1,
        "messages_per_s": len(late_ms) / MEASURE_S,
        "after_p50_ms": statistics.median(late_ms),
        "after_p99_ms": late_ms[int(0.99 * len(late_ms))],
        "nats_cores": cores[0],
        "gateway_cores": cores[1],
        "worker_cores": statistics.mean(cores[2:]),
    }


@contextmanager
def _reader(address: str) -> Iterator[None]:
    """A client that reads all that comes."""
    with connect(address, proxy=None, open_timeout=60) as client:

        def read() -> None:
            for _ in client:
                pass

        threading.Thread(target=read, daemon=True).start()
        yield


def text_of(result: dict[str, Any]) -> str:
    """The section of the page."""
    parts = []
    if times := result.get("recovery"):
        rows = [
            [fault, str(len(seconds)), f"{statistics.median(seconds):.1f}", f"{max(seconds):.1f}"]
            for fault, seconds in times.items()
        ]
        head = ["fault", "tries", "p50, s", "max, s"]
        parts.append(
            f"From the fault until clients get every stream again, `python -m experiments.server.fleet --faults`; "
            f"{os.cpu_count()} cores, load {result['recovery_load']:.0f} when it began.\n\n{table(head, rows)}"
        )
    if rows_of := result.get("scale"):
        head = [
            "workers",
            "streams",
            "clients",
            "messages/s",
            "added p50 / p99, ms",
            "NATS, cores",
            "gateway",
            "a worker",
        ]
        rows = [
            [
                f"{one['workers']:.0f}",
                f"{one['streams']:.0f}",
                f"{one['clients']:.0f}",
                f"{one['messages_per_s']:.0f}",
                f"{one['after_p50_ms']:.1f} / {one['after_p99_ms']:.0f}",
                *(f"{one[name]:.2f}" for name in ("nats_cores", "gateway_cores", "worker_cores")),
            ]
            for one in rows_of
        ]
        parts.append(
            f"{STREAMS_A_WORKER} synthetic streams a worker at {HZ:g} frames/s, the networks a sleep of "
            f"{1e3 * NETWORK_S:g} ms; *added*: from the end of\nthe networks to the client; load "
            f"{result['scale_load']:.0f} when it began.\n\n{table(head, rows)}"
        )
    return "\n\n".join(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--faults", action="store_true")
    parser.add_argument("--tries", type=int, default=20)
    parser.add_argument("--scale", nargs="*", default=[], metavar="WORKERS[:CLIENTS]")
    parser.add_argument("--write", action="store_true", help=f"into {PAGE.relative_to(ROOT)}")
    asked = parser.parse_args()
    result: dict[str, Any] = json.loads(RESULT.read_text()) if RESULT.exists() else {}
    if asked.faults:
        result["recovery_load"] = os.getloadavg()[0]
        result["recovery"] = recoveries(asked.tries)
    if asked.scale:
        result["scale_load"] = os.getloadavg()[0]
        result["scale"] = [
            scale(int(workers), int(clients or 1))
            for workers, _, clients in (size.partition(":") for size in asked.scale)
        ]
    text = text_of(result)
    print(text)
    if asked.write:
        RESULT.write_text(json.dumps(result, indent=1) + "\n")
        replace_section(PAGE, "fleet", text)


if __name__ == "__main__":
    main()
