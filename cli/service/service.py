"""What `run` and `demo` share: the server, a source answered behind it, the summary in words."""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from types import TracebackType
from typing import Self

from mtclar.cli.logs import event, logs_json
from mtclar.cli.main import PROGRAM, version
from mtclar.cli.outputs import Output
from mtclar.cli.service.systemd import Supervisor
from mtclar.cli.terminal import Terminal, counted, print_text
from mtclar.engine.data_types import Frame
from mtclar.engine.errors import MtclarError, UsageError
from mtclar.engine.support_set import SupportSet
from mtclar.engine.tracker import Tracker
from mtclar.stream.mailbox import Freshness
from mtclar.stream.pipeline import Pipeline, PipelineOptions, Truth
from mtclar.stream.protocol.client_messages import Assign
from mtclar.stream.protocol.messages import (
    AffectMessage,
    AssignedMessage,
    ByeMessage,
    ErrorMessage,
    Hello,
    MarkMessage,
    ModelInfo,
    SourceState,
    StatusMessage,
    SubjectInfo,
    SubjectsMessage,
)
from mtclar.stream.reader import UPLOAD_RETRY
from mtclar.stream.server.config import ServerConfig
from mtclar.stream.server.extension import ClientHandle, Extension
from mtclar.stream.server.pages import Page
from mtclar.stream.server.quotas import Limits
from mtclar.stream.server.server import Server
from mtclar.stream.server.uploads import UploadSlot
from mtclar.stream.sinks import Sink, SinkGroup
from mtclar.stream.sinks.live_view import LiveView
from mtclar.stream.sinks.prometheus import Metrics
from mtclar.stream.sources import Source
from mtclar.stream.sources.browser import BrowserSource
from mtclar.stream.summary import Meter, Summary, is_summary, whole_summary

TICK_S = 0.2
CAMERA_PAGE = "camera"
STUCK_S = 30.0  # a network that takes that long for a frame will not come back
DROPS_OF_A_FILE = (
    "with --freshness latest most frames of a file are dropped, since it is read faster than it is answered: "
    "`all` answers every one, `paced` plays it as if it were live"
)
ANALYSED = "Who is in the picture is being analysed: tell them. Pictures stay on this machine; only numbers leave it."
ANALYSED_SHOWN = (
    "Who is in the picture is being analysed: tell them. Pictures are shown on the calibration page, to whoever may "
    "open it; otherwise only numbers leave this machine."
)


def limits_of(clients: int | None, per_address: int | None) -> Limits:
    """The server's limits with those that somebody asked for."""
    given = {"clients": clients, "clients_per_address": per_address}
    return replace(Limits(), **{name: value for name, value in given.items() if value is not None})


def freshness_named(name: str, among: Sequence[Freshness]) -> Freshness:
    """The freshness policy of that name; UsageError that lists the names."""
    for policy in among:
        if policy == name:
            return policy
    raise UsageError(f"there is no freshness '{name}' here", f"one of: {', '.join(among)}")


def outputs_of_a_run(csv: Path | None, summary: Path | None) -> list[Output]:
    """The files that `run` and `demo` write: rows are never overwritten, a summary only takes an older one's place."""
    outputs = [] if csv is None else [Output("--csv", csv)]
    if summary is not None:
        hint = "name another file: only the summary of an earlier run is overwritten"
        outputs.append(Output("--summary-json", summary, is_summary, hint))
    return outputs


def latency_words(latency_ms: Mapping[str, float | None], freshness: Freshness) -> str:
    """`7.7 / 9.6 / 10.3 ms`, and that a queue is in it where one is."""
    words = " / ".join(
        "-" if ms is None else f"{ms:.1f}" for ms in map(latency_ms.get, ("p50", "p95", "p99"))
    )
    return f"{words} ms" + (", waiting in the queue included" if freshness == "all" else "")


