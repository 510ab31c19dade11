"""/metrics of a gateway: streams with their gaps, workers with the age of their heartbeat, and its server."""

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Histogram, ProcessCollector, disable_created_metrics
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from mtclar.stream.server.http.pages import Page
from mtclar.stream.sinks.prometheus import BUCKETS_S, exposition, server_metrics

if TYPE_CHECKING:
    from mtclar.stream.fleet.gateway import Gateway

COUNTS = {
    "messages": ("mtclar_relayed_messages", "`affect` messages of the stream"),
    "missed": ("mtclar_relayed_missed", "Messages of the stream that did not arrive, by their numbers"),
    "repeated": ("mtclar_relayed_repeated", "Messages that arrived twice or out of order, and were dropped"),
    "outdated": ("mtclar_relayed_outdated", "Messages of an earlier epoch, which were dropped"),
    "epochs": ("mtclar_relayed_epochs", "Owners of the stream so far"),
}
"""Attribute of a StreamState -> name and text of its counter."""


class GatewayMetrics(Collector):
    """Reads from the gateway when `page` is requested."""

    def __init__(self, gateway: "Gateway") -> None:
        disable_created_metrics()
        self._gateway = gateway
        self._registry = CollectorRegistry(auto_describe=False)
        self._sent = Histogram(
            "mtclar_capture_to_socket_seconds",
            "From the capture of a frame until its message was written to the first socket",
            buckets=BUCKETS_S,
            registry=self._registry,
        )
        self._registry.register(self)
        ProcessCollector(registry=self._registry)

    def page(self) -> Page:
        """The page in Prometheus's text format."""
        return exposition(self._registry)

    def sent(self, t_capture_s: float) -> None:
        """Counts a message that reached its first socket."""
        self._sent.observe(max(0.0, time.monotonic() - t_capture_s))

    def collect(self) -> Iterable[Metric]:
        directory = self._gateway.directory
        streams = list(directory.streams.items())
        for attribute, (name, text) in COUNTS.items():
            counter = CounterMetricFamily(name, text, labels=["stream"])
            for stream, state in streams:
                counter.add_metric([stream], getattr(state, attribute))
            yield counter
        age = GaugeMetricFamily(
            "mtclar_worker_heartbeat_age_seconds", "Since the last heartbeat of a worker", labels=["worker"]
        )
        owned = GaugeMetricFamily("mtclar_worker_streams", "Streams of a worker", labels=["worker"])
        load = GaugeMetricFamily(
            "mtclar_worker_load", "Share of its processors that a worker uses", labels=["worker"]
        )
        trouble = GaugeMetricFamily(
            "mtclar_worker_trouble", "1 while something is wrong with a worker", labels=["worker"]
        )
        for worker, known in list(directory.workers.items()):
            if known.load is not None:
                load.add_metric([worker], known.load)
                trouble.add_metric([worker], float(known.trouble is not None))
            age.add_metric([worker], directory.clock() - known.heard_s)
            owned.add_metric([worker], len(known.streams))
        yield from (age, owned, load, trouble)
        yield GaugeMetricFamily(
            "mtclar_bus_connected",
            "1 while the bus can be reached",
            value=float(self._gateway.connection.connected),
        )
        yield CounterMetricFamily(
            "mtclar_relayed_malformed", "Messages of the bus that are not mtclar.v1", self._gateway.malformed
        )
        yield from server_metrics(self._gateway.server)
