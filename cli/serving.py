"""What `run` and `demo` share: the server, a source answered behind it, stopping on a signal, the summary in words."""

import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self

from rich.console import Console

from mtclar.cli.live import LiveView
from mtclar.cli.main import PROGRAM, version
from mtclar.cli.terminal import say
from mtclar.engine.errors import MtclarError
from mtclar.engine.tracker import Tracker
from mtclar.stream.broadcast import Broadcaster
from mtclar.stream.mailbox import Freshness
from mtclar.stream.messages import AffectMessage, ByeMessage, Hello, ModelInfo, StatusMessage, SubjectInfo
from mtclar.stream.pipeline import Pipeline, Sink, Truth
from mtclar.stream.sources import Source
from mtclar.stream.summary import Meter, Summary

TICK_S = 0.2
ANALYSED = "Who is in the picture is being analysed: tell them. Pictures stay on this machine; only numbers leave it."


@contextmanager
def stop_on_signals() -> Iterator[threading.Event]:
    """An event that SIGINT and SIGTERM set; a second SIGINT interrupts at once. For the main thread."""
    stopped = threading.Event()

    def stop(number: int, _: FrameType | None) -> None:
        if stopped.is_set() and number == signal.SIGINT:
            raise KeyboardInterrupt
        stopped.set()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@dataclass(frozen=True, slots=True)
class Answered:
    """One source, answered."""

    summary: Summary
    ended: bool  # by itself; False: somebody stopped it


class Service:
    """The server of one command and the pipeline behind it; a context manager.

    `prepare` names the source; entering listens (ServeError when that cannot be), so that the first client learns
    already what there is; `answer` works until the end; leaving says `bye` to every client.
    """

    def __init__(
        self,
        tracker: Tracker,
        console: Console,
        *,
        host: str,
        port: int,
        token: str | None = None,
        tls_cert: Path | None = None,
        tls_key: Path | None = None,
        live_view: bool = True,
    ) -> None:
        self.broadcaster = Broadcaster(
            host,
            port,
            hello=self._hello,
            token=token,
            tls_cert=tls_cert,
            tls_key=tls_key,
            on_sent=self._sent,
        )
        self._tracker = tracker
        self._console = console
        self._live_view = live_view
        self._view: LiveView | None = None
        self._pipeline: Pipeline | None = None
        self._sinks: tuple[Sink, ...] = ()
        self._bye = ByeMessage("shutdown", "the server is stopping")

    def __enter__(self) -> Self:
        self.broadcaster.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, Exception):
            self._bye = ByeMessage(
                "failed", error.what if isinstance(error, MtclarError) else "an internal error"
            )
        self.broadcaster.close(self._bye)

    def prepare(self, source: Source, freshness: Freshness | None = None, truth: Truth | None = None) -> None:
        """Makes the pipeline of a source; nothing is read yet."""
        self._pipeline = Pipeline(
            source,
            self._tracker,
            freshness=freshness,
            sinks=[self],
            on_status=self._status,
            truth=truth,
            meter=Meter(),
            backend=self._tracker.backend,
        )

    def announce(self) -> None:
        """Says what is analysed and where to look."""
        say(self._console, f"Source     {self._prepared.source.label}")
        say(self._console, f"Dashboard  {self.broadcaster.url}")
        say(self._console, f"Websocket  {self.broadcaster.ws_url}")
        for warning in self.broadcaster.warnings:
            say(self._console, f"warning: {warning}", "yellow")
        say(self._console, ANALYSED)

    def answer(self, stopped: threading.Event, sinks: Sequence[Sink] = ()) -> Answered:
        """Answers frames until the source ends or `stopped` is set; raises what made it fail. Once a `prepare`."""
        pipeline, self._sinks = self._prepared, tuple(sinks)
        with ExitStack() as stack:
            if self._live_view:
                self._view = stack.enter_context(
                    LiveView(pipeline.source.label, self._console, clients=lambda: self.broadcaster.clients)
                )
            stack.enter_context(pipeline)
            while not (ended := pipeline.wait(TICK_S)) and not stopped.is_set():
                pass
        if pipeline.error is not None:
            raise pipeline.error
        if ended:
            self._bye = ByeMessage("ended", f"{pipeline.source.label} has ended")
        return Answered(pipeline.summary(), ended)

    def publish(self, message: AffectMessage) -> None:
        """The pipeline's sink: clients first, since they wait."""
        self.broadcaster.publish(message)
        for sink in self._sinks:
            sink.publish(message)
        if self._view is not None:
            self._view.publish(message)

    def print_summary(self, summary: Summary) -> None:
        """What a run did, in two lines, and what went wrong."""
        latency = " / ".join(
            "-" if value is None else f"{value:.1f}"
            for value in map(summary.latency_ms.get, ("p50", "p95", "p99"))
        )
        memory = "" if summary.peak_rss_mb is None else f", {summary.peak_rss_mb:.0f} MB"
        reconnects = f", {summary.reconnects} reconnects" if summary.reconnects else ""
        say(
            self._console,
            f"{summary.frames} frames answered in {summary.wall_s:.1f} s ({summary.fps:.1f} a second), "
            f"{summary.dropped} dropped{reconnects}",
        )
        say(
            self._console,
            f"Capture to socket p50 / p95 / p99: {latency} ms; {summary.cpu_cores:.2f} cores{memory}; "
            f"{summary.backend}",
        )
        if summary.frames and not summary.frames_with_face:
            say(self._console, "No face was seen in any frame.", "yellow")

    @property
    def _prepared(self) -> Pipeline:
        assert self._pipeline is not None, "prepare() comes first"
        return self._pipeline

    def _status(self, status: StatusMessage) -> None:
        self.broadcaster.publish(status)
        if self._view is not None:
            self._view.on_status(status)

    def _sent(self, t_capture_s: float) -> None:
        self._prepared.meter.sent(t_capture_s)

    def _hello(self) -> Hello:
        subjects = [SubjectInfo(support.subject, len(support)) for support in self._tracker.supports]
        model = self._tracker.model
        return Hello(
            streams=(self._prepared.info(subjects),),
            model=ModelInfo(model.name, model.sha256, self._tracker.backend),
            server=f"{PROGRAM} {version()}",
        )