class Service:
    """The server of one command and the pipelines behind it; a context manager.

    `prepare` names the source; entering listens (ServeError when that cannot be), so that the first client learns
    already what there is; `answer` works until the end; leaving says `bye` to every client.
    """

    def __init__(
        self,
        tracker: Tracker,
        console: Terminal,
        config: ServerConfig,
        *,
        values: bool = True,
    ) -> None:
        self._metrics = Metrics()
        self._supervisor = Supervisor()
        self.server = Server(
            config,
            hello=self._hello,
            private={"/metrics": self._metrics.page},
            failure=self._failure,
            on_sent=self._sent,
            on_assign=self._assign,
            on_mark=self._mark,
        )
        self._tracker = tracker
        self._console = console
        self._values = values
        self._pipelines: Sequence[Pipeline] = ()
        self._trackers: dict[str, Tracker] = {}  # by stream
        self._announced: dict[str, Sequence[SupportSet]] = {}  # by stream: what clients know
        self._tap: Callable[[Frame], None] | None = None
        self._pages: list[str] = []  # besides the dashboard
        self._meter = Meter()
        self._sinks = SinkGroup([])
        self._bye = ByeMessage("shutdown", "the server is stopping")
        self._states: dict[str, SourceState] = {}

    def __enter__(self) -> Self:
        self.server.start()
        self._supervisor.ready(f"serving {self.server.ws_url}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, Exception):
            self._bye = ByeMessage(
                "failed", error.what if isinstance(error, MtclarError) else "an internal error"
            )
        self._supervisor.stopping()
        self.server.close(self._bye)

    def prepare(self, source: Source, freshness: Freshness | None = None, truth: Truth | None = None) -> None:
        """Makes the pipeline of a source; nothing is read yet."""
        self.prepare_all([(source, self._tracker)], freshness, truth)

    def prepare_all(
        self,
        streams: Sequence[tuple[Source, Tracker]],
        freshness: Freshness | None = None,
        truth: Truth | None = None,
    ) -> None:
        """Makes the pipelines of several sources, each with a tracker of its own; one meter counts for all.

        A stream that was there before goes on counting its messages.
        """
        said = {pipeline.source.stream_id: pipeline.answered for pipeline in self._pipelines}
        self._meter = Meter()
        self._trackers = {source.stream_id: tracker for source, tracker in streams}
        self._announced = {stream: tracker.supports for stream, tracker in self._trackers.items()}
        # Clients first, since they wait; the server's own end is later than that of the pipelines.
        view = LiveView(console=self._console, clients=lambda: self.server.clients, values=self._values)
        self._sinks = SinkGroup([_Served(self), self._metrics, view])
        self._pipelines = [
            Pipeline(
                source,
                tracker,
                self._sinks,
                PipelineOptions(
                    freshness=freshness,
                    retry=UPLOAD_RETRY if isinstance(source, BrowserSource) else None,
                    truth=truth,
                    on_frame=self._tapped,
                    first_seq=said.get(source.stream_id, 0),
                ),
                meter=self._meter,
            )
            for source, tracker in streams
        ]
        doors = {i: UploadSlot(s) for i, (s, _) in enumerate(streams) if isinstance(s, BrowserSource)}
        if doors:
            self.server.accept_uploads(doors)
            self._pages.append(CAMERA_PAGE)

    def plug(
        self, extension: Extension, pages: Mapping[str, Page], page: str, tap: Callable[[Frame], None]
    ) -> None:
        """Before entering: messages and pages of a layer above, found at `page`; `tap` gets the streams."""
        self.server.add_extension(extension, pages)
        self._pages.append(page)
        self._tap = tap

    def announce(self) -> None:
        """Says what is analysed and where to look."""
        labels = [pipeline.source.label for pipeline in self._prepared]
        for pipeline, label in zip(self._prepared, labels, strict=True):
            told_apart = "" if labels.count(label) == 1 else f" ({pipeline.source.stream_id})"
            print_text(self._console, f"Source     {label}{told_apart}")
        why = f" ({self._tracker.why})" if self._tracker.why else ""
        print_text(self._console, f"Backend    {self._tracker.backend}{why}")
        print_text(self._console, f"Dashboard  {self.server.url}")
        print_text(self._console, f"Websocket  {self.server.ws_url}")
        for page in self._pages:
            print_text(self._console, f"{page.capitalize():<10} {self.server.url}{page}")
        for warning in self.server.warnings:
            print_text(self._console, f"warning: {warning}", "yellow")
        if any(p.freshness == "latest" and not p.source.live for p in self._prepared):
            print_text(self._console, f"warning: {DROPS_OF_A_FILE}", "yellow")
        print_text(self._console, ANALYSED if self._tap is None else ANALYSED_SHOWN)
        event(
            "serving",
            f"serving {self.server.ws_url}",
            version=version(),
            dashboard=self.server.url,
            backend=self._tracker.backend,
            sources=[pipeline.source.label for pipeline in self._prepared],
            subjects=[[one.subject for one in tracker.supports] for tracker in self._trackers.values()],
        )
        for warning in self.server.warnings if logs_json() else ():
            event("warning", warning, logging.WARNING)

    def answer(self, stopped: threading.Event, sinks: Sequence[Sink] = ()) -> Summary:
        """Answers frames until every source ends or `stopped` is set; raises what made one fail. Once per `prepare`."""
        pipelines = self._prepared
        self._sinks.attach(*sinks)
        self._metrics.attach(pipelines, self.server, self._model(), version())
        labels = ", ".join(pipeline.source.label for pipeline in pipelines)
        with self._sinks, ExitStack() as running:
            self._sinks.open([pipeline.info() for pipeline in pipelines])
            for pipeline in pipelines:
                running.enter_context(pipeline)
            while not (self._over(TICK_S) or stopped.is_set() or self._runs_unseen()):
                self._look_after()
        for pipeline in pipelines:
            if pipeline.error is not None:
                raise pipeline.error
        summary = whole_summary([pipeline.summary() for pipeline in pipelines])
        if not summary.stopped:
            self._bye = ByeMessage("ended", f"{labels} {'has' if len(pipelines) == 1 else 'have'} ended")
        return summary

    def _look_after(self) -> None:
        """What a service manager and metrics need, a few times a second."""
        self._metrics.tick()
        if self._failure() is None:
            states = ", ".join(f"{stream} {state}" for stream, state in tuple(self._states.items()))
            self._supervisor.alive(f"{states}; {counted(self.server.clients, 'client')}")

    def _failure(self) -> str | None:
        """Why this process should be started anew; None while it works, or waits for a source that is away."""
        for pipeline in self._pipelines:
            if pipeline.busy_s > STUCK_S:
                return f"{pipeline.source.label}: no answer to a frame for {pipeline.busy_s:.0f} s"
        if self.server.silent_s > STUCK_S:
            return f"the server has not turned for {self.server.silent_s:.0f} s"
        return None

    def _over(self, timeout_s: float) -> bool:
        """Whether all have ended, or one has failed; waits for that, a moment."""
        running = [pipeline for pipeline in self._prepared if not pipeline.wait(0)]
        if not running or any(pipeline.error is not None for pipeline in self._prepared):
            return True
        running[0].wait(timeout_s)
        return False

    def _runs_unseen(self) -> bool:
        """Whether a camera would go on for ever behind a closed pipe; a file is played out: whole outputs."""
        return self._console.pipe_closed and all(pipeline.source.live for pipeline in self._prepared)

    def _announce_supports(self, message: AffectMessage) -> None:
        """Before the first message behind which other support sets stand than before; on that stream's thread."""
        stream = message.stream
        supports = self._trackers[stream].supports
        if supports is not self._announced[stream]:
            self._announced[stream] = supports
            subjects = tuple(map(_subject_info, supports))
            self.server.publish(SubjectsMessage(stream, message.seq, subjects))
            event(
                "subjects",
                f"{stream}: calibrated anew",
                stream=stream,
                subjects=[s.subject for s in supports],
            )

    def print_summary(self, summary: Summary) -> None:
        """What a run did, in two lines, and what went wrong."""
        memory = "" if summary.peak_rss_mb is None else f", {summary.peak_rss_mb:.0f} MB"
        reconnects = f", {counted(summary.reconnects, 'reconnect')}" if summary.reconnects else ""
        print_text(
            self._console,
            f"{counted(summary.frames, 'frame')} answered in {summary.wall_s:.1f} s ({summary.fps:.1f} a second), "
            f"{summary.dropped:,} dropped{reconnects}",
        )
        print_text(
            self._console,
            f"Capture to socket p50 / p95 / p99: {latency_words(summary.latency_ms, summary.freshness)}; "
            f"{summary.cpu_cores:.2f} cores{memory}; {summary.backend}",
        )
        event("summary", f"{counted(summary.frames, 'frame')} answered", **asdict(summary))
        if summary.frames and not summary.frames_with_face:
            print_text(self._console, "No face was seen in any frame.", "yellow")

    @property
    def _prepared(self) -> Sequence[Pipeline]:
        assert self._pipelines, "prepare() comes first"
        return self._pipelines

    def _assign(self, said: Assign, peer: ClientHandle) -> None:
        """A client says who a face is; what came of it is told to all, or to that client why not."""
        pipeline = next(p for p in self._prepared if p.source.stream_id == said.stream)

        def answered(error: MtclarError | None) -> None:
            if error is None:
                self.server.publish(AssignedMessage(said.stream, said.face, said.subject))
            else:
                hint = f" ({error.hint})" if error.hint else ""
                peer.send_text(ErrorMessage("cannot_assign", f"{error.what}{hint}").encode())

        pipeline.assign(said.face, said.subject, answered)

    def _mark(self, mark: MarkMessage) -> None:
        """A client's label, with its moment, for who records and for who keeps the log; on the event loop."""
        event("mark", mark.label, label=mark.label, t=mark.t_s, stream=mark.stream)
        self._sinks.mark(mark)

    def _tapped(self, frame: Frame) -> None:
        if self._tap is not None:
            self._tap(frame)

    def _sent(self, t_capture_s: float) -> None:
        self._meter.sent(t_capture_s)
        self._metrics.sent(t_capture_s)

    def _model(self) -> ModelInfo:
        model = self._tracker.model
        return ModelInfo(model.name, model.sha256, self._tracker.backend)

    def _hello(self) -> Hello:
        return Hello(
            streams=tuple(
                pipeline.info([_subject_info(support) for support in tracker.supports])
                for pipeline, tracker in zip(self._prepared, self._trackers.values(), strict=True)
            ),
            model=self._model(),
            server=f"{PROGRAM} {version()}",
            pages=tuple(self._pages),
        )


class _Served(Sink):
    """The server's clients and the log, as a sink that ends with the pipelines."""

    own_thread = False
    required = True

    def __init__(self, service: Service) -> None:
        self._service = service

    def affect(self, message: AffectMessage) -> None:
        self._service._announce_supports(message)
        self._service.server.publish(message)

    def status(self, message: StatusMessage) -> None:
        self._service.server.publish(message)
        self._service._states[message.stream] = message.state
        event("status", f"{message.stream}: {message.state}", **asdict(message))


def _subject_info(support: SupportSet) -> SubjectInfo:
    return SubjectInfo(support.subject, len(support), tuple(map(tuple, support.labels.tolist())))
