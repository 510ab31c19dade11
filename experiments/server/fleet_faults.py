"""How long the clients of a fleet are without a stream after each fault: docs/server/fleet.md.

    python -m experiments.server.fleet_faults --tries 20 --write

Real nats-servers on loopback; two workers in processes of their own, whose networks are left out, with three streams of
10 frames/s, all on one of them; a gateway, and a websocket client of it with delivery `all`. Recovery is from the
fault (or its end, as the table says) until the client has every stream again; where none should stop, the longest
silence of a stream in the seconds after it. *Moved*: tries after which another worker had the streams. `--at-once N`:
so many faults are measured side by side. A try during which this process itself was held up is repeated. Tries
that are stored already count: delete docs/results/data/fleet-faults.json to begin anew. Needs nats-server and faketime
(.ci/system).
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
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
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
from tools.docs.figures import table
from tools.docs.generated import replace_section

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "server" / "fleet.md"
RESULT = ROOT / "docs" / "results" / "data" / "fleet-faults.json"

STREAMS = ("cam-1", "cam-2", "cam-3")
WAIT_S = 60.0
POLL_S = 0.005
READY_S = 4.0  # a new worker takes over from others when it has watched them for a lease
WATCHED_S = 6.0  # twice what a takeover needs
HELD_UP_S = 0.5
AGAIN = 3  # tries at most for one that counts
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

    def __init__(self, stack: ExitStack, folder: Path, fault: "Fault") -> None:
        self.stack = stack
        self.servers = stack.enter_context(
            nats_cluster(folder) if fault.servers > 1 else _alone(folder, fault.settings)
        )
        hosts = ",".join(server.url.removeprefix("nats://") for server in self.servers)
        self.url = f"nats://{hosts}/mtclar?replicas={len(self.servers)}"
        self.clock = WallClock(folder) if fault.sets_clock else None
        self.gateway = stack.enter_context(Gateway(parse_bus(self.url), ServerConfig(port=0)))
        self.viewer = Viewer(self.gateway.server.ws_url)
        stack.callback(self.viewer.close)
        self.turns = cycle(self.servers)  # the next one to die
        self.clock_ahead_s = 0.0
        self.own_gateway: subprocess.Popen[str] | None = None  # with that clock
        self.networks: dict[str, PlainProxy] = {}
        self.workers: dict[str, WorkerProcess] = {}
        for name in ("one", "two"):
            if fault.cuts:
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


def move(scene: Scene, fault: Callable[[WorkerProcess, str], None]) -> float:
    """Something happens to the owner: until the other worker has the streams."""
    owner, other = scene.owner, scene.other
    assert owner is not None
    begun_s = time.monotonic()
    fault(scene.workers[owner], owner)
    wait_for(lambda: scene.owner == other)
    return time.monotonic() - begun_s


def end(scene: Scene, number: int) -> float:
    """The owner gets this signal, which ends it; another one is started in its place."""
    owner = scene.owner
    seconds = move(scene, lambda worker, _: worker.signal(number))
    assert owner is not None
    wait_for(lambda: scene.workers[owner].process.poll() is not None)
    scene.start_worker(owner)
    return seconds


def freeze(scene: Scene) -> float:
    owner = scene.owner
    seconds = move(scene, lambda worker, _: worker.signal(signal.SIGSTOP))
    assert owner is not None
    scene.workers[owner].signal(signal.SIGCONT)
    return seconds


def cut_off(scene: Scene) -> float:
    owner = scene.owner
    seconds = move(scene, lambda _, name: scene.networks[name].freeze())
    assert owner is not None
    scene.networks[owner].thaw()
    return seconds


def silence(scene: Scene, fault: Callable[[], None]) -> float:
    """The longest silence of a stream after it."""
    begun_s = time.monotonic()
    fault()
    time.sleep(WATCHED_S)
    return scene.viewer.silence_s(begun_s)


def nats_returns(scene: Scene, *, empty: bool) -> float:
    """NATS dies and comes back: from then on."""
    (server,) = scene.servers
    server.kill()
    wait_for(lambda: not scene.gateway.connection.connected)
    if empty:
        server.forget()
    begun_s = time.monotonic()
    server.start()
    wait_for(lambda: scene.viewer.has_all_since(begun_s))
    return time.monotonic() - begun_s


def servers_die(scene: Scene, count: int) -> float:
    """So many of the three servers die while the workers live; which ones changes from try to try."""
    dying = [next(scene.turns) for _ in range(count)]

    def kill() -> None:
        for server in dying:
            server.kill()

    seconds = silence(scene, kill)
    for server in dying:
        server.start()
    return seconds


def quorum_returns(scene: Scene) -> float:
    """Two of three servers and the owner die, and one server returns: from then on."""
    dying = [next(scene.turns), next(scene.turns)]
    owner, other = scene.owner, scene.other
    assert owner is not None
    for server in dying:
        server.kill()
    scene.workers[owner].kill()
    time.sleep(2.0)
    begun_s = time.monotonic()
    dying[0].start()
    wait_for(lambda: scene.owner == other)
    seconds = time.monotonic() - begun_s
    dying[1].start()
    scene.start_worker(owner)
    return seconds


def gateway_dies(scene: Scene) -> float:
    """The client's gateway dies; it turns to another one, as a load balancer would send it."""
    process, address = scene.start_gateway()
    scene.watch(address, scene.gateway.server.ws_url)
    begun_s = time.monotonic()
    process.kill()
    wait_for(lambda: process.poll() is not None)
    died_s = time.monotonic()
    wait_for(lambda: scene.viewer.has_all_since(died_s) and scene.viewer.connections > 1)
    return time.monotonic() - begun_s


