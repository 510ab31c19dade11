"""The page /metrics for Prometheus: what every stream does, how old its values are, who listens, what was refused."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import get_args

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

from mtclar.stream.pipeline import Pipeline
from mtclar.stream.protocol.messages import AffectMessage, ModelInfo, SourceState
from mtclar.stream.server.pages import Page
from mtclar.stream.server.server import Server

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
BUCKETS_S = (
    0.001,
    0.0025,
    0.005,
    0.0075,
    0.01,
    0.015,
    0.02,
    0.03,
    0.05,
    0.075,
    0.1,
    0.2,
    0.5,
    1.0,
    2.5,
    10.0,
)
RATE_WINDOW_S = 10.0
SAMPLES_AT_ONCE, PAUSE_S = 64, 1e-4  # about 0.4 ms of work between pauses
STATES: tuple[str, ...] = get_args(SourceState)


class Metrics:
    """Counts what passes (`answered`, `sent`) and asks pipelines and server for the rest when a page is wanted."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        disable_created_metrics()  # a series of its own for when each of them began: twice the page for nothing
        registry = self._registry = CollectorRegistry(auto_describe=False)
        self._latency = Histogram(
            "mtclar_latency_seconds",
            "From the capture of a frame to its message, by part",
            ["stream", "part"],
            buckets=BUCKETS_S,
            registry=registry,
        )
        self._sent = Histogram(
            "mtclar_capture_to_socket_seconds",
            "From the capture of a frame until its message was written to the first socket",
            buckets=BUCKETS_S,
            registry=registry,
        )
        self._faces = Counter(
            "mtclar_faces", "Faces in answered frames, by state", ["stream", "state"], registry=registry
        )
        self._live = _Live(clock)
        registry.register(self._live)
        ProcessCollector(registry=registry)
        self._clock = clock

    def watch(
        self,
        pipelines: Sequence[Pipeline],
        server: Server,
        states: Mapping[str, SourceState],
        model: ModelInfo,
        version: str,
    ) -> None:
        """From now on these are reported, and no others; `states` is read whenever a page is wanted."""
        self._live.pipelines, self._live.server = tuple(pipelines), server
        self._live.states, self._live.model, self._live.version = states, model, version
        self._live.forget()

    def answered(self, message: AffectMessage) -> None:
        """Counts one `affect`; from the streams' worker threads."""
        stream, latency = message.stream, message.latency_ms
        for part in ("queue", "track", "estimate", "total"):
            self._latency.labels(stream, part).observe(1e-3 * getattr(latency, part))
        for face in message.faces:
            self._faces.labels(stream, face.state).inc()

    def sent(self, t_capture_s: float) -> None:
        """Counts a message that was written; from the event loop's thread."""
        self._sent.observe(self._clock() - t_capture_s)

    def tick(self) -> None:
        """Notes how far every stream is, for its rate; about once a second or more often."""
        self._live.tick()

    def page(self) -> Page:
        """The exposition format of Prometheus; 5 ms of work for 8 streams, so not for the event loop's thread."""
        return Page(generate_latest(_Paced(self._registry)), CONTENT_TYPE)


class _Paced(Collector):
    """The same samples, with pauses between them.

    A thread that computes keeps the interpreter's lock for 5 ms before it must let the event loop have it: being on
    another thread alone would keep messages waiting as long as being on the loop's.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def collect(self) -> Iterable[Metric]:
        for metric in self._registry.collect():
            metric.samples = self._pause_between(metric.samples)  # type: ignore[assignment]  # it is only iterated
            yield metric

    def _pause_between(self, samples: Iterable[Sample]) -> Iterator[Sample]:
        for number, sample in enumerate(samples):
            if number % SAMPLES_AT_ONCE == 0:
                time.sleep(PAUSE_S)
            yield sample


class _Live(Collector):
    """What is asked for instead of counted."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.pipelines: Sequence[Pipeline] = ()
        self.server: Server | None = None
        self.states: Mapping[str, SourceState] = {}
        self.model: ModelInfo | None = None
        self.version = ""
        self._clock = clock
        self._seen: deque[tuple[float, tuple[int, ...]]] = deque()

    def forget(self) -> None:
        """How far other pipelines were."""
        self._seen.clear()

    def tick(self) -> None:
        now_s = self._clock()
        if self._seen and now_s - self._seen[-1][0] < 1.0:
            return
        self._seen.append((now_s, tuple(pipeline.answered for pipeline in self.pipelines)))
        while now_s - self._seen[0][0] > RATE_WINDOW_S:
            self._seen.popleft()

    def collect(self) -> Iterable[Metric]:
        if self.server is None or self.model is None:
            return
        yield from self._of_streams()
        yield from self._of_server(self.server)
        info = GaugeMetricFamily(
            "mtclar_info", "What runs here", labels=["version", "model", "model_sha256", "backend"]
        )
        info.add_metric([self.version, self.model.id, self.model.sha256, self.model.backend], 1)
        yield info

    def _of_streams(self) -> Iterable[Metric]:
        answered = CounterMetricFamily("mtclar_frames_answered", "Frames answered", labels=["stream"])
        dropped = CounterMetricFamily(
            "mtclar_frames_dropped",
            "Frames replaced by a newer one before they were answered",
            labels=["stream"],
        )
        lost = CounterMetricFamily(
            "mtclar_source_reconnects", "Connections lost and made again", labels=["stream"]
        )
        left = CounterMetricFamily(
            "mtclar_source_abandoned", "Connections that hung and were left to themselves", labels=["stream"]
        )
        rate = GaugeMetricFamily(
            "mtclar_frames_per_second",
            f"Frames answered a second, over {RATE_WINDOW_S:g} s",
            labels=["stream"],
        )
        state = GaugeMetricFamily(
            "mtclar_source_state", "1 for the state it is in", labels=["stream", "state"]
        )
        seen = list(self._seen)
        for number, pipeline in enumerate(self.pipelines):
            name = [pipeline.source.stream_id]
            answered.add_metric(name, pipeline.answered)
            dropped.add_metric(name, pipeline.dropped)
            lost.add_metric(name, pipeline.reconnects)
            left.add_metric(name, pipeline.abandoned)
            if len(seen) > 1:
                (first_s, first), (last_s, last) = seen[0], seen[-1]
                rate.add_metric(name, (last[number] - first[number]) / (last_s - first_s))
            for one in STATES:
                state.add_metric([*name, one], float(self.states.get(name[0]) == one))
        yield from (answered, dropped, lost, left, rate, state)

    def _of_server(self, server: Server) -> Iterable[Metric]:
        yield GaugeMetricFamily("mtclar_clients", "Websockets that are connected", value=server.clients)
        yield GaugeMetricFamily(
            "mtclar_connections",
            "Connections, those of pages and handshakes included",
            value=server.connections,
        )
        yield CounterMetricFamily(
            "mtclar_messages_written", "`affect` messages written, over all clients", value=server.written
        )
        yield CounterMetricFamily(
            "mtclar_messages_replaced",
            "`affect` messages that a newer one replaced because a client was slower",
            value=server.missed,
        )
        refused = CounterMetricFamily(
            "mtclar_refused", "Connections and requests that were refused", labels=["reason"]
        )
        for reason, count in sorted(server.refused.items()):
            refused.add_metric([reason], count)
        yield refused
