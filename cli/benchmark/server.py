"""The measured process: tracker, pipeline and server on a clip; its one argument is JSON.

    python -m mtclar.cli.benchmark.server '{...}'

Prints its websocket's address, waits for a line on stdin, runs, and prints the run's summary as JSON. It is a process
of its own, so that processor time and memory are those of the measured work.
"""

import gc
import json
import sys
import time
from contextlib import ExitStack, closing
from dataclasses import asdict
from pathlib import Path
from typing import Self

from mtclar.cli.benchmark.material import as_source
from mtclar.cli.benchmark.trace import Trace
from mtclar.engine.errors import MtclarError
from mtclar.engine.installation.machine import usable_cores
from mtclar.engine.support_set import SupportSet
from mtclar.engine.tracker import Tracker
from mtclar.stream.pipeline.garbage_collection import collected_between_frames
from mtclar.stream.pipeline.mailbox import Freshness
from mtclar.stream.pipeline.pipeline import Pipeline, PipelineOptions
from mtclar.stream.pipeline.summary import Meter, whole_summary
from mtclar.stream.protocol.messages import ByeMessage
from mtclar.stream.server.config import ServerConfig
from mtclar.stream.server.server import Server
from mtclar.stream.sinks import SinkGroup

TIMEOUT_S = 600.0


def serve(
    clip: str,
    support: str | None,
    backend: str,
    threads: int,
    freshness: Freshness,
    frames: int,
    fps: float,
    streams: int,
    faces: int,
    trace: str | None,
) -> None:
    """Answers `frames` pictures of each stream: paced at `fps`, or with freshness `all` as fast as possible."""
    meter = Meter()
    traced = Trace() if trace is not None else None
    with ExitStack() as stack:
        supports = [] if support is None else [SupportSet.load(Path(support))]
        server = Server(ServerConfig(port=0), on_sent=meter.sent)
        sinks = stack.enter_context(SinkGroup([server]))
        pipelines = [
            Pipeline(
                stack.enter_context(closing(as_source(clip, fps, frames, f"bench-{number}", faces))),
                stack.enter_context(
                    Tracker.open(supports, backend=backend, threads=threads, max_faces=faces)
                ),
                sinks,
                PipelineOptions(freshness=freshness, overlap=streams < usable_cores()),  # as a Runner
                meter=meter,
            )
            for number in range(streams)
        ]
        sinks.open([pipeline.info() for pipeline in pipelines])
        print(server.ws_url, flush=True)
        sys.stdin.readline()  # the clients are connected
        stack.enter_context(collected_between_frames())
        collections = stack.enter_context(_Collections())
        if traced is not None:
            stack.enter_context(traced)
        for pipeline in pipelines:
            stack.enter_context(pipeline)
        for pipeline in pipelines:
            if not pipeline.wait(TIMEOUT_S):
                raise TimeoutError(f"not done after {TIMEOUT_S:g} s")
            if pipeline.error is not None:
                raise pipeline.error
        server.close(ByeMessage("ended", "the measurement is over"))
        summary = asdict(whole_summary([pipeline.summary() for pipeline in pipelines]))
        summary["collections_ms"] = collections.report()
    if traced is not None and trace is not None:
        traced.write(Path(trace))
    print(json.dumps(summary), flush=True)


class _Collections:
    """Python's garbage collections from enter to exit: all threads wait while one runs."""

    def __init__(self) -> None:
        self._taken_ms: list[float] = []
        self._started_s = 0.0

    def __enter__(self) -> Self:
        gc.callbacks.append(self._on_collection)
        return self

    def __exit__(self, *_: object) -> None:
        gc.callbacks.remove(self._on_collection)

    def report(self) -> dict[str, float]:
        """How many, and how long in milliseconds: all of them, and the longest."""
        return {
            "count": len(self._taken_ms),
            "sum": round(sum(self._taken_ms), 2),
            "longest": round(max(self._taken_ms, default=0.0), 2),
        }

    def _on_collection(self, phase: str, _: object) -> None:
        if phase == "start":
            self._started_s = time.perf_counter()
        else:
            self._taken_ms.append(1e3 * (time.perf_counter() - self._started_s))


if __name__ == "__main__":
    try:
        serve(**json.loads(sys.argv[1]))
    except MtclarError as error:
        sys.exit(error.what)
