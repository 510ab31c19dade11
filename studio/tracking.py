"""What the studio tracks: one source after the other, each until its end or until a person chooses another."""

import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from mtclar.calibrate.core.demo_clip import SUPPORT_MARGIN_S, SkippedStart, demo_support, script
from mtclar.engine.data_types import Frame
from mtclar.engine.errors import MtclarError, UsageError, machine_refusal
from mtclar.engine.support_set import SupportSet
from mtclar.stream.pipeline.pipeline import PipelineOptions
from mtclar.stream.pipeline.runner import Runner
from mtclar.stream.pipeline.streams import Stream, open_streams
from mtclar.stream.server.clients.client_hub import NewSession
from mtclar.stream.sinks import Sink
from mtclar.stream.sources import Source, name_of, open_source
from mtclar.studio.drift import LastDrift

if TYPE_CHECKING:  # it needs an extra
    from mtclar.stream.sinks.recorder import Recorder

log = logging.getLogger(__name__)

TICK_S = 0.2
DEMO, BROWSER = "demo", "browser"
NETWORK = frozenset({"rtsp", "rtsps", "http", "https", "rtmp", "rtmps", "srt"})
CHOICES = frozenset({"webcam", "file", DEMO, BROWSER}) | NETWORK
"""The sources that a page may choose: not those that run a program or read the server's own input."""

Kind = Literal["browser", "camera", "file", "demo", "session"]


@dataclass(frozen=True, slots=True)
class SourceRequest:
    """What a person wants to be tracked."""

    source: str  # as `open_source` takes it; of CHOICES
    participants: tuple[str, ...] = ()
    session: bool = False  # the source is the folder of a recorded session

    def require_allowed(self) -> None:
        """Raises UsageError for a source that no page may choose."""
        if name_of(self.source) not in CHOICES:
            raise UsageError(
                "the studio does not open such a source", f"one of: {', '.join(sorted(CHOICES))}"
            )


@dataclass(frozen=True, slots=True)
class Tracked:
    """What is tracked now."""

    request: SourceRequest
    label: str
    kind: Kind
    opening: bool  # its networks are still being loaded


