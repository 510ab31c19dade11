"""The page /metrics for Prometheus: rates, latencies and states of every stream, clients and refusals of the server."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import get_args

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
    start_http_server,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

from mtclar.engine.data_types import FaceState
from mtclar.engine.errors import ServeError, UsageError
from mtclar.stream.pipeline.pipeline import Pipeline
from mtclar.stream.protocol.messages import AffectMessage, ModelInfo, SourceState, StatusMessage, StreamInfo
from mtclar.stream.server.http.pages import Page
from mtclar.stream.server.server import Server
from mtclar.stream.sinks.base import Delivery, Sink

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
FACE_STATES: tuple[str, ...] = get_args(FaceState)
PARTS = ("queue", "track", "estimate", "total")  # of a latency


def open_metrics(argument: str) -> "Metrics":
    """The sink of `metrics://HOST:PORT`: a page of its own, beside that of `run`'s server."""
    host, _, port = argument.rpartition(":")
    if not (host and port.isdecimal()):
        raise UsageError(
            "the metrics page needs an address",
            "HOST:PORT, such as metrics://127.0.0.1:9100; --metrics without metrics://",
        )
    return Metrics(address=(host, int(port)))


class Metrics(Sink):
    """Counts messages, and reads the rest from pipelines and server when `page` is requested.

    With `address` (host, port) the page is served there from `open` to `close`; ServeError when that is impossible.
    """

    own_thread = False

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        *,
        address: tuple[str, int] | None = None,
    ) -> None:
        disable_created_metrics()  # a series for the start of each of them would double the page
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
        self.address = address
        self._stop_serving: Callable[[], None] | None = None

    def attach(
        self,
        pipelines: Sequence[Pipeline],
        server: Server | None,
        model: ModelInfo | None,
        version: str,
        sinks: Sequence[Delivery] = (),
    ) -> None:
        """Reports on these pipelines, this server and these sinks from now on, and on no others."""
        self._live.sinks = tuple(sinks)
        self._live.pipelines, self._live.server = tuple(pipelines), server
        self._live.model, self._live.version = model, version

    def add(self, collector: Collector) -> None:
        """Further figures."""
        self._registry.register(collector)

    def forget(self, stream: str) -> None:
        """A stream that runs here no longer: what was counted of it goes."""
        for part in PARTS:
            self._latency.remove(stream, part)
        for state in FACE_STATES:
            self._faces.remove(stream, state)
        self._live.states.pop(stream, None)

    def open(self, streams: Sequence[StreamInfo]) -> None:  # noqa: ARG002
        if self.address is None:
            return
        host, port = self.address
        try:
            server, thread = start_http_server(port, host, self._registry)
        except OSError as error:
            raise ServeError(f"cannot serve metrics on {host}:{port}: {error.strerror}") from error

        self.address = (host, server.server_port)  # the free one that the system chose for port 0

        def stop() -> None:
            server.shutdown()
            server.server_close()
            thread.join()

        self._stop_serving = stop

    def affect(self, message: AffectMessage) -> None:
        """Counts one `affect` message."""
        stream, latency = message.stream, message.latency_ms
        for part in PARTS:
            self._latency.labels(stream, part).observe(1e-3 * getattr(latency, part))
        for face in message.faces:
            self._faces.labels(stream, face.state).inc()

    def status(self, message: StatusMessage) -> None:
        self._live.states[message.stream] = message.state

    def close(self) -> None:
        stop, self._stop_serving = self._stop_serving, None
        if stop is not None:
            stop()

    def sent(self, t_capture_s: float) -> None:
        """Counts a message that reached its first socket; called by the event loop."""
        self._sent.observe(self._clock() - t_capture_s)

    def tick(self) -> None:
        """Samples the frame count of every stream for its rate; call it about once a second or more often."""
        self._live.tick()

    def page(self) -> Page:
        """The page in Prometheus's text format: 5 ms of work for 8 streams, so never on the event loop's thread."""
        return exposition(self._registry)


def exposition(registry: CollectorRegistry) -> Page:
    """The page of a registry, made with pauses, so that other threads are not held up."""
    return Page(generate_latest(_Paced(registry)), CONTENT_TYPE)


class _Paced(Collector):
    """The samples of a registry with pauses between them.

    A computing thread keeps the interpreter's lock for 5 ms before it must release it: without pauses, messages would
    wait for this thread as long as for the same work on the event loop's own thread.
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
    """The figures that are read from pipelines and server instead of counted."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.pipelines: Sequence[Pipeline] = ()
        self.server: Server | None = None
        self.sinks: Sequence[Delivery] = ()
        self.states: dict[str, SourceState] = {}
        self.model: ModelInfo | None = None
        self.version = ""
        self._clock = clock
        self._samples: deque[tuple[float, dict[Pipeline, int]]] = deque()

    def tick(self) -> None:
        now_s = self._clock()
        if self._samples and now_s - self._samples[-1][0] < 1.0:
            return
        self._samples.append((now_s, {pipeline: pipeline.answered for pipeline in self.pipelines}))
        while now_s - self._samples[0][0] > RATE_WINDOW_S:
            self._samples.popleft()

    def collect(self) -> Iterable[Metric]:
        yield from self._of_streams()
        if self.server is not None:
            yield from server_metrics(self.server)
        yield from self._of_sinks()
        if self.model is None:
            return
        info = GaugeMetricFamily(
            "mtclar_info",
            "Version, model and backend",
            labels=["version", "model", "model_sha256", "backend"],
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
            "mtclar_source_abandoned", "Connections that hung and were abandoned", labels=["stream"]
        )
        rate = GaugeMetricFamily(
            "mtclar_frames_per_second",
            f"Frames answered a second, over {RATE_WINDOW_S:g} s",
            labels=["stream"],
        )
        state = GaugeMetricFamily(
            "mtclar_source_state", "1 for the current state of the source", labels=["stream", "state"]
        )
        samples = list(self._samples)
        for pipeline in self.pipelines:
            name = [pipeline.source.stream_id]
            answered.add_metric(name, pipeline.answered)
            dropped.add_metric(name, pipeline.dropped)
            lost.add_metric(name, pipeline.reconnects)
            left.add_metric(name, pipeline.abandoned)
            counted = [(at_s, counts[pipeline]) for at_s, counts in samples if pipeline in counts]
            if len(counted) > 1:
                (first_s, first), (last_s, last) = counted[0], counted[-1]
                rate.add_metric(name, (last - first) / (last_s - first_s))
            for possible in STATES:
                state.add_metric([*name, possible], float(self.states.get(name[0]) == possible))
        yield from (answered, dropped, lost, left, rate, state)

    def _of_sinks(self) -> Iterable[Metric]:
        failures = CounterMetricFamily(
            "mtclar_sink_failures", "Messages that a sink did not deliver", labels=["sink"]
        )
        dropped = CounterMetricFamily(
            "mtclar_sink_dropped", "Messages lost from a full queue", labels=["sink"]
        )
        trouble = GaugeMetricFamily(
            "mtclar_sink_trouble", "1 while a sink cannot do its work", labels=["sink"]
        )
        for name in sorted({one.name for one in self.sinks}):  # several of a kind are added up
            sinks = [one for one in self.sinks if one.name == name]
            failures.add_metric([name], sum(one.failures for one in sinks))
            dropped.add_metric([name], sum(one.dropped for one in sinks))
            trouble.add_metric([name], float(any(one.sink.trouble for one in sinks)))
        yield from (failures, dropped, trouble)


def server_metrics(server: Server) -> Iterable[Metric]:
    """Clients, connections, messages and refusals of a server."""
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
