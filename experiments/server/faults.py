"""Time until a client recovers from a fault, over many trials of each: the table of docs/results/reliability.md.

    python -m experiments.server.faults --tries 20 --write

Every fault has `mtclar-stream run` in a process of its own, a real RTSP server, a proxy between them, and one client
with delivery `all`. Recovery is timed at the client, from the moment at which the fault is over (the server accepts
again, the network passes bytes again) to the first `affect` after it. `--at-once N`: so many faults are measured side
by side.
Needs GStreamer's RTSP server (.ci/system).
"""

import json
import os
import random
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from tests.support.faults.proxy import Proxy
from tests.support.faults.rtsp import RtspServer, write_face_pictures
from tests.support.faults.tracker_process import Footprint, Received, Running, Watcher, is_affect, is_state
from tools.arguments import parser_of
from tools.docs.figures import table
from tools.docs.generated import replace_section

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "results" / "reliability.md"
RESULT = ROOT / "docs" / "results" / "data" / "faults.json"
STEADY_MESSAGES = 8  # before each fault, so that none begins in the last one's wake


@dataclass(frozen=True, slots=True)
class Scene:
    """What a fault can get at."""

    server: RtspServer
    network: Proxy
    watcher: Watcher
    chance: random.Random
    pictures: tuple[Path, Path]  # of two sizes


Fault = Callable[[Scene], float]
"""Does it, waits, ends it; when it was over, on the monotonic clock."""


def cut(scene: Scene) -> float:
    scene.network.cut()
    return time.monotonic()


def kill(scene: Scene) -> float:
    scene.server.kill()
    time.sleep(scene.chance.uniform(0.3, 1.5))
    scene.server.start()  # returns when it listens
    return time.monotonic()


def resize(scene: Scene) -> float:
    scene.server.kill()
    scene.server.pictures = scene.pictures[scene.server.pictures == scene.pictures[0]]
    scene.server.start()
    return time.monotonic()


def freeze_briefly(scene: Scene) -> float:
    scene.server.freeze()
    time.sleep(3.0)
    scene.server.thaw()
    return time.monotonic()


def freeze_long(scene: Scene) -> float:
    since = len(scene.watcher.received)
    scene.server.freeze()
    scene.watcher.wait(is_state("reconnecting"), since)
    scene.server.thaw()
    return time.monotonic()


def silence(scene: Scene) -> float:
    scene.network.freeze()
    time.sleep(3.0)
    scene.network.thaw()
    return time.monotonic()


def damage(scene: Scene) -> float:
    scene.network.damage = 0.1
    time.sleep(2.0)
    scene.network.damage = 0.0
    return time.monotonic()


def loss(scene: Scene) -> float:
    scene.network.loss = 0.05
    time.sleep(2.0)
    scene.network.loss = 0.0
    return time.monotonic()


def disorder(scene: Scene) -> float:
    scene.network.disorder = 0.1
    time.sleep(2.0)
    scene.network.disorder = 0.0
    return time.monotonic()


def garbage(scene: Scene) -> float:
    """Another program on the camera's port, for a while."""
    scene.server.kill()
    with socket.socket() as port:
        port.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        port.bind(("127.0.0.1", scene.server.port))
        port.listen()
        port.settimeout(0.1)
        until_s = time.monotonic() + 1.5
        while time.monotonic() < until_s:
            try:
                caller, _ = port.accept()
            except TimeoutError:
                continue
            with caller:
                caller.sendall(b"\x00\xff RTSP/9.9 what?\r\n\r\n" * 50)
    scene.server.start()
    return time.monotonic()


