"""From capture to socket: a server in a process of its own, real clients in another, the card watched meanwhile."""

import json
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from mtclar.cli.benchmark.gpu import GpuMeter
from mtclar.cli.benchmark.material import FPS, Material
from mtclar.engine.errors import MtclarError

CLIENTS = 2
START_TIMEOUT_S = 600.0  # a card's engines may have to be compiled first


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
        server = _start(stack, "server", json.dumps(task))
        url = _line(server, "the measured process")
        clients = _start(stack, "clients", url, str(CLIENTS))
        _line(clients, "the clients")
        meter = GpuMeter()
        assert server.stdin is not None
        with meter:
            server.stdin.write("go\n")
            server.stdin.flush()
            summary = json.loads(_line(server, "the measured process"))
        received = json.loads(_line(clients, "the clients"))
        return summary, received, meter.report(frames)


def _start(stack: ExitStack, module: str, *arguments: str) -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        [sys.executable, "-m", f"mtclar.cli.benchmark.{module}", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )

    def end() -> None:
        process.kill()  # nothing if it has ended
        process.communicate()

    stack.callback(end)
    return process


def _line(process: "subprocess.Popen[str]", who: str) -> str:
    """The next line that a process prints; MtclarError with its last words when it ends instead."""
    assert process.stdout is not None
    line = process.stdout.readline()
    if line:
        return line.strip()
    _, errors = process.communicate(timeout=START_TIMEOUT_S)
    last = (errors.strip().splitlines() or ["it ended without a word"])[-1]
    raise MtclarError(f"{who} failed: {last}", "try `mtclar-stream run` with the same --backend")