class Tracking:
    """The studio's main loop. `start` and `stop` come from any thread; the rest belongs to the thread of `run`.

    `load` returns the support set of a participant. `on_change` is called after every change of `now` and `problem`.
    """

    def __init__(
        self,
        runner: Runner,
        load: Callable[[str], SupportSet],
        on_change: Callable[[], None],
        on_frame: Callable[[Frame], None],
        *,
        recorder: "Recorder | None",
        backend: str,
        threads: int,
    ) -> None:
        self.now: Tracked | None = None
        self.problem = ""  # why the last source has ended
        self._runner = runner
        self._load = load
        self._on_change = on_change
        self._on_frame = on_frame
        self._recorder = recorder
        self._backend, self._threads = backend, threads
        self._changed = threading.Condition()
        self._wanted: SourceRequest | None = None
        self._interrupt = threading.Event()
        self._demo_support: SupportSet | None = None
        self.drift = LastDrift(on_change)

    def start(self, request: SourceRequest) -> None:
        """Ends the present source and opens this one."""
        with self._changed:
            self._wanted = request
            self._interrupt.set()
            self._changed.notify()

    def replay(self, session: Path) -> None:
        """Ends the present source and plays a recorded session."""
        self.start(SourceRequest(str(session), session=True))

    def stop(self) -> None:
        """Ends the present source."""
        with self._changed:
            self._wanted = None
            self._interrupt.set()

    def use(self, support: SupportSet) -> None:
        """Gives a saved support set to what is tracked; from any thread."""
        for tracker in self._runner.trackers:
            tracker.replace_support(support)
        now = self.now
        if now is not None and support.subject not in now.request.participants:
            request = replace(now.request, participants=(*now.request.participants, support.subject))
            self.now = replace(now, request=request)
            self._name_participants(request)

    def sources(self) -> Sequence[Source]:
        """Those that are open."""
        return [pipeline.source for pipeline in self._runner.pipelines]

    def run(self, stopped: threading.Event) -> None:
        """Tracks what is wanted until `stopped` is set."""
        while not stopped.is_set():
            with self._changed:
                self._changed.wait_for(lambda: self._wanted is not None, TICK_S)
                request, self._wanted = self._wanted, None
                self._interrupt.clear()
            if request is not None:
                self._track(request, stopped)

    def _track(self, request: SourceRequest, stopped: threading.Event) -> None:
        self.problem = ""
        self._show(Tracked(request, request.source, _kind_of(request), opening=True))
        try:
            with ExitStack() as stack:
                self._run(request, stack, stopped)
        except MtclarError as error:
            self.problem = f"{error.what}. {error.hint}".rstrip(". ")
            log.warning("%s: %s", request.source, self.problem)
        except Exception as error:  # a source must not end the studio
            refusal = machine_refusal(error)
            self.problem = refusal.what if refusal else "an internal error; the server's log says more"
            log.exception("%s failed", request.source)
        finally:
            self._set_streams([])
            self._show(None)

    def _run(self, request: SourceRequest, stack: ExitStack, stopped: threading.Event) -> None:
        if request.session:
            self._replay(request, stopped)
            return
        supports = [self._load(name) for name in request.participants]
        if request.source == DEMO and not supports:
            supports = [self._demo()]
        while True:
            source = stack.enter_context(closing(self._open(request)))
            streams = open_streams(stack, [source], supports, backend=self._backend, threads=self._threads)
            freshness: Literal["latest", "paced"] = "latest" if source.live else "paced"
            truth = script() if request.source == DEMO else None
            self._set_streams(streams, PipelineOptions(freshness, truth=truth, on_frame=self._on_frame))
            self._show(Tracked(request, source.label, _kind_of(request), opening=False))
            if self._interrupt.is_set():
                return
            summary = self._runner.run(self._interrupt, self._sinks(request), lambda: self._heed(stopped))
            if summary.stopped or request.source != DEMO:
                break
            stack.close()
        if not summary.stopped:
            self.problem = f"{source.label} has ended"

    def _replay(self, request: SourceRequest, stopped: threading.Event) -> None:
        from mtclar.stream.recordings.playback import Playback  # they need an extra
        from mtclar.stream.recordings.reader import Recording

        playback = Playback(Recording(Path(request.source)))
        server = self._runner.server
        self._runner.playback = playback
        try:
            server.begin_session(NewSession(playback.clock))
            self._show(Tracked(request, playback.label, _kind_of(request), opening=False))
            playback.run(server, lambda: self._interrupt.is_set() or stopped.is_set(), stay=True)
        finally:
            self._runner.playback = None
            server.begin_session(NewSession())

    def _open(self, request: SourceRequest) -> Source:
        source = open_source(request.source)
        if request.source == DEMO:
            return SkippedStart(source, float(self._demo().times_s.max()) + SUPPORT_MARGIN_S)
        return source

    def _demo(self) -> SupportSet:
        if self._demo_support is None:
            self._demo_support = demo_support(self._backend, self._threads)
        return self._demo_support

    def _sinks(self, request: SourceRequest) -> list[Sink]:
        if self._recorder is None:
            return [self.drift]
        self._name_participants(request)
        return [self._recorder, self.drift]

    def _name_participants(self, request: SourceRequest) -> None:
        if self._recorder is not None:
            self._recorder.participant = ", ".join(request.participants)

    def _heed(self, stopped: threading.Event) -> None:
        if stopped.is_set():
            self._interrupt.set()

    def _set_streams(self, streams: Sequence[Stream], options: PipelineOptions | None = None) -> None:
        self._runner.set_streams(streams, options)
        self._runner.server.announce()

    def _show(self, now: Tracked | None) -> None:
        self.now = now
        self._on_change()


def _kind_of(request: SourceRequest) -> Kind:
    if request.session:
        return "session"
    name = name_of(request.source)
    if name == DEMO:
        return "demo"
    if name == BROWSER:
        return "browser"
    return "file" if name == "file" else "camera"
