"""Live streams: frames from cameras and files, through the tracker, to websocket clients and other sinks.

In the order of the data: `sources`, `pipeline` (reader, mailbox, tracker, and the runner of several streams behind a
server), `markers`, `protocol`, `sinks`, `server` with the pages in `web`, `client`; `registry` finds sources, sinks and
markers by name. `bus` and `fleet` spread streams over machines. `recordings`, `table` and `label_formats` are files;
`demo_clip` is bundled. The public names are below; each is imported when it is first used.

    with Tracker.open() as tracker, Runner([Stream(open_source("webcam"), tracker)], ServerConfig(port=8765)) as runner:
        runner.run(sinks=[open_sink("csv://out.csv")])
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mtclar.stream.pipeline.pipeline import Pipeline, PipelineOptions
    from mtclar.stream.pipeline.runner import Runner
    from mtclar.stream.pipeline.streams import Stream
    from mtclar.stream.protocol.messages import AffectMessage, MarkMessage, StatusMessage
    from mtclar.stream.server.config import ServerConfig
    from mtclar.stream.server.server import Server
    from mtclar.stream.sinks import Sink, SinkGroup, open_sink
    from mtclar.stream.sources import open_source

_MODULES = {
    "AffectMessage": "mtclar.stream.protocol.messages",
    "MarkMessage": "mtclar.stream.protocol.messages",
    "Pipeline": "mtclar.stream.pipeline.pipeline",
    "PipelineOptions": "mtclar.stream.pipeline.pipeline",
    "Runner": "mtclar.stream.pipeline.runner",
    "Server": "mtclar.stream.server.server",
    "ServerConfig": "mtclar.stream.server.config",
    "Sink": "mtclar.stream.sinks",
    "SinkGroup": "mtclar.stream.sinks",
    "StatusMessage": "mtclar.stream.protocol.messages",
    "Stream": "mtclar.stream.pipeline.streams",
    "open_sink": "mtclar.stream.sinks",
    "open_source": "mtclar.stream.sources",
}

__all__ = [
    "AffectMessage",
    "MarkMessage",
    "Pipeline",
    "PipelineOptions",
    "Runner",
    "Server",
    "ServerConfig",
    "Sink",
    "SinkGroup",
    "StatusMessage",
    "Stream",
    "open_sink",
    "open_source",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)
