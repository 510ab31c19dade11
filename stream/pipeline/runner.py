"""Runs streams behind a websocket server: one pipeline for each, shared sinks, requests of clients, one summary."""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, replace
from types import TracebackType
from typing import TYPE_CHECKING, Self

from mtclar.engine.errors import MtclarError, ServeError
from mtclar.engine.installation.machine import usable_cores
from mtclar.engine.support_set import SupportSet
from mtclar.engine.tracker import Tracker
from mtclar.stream.pipeline.garbage_collection import collected_between_frames
from mtclar.stream.pipeline.pipeline import Pipeline, PipelineOptions
from mtclar.stream.pipeline.preview import Preview
from mtclar.stream.pipeline.reader import UPLOAD_RETRY
from mtclar.stream.pipeline.streams import Stream
from mtclar.stream.pipeline.summary import Meter, Summary, whole_summary
from mtclar.stream.pipeline.thresholds import ThresholdWatch
from mtclar.stream.protocol.client_messages import Assign, Play, Record, Thresholds
from mtclar.stream.protocol.events import ThresholdsMessage
from mtclar.stream.protocol.messages import (
    AffectMessage,
    AssignedMessage,
    ByeMessage,
    ErrorMessage,
    Hello,
    MarkMessage,
    ModelInfo,
    ProtocolError,
    SourceState,
    StatusMessage,
    StreamInfo,
    SubjectInfo,
    SubjectsMessage,
)
from mtclar.stream.server.config import ServerConfig
from mtclar.stream.server.extension import ClientHandle, Extension
from mtclar.stream.server.http.pages import Page
from mtclar.stream.server.server import Server
from mtclar.stream.server.uploads import UploadSlot
from mtclar.stream.sinks import Sink, SinkGroup
from mtclar.stream.sinks.prometheus import Metrics
from mtclar.stream.sources.browser import BrowserSource

if TYPE_CHECKING:  # they need an extra
    from mtclar.stream.recordings.playback import Playback
    from mtclar.stream.sinks.recorder import Recorder

log = logging.getLogger(__name__)

TICK_S = 0.2
STUCK_S = 30.0  # a network that needs longer for one frame does not recover
CAMERA_PAGE = "camera"


