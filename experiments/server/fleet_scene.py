"""The fleet of experiments.server.fleet_faults: NATS, two workers, a gateway, a client that times what it gets."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import cycle, pairwise
from pathlib import Path
from typing import Any

from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from mtclar.stream.bus.address import parse_bus
from mtclar.stream.fleet.gateway import Gateway
from mtclar.stream.server.config import ServerConfig
from tests.support.faults.proxy import PlainProxy
from tests.support.faults.wall_clock import WallClock
from tests.support.peers.fleet_worker import WorkerProcess
from tests.support.peers.nats_server import NatsServer, nats_cluster, nats_server

STREAMS = ("cam-1", "cam-2", "cam-3")
WAIT_S = 60.0
POLL_S = 0.005
READY_S = 4.0  # a new worker takes over from others when it has watched them for a lease
HELD_UP_S = 0.5
LATE = "it has not recovered"


def wait_for(condition: Callable[[], Any], late: str = LATE) -> None:
    """Returns when it holds. Raises TimeoutError with these words."""
    until_s = time.monotonic() + WAIT_S
    while not condition():
        if time.monotonic() > until_s:
            raise TimeoutError(late)
        time.sleep(POLL_S)


class Viewer:
    """A client that gets every message; a lost connection is made again, to each gateway in turn."""

    def __init__(self, *addresses: str) -> None:
        self.arrived_s: dict[str, list[float]] = {}  # by stream
        self.disorder = 0  # messages that came twice or out of order
        self.missed = 0  # numbers that did not come, within one connection
        self.connections = 0
        self._addresses = addresses
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._stopping.set()
        self._thread.join(WAIT_S)

    def silence_s(self, since_s: float) -> float:
        """The longest time without a message of some stream from then until now."""
        now_s = time.monotonic()
        longest = 0.0
        for times in self.arrived_s.values():
            inside = [since_s, *(t for t in list(times) if t > since_s), now_s]
            longest = max(longest, *(after - before for before, after in pairwise(inside)))
        return longest

    def has_all_since(self, since_s: float) -> bool:
        """Whether a message of every stream has come since then."""
        return all(
            (times := self.arrived_s.get(name)) is not None and times[-1] > since_s for name in STREAMS
        )

    def _follow(self) -> None:
        number = 0
        while not self._stopping.is_set():
            try:
                with connect(
                    self._addresses[number % len(self._addresses)], proxy=None, open_timeout=5
                ) as client:
                    client.send('{"type": "subscribe", "delivery": "all"}')
                    self.connections += 1
                    self._read(client)
            except (WebSocketException, OSError):
                time.sleep(0.1)
            number += 1

    def _read(self, client: Any) -> None:
        last: dict[str, int] = {}
        while not self._stopping.is_set():
            try:
                message = json.loads(client.recv(0.2))
            except TimeoutError:
                continue
            if message["type"] != "affect":
                continue
            stream, number = message["stream"], message["seq"]
            self.arrived_s.setdefault(stream, []).append(time.monotonic())
            if (before := last.get(stream)) is not None:
                self.disorder += number <= before
                self.missed += max(0, number - before - 1)
            last[stream] = number


class Scene:
    """A fleet: two workers, of which one has all streams, a gateway, a client."""

    def __init__(
        self,
        stack: ExitStack,
        folder: Path,
        *,
        cluster: bool = False,
        settings: str = "",
        cuts: bool = False,
        sets_clock: bool = False,
    ) -> None:
        """`settings` are of the one NATS server; `cuts`: a proxy before each worker; `sets_clock`: see WallClock."""
        self.stack = stack
        self.servers = stack.enter_context(nats_cluster(folder) if cluster else _alone(folder, settings))
        hosts = ",".join(server.url.removeprefix("nats://") for server in self.servers)
        self.url = f"nats://{hosts}/mtclar?replicas={len(self.servers)}"
        self.clock = WallClock(folder) if sets_clock else None
        self.gateway = stack.enter_context(Gateway(parse_bus(self.url), ServerConfig(port=0)))
        self.viewer = Viewer(self.gateway.server.ws_url)
        stack.callback(self.viewer.close)
        self.turns = cycle(self.servers)  # the next one to die
        self.clock_ahead_s = 0.0
        self.own_gateway: subprocess.Popen[str] | None = None  # with that clock
        self.networks: dict[str, PlainProxy] = {}
        self.workers: dict[str, WorkerProcess] = {}
        for name in ("one", "two"):
            if cuts:
                self.networks[name] = stack.enter_context(PlainProxy(self.servers[0].port))
            self.start_worker(name)
            wait_for(lambda: self.owner is not None)
        self.settle()

    @property
    def owner(self) -> str | None:
        """The worker that has all streams, as the gateway sees it."""
        states = self.gateway.directory.streams
        if not states.keys() >= set(STREAMS) or not all(states[name].messages for name in STREAMS):
            return None
        owners = {states[name].worker for name in STREAMS}
        return owners.pop() if len(owners) == 1 else None

    @property
    def other(self) -> str:
        """The worker that has none."""
        return "two" if self.owner == "one" else "one"

    @property
    def dropped(self) -> int:
        """Messages that the gateway got twice, late or of an earlier owner, and did not send."""
        return sum(one.repeated + one.outdated for one in self.gateway.directory.streams.values())

    def start_worker(self, name: str) -> None:
        network = self.networks.get(name)
        url = self.url if network is None else f"nats://127.0.0.1:{network.port}/mtclar"
        environment = None if self.clock is None else self.clock.environment
        self.workers[name] = WorkerProcess(url, name, STREAMS, environment=environment)
        self.stack.callback(self.workers[name].kill)

    def settle(self) -> None:
        """Waits until one worker has everything, the other nothing, and each may take over from the other."""
        workers = self.gateway.directory.workers
        late = "the fleet is not as it was before the fault"
        wait_for(lambda: self.owner is not None and workers.keys() >= {"one", "two"}, late)
        wait_for(
            lambda: (other := workers.get(self.other)) is not None and not other.left and other.streams == {},
            late,
        )
        time.sleep(READY_S)

    def start_gateway(self) -> tuple[subprocess.Popen[str], str]:
        """`mtclar-stream gateway` as a process, and its websocket."""
        command = [sys.executable, "-m", "mtclar.cli.main", "gateway", "--nats", self.url, "--port", "0"]
        environment = {**(os.environ if self.clock is None else self.clock.environment), "COLUMNS": "200"}
        process = self.stack.enter_context(
            subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        )
        self.stack.callback(process.kill)
        assert process.stdout is not None
        return process, next(line.split()[1] for line in process.stdout if line.startswith("Websocket"))

    def watch(self, *addresses: str) -> None:
        """Another client in place of the first."""
        self.viewer.close()
        self.viewer = Viewer(*addresses)
        self.stack.callback(self.viewer.close)
        wait_for(lambda: self.viewer.has_all_since(0.0))


@contextmanager
def held_up() -> Iterator[list[float]]:
    """Fills the list with the times for which this process did not run."""
    pauses: list[float] = []
    done = threading.Event()

    def tick() -> None:
        before_s = time.monotonic()
        while not done.wait(0.05):
            now_s = time.monotonic()
            if now_s - before_s > HELD_UP_S:
                pauses.append(now_s - before_s)
            before_s = now_s

    thread = threading.Thread(target=tick, daemon=True)
    thread.start()
    try:
        yield pauses
    finally:
        done.set()
        thread.join()


@contextmanager
def _alone(folder: Path, settings: str) -> Iterator[list[NatsServer]]:
    with nats_server(folder, settings) as server:
        yield [server]
