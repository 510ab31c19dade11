"""A worker of a fleet as a process of its own, whose tracker waits in place of networks.

python -m tests.support.peers.fleet_worker URL NAME PAUSE_S HZ STREAM...
"""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]
WAIT_S = 60.0


class WorkerProcess:
    """Started at once; `signal` freezes it, `kill` ends it as a crash does."""

    def __init__(
        self,
        url: str,
        name: str,
        streams: Sequence[str],
        *,
        pause_s: float = 0.0,
        hz: float = 10.0,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        command = [sys.executable, "-m", "tests.support.peers.fleet_worker", url, name, f"{pause_s}", f"{hz}"]
        self.process = subprocess.Popen(
            [*command, *streams], cwd=ROOT, env={**(environment or os.environ), "PYTHONPATH": str(ROOT)}
        )

    def signal(self, number: int) -> None:
        """Sends a signal such as SIGSTOP."""
        self.process.send_signal(number)

    def kill(self) -> None:
        """Ends it at once; safe to call twice."""
        self.process.kill()
        self.process.wait(WAIT_S)


def main(url: str, name: str, pause_s: str, hz: str, *streams: str) -> None:
    """Works until SIGTERM."""
    from mtclar.stream.bus.address import parse_bus
    from mtclar.stream.fleet.fleet_file import Camera
    from mtclar.stream.fleet.worker import Worker
    from tests.support.pipeline_parts import SmallTracker

    def open_small(_: Any, _supports: Sequence[Any]) -> AbstractContextManager[Any]:
        return nullcontext(SmallTracker(pause_s=float(pause_s), keep=False))

    cameras = {stream: Camera(stream, f"synthetic:64x48@{float(hz):g}") for stream in streams}
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    with Worker(
        parse_bus(url),
        cameras,
        name,
        open_tracker=open_small,
        balance=False,
    ):
        stopped.wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
