"""Sinks of results: websocket clients, CSV rows, Prometheus metrics, the live view in the terminal; opened by name."""

from mtclar.stream.registry import resolve
from mtclar.stream.sinks.base import Sink, SinkGroup

SINKS = {
    "csv": "mtclar.stream.sinks.csv_file:open_csv",
    "live": "mtclar.stream.sinks.live_view:open_live_view",
    "metrics": "mtclar.stream.sinks.prometheus:open_metrics",
    "websocket": "mtclar.stream.server.server:open_websocket",
}
"""Name -> `module:factory`. A factory takes the text behind `://`, which may be empty, and returns a Sink."""


def open_sink(spec: str) -> Sink:
    """The sink that `NAME` or `NAME://ARGUMENT` describes: `csv://out.csv`, `websocket://127.0.0.1:8765`, `live`.

    NAME is one of SINKS or the `module:factory` of a sink of your own. Raises UsageError for an unknown name or an
    argument that the sink does not take.
    """
    name, _, argument = spec.strip().partition("://")
    sink: Sink = resolve(name, SINKS, "sink")(argument)
    return sink


__all__ = ["SINKS", "Sink", "SinkGroup", "open_sink"]