class Runner:
    """A server with the pipelines of streams; a context manager that listens from enter to exit.

    There may be no stream until `set_streams`. `run` answers frames until every source has ended. The streams' sources
    and trackers stay their owner's to close. `version` and `pages` are what `hello` announces: the program, and paths
    of pages besides the dashboard. Clients may start and stop `recorder`, one of the sinks of `run`. Raises
    UsageError for an unsafe configuration; entering raises ServeError when the port is taken.
    """

    def __init__(
        self,
        streams: Sequence[Stream],
        config: ServerConfig | None = None,
        options: PipelineOptions | None = None,
        *,
        version: str = "",
        recorder: "Recorder | None" = None,
        preview: Preview | None = None,
    ) -> None:
        self.pages: list[str] = []
        self.playback: Playback | None = None  # a recording, which its owner plays to the clients
        self.states: dict[str, SourceState] = {}  # by stream
        self.trouble: str | None = None  # of a sink, such as a full disk
        self._version = version
        self._options = options or PipelineOptions()
        self._preview = preview
        self._metrics = Metrics()
        self._pipelines: Sequence[Pipeline] = ()
        self._answered: dict[str, int] = {}  # frames of streams that ended, by stream
        self._meter = Meter()
        self._thresholds = ThresholdWatch()
        self._bye = ByeMessage("shutdown", "the server is stopping")
        self.server = Server(
            config,
            hello=self._hello,
            private={"/metrics": self._metrics.page},
            failure=self.failure,
            on_sent=self._on_sent,
            on_assign=self._on_assign,
            on_mark=self._on_mark,
            on_record=None if recorder is None else self._on_record,
            on_play=self._on_play,
            on_thresholds=self._on_thresholds,
            on_preview=None if preview is None else preview.watch,
        )
        self._recorder = recorder
        if recorder is not None:
            recorder.on_change = self.server.publish
        self.set_streams(streams)

    def __enter__(self) -> Self:
        self.server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, Exception):
            what = error.what if isinstance(error, MtclarError) else "an internal error"
            self._bye = ByeMessage("failed", what)
        self.server.close(self._bye)

    @property
    def pipelines(self) -> Sequence[Pipeline]:
        """One for each stream, in their order."""
        return self._pipelines

    @property
    def trackers(self) -> Sequence[Tracker]:
        """One for each stream, in their order."""
        return [stream.tracker for stream in self._streams.values()]

    def add_page(self, path: str, extension: Extension, pages: Mapping[str, Page]) -> None:
        """Before entering: serves the pages of an extension, which is found at `path`, and its messages."""
        self.server.add_extension(extension, pages)
        self.pages.append(path)

    def set_streams(self, streams: Sequence[Stream], options: PipelineOptions | None = None) -> None:
        """Makes the pipelines for another `run` before the same clients; a stream's messages are counted on.

        Clients are told of other streams by `server.announce`. `options` replace those before.
        """
        self._options = options or self._options
        if self._preview is not None:
            self._options = replace(self._options, on_faces=self._preview.enqueue)
        self._answered |= {pipeline.source.stream_id: pipeline.answered for pipeline in self._pipelines}
        self._streams = {stream.source.stream_id: stream for stream in streams}
        self._announced = {stream.source.stream_id: stream.tracker.supports for stream in streams}
        self._meter = Meter()
        # Clients first, since they wait. The server itself outlives the pipelines.
        self._sinks = SinkGroup([_Clients(self), self._metrics])
        self._pipelines = [
            Pipeline(
                stream.source,
                stream.tracker,
                self._sinks,
                replace(
                    self._options,
                    retry=UPLOAD_RETRY if isinstance(stream.source, BrowserSource) else self._options.retry,
                    first_seq=self._answered.get(stream.source.stream_id, 0),
                    overlap=self._options.overlap and len(streams) < usable_cores(),
                ),
                meter=self._meter,
            )
            for stream in streams
        ]
        slots = {
            n: UploadSlot(s.source) for n, s in enumerate(streams) if isinstance(s.source, BrowserSource)
        }
        if slots or CAMERA_PAGE in self.pages:
            self.server.accept_uploads(slots)
            if CAMERA_PAGE not in self.pages:
                self.pages.append(CAMERA_PAGE)

    def run(
        self,
        stopped: threading.Event | None = None,
        sinks: Sequence[Sink] = (),
        on_tick: Callable[[], None] | None = None,
    ) -> Summary:
        """Answers frames until every source has ended or `stopped` is set; `on_tick` is called a few times a second.

        Opens and closes `sinks`. Raises the error of a pipeline that failed. Call it once, or after `set_streams`.
        """
        pipelines = self._pipelines
        attached = self._sinks.attach(*sinks)
        model = self._model()
        assert model is not None, "there is no stream to run"
        self._metrics.attach(pipelines, self.server, model, self._version, attached)
        for sink in sinks:
            sink.model, sink.supports = model, self._announced
        with self._sinks, collected_between_frames(), ExitStack() as running:
            self._sinks.open(self._infos())
            for pipeline in pipelines:
                running.enter_context(pipeline)
            while not (self._wait(TICK_S) or (stopped is not None and stopped.is_set())):
                self._metrics.tick()
                self._report_trouble()
                if on_tick is not None:
                    on_tick()
        for pipeline in pipelines:
            if pipeline.error is not None:
                raise pipeline.error
        summary = whole_summary([pipeline.summary() for pipeline in pipelines])
        if not summary.stopped:
            labels = ", ".join(pipeline.source.label for pipeline in pipelines)
            self._bye = ByeMessage("ended", f"{labels} {'has' if len(pipelines) == 1 else 'have'} ended")
        return summary

    def mark(self, label: str, t_s: float | None = None) -> None:
        """Marks a moment of all streams as a client's `mark` does: `t_s` on the monotonic clock, by default now.

        For any thread. The label is not empty and has at most LABEL_LENGTH characters.
        """
        mark = MarkMessage(label, time.monotonic() if t_s is None else t_s)
        self._on_mark(mark)
        with suppress(ServeError):  # the event loop hangs: `failure` says so
            self.server.mark(mark)

    def failure(self) -> str | None:
        """Why the process should be restarted; None while it works, or waits for a source."""
        for pipeline in self._pipelines:
            if pipeline.busy_s > STUCK_S:
                return f"{pipeline.source.label}: no answer to a frame for {pipeline.busy_s:.0f} s"
        if self.server.silent_s > STUCK_S:
            return f"the server's event loop has been blocked for {self.server.silent_s:.0f} s"
        return None

    def _report_trouble(self) -> None:
        """Sends the status of every live stream again when a sink gets into trouble or out of it."""
        if (trouble := self._sinks.trouble) == self.trouble:
            return
        self.trouble = trouble
        for pipeline in self._pipelines:
            stream = pipeline.source.stream_id
            if self.states.get(stream) == "live":
                self._sinks.status(
                    StatusMessage(stream, "live", reason=trouble, reconnects=pipeline.reconnects)
                )

    def _wait(self, timeout_s: float) -> bool:
        """Whether all pipelines have ended or one has failed; waits up to `timeout_s` for it."""
        running = [pipeline for pipeline in self._pipelines if not pipeline.wait(0)]
        if not running or any(pipeline.error is not None for pipeline in self._pipelines):
            return True
        running[0].wait(timeout_s)
        return False

    def _model(self) -> ModelInfo | None:
        if not self._streams:
            return None
        tracker = self.trackers[0]
        return ModelInfo(tracker.model.name, tracker.model.sha256, tracker.backend)

    def _infos(self) -> list[StreamInfo]:
        return [
            pipeline.info(subject_infos(tracker.supports))
            for pipeline, tracker in zip(self._pipelines, self.trackers, strict=True)
        ]

    def _hello(self) -> Hello:
        playback = self.playback
        return Hello(
            streams=tuple(self._infos()) if playback is None else playback.streams,
            model=self._model() if playback is None else playback.recording.model,
            server=f"mtclar-stream {self._version}".strip(),
            pages=tuple(self.pages),
            preview=self._preview is not None,
        )

    # --- called by the server: the event loop's thread; `_on_mark` by any ---

    def _on_sent(self, t_capture_s: float) -> None:
        self._meter.sent(t_capture_s)
        self._metrics.sent(t_capture_s)

    def _on_mark(self, mark: MarkMessage) -> None:
        fields = {"event": "mark", "label": mark.label, "t": mark.t_s, "stream": mark.stream}
        log.info(mark.label, extra={"fields": fields})
        self._sinks.mark(mark)

    def _on_assign(self, request: Assign, client: ClientHandle) -> None:
        """Assigns a subject to a face; the result goes to all clients, an error to this one."""
        pipeline = next((p for p in self._pipelines if p.source.stream_id == request.stream), None)
        if pipeline is None:
            raise ProtocolError("cannot_assign", "this stream is played from a recording")

        def on_assigned(error: MtclarError | None) -> None:
            if error is None:
                self.server.publish(AssignedMessage(request.stream, request.face, request.subject))
            else:
                hint = f" ({error.hint})" if error.hint else ""
                client.send_text(ErrorMessage("cannot_assign", f"{error.what}{hint}").encode())

        pipeline.assign(request.face, request.subject, on_assigned)

    def _on_record(self, request: Record) -> None:
        assert self._recorder is not None
        if request.recording:
            self._recorder.start(request.session)
        else:
            self._recorder.stop()

    def _on_play(self, request: Play) -> None:
        playback = self.playback
        if playback is None:
            raise ProtocolError("cannot_play", "no recording is played")
        playback.play(request)

    def _on_thresholds(self, request: Thresholds, _: ClientHandle) -> None:
        self._thresholds.set(request.chosen)
        self.server.publish(ThresholdsMessage(request.chosen))

    # --- called by the sink below: the threads of the pipelines ---

    def _publish(self, message: AffectMessage) -> None:
        supports = self._streams[message.stream].tracker.supports
        if supports is not self._announced[message.stream]:  # the first message with these support sets
            self._announced[message.stream] = supports
            self._sinks.subjects(SubjectsMessage(message.stream, message.seq, subject_infos(supports)))
            subjects = [support.subject for support in supports]
            fields = {"event": "subjects", "stream": message.stream, "subjects": subjects}
            log.info("%s: new calibration", message.stream, extra={"fields": fields})
        self.server.publish(message)
        for event in self._thresholds.update(message):
            self.server.publish(event)
            details = {"event": "threshold", "active": event.active, "stream": event.stream, "t": event.t}
            log.info(event.label, extra={"fields": details})
            self._sinks.mark(MarkMessage(event.label, event.t, event.stream))

    def _set_state(self, message: StatusMessage) -> None:
        if message.state == "live":
            message = replace(message, reason=self.trouble)
        self.server.publish(message)
        self.states[message.stream] = message.state
        fields = {"event": "status", **asdict(message)}
        log.info("%s: %s", message.stream, message.state, extra={"fields": fields})


class _Clients(Sink):
    """The server's clients as a sink: it ends with the pipelines, the server later."""

    own_thread = False
    required = True

    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    def affect(self, message: AffectMessage) -> None:
        self._runner._publish(message)

    def status(self, message: StatusMessage) -> None:
        self._runner._set_state(message)

    def subjects(self, message: SubjectsMessage) -> None:
        self._runner.server.publish(message)


def subject_infos(supports: Sequence[SupportSet]) -> tuple[SubjectInfo, ...]:
    """What `hello` says of support sets."""
    return tuple(
        SubjectInfo(support.subject, len(support), tuple(map(tuple, support.labels.tolist())))
        for support in supports
    )
