"""A worker of a fleet: runs the streams that it owns and publishes them; no server, no page."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, closing, suppress
from dataclasses import dataclass, replace
from typing import Any, Self

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from mtclar.engine.errors import MtclarError, UsageError
from mtclar.engine.installation.machine import usable_cores
from mtclar.engine.support_set import SupportSet
from mtclar.engine.tracker import Tracker
from mtclar.stream.bus.address import Bus
from mtclar.stream.bus.connection import BusConnection
from mtclar.stream.bus.publisher import Publisher, prepare_history
from mtclar.stream.fleet.fleet_file import Camera
from mtclar.stream.fleet.leases import Leases
from mtclar.stream.fleet.requests import answer, follow_thresholds, request_subject
from mtclar.stream.fleet.sets import TIMEOUT_S, get_set, open_set
from mtclar.stream.pipeline.pipeline import FrameTracker, Pipeline, PipelineOptions
from mtclar.stream.pipeline.runner import STUCK_S, subject_infos
from mtclar.stream.pipeline.thresholds import ThresholdWatch
from mtclar.stream.protocol.client_messages import Assign
from mtclar.stream.protocol.messages import (
    AffectMessage,
    AssignedMessage,
    ByeMessage,
    ModelInfo,
    StatusMessage,
)
from mtclar.stream.sinks.base import Sink
from mtclar.stream.sinks.prometheus import Metrics
from mtclar.stream.sources import Source, open_source

log = logging.getLogger(__name__)

STARTERS = 4  # threads that open networks and cameras
STOP_S = 10.0
LOAD_S = 5.0  # over which the load is measured

OpenTracker = Callable[[Source, Sequence[SupportSet]], AbstractContextManager[FrameTracker]]


@dataclass(slots=True)
class _Running:
    """One stream that runs."""

    pipeline: Pipeline
    stack: ExitStack
    reported: bool = False  # its end


class Worker:
    """A context manager that connects on enter and gives its streams away on exit.

    `open_tracker` makes the tracker of a stream, from its source and support sets; `passphrase` opens encrypted support
    sets; `load` is by default the share of the processors that this process uses. With `metrics`, a page for
    Prometheus. Raises UsageError for credentials that cannot be read; entering raises ServeError when the page's port
    is taken.
    """

    def __init__(
        self,
        bus: Bus,
        cameras: Mapping[str, Camera],
        name: str,
        *,
        open_tracker: OpenTracker,
        passphrase: Callable[[], str] | None = None,
        load: Callable[[], float] | None = None,
        metrics: Metrics | None = None,
        version: str = "",
        balance: bool = True,
    ) -> None:
        self.name = name
        self._cameras = cameras
        self._open_tracker = open_tracker
        self._passphrase = passphrase
        self.connection = BusConnection(bus, f"mtclar-stream {name}", self._on_connect)
        self.publisher = Publisher(
            self.connection, name, server=f"mtclar-stream {version}".strip(), health=self.health
        )
        self._thresholds = ThresholdWatch()
        self._metrics = metrics or Metrics()
        self._metrics.add(_WorkerFigures(self))
        self._version = version
        self.leases = Leases(
            self.connection,
            name,
            cameras,
            on_take=self._on_take,
            on_drop=self._on_drop,
            load=load or ProcessLoad().read,
            balance=balance,
        )
        self._starters = ThreadPoolExecutor(STARTERS, "starter")
        self._wanted: dict[str, int | None] = {}  # stream -> epoch, None: it should not run
        self._running: dict[str, _Running] = {}
        self._locks = {stream: threading.Lock() for stream in cameras}  # of _running[stream]
        self._leasing: Future[None] | None = None
        self._following: Future[None] | None = None  # the thresholds
        self._answers = set[asyncio.Task[None]]()

    def __enter__(self) -> Self:
        self._metrics.open(())
        self.connection.start()
        self.publisher.start()
        self._leasing = self.connection.run(self.leases.run())
        self._following = self.connection.run(follow_thresholds(self.connection, self._thresholds.set))
        return self

    def __exit__(self, *_: object) -> None:
        for task in (self._leasing, self._following):
            if task is not None:
                task.cancel()
        with suppress(Exception):  # without NATS others notice by the lease
            self.connection.run(self.leases.leave()).result(STOP_S)
        for stream in list(self._running):
            self._wanted[stream] = None
            self._apply(stream)
        self._starters.shutdown(cancel_futures=True)
        self.publisher.close(ByeMessage("shutdown", "the worker is stopping"))
        self.connection.close()
        self._metrics.close()

    @property
    def streams(self) -> list[str]:
        """The streams that run here, by name."""
        return sorted(self._running)

    def failure(self) -> str | None:
        """Why the process should be restarted; None while it works, or waits for the bus."""
        for stream, running in list(self._running.items()):
            if running.pipeline.busy_s > STUCK_S:
                return f"{stream}: no answer to a frame for {running.pipeline.busy_s:.0f} s"
        if self._leasing is not None and self._leasing.done():
            return "the leases are not renewed any more"
        return None

    def health(self) -> dict[str, object]:
        """What gateways are told with the heartbeat; from any thread."""
        return {"load": self.leases.load, "trouble": self.failure() or self.leases.trouble}

    def check(self) -> None:
        """Reports streams that have ended or failed; call it about once a second."""
        self._metrics.tick()
        for stream, running in list(self._running.items()):
            if running.reported or not running.pipeline.wait(0):
                continue
            running.reported = True
            if (error := running.pipeline.error) is not None:
                reason = error.what if isinstance(error, MtclarError) else f"{type(error).__name__}: {error}"
                log.error("%s failed: %s", stream, reason)
                self._fail(stream, reason)

    # --- the bus's thread ---

    async def _on_connect(self, connection: BusConnection, new: bool) -> None:
        if new:
            await connection.client.subscribe(
                request_subject(connection.bus.prefix, self.name), cb=self._on_request
            )
        self.leases.reopen()
        self.publisher.beat()
        await prepare_history(connection)

    async def _on_request(self, message: Any) -> None:
        """Answers beside others: the next frame, which assigns a face, may be a while."""
        answering = asyncio.create_task(answer(message, self._pipeline, self._on_assigned))
        self._answers.add(answering)
        answering.add_done_callback(self._answers.discard)

    def _pipeline(self, stream: str) -> Pipeline | None:
        running = self._running.get(stream)
        return None if running is None else running.pipeline

    def _on_assigned(self, request: Assign) -> None:
        self.publisher.pass_on(AssignedMessage(request.stream, request.face, request.subject))

    def _on_take(self, stream: str, epoch: int) -> None:
        self._wanted[stream] = epoch
        self.publisher.set_epoch(stream, epoch)
        self._starters.submit(self._apply, stream)

    async def _on_drop(self, stream: str) -> None:
        self._wanted[stream] = None
        self.publisher.remove(stream)  # nothing is sent from here on
        await asyncio.get_running_loop().run_in_executor(self._starters, self._apply, stream)

    # --- the starters' threads ---

    def _apply(self, stream: str) -> None:
        """Makes it so that the stream runs, or does not, as it should by now."""
        with self._locks[stream]:
            epoch = self._wanted.get(stream)
            running = self._running.get(stream)
            if epoch is None:
                if running is not None:
                    del self._running[stream]
                    running.pipeline.stop()
                    running.stack.close()
                    self.publisher.remove(stream)
                    self._metrics.forget(stream)
                    self._report()
            elif running is None:
                try:
                    self._start(stream, epoch)
                except Exception as error:  # a thread has no caller
                    reason = (
                        error.what if isinstance(error, MtclarError) else f"{type(error).__name__}: {error}"
                    )
                    log.error("%s cannot run here: %s", stream, reason)
                    self._fail(stream, reason)

    def _start(self, stream: str, epoch: int) -> None:
        camera = self._cameras[stream]
        supports = [self._support(name) for name in camera.support]
        with ExitStack() as stack:
            source = stack.enter_context(closing(open_source(camera.source, stream_id=stream)))
            tracker = stack.enter_context(self._open_tracker(source, supports))
            if isinstance(tracker, Tracker):
                model = tracker.model
                self.publisher.model = ModelInfo(model.name, model.sha256, tracker.backend)
            sink = _BusSink(self.publisher, self._thresholds, self._metrics)
            # Many streams keep all cores busy: a second worker for each would only get in the way.
            pipeline = Pipeline(source, tracker, [sink], PipelineOptions(overlap=False))
            now = self._wanted.get(stream) or epoch  # another one, if the store was emptied meanwhile
            # Clients know the camera by its name; its address stays here.
            info = replace(pipeline.info(subject_infos(supports)), label=stream)
            self.publisher.add(info, now)
            pipeline.start()
            self._running[stream] = _Running(pipeline, stack.pop_all())
            self._report()

    def _report(self) -> None:
        """The page shows what runs now."""
        pipelines = [running.pipeline for running in list(self._running.values())]
        self._metrics.attach(pipelines, None, self.publisher.model, self._version)

    def _support(self, name: str) -> SupportSet:
        if self._passphrase is None:
            raise UsageError(f"the support set '{name}' needs a passphrase", "use --passphrase-file")
        payload = self.connection.run(get_set(self.connection, name)).result(2 * TIMEOUT_S)
        return open_set(payload, name, self._passphrase)

    def _fail(self, stream: str, reason: str) -> None:
        async def fail() -> None:
            self.leases.fail(stream, reason)

        with suppress(MtclarError):  # closed meanwhile
            self.connection.run(fail())


class ProcessLoad:
    """The share of the processors that this process has used over the last seconds, 0..1."""

    def __init__(self) -> None:
        self._cores = usable_cores()
        self._at = (time.monotonic(), time.process_time())
        self._share = 0.0

    def read(self) -> float:
        """The share; measured anew by each call, with the ones before fading over LOAD_S."""
        (before_s, used_s), self._at = self._at, (time.monotonic(), time.process_time())
        passed_s = self._at[0] - before_s
        if passed_s > 0:
            weight = min(1.0, passed_s / LOAD_S)
            now = (self._at[1] - used_s) / (passed_s * self._cores)
            self._share += weight * (now - self._share)
        return min(1.0, self._share)


class _WorkerFigures(Collector):
    """Of /metrics: the bus, the load, and whether something is wrong; the names are those of a gateway's page."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    def collect(self) -> Iterable[Metric]:
        connection = self._worker.connection
        health = self._worker.health()
        for name, text, value in (
            ("mtclar_bus_connected", "1 while the bus can be reached", connection.connected),
            ("mtclar_worker_streams", "Streams that run here", len(self._worker.streams)),
            ("mtclar_worker_load", "Share of the processors in use", health["load"]),
            ("mtclar_worker_trouble", "1 while something is wrong", health["trouble"] is not None),
        ):
            yield GaugeMetricFamily(name, text, value=float(value))  # type: ignore[arg-type]
        yield CounterMetricFamily("mtclar_bus_lost", "Messages that could not be sent", connection.lost)


class _BusSink(Sink):
    """The messages of one pipeline for the publisher that all share."""

    def __init__(self, publisher: Publisher, thresholds: ThresholdWatch, metrics: Metrics) -> None:
        self._publisher = publisher
        self._thresholds = thresholds
        self._metrics = metrics

    @property
    def trouble(self) -> str | None:  # type: ignore[override]  # read-only here
        """Why the bus cannot be reached."""
        return self._publisher.trouble

    def affect(self, message: AffectMessage) -> None:
        self._metrics.affect(message)
        self._publisher.affect(message)
        for event in self._thresholds.update(message):
            self._publisher.pass_on(event)

    def status(self, message: StatusMessage) -> None:
        self._metrics.status(message)
        self._publisher.status(message)