FAULTS: dict[str, Fault] = {  # the longest first, so that side by side they end together
    "server frozen until it is given up": freeze_long,
    "server frozen for 3 s": freeze_briefly,
    "network silent for 3 s": silence,
    "garbage on the camera's port for 1.5 s": garbage,
    "server killed, started .3 to 1.5 s later": kill,
    "server back with pictures of another size": resize,
    "one RTP packet of ten damaged for 2 s": damage,
    "one RTP packet of twenty lost for 2 s": loss,
    "over UDP: one RTP packet of twenty lost for 2 s": loss,
    "over UDP: one RTP packet of ten late for 2 s": disorder,
    "connection cut": cut,
}
OVER_UDP = frozenset(name for name in FAULTS if name.startswith("over UDP"))
CONNECTION_LOST = (
    frozenset(FAULTS)
    - OVER_UDP
    - {
        "server frozen for 3 s",
        "network silent for 3 s",
        "one RTP packet of ten damaged for 2 s",
        "one RTP packet of twenty lost for 2 s",
    }
)
START = "start of `run`, camera there"


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of one fault, over its tries."""

    fault: str
    tries: int
    saw: str  # the states that the client was told between the fault and its end
    p50_s: float
    max_s: float
    missing: int  # messages that were made and did not reach the client
    growth: dict[str, float] | None  # of threads, descriptors and MB, from the first try to the last


def measure(name: str, tries: int, pictures: tuple[Path, Path]) -> Outcome:
    """The fault `name`, `tries` times."""
    with _camera(pictures[0]) as (server, network):
        if name == START:
            return _starts(tries, network)
        transport = "udp" if name in OVER_UDP else "tcp"
        with _run(network, transport) as run, Watcher(run.url, {"delivery": "all"}) as watcher:
            scene = Scene(server, network, watcher, random.Random(name), pictures)
            recovered_s: list[float] = []
            saw: list[tuple[str, ...]] = []
            footprints: list[Footprint] = []
            for _ in range(tries):
                before = len(watcher.received)
                watcher.wait(partial(_is_steady, watcher, before))
                footprints.append(run.footprint())
                since = len(watcher.received)
                over_s = FAULTS[name](scene)
                if name in CONNECTION_LOST:  # what was on its way when it was lost is no recovery
                    again = watcher.wait(is_state("connecting"), since)
                    since_lost = watcher.received.index(again)
                else:
                    since_lost = since
                first = watcher.wait(
                    partial(_is_affect_since, over_s),
                    since_lost,
                )
                recovered_s.append(first.at_s - over_s)
                if "live" not in watcher.states(since)[-1:] and watcher.states(since):
                    watcher.wait(is_state("live"), since)
                saw.append(tuple(dict.fromkeys(watcher.states(since))))  # each state once, in order
            seqs = [one.message["seq"] for one in watcher.affects()]
        usual = max(set(saw), key=saw.count)
        return Outcome(
            name,
            tries,
            ", ".join(usual) or "nothing: messages went on",
            round(float(np.median(recovered_s)), 2),
            round(max(recovered_s), 2),
            seqs[-1] - seqs[0] + 1 - len(seqs),
            _growth(footprints),
        )


def _starts(tries: int, network: Proxy) -> Outcome:
    took_s, processor_s = [], []
    for _ in range(tries):
        with _run(network) as run, Watcher(run.url) as watcher:
            took_s.append(watcher.wait(is_affect).at_s - run.began_s)
            processor_s.append(run.processor_s())
    p50_s, max_s = round(float(np.median(took_s)), 2), round(max(took_s), 2)
    saw = f"connecting, live; {np.median(processor_s):.1f} s of processor until then"
    return Outcome(START, tries, saw, p50_s, max_s, 0, None)


@contextmanager
def _camera(pictures: Path) -> Iterator[tuple[RtspServer, Proxy]]:
    server = RtspServer(pictures)
    server.start()
    try:
        with Proxy(server.port) as network:
            yield server, network
    finally:
        server.kill()


def _run(network: Proxy, transport: str = "tcp") -> Running:
    address = f"rtsp://127.0.0.1:{network.port}/clip#transport={transport}"
    return Running("--source", address, "--support", "none", "--no-live")


def _growth(footprints: list[Footprint]) -> dict[str, float]:
    """From the first quarter to the last."""
    quarter = max(1, len(footprints) // 4)
    first, last = footprints[:quarter], footprints[-quarter:]
    return {
        what: round(
            float(np.median([getattr(f, what) for f in last]) - np.median([getattr(f, what) for f in first])),
            1,
        )
        for what in ("threads", "descriptors", "rss_mb")
    }


def _is_steady(watcher: Watcher, since: int, _: Received) -> bool:
    return len(watcher.affects(since)) >= STEADY_MESSAGES


def _is_affect_since(over_s: float, one: Received) -> bool:
    return is_affect(one) and one.message["t_capture"] >= over_s


def picture_folders(folder: Path) -> tuple[Path, Path]:
    """A drifting face in two sizes, both small: the encoders of several servers share this machine."""
    full, small, smaller = (folder / name for name in ("full", "small", "smaller"))
    for each in (full, small, smaller):
        each.mkdir()
    write_face_pictures(full)
    for picture in sorted(full.glob("*.jpg")):
        image = cv2.imread(str(picture))
        assert image is not None
        for target, size in ((small, (400, 300)), (smaller, (320, 240))):
            cv2.imwrite(str(target / picture.name), cv2.resize(image, size, interpolation=cv2.INTER_AREA))
    return small, smaller


def rows(outcomes: list[Outcome]) -> str:
    """The table of the page."""
    return table(
        [
            "fault",
            "tries",
            "what the client saw",
            "back p50 / max, s",
            "messages lost",
            "threads / descriptors / MB",
        ],
        [
            [
                outcome.fault,
                str(outcome.tries),
                outcome.saw,
                f"{outcome.p50_s:.2f} / {outcome.max_s:.2f}",
                str(outcome.missing),
                "new process"
                if outcome.growth is None
                else " / ".join(f"{outcome.growth[k]:+g}" for k in ("threads", "descriptors", "rss_mb")),
            ]
            for outcome in outcomes
        ],
    )


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--tries", type=int, default=20)
    parser.add_argument("--at-once", type=int, default=2)
    parser.add_argument("--only", metavar="TEXT", help="faults whose name holds this")
    parser.add_argument(
        "--write",
        action="store_true",
        help="into docs/results/reliability.md and docs/results/data/faults.json",
    )
    given = parser.parse_args()
    if given.tries < 1 or given.at_once < 1:
        parser.error("--tries and --at-once are at least 1")
    names = [name for name in (START, *FAULTS) if given.only is None or given.only in name]
    load = os.getloadavg()[0]
    began_s = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        pictures = picture_folders(Path(folder))
        lock = threading.Lock()

        def one(name: str) -> Outcome:
            outcome = measure(name, given.tries, pictures)
            with lock:
                print(f"{time.monotonic() - began_s:6.0f} s  {outcome}", flush=True)
            return outcome

        with ThreadPoolExecutor(given.at_once) as side_by_side:
            # A start uses a whole core: it is measured after the others.
            order = [name for name in names if name != START]
            done = {outcome.fault: outcome for outcome in side_by_side.map(one, order)}
        if START in names:
            done[START] = one(START)
    outcomes = [done[name] for name in names]
    print(rows(outcomes))
    if given.write:
        cores = os.cpu_count()
        text = (
            f"{given.tries} tries each, {given.at_once} at once; {cores} cores, load {load:.1f} when it began.\n\n"
            f"{rows(outcomes)}"
        )
        replace_section(PAGE, "faults", text)
        RESULT.parent.mkdir(parents=True, exist_ok=True)
        content = {"load": round(load, 2), "cores": cores, "at_once": given.at_once}
        RESULT.write_text(json.dumps(content | {"faults": [asdict(o) for o in outcomes]}, indent=2) + "\n")


if __name__ == "__main__":
    main()
