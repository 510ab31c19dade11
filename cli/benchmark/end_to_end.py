"""Latency from capture to socket: a server in its own process, real clients in another, a graphics card monitored."""

import json
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from mtclar.cli.benchmark.effort import Load
from mtclar.cli.benchmark.gpu import GpuMeter
from mtclar.cli.benchmark.material import Material
from mtclar.engine.errors import MtclarError

CLIENTS = 2
# For one line: engines for a card may be compiled first, and the server itself stops after 600 s.
TIMEOUT_S = 660.0


def measure(
    material: Material, backend: str, threads: int, *, unpaced_frames: int, paced_s: float
) -> tuple[dict[str, Any], dict[str, float] | None]:
    """The figures `end_to_end`, and those of a card at 30 frames a second (None without a card)."""
    one = Load()
    unpaced, _, _ = _run(material, backend, threads, "all", unpaced_frames, one)
    paced, received, card = _run(material, backend, threads, "paced", round(paced_s * one.fps), one)
    figures = {
        "unpaced_fps": unpaced["fps"],
        "cpu_cores": paced["cpu_cores"],
        "latency_ms": received["latency_ms"],
        "messages_per_s": received["messages_per_s"],
        "peak_rss_mb": paced["peak_rss_mb"],
    }
    return figures, card


def latencies(
    material: Material, backend: str, threads: int, loads: Sequence[Load], load_s: float
) -> list[dict[str, Any]]:
    """`latency`: capture to a client's socket under each load, with what the server could not do in time."""
    rows = []
    for load in loads:
        summary, received, _ = _run(material, backend, threads, "paced", round(load_s * load.fps), load)
        asked = load.fps * load.streams
        rows.append(
            {
                **asdict(load),
                "latency_ms": received["latency_ms"],
                "answered_share": round(min(1.0, summary["fps"] / asked), 3),
                "cpu_cores": summary["cpu_cores"],
                "collections_ms": summary["collections_ms"],
            }
        )
    return rows


def trace(material: Material, backend: str, threads: int, seconds: float, path: Path) -> None:
    """Writes the way of every frame of some seconds at 30 frames a second into a trace (mtclar.cli.benchmark.trace)."""
    load = Load()
    _run(material, backend, threads, "paced", round(seconds * load.fps), load, path)


def _run(
    material: Material,
    backend: str,
    threads: int,
    freshness: str,
    frames: int,
    load: Load,
    traced: Path | None = None,
) -> tuple[dict[str, Any], dict[str, Any], dict[str, float] | None]:
    """One run: the server's summary, the clients' figures, the card's figures."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        support = None
        if material.support is not None:
            support = str(folder / "bench.mtclar")
            material.support.save(support)
        task = {
            "clip": material.clip,
            "support": support,
            "backend": backend,
            "threads": threads,
            "freshness": freshness,
            "frames": frames,
            "trace": None if traced is None else str(traced),
            **asdict(load),
        }
        server = Child.start(stack, "the measured process", "server", json.dumps(task))
        clients = Child.start(stack, "the clients", "clients", server.read_line(), str(CLIENTS))
        clients.read_line()  # connected
        meter = GpuMeter()
        with meter:
            server.write_line("go")
            summary = json.loads(server.read_line())
        received = json.loads(clients.read_line())
        return summary, received, meter.report(frames)


@dataclass(frozen=True, slots=True, eq=False)
class Child:
    """A child process and its output; its stderr goes to a file, so that it never blocks on it."""

    name: str
    process: "subprocess.Popen[str]"
    errors: IO[str]

    @classmethod
    def start(cls, stack: ExitStack, name: str, module: str, *arguments: str) -> "Child":
        """Starts a process that is killed when the stack closes."""
        errors = stack.enter_context(tempfile.TemporaryFile("w+"))  # noqa: SIM115  # the stack closes it
        process = subprocess.Popen(
            [sys.executable, "-m", f"mtclar.cli.benchmark.{module}", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            encoding="utf-8",
        )

        def end() -> None:
            process.kill()  # nothing if it has ended
            process.communicate()

        stack.callback(end)
        return cls(name, process, errors)

    def write_line(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    def read_line(self, timeout_s: float = TIMEOUT_S) -> str:
        """The next line of its stdout; MtclarError with its last line of stderr when it ends or times out instead."""
        assert self.process.stdout is not None
        timed_out = threading.Event()

        def time_out() -> None:
            timed_out.set()
            self.process.kill()

        timer = threading.Timer(timeout_s, time_out)
        timer.start()
        try:
            line = self.process.stdout.readline()
        finally:
            timer.cancel()
        if line:
            return line.strip()
        self.process.wait()
        self.errors.seek(0)
        last = (self.errors.read().strip().splitlines() or ["it ended without a message"])[-1]
        if timed_out.is_set():
            last = f"no output for {timeout_s:g} s"
        raise MtclarError(f"{self.name} failed: {last}", "try `mtclar-stream run` with the same --backend")
