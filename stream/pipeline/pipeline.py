"""The pipeline of one stream, from a source to the sinks: reader, mailbox, tracker, message."""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from mtclar.engine.data_types import Affect, Faces, Frame
from mtclar.engine.errors import MtclarError, UsageError
from mtclar.stream.pipeline.mailbox import Freshness, Mailbox
from mtclar.stream.pipeline.reader import Reader, RetryPolicy
from mtclar.stream.pipeline.summary import Meter, Summary
from mtclar.stream.protocol.messages import AffectMessage, LatencyMs, StreamInfo, SubjectInfo
from mtclar.stream.sinks.base import Sink, SinkGroup
from mtclar.stream.sources.base import Source

Truth = Callable[[float], tuple[float, float] | None]
"""Valence and arousal of a script by source time in seconds; None where the script has no value."""

TICK_S = 0.2
STOP_TIMEOUT_S = 3.0

OnAssigned = Callable[[MtclarError | None], None]
"""Gets None when a face was assigned, otherwise the reason why not."""


class FrameTracker(Protocol):
    """The part of mtclar.engine.tracker.Tracker that the pipeline calls: its two steps, so that each is timed."""

    @property
    def backend(self) -> str:
        """The inference backend, as a summary names it."""
        ...

    def find(self, frame: Frame) -> Faces:
        """The faces of a frame."""
        ...

    def estimate(self, frame: Frame, faces: Faces) -> Sequence[Affect]:
        """The affect of these faces."""
        ...

    def assign(self, track_id: int, subject: str | None) -> None:
        """Assigns the support set of a subject to a face; raises MtclarError when either is unknown."""
        ...


@dataclass(frozen=True, slots=True)
class PipelineOptions:
    """How a pipeline runs; the defaults suit every source."""

    freshness: Freshness | None = None  # None: `latest` for a live source, `all` for a file
    retry: RetryPolicy | None = None  # of a live source; None: the source's own
    truth: Truth | None = None  # the script of a rendered clip, sent with each message
    on_frame: Callable[[Frame], None] | None = None  # gets every answered frame, on the worker thread
    on_faces: Callable[[Frame, Faces], None] | None = None  # the same, with the faces that were found
    first_seq: int = 0  # of the messages: a stream that continues before the same clients


def default_freshness(source: Source) -> Freshness:
    """`latest` for a live source; `all` for a file."""
    return "latest" if source.live else "all"


