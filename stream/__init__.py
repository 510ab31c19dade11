"""Live streams: frames from cameras and files, through the tracker, to websocket clients and other sinks.

In the order of the data: `sources`, `reader`, `mailbox`, `pipeline` (with `batching`), `protocol`, `sinks`, `server`
with the pages in `web`. The public names are below; each is imported when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mtclar.stream.pipeline import Pipeline
    from mtclar.stream.server.config import ServerConfig
    from mtclar.stream.server.server import Server
    from mtclar.stream.sinks import Sink, SinkGroup, open_sink
    from mtclar.stream.sources import open_source

_MODULES = {
    "Pipeline": "mtclar.stream.pipeline",
    "Server": "mtclar.stream.server.server",
    "ServerConfig": "mtclar.stream.server.config",
    "Sink": "mtclar.stream.sinks",
    "SinkGroup": "mtclar.stream.sinks",
    "open_sink": "mtclar.stream.sinks",
    "open_source": "mtclar.stream.sources",
}

__all__ = ["Pipeline", "Server", "ServerConfig", "Sink", "SinkGroup", "open_sink", "open_source"]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)
