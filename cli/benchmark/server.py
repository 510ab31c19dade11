"""The measured process: tracker, pipeline and server on a clip; its one argument is JSON.

    python -m mtclar.cli.benchmark.server '{...}'

Prints its websocket's address, waits for a line on stdin, runs, and prints the run's summary as JSON. It is a process
of its own, so that processor time and memory are those of the measured work.
"""

import json
import sys
from contextlib import ExitStack, closing
from dataclasses import asdict
from pathlib import Path

from mtclar.cli.benchmark.material import as_source
from mtclar.engine.errors import MtclarError
from mtclar.engine.support_set import SupportSet
from mtclar.engine.tracker import Tracker
from mtclar.stream.pipeline.mailbox import Freshness
from mtclar.stream.pipeline.pipeline import Pipeline, PipelineOptions
from mtclar.stream.pipeline.summary import Meter
from mtclar.stream.protocol.messages import ByeMessage
from mtclar.stream.server.config import ServerConfig
from mtclar.stream.server.server import Server
from mtclar.stream.sinks import SinkGroup

TIMEOUT_S = 600.0


def serve(
    clip: str, support: str | None, backend: str, threads: int, freshness: Freshness, fps: float, frames: int
) -> None:
    """Answers `frames` pictures of the clip: paced at `fps`, or with freshness `all` as fast as possible."""
    meter = Meter()
    with ExitStack() as stack:
        supports = [] if support is None else [SupportSet.load(Path(support))]
        tracker = stack.enter_context(Tracker.open(supports, backend=backend, threads=threads))
        source = stack.enter_context(closing(as_source(clip, fps, frames)))
        server = Server(ServerConfig(port=0), on_sent=meter.sent)
        sinks = stack.enter_context(SinkGroup([server]))
        pipeline = Pipeline(source, tracker, sinks, PipelineOptions(freshness=freshness), meter=meter)
        sinks.open([pipeline.info()])
        print(server.ws_url, flush=True)
        sys.stdin.readline()  # the clients are connected
        stack.enter_context(pipeline)
        if not pipeline.wait(TIMEOUT_S):
            raise TimeoutError(f"not done after {TIMEOUT_S:g} s")
        if pipeline.error is not None:
            raise pipeline.error
        server.close(ByeMessage("ended", "the measurement is over"))
        print(json.dumps(asdict(pipeline.summary())), flush=True)


if __name__ == "__main__":
    try:
        serve(**json.loads(sys.argv[1]))
    except MtclarError as error:
        sys.exit(error.what)
