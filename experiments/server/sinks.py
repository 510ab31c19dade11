"""What each sink adds and costs, and what 20 restarts and a minute's block of its other end do: docs/live/sinks.md.

    python -m experiments.server.sinks --write                # latency, cost, restarts, blocks: 10 minutes
    python -m experiments.server.sinks --clock 10 --write     # LSL's clock over 10 minutes

Messages of one face go to the sinks as the tracker sends them, 30 a second; the other end is a process of its own
(sink_receivers.py). Latency is from the call of the sinks to the arrival there, on the clock that both share. The LSL
receiver of `--clock` has a clock of its own, 5,000 s ahead (a time namespace, which needs root). Needs mosquitto.
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
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from experiments.server.sink_receivers import NUMBERS
from mtclar.engine.data_types import Affect, Estimate
from mtclar.stream.protocol.messages import AffectMessage, LatencyMs, StreamInfo, SubjectInfo
from mtclar.stream.sinks import Sink, SinkGroup, open_sink
from tests.support.peers.mqtt_broker import Mosquitto
from tools.docs.figures import table
from tools.docs.generated import replace_section

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "live" / "sinks.md"
RESULT = ROOT / "docs" / "results" / "sinks.json"

RATE_HZ = 30.0
LATENCY_S = 20.0
BLOCK_S = 60.0
PRESENT_MESSAGES = 30  # a second: how long the other end stays between two restarts
ABSENT_S = 0.5
WAIT_S = 120.0
CLOCK_RATE_HZ = 10.0
AHEAD_S = 5000
OTHER_CLOCK = ("unshare", "--time", "--monotonic", str(AHEAD_S))

ESTIMATE = Estimate(0.3, -0.2, 0.05, 0.06, np.array([0.2, 0.9], np.float32), 1, True, (0.2, -0.1))
FACE = Affect(0, "anna", "ok", (10, 20, 110, 140), (1, 2, 3), 0.25, -0.5, 0.05, 0.06, ESTIMATE, ())


class Sender:
    """Sends messages to a group of sinks from a thread, as a tracker does; a context manager."""

    def __init__(self, sinks: SinkGroup, stream: str, rate_hz: float = RATE_HZ) -> None:
        self.sent_s: list[float] = []  # when, by number
        self.raw_s: list[float] = []  # the same on a clock that nothing adjusts
        self.call_ms: list[float] = []  # for how long the caller waited
        self._sinks, self._stream, self._rate_hz = sinks, stream, rate_hz
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._send)

    def __enter__(self) -> "Sender":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _send(self) -> None:
        due_s = time.monotonic()
        while not self._ended.wait(max(0.0, due_s - time.monotonic())) and len(self.sent_s) < NUMBERS:
            due_s += 1 / self._rate_hz
            seq, now_s = len(self.sent_s), time.monotonic()
            self.raw_s.append(time.clock_gettime(time.CLOCK_MONOTONIC_RAW))
            self.sent_s.append(now_s)
            face = replace(FACE, valence=seq / NUMBERS)
            latency = LatencyMs(0, 3, 4)
            self._sinks.affect(
                AffectMessage(
                    self._stream, seq, seq, now_s, "arrival", now_s, (640, 480), latency, 0, (face,)
                )
            )
            self.call_ms.append(1e3 * (time.monotonic() - now_s))


class Receiver:
    """The other end in a process of its own, which can be killed, stopped and started again."""

    def __init__(self, kind: str, address: str, notes: Path, before: Sequence[str] = ()) -> None:
        self._command = [*before, sys.executable, "-m", "experiments.server.sink_receivers", kind, address]
        self._notes = notes
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Returns when it receives."""
        with self._notes.open("wb") as notes:
            self._process = subprocess.Popen(self._command, stdout=notes, stderr=subprocess.DEVNULL, cwd=ROOT)
        wait_until(lambda: b"ready" in self._notes.read_bytes())

    def signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        """Safe to call twice."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(WAIT_S)
            self._process = None

    def arrivals(self) -> list[tuple[float, ...]]:
        """What has arrived since the start: number, time, and more where the receiver knows more."""
        lines = self._notes.read_text().split("\n")[:-1]  # the last may be half a line
        return [tuple(map(float, line.split())) for line in lines if line != "ready"]


@dataclass(slots=True)
class Link:
    """A sink with its other end."""

    name: str
    sink: Sink
    receiver: Receiver
    broker: Mosquitto | None = None  # what is restarted and blocked in place of the receiver
    disk: Path | None = None  # of a CSV file: a folder that can be full

    def stop(self) -> None:
        """Kills the other end."""
        (self.broker or self.receiver).kill()

    def start(self) -> None:
        """Starts the other end; returns when it can receive."""
        (self.broker or self.receiver).start()

    def block(self) -> None:
        """Freezes the other end, or fills the disk."""
        if self.disk is None:
            (self.broker or self.receiver).signal(signal.SIGSTOP)
        else:
            with (self.disk / "filler").open("wb", buffering=0) as filler, suppress(OSError):
                while True:
                    filler.write(bytes(512))

    def unblock(self) -> None:
        if self.disk is None:
            (self.broker or self.receiver).signal(signal.SIGCONT)
        else:
            (self.disk / "filler").unlink()


NAMES = ("websocket", "csv", "metrics", "lsl", "osc", "mqtt")
RESTARTED = ("websocket", "lsl", "osc", "mqtt")


@contextmanager
def linked(name: str, folder: Path, before: Sequence[str] = ()) -> Iterator[tuple[Link, SinkGroup, str]]:
    """An open sink of that name whose other end receives, its group, and the name of its stream."""
    stream = f"{name}{os.getpid()}"
    info = StreamInfo(stream, "webcam:0", True, None, RATE_HZ, "latest", (SubjectInfo("anna", 12),))
    with ExitStack() as stack:
        broker, disk = None, None
        if name == "csv":
            disk = folder / "disk"
            disk.mkdir()
            mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(disk)]
            subprocess.run(mount, check=True)
            stack.callback(subprocess.run, ["umount", "-l", str(disk)])
        if name == "mqtt":
            broker = Mosquitto(folder)
            broker.start()
            stack.callback(broker.kill)
        spec = {
            "websocket": "websocket://127.0.0.1:0",
            "csv": f"csv://{disk}/values.csv",
            "metrics": "metrics://127.0.0.1:0",
            "lsl": "lsl",
            "osc": f"osc://127.0.0.1:{20000 + os.getpid() % 10000}",
            "mqtt": f"mqtt://127.0.0.1:{0 if broker is None else broker.port}",
        }[name]
        sink: Any = open_sink(spec)
        sinks = stack.enter_context(SinkGroup([sink]))
        sinks.open([info])
        address = {
            "websocket": lambda: sink.ws_url,
            "csv": lambda: spec.removeprefix("csv://"),
            "metrics": lambda: "http://{}:{}/metrics".format(*sink.address),
            "lsl": lambda: f"Affect {stream} anna",
            "osc": lambda: spec.rpartition(":")[2],
            "mqtt": lambda: str(broker and broker.port),
        }[name]()
        receiver = Receiver(name, address, folder / "notes", before)
        stack.callback(receiver.kill)
        receiver.start()
        yield Link(name, sink, receiver, broker, disk), sinks, stream


def latency_and_cost(name: str) -> dict[str, Any]:
    """Latency in ms (of the metrics: how long a scrape takes) and processor time in ms a message, all threads."""
    with tempfile.TemporaryDirectory() as folder:
        with Sender(SinkGroup(), name):
            idle_s = -time.process_time()
            time.sleep(LATENCY_S / 2)
            idle_s += time.process_time()
        with linked(name, Path(folder)) as (link, sinks, stream), Sender(sinks, stream) as sender:
            time.sleep(2.0)
            first, cost_s = len(sender.sent_s), -time.process_time()
            time.sleep(LATENCY_S)
            cost_s += time.process_time()
            sent = len(sender.sent_s) - first
            time.sleep(2.0)
            arrivals = [one for one in link.receiver.arrivals() if one[0] >= first]
            since = (lambda one: one[2]) if name == "metrics" else (lambda one: sender.sent_s[int(one[0])])
            latencies_ms = [1e3 * (one[1] - since(one)) for one in arrivals]
    return {
        "latency_ms": percentiles(latencies_ms),
        "processor_ms": round(1e3 * (cost_s - 2 * idle_s) / sent, 3),
    }


def restarts(name: str, times: int) -> dict[str, Any]:
    """The other end is killed and started so often: what was lost while it was there, and when values came again."""
    back_s, lost, received = [], 0, 0
    with (
        tempfile.TemporaryDirectory() as folder,
        linked(name, Path(folder)) as (link, sinks, stream),
        Sender(sinks, stream) as sender,
    ):
        for _ in range(times):
            link.stop()
            time.sleep(ABSENT_S)
            link.start()
            ready_s = time.monotonic()

            def fresh() -> list[tuple[float, ...]]:
                return [
                    one
                    for one in link.receiver.arrivals()
                    if sender.sent_s[int(one[0])] >= ready_s  # noqa: B023
                ]

            wait_until(lambda: len(fresh()) >= PRESENT_MESSAGES)
            seqs = [int(one[0]) for one in fresh()]
            back_s.append(fresh()[0][1] - ready_s)
            lost += seqs[-1] - seqs[0] + 1 - len(set(seqs))
            received += len(set(seqs))
    return {
        "times": times,
        "received": received,
        "lost": lost,
        "back_s": {"p50": round(statistics.median(back_s), 2), "max": round(max(back_s), 2)},
    }


def blocked(name: str, seconds: float) -> dict[str, Any]:
    """The other end is frozen (of CSV: the disk is full) for so long, then goes on."""
    with (
        tempfile.TemporaryDirectory() as folder,
        linked(name, Path(folder)) as (link, sinks, stream),
        Sender(sinks, stream) as sender,
    ):
        (delivery,) = sinks.deliveries
        time.sleep(2.0)
        first = len(sender.sent_s)
        link.block()
        until_s, trouble = time.monotonic() + seconds, False
        while time.monotonic() < until_s:
            trouble |= link.sink.trouble is not None
            time.sleep(0.1)
        last = len(sender.sent_s)
        link.unblock()
        with suppress(TimeoutError):  # then the rest is lost
            wait_until(lambda: any(one[0] > last for one in link.receiver.arrivals()))
        time.sleep(5.0)  # what was held back
        seen = {int(one[0]) for one in link.receiver.arrivals()}
        return {
            "seconds": seconds,
            "sent": last - first,
            "lost": 0 if name == "metrics" else len(set(range(first, last)) - seen),
            "counted": delivery.failures + delivery.dropped,
            "in_status": trouble,
            "longest_call_ms": round(max(sender.call_ms[first:last]), 1),
        }


def clock_error(minutes: float) -> dict[str, Any]:
    """How far a recorder's times of capture are off, on a machine with another clock, in ms."""
    with (
        tempfile.TemporaryDirectory() as folder,
        linked("lsl", Path(folder), OTHER_CLOCK) as (link, sinks, stream),
        Sender(sinks, stream, CLOCK_RATE_HZ) as sender,
    ):
        time.sleep(60 * minutes)
        arrivals = link.receiver.arrivals()
    error_s = np.array([one[2] - AHEAD_S - sender.sent_s[int(one[0])] for one in arrivals])
    raw_s = np.array([sender.raw_s[int(one[0])] for one in arrivals])
    recorded_s = np.array([one[2] for one in arrivals])
    drift_s = (recorded_s - recorded_s[0]) - (raw_s - raw_s[0])
    return {
        "minutes": minutes,
        "samples": len(arrivals),
        "error_ms": percentiles(1e3 * np.abs(error_s)),
        "beside_raw_clock_ms": percentiles(1e3 * np.abs(drift_s)),
        "load": round(os.getloadavg()[0], 1),
    }