class Pipeline:
    """Answers the frames of one source and delivers the messages to sinks. A context manager: `start`, `stop`.

    It ends when the source ends, when `stop` is called, or when the source, the tracker or a required sink fails; that
    failure is then in `error`. `sinks` are opened by `start` and closed by `stop`; a SinkGroup, which several pipelines
    may share, is opened and closed by its owner. `meter` may be shared too. `clock` is monotonic.
    """

    def __init__(
        self,
        source: Source,
        tracker: FrameTracker,
        sinks: Sequence[Sink] | SinkGroup = (),
        options: PipelineOptions | None = None,
        *,
        meter: Meter | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        options = options or PipelineOptions()
        self.source = source
        self.freshness: Freshness = options.freshness or default_freshness(source)
        self.meter = meter or Meter(clock)
        self.error: Exception | None = None
        self._tracker = tracker
        self._owns_sinks = not isinstance(sinks, SinkGroup)
        self._sinks = sinks if isinstance(sinks, SinkGroup) else SinkGroup(sinks)
        self._truth = options.truth
        self._on_frame = options.on_frame
        self._on_faces = options.on_faces
        self._clock = clock
        self._mailbox = Mailbox(self.freshness)
        self._reader = Reader(
            source, self._mailbox, on_status=self._sinks.status, clock=clock, retry=options.retry
        )
        self._stopping = threading.Event()
        self._done = threading.Event()
        self._ended = False  # the source ended and every frame was answered
        self._worker = threading.Thread(target=self._work, name=f"worker-{source.stream_id}", daemon=True)
        self._seq = options.first_seq
        self._pending_assignments: deque[tuple[int, str | None, OnAssigned]] = deque()
        self._frame_started_s: float | None = None  # when the worker took the frame that it works on

    def __enter__(self) -> "Pipeline":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Starts to read and to answer. Raises what a sink raises that cannot be opened."""
        if self._owns_sinks:
            self._sinks.open([self.info()])
        self._worker.start()
        self._reader.start()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Waits for the end; False when `timeout_s` passed first."""
        return self._done.wait(timeout_s)

    def stop(self, timeout_s: float = STOP_TIMEOUT_S) -> bool:
        """Ends within about `timeout_s`; False when a source hangs in native code and was abandoned."""
        self._stopping.set()
        self._mailbox.close(discard=True)
        ended = self._reader.stop(timeout_s)
        if self._worker.is_alive():
            self._worker.join(timeout_s)
        if self._owns_sinks:
            self._sinks.close()
        return ended and not self._worker.is_alive()

    def assign(self, face: int, subject: str | None, on_assigned: OnAssigned) -> None:
        """Assigns a subject's support set to a face before the next frame; from any thread, returns at once.

        `on_assigned` is called by the worker thread, or at once when the pipeline has ended.
        """
        self._pending_assignments.append((face, subject, on_assigned))
        if self._done.is_set():  # perhaps too late for the worker to see it
            self._reject_pending_assignments()

    def info(self, subjects: Sequence[SubjectInfo] = ()) -> StreamInfo:
        """This stream as `hello` announces it; size and rate are None until it is connected."""
        source = self.source
        return StreamInfo(
            stream=source.stream_id,
            label=source.label,
            live=source.live,
            size=source.size,
            fps=source.fps,
            freshness=self.freshness,
            subjects=tuple(subjects),
            truth=self._truth is not None,
        )

    @property
    def backend(self) -> str:
        """The tracker's inference backend."""
        return self._tracker.backend

    @property
    def answered(self) -> int:
        """Frames of this stream answered so far, those before `first_seq` included."""
        return self._seq

    @property
    def dropped(self) -> int:
        """Frames that a newer one replaced before they were answered, so far."""
        return self._mailbox.dropped

    @property
    def reconnects(self) -> int:
        """Connections to the source that were lost and made again."""
        return self._reader.reconnects

    @property
    def abandoned(self) -> int:
        """Connections that hung and were abandoned."""
        return self._reader.abandoned

    @property
    def busy_s(self) -> float:
        """Seconds since the worker took the frame that it works on; 0 while it waits for the next."""
        started_s = self._frame_started_s
        return 0.0 if started_s is None else self._clock() - started_s

    def summary(self) -> Summary:
        """The figures so far; at any time, from any thread."""
        return self.meter.summary(
            dropped=self._mailbox.dropped,
            backend=self.backend,
            reconnects=self._reader.reconnects,
            freshness=self.freshness,
            stopped=not self._ended,
            abandoned=self._reader.abandoned,
        )

    # --- the worker thread ---

    def _work(self) -> None:
        try:
            while not self._stopping.is_set():
                frame = self._mailbox.get(TICK_S)
                self._apply_pending_assignments()
                if frame is not None:
                    self._answer(frame)
                elif self._mailbox.finished:
                    self._ended = not self._stopping.is_set()
                    break
        except Exception as error:  # a thread has no caller; the owner of the pipeline reads `error`
            self.error = error
            self._stopping.set()
            self._mailbox.close(discard=True)
        finally:
            if self.error is None:
                self.error = self._reader.error
            self._done.set()
            self._reject_pending_assignments()

    def _apply_pending_assignments(self) -> None:
        while self._pending_assignments:
            face, subject, on_assigned = self._pending_assignments.popleft()
            try:
                self._tracker.assign(face, subject)
            except MtclarError as error:
                on_assigned(error)
            else:
                on_assigned(None)

    def _reject_pending_assignments(self) -> None:
        with suppress(IndexError):  # empty; another thread may do the same at the same time
            while True:
                _, _, on_assigned = self._pending_assignments.popleft()
                on_assigned(UsageError("the stream has ended"))

    def _answer(self, frame: Frame) -> None:
        self.meter.started()
        self._frame_started_s = taken_s = self._clock()
        faces = self._tracker.find(frame)
        found_s = self._clock()
        affects = tuple(self._tracker.estimate(frame, faces))
        done_s = self._clock()
        message = AffectMessage(
            stream=frame.stream_id,
            seq=self._seq,
            frame=frame.seq,
            t_capture_s=frame.t_capture_s,
            clock=frame.clock,
            pts_s=frame.pts_s,
            size=(frame.image.shape[1], frame.image.shape[0]),
            latency_ms=LatencyMs(
                queue=1e3 * (taken_s - frame.t_capture_s),
                track=1e3 * (found_s - taken_s),
                estimate=1e3 * (done_s - found_s),
            ),
            dropped=self._mailbox.dropped,
            faces=affects,
            truth=None if self._truth is None else self._truth(frame.pts_s),
        )
        self._seq += 1
        self._sinks.affect(message)
        if self._on_frame is not None:
            self._on_frame(frame)
        if self._on_faces is not None:
            self._on_faces(frame, faces)
        self.meter.answered(
            frame.t_capture_s,
            with_face=any(face.state != "lost" for face in affects),
            skipped=bool(faces.crops) and all(crop.kept for crop in faces.crops),
        )
        self._frame_started_s = None