def slow_consumer(scene: Scene) -> float:
    """A gateway stands still until NATS has closed its connection, then goes on: from then on."""
    (server,) = scene.servers
    process, address = scene.start_gateway()
    scene.watch(address)
    closed = server.log.count("Slow Consumer")
    process.send_signal(signal.SIGSTOP)
    while server.log.count("Slow Consumer") == closed:
        scene.gateway.connection.publish("mtclar.noise", bytes(500_000))
        time.sleep(0.02)
    begun_s = time.monotonic()
    process.send_signal(signal.SIGCONT)
    wait_for(lambda: scene.viewer.has_all_since(begun_s))
    seconds = time.monotonic() - begun_s
    process.kill()
    return seconds


def set_clocks(scene: Scene) -> float:
    """The wall clock of workers and gateway is set forward an hour, or, the next time, back."""
    clock = scene.clock
    assert clock is not None
    if not scene.clock_ahead_s and scene.own_gateway is None:
        scene.own_gateway, address = scene.start_gateway()
        scene.watch(address)
    scene.clock_ahead_s = 3600.0 - scene.clock_ahead_s
    return silence(scene, lambda: clock.set(scene.clock_ahead_s))


@dataclass(frozen=True, slots=True)
class Fault:
    """One row of the table."""

    name: str
    timed: str  # from when to when
    measure: Callable[[Scene], float]
    servers: int = 1
    settings: str = ""  # of NATS
    cuts: bool = False  # the workers are behind proxies
    sets_clock: bool = False


MOVED = "fault to all streams from the other worker"
SILENT = f"longest silence of a stream, {WATCHED_S:g} s"
BACK = "return to all streams"
SMALL_BUFFERS = 'write_deadline: "1s"\nmax_pending: 2MB'
FAULTS = (
    Fault("worker stopped (SIGTERM)", MOVED, lambda scene: end(scene, signal.SIGTERM)),
    Fault("worker killed", MOVED, lambda scene: end(scene, signal.SIGKILL)),
    Fault("worker frozen", MOVED, freeze),
    Fault("worker cut off", MOVED, cut_off, cuts=True),
    Fault("NATS restarted", BACK, lambda scene: nats_returns(scene, empty=False)),
    Fault("NATS restarted empty", BACK, lambda scene: nats_returns(scene, empty=True)),
    Fault("cluster: one of three servers killed", SILENT, lambda scene: servers_die(scene, 1), 3),
    Fault("cluster: quorum lost", SILENT, lambda scene: servers_die(scene, 2), 3),
    Fault("cluster: quorum lost with a worker, and back", BACK, quorum_returns, 3),
    Fault("gateway killed, client goes to another", "fault to all streams", gateway_dies),
    Fault("gateway cut off by NATS as a slow consumer", BACK, slow_consumer, settings=SMALL_BUFFERS),
    Fault("clock of workers and gateway set by 1 h", SILENT, set_clocks, sets_clock=True),
)


@dataclass(slots=True)
class Outcome:
    """What a fault did, over its tries."""

    fault: str
    timed: str
    seconds: list[float] = field(default_factory=list)
    moved: int = 0  # tries after which another worker had the streams
    disorder: int = 0  # messages that clients got twice or out of order
    dropped: int = 0  # messages that the gateway got twice, late or of an earlier owner, and did not send
    missed: int = 0  # numbers that clients did not get
    failed: list[str] = field(default_factory=list)


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