def percentiles(values: Any) -> dict[str, float]:
    p50, p99 = np.percentile(values, [50, 99])
    return {"p50": round(float(p50), 3), "p99": round(float(p99), 3)}


def wait_until(condition: Callable[[], bool]) -> None:
    until_s = time.monotonic() + WAIT_S
    while not condition():
        if time.monotonic() > until_s:
            raise TimeoutError(f"not within {WAIT_S:g} s")
        time.sleep(0.02)


def page(result: dict[str, Any]) -> str:
    """The section of docs/live/sinks.md."""
    rows = []
    for name, one in result["sinks"].items():
        latency, restart, block = one["latency_ms"], one.get("restarts"), one["blocked"]
        rows.append(
            [
                f"`{name}`",
                " / ".join(f"{ms:.2f}" if ms < 10 else f"{ms:.0f}" for ms in latency.values()),
                f"{one['processor_ms']:.2f}",
                "-"
                if restart is None
                else f"{restart['lost']} of {restart['received']:,}; "
                f"{restart['back_s']['p50']:g} / {restart['back_s']['max']:g} s",
                f"{block['lost']:,} of {block['sent']:,}",
                f"{block['counted']:,}{', status' if block['in_status'] else ''}",
                f"{block['longest_call_ms']:g} ms",
            ]
        )
    head = [
        "sink",
        "latency p50 / p99, ms",
        "processor a message, ms",
        f"{result['restarts']} restarts: lost while present; back p50 / max",
        f"blocked {result['block_s']:g} s: lost",
        "counted, told",
        "longest call",
    ]
    text = (
        "30 messages a second of one face, `python -m experiments.server.sinks --write`; "
        f"{result['cores']} cores, load {result['load']:.1f} when it began.\n\n{table(head, rows)}"
    )
    if (clock := result.get("lsl_clock")) is not None:
        error, raw = clock["error_ms"], clock["beside_raw_clock_ms"]
        text += (
            f"\nLSL's clock: {clock['samples']:,} samples in {clock['minutes']:g} minutes, read by a process whose\n"
            f"clock is 5,000 s ahead. Its times of capture were off by {error['p50']:g} / {error['p99']:g} ms\n"
            f"(p50 / p99), beside the kernel's unadjusted clock by {raw['p50']:g} / {raw['p99']:g} ms "
            f"(load {clock['load']:g})."
        )
    return text


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=NAMES, default=list(NAMES))
    parser.add_argument("--restarts", type=int, default=20)
    parser.add_argument("--block", type=float, default=BLOCK_S, metavar="SECONDS")
    parser.add_argument("--clock", type=float, metavar="MINUTES", help="measure LSL's clock, nothing else")
    parser.add_argument(
        "--write", action="store_true", help=f"into {PAGE.name} and docs/results/{RESULT.name}"
    )
    given = parser.parse_args()
    result: dict[str, Any] = json.loads(RESULT.read_text()) if RESULT.exists() else {}
    if given.clock:
        result["lsl_clock"] = clock_error(given.clock)
    else:
        result |= {"restarts": given.restarts, "block_s": given.block}
        result |= {"cores": os.cpu_count(), "load": round(os.getloadavg()[0], 1)}
        sinks = {name: latency_and_cost(name) for name in given.only}  # one after the other
        with ThreadPoolExecutor(len(sinks)) as side_by_side:
            again = {
                name: side_by_side.submit(restarts, name, given.restarts)
                for name in sinks
                if name in RESTARTED
            }
            for name, future in again.items():
                sinks[name]["restarts"] = future.result()
            blocks = {name: side_by_side.submit(blocked, name, given.block) for name in sinks}
            for name, future in blocks.items():
                sinks[name]["blocked"] = future.result()
        result["sinks"] = result.get("sinks", {}) | sinks
    print(json.dumps(result, indent=2))
    if given.write:
        RESULT.write_text(json.dumps(result, indent=2) + "\n")
        if result.get("sinks"):
            replace_section(PAGE, "sinks", page(result))


if __name__ == "__main__":
    main()
