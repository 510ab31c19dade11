"""A sink, what sends to it, and its other end in a process of its own: for experiments.server.sinks."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
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

ROOT = Path(__file__).resolve().parents[2]
RATE_HZ = 30.0
WAIT_S = 120.0

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


def wait_until(condition: Callable[[], bool]) -> None:
    until_s = time.monotonic() + WAIT_S
    while not condition():
        if time.monotonic() > until_s:
            raise TimeoutError(f"not within {WAIT_S:g} s")
        time.sleep(0.02)