def measure(fault: Fault, tries: int, outcome: Outcome, report: Callable[[], None]) -> None:
    """Adds so many tries; one during which this process was held up is repeated."""
    until = tries * AGAIN
    while len(outcome.seconds) + len(outcome.failed) < tries and until:
        with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
            try:
                scene = Scene(stack, Path(folder), fault)
                while len(outcome.seconds) + len(outcome.failed) < tries and until:
                    until -= 1
                    if _try(fault, scene, outcome):
                        report()
                    scene.settle()
            except TimeoutError as error:  # the scene cannot be used any more
                print(fault.name, error, flush=True)
                report()


def _try(fault: Fault, scene: Scene, outcome: Outcome) -> bool:
    """Whether it counts."""
    owner, viewer, dropped = scene.owner, scene.viewer, scene.dropped
    before = (viewer.disorder, viewer.missed)
    with held_up() as pauses:
        try:
            seconds = fault.measure(scene)
        except TimeoutError as error:
            if not pauses:
                outcome.failed.append(str(error))
            raise
    if pauses:
        return False
    if scene.viewer is not viewer:
        before = (0, 0)
    outcome.seconds.append(round(seconds, 3))
    outcome.moved += scene.owner != owner
    outcome.disorder += scene.viewer.disorder - before[0]
    outcome.missed += scene.viewer.missed - before[1]
    outcome.dropped += scene.dropped - dropped
    return True


@contextmanager
def _alone(folder: Path, settings: str) -> Iterator[list[NatsServer]]:
    with nats_server(folder, settings) as server:
        yield [server]


def text_of(result: dict[str, Any]) -> str:
    """The section of the page."""
    rows = []
    for one in result["faults"]:
        tries = len(one["seconds"]) + len(one["failed"])
        if not tries:
            continue
        middle, most = (
            (f"{statistics.median(one['seconds']):.1f}", f"{max(one['seconds']):.1f}")
            if one["seconds"]
            else ("-", "-")
        )
        failed = f" ({len(one['failed'])} failed)" if one["failed"] else ""
        rows.append(
            [
                one["fault"],
                one["timed"],
                f"{tries}{failed}",
                middle,
                most,
                str(one["moved"]),
                str(one["missed"]),
                str(one["disorder"]),
            ]
        )
    head = ["fault", "timed", "tries", "p50, s", "max, s", "moved", "missed", "doubled or out of order"]
    return (
        f"`python -m experiments.server.fleet_faults`, {result['at_once']} at once; {result['cores']} cores of "
        f"{result['processor']}, load {result['load']:.0f} when it began.\n\n{table(head, rows)}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tries", type=int, default=20)
    parser.add_argument("--at-once", type=int, default=1)
    parser.add_argument("--only", metavar="TEXT", default="", help="faults whose name holds this")
    parser.add_argument(
        "--write", action="store_true", help=f"into {PAGE.relative_to(ROOT)}, after every try"
    )
    asked = parser.parse_args()
    chosen = [place for place, fault in enumerate(FAULTS) if asked.only in fault.name]
    outcomes = [Outcome(one.name, one.timed) for one in FAULTS]
    if RESULT.exists():
        stored = {one["fault"]: one for one in json.loads(RESULT.read_text())["faults"]}
        outcomes = [Outcome(**stored[one.fault]) if one.fault in stored else one for one in outcomes]
    result: dict[str, Any] = {
        "at_once": asked.at_once,
        "cores": os.cpu_count(),
        "processor": processor_name(),
        "load": os.getloadavg()[0],
    }
    lock = threading.Lock()

    def one(place: int) -> None:
        measure(FAULTS[place], asked.tries, outcomes[place], lambda: report(outcomes[place]))

    def report(last: Outcome) -> None:
        with lock:
            print(last, flush=True)
            result["faults"] = [asdict(one) for one in outcomes]
            if asked.write:
                RESULT.write_text(json.dumps(result, indent=1) + "\n")

    with ThreadPoolExecutor(asked.at_once) as side_by_side:
        list(side_by_side.map(one, chosen))
    print(text_of(result))
    if asked.write:
        replace_section(PAGE, "fleet-faults", text_of(result))


def processor_name() -> str:
    """The name of this machine's processor, as Linux has it."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "a processor"
    )


if __name__ == "__main__":
    main()
