"""From capture to socket: a server in a process of its own, real clients in another, the card watched meanwhile."""

import json
import subprocess
import sys
import tempfile
import threading
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from mtclar.cli.benchmark.gpu import GpuMeter
from mtclar.cli.benchmark.material import FPS, Material
from mtclar.engine.errors import MtclarError

CLIENTS = 2
TIMEOUT_S = (
    660.0  # of one line: a card's engines may have to be compiled first; the server itself gives up at 600
)


def measure(
    material: Material, backend: str, threads: int, *, unpaced_frames: int, paced_s: float
) -> tuple[dict[str, Any], dict[str, float] | None]:
    """`end_to_end`, and what a card did while frames came at 30 a second (None without one)."""
    unpaced, _, _ = _run(material, backend, threads, "all", unpaced_frames)
    paced, received, card = _run(material, backend, threads, "paced", round(paced_s * FPS))
    figures = {
        "unpaced_fps": unpaced["fps"],
        "cpu_cores": paced["cpu_cores"],
        "latency_ms": received["latency_ms"],
        "messages_per_s": received["messages_per_s"],
        "peak_rss_mb": paced["peak_rss_mb"],
    }
    return figures, card


def _run(
    material: Material, backend: str, threads: int, freshness: str, frames: int
) -> tuple[dict[str, Any], dict[str, Any], dict[str, float] | None]:
    """One run: the server's summary, what the clients got, and what the card did."""
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
            "fps": FPS,
            "frames": frames,
        }
        server = Child.start(stack, "the measured process", "server", json.dumps(task))
        clients = Child.start(stack, "the clients", "clients", server.line(), str(CLIENTS))
        clients.line()  # connected
        meter = GpuMeter()
        with meter:
            server.tell("go")
            summary = json.loads(server.line())
        received = json.loads(clients.line())
        return summary, received, meter.report(frames)


@dataclass(frozen=True, slots=True, eq=False)
class Child:
    """A process and what it says; its errors go to a file, so that it never waits for them to be read."""

    who: str
    process: "subprocess.Popen[str]"
    errors: IO[str]

    @classmethod
    def start(cls, stack: ExitStack, who: str, module: str, *arguments: str) -> "Child":
        """One that is killed when the stack is left."""
        errors = stack.enter_context(tempfile.TemporaryFile("w+"))  # noqa: SIM115  # the stack closes it
        process = subprocess.Popen(
            [sys.executable, "-m", f"mtclar.cli.benchmark.{module}", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )

        def end() -> None:
            process.kill()  # nothing if it has ended
            process.communicate()

        stack.callback(end)
        return cls(who, process, errors)

    def tell(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    def line(self, timeout_s: float = TIMEOUT_S) -> str:
        """The next line that it prints; MtclarError with its last words when it ends instead, or says nothing."""
        assert self.process.stdout is not None
        silent = threading.Event()

        def give_up() -> None:
            silent.set()
            self.process.kill()

        timer = threading.Timer(timeout_s, give_up)
        timer.start()
        try:
            line = self.process.stdout.readline()
        finally:
            timer.cancel()
        if line:
            return line.strip()
        self.process.wait()
        self.errors.seek(0)
        last = (self.errors.read().strip().splitlines() or ["it ended without a word"])[-1]
        if silent.is_set():
            last = f"it said nothing for {timeout_s:g} s"
        raise MtclarError(f"{self.who} failed: {last}", "try `mtclar-stream run` with the same --backend")
