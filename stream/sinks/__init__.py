"""Sinks of results, opened by name: websocket, CSV, recordings, Prometheus, the terminal, LSL, OSC, MQTT, NATS.

`base` is their base class and the group that delivers to them. The sinks are `csv_file`, `recorder`, `prometheus`,
`live_view`, `lsl`, `osc`, `mqtt`, `nats` and `websocket` (a server of `stream/server`); `face_names` names faces for
receivers that subscribe by name.
"""

from mtclar.stream.registry import resolve_with_extra
from mtclar.stream.sinks.base import Sink, SinkGroup

SINKS = {
    "csv": "mtclar.stream.sinks.csv_file:open_csv",
    "live": "mtclar.stream.sinks.live_view:open_live_view",
    "lsl": "mtclar.stream.sinks.lsl:open_lsl",
    "metrics": "mtclar.stream.sinks.prometheus:open_metrics",
    "mqtt": "mtclar.stream.sinks.mqtt:open_mqtt",
    "mqtts": "mtclar.stream.sinks.mqtt:open_mqtts",
    "nats": "mtclar.stream.sinks.nats:open_nats",
    "nats+tls": "mtclar.stream.sinks.nats:open_nats_tls",
    "osc": "mtclar.stream.sinks.osc:open_osc",
    "record": "mtclar.stream.sinks.recorder:open_recorder",
    "websocket": "mtclar.stream.sinks.websocket:open_websocket",
}
"""Name -> `module:factory`. A factory takes the text behind `://`, which may be empty, and returns a Sink.

A module that needs an extra has one of its own name.
"""


def open_sink(spec: str) -> Sink:
    """The sink that `NAME` or `NAME://ARGUMENT` describes: `csv://out.csv`, `websocket://127.0.0.1:8765`, `live`.

    NAME is one of SINKS or the `module:factory` of a sink of your own. Raises UsageError for an unknown name, a
    missing extra, or an argument that the sink does not take.
    """
    name, _, argument = spec.strip().partition("://")
    sink: Sink = resolve_with_extra(name, SINKS, "sink")(argument)
    return sink


__all__ = ["SINKS", "Sink", "SinkGroup", "open_sink"]
