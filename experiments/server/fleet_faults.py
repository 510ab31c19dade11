"""How long the clients of a fleet are without a stream after each fault: docs/server/fleet.md.

    python -m experiments.server.fleet_faults --tries 20 --write

Real nats-servers on loopback; two workers in processes of their own, whose networks are left out, with three streams of
10 frames/s, all on one of them; a gateway, and a websocket client of it with delivery `all`. Recovery is from the
fault (or its end, as the table says) until the client has every stream again; where none should stop, the longest
silence of a stream in the seconds after it. *Moved*: tries after which another worker had the streams. `--at-once N`:
so many faults are measured side by side. A try during which this process itself was held up is repeated. Tries
that are stored already count: delete docs/results/data/fleet-faults.json to begin anew. Needs nats-server and gcc
(.ci/system).
"""

import json
import os
import signal
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from experiments.server.fleet_scene import Scene, held_up, wait_for
from mtclar.engine.installation.machine import processor_name
from tests.support.peers.fleet_worker import WorkerProcess
from tools.arguments import parser_of
from tools.docs.figures import table
from tools.docs.generated import replace_section

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "server" / "fleet.md"
RESULT = ROOT / "docs" / "results" / "data" / "fleet-faults.json"

WATCHED_S = 6.0  # twice what a takeover needs
AGAIN = 3  # tries at most for one that counts


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
    cluster: bool = False  # of three servers
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
    Fault("cluster: one of three servers killed", SILENT, lambda scene: servers_die(scene, 1), cluster=True),
    Fault("cluster: quorum lost", SILENT, lambda scene: servers_die(scene, 2), cluster=True),
    Fault("cluster: quorum lost with a worker, and back", BACK, quorum_returns, cluster=True),
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


def measure(fault: Fault, tries: int, outcome: Outcome, report: Callable[[], None]) -> None:
    """Adds so many tries; one during which this process was held up is repeated."""
    until = tries * AGAIN
    while len(outcome.seconds) + len(outcome.failed) < tries and until:
        with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
            try:
                scene = Scene(
                    stack,
                    Path(folder),
                    cluster=fault.cluster,
                    settings=fault.settings,
                    cuts=fault.cuts,
                    sets_clock=fault.sets_clock,
                )
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
    parser = parser_of(__doc__)
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


if __name__ == "__main__":
    main()
