"""The pipeline of one stream, from a source to the sinks: reader, mailbox, tracker, message."""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Protocol

import cv2

from mtclar.engine.data_types import Affect, Faces, Frame
from mtclar.engine.errors import MtclarError, UsageError
from mtclar.engine.spans import span
from mtclar.stream.pipeline.garbage_collection import collect
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
    """The part of mtclar.engine.tracker.Tracker that the pipeline calls: its two steps, each timed on its own."""

    @property
    def backend(self) -> str:
        """The inference backend, as a summary names it."""
        ...

    @property
    def overlaps(self) -> bool:
        """Whether `find` of the next frame may run in another thread beside `estimate` of this one."""
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
    overlap: bool = True  # find faces in a waiting frame beside the estimate of this one, if the tracker can


def default_freshness(source: Source) -> Freshness:
    """`latest` for a live source; `all` for a file."""
    return "latest" if source.live else "all"


class Pipeline:
    """Answers the frames of one source and delivers the messages to sinks. A context manager: `start`, `stop`.

    It ends when the source ends, when `stop` is called, or when the source, the tracker or a required sink fails; that
    failure is then in `error`. `sinks` are opened by `start` and closed by `stop`; a SinkGroup, which several pipelines
    may share, is opened and closed by its owner. `meter` may be shared too. `clock` is monotonic.

    Two workers take turns: a worker holds `_finding` while it takes a frame and finds its faces, then `_estimating`
    until the frame is answered. A frame stays with its worker. The second one is woken only if a frame is waiting when
    the faces of the one before it are found, so it costs nothing while the tracker keeps up.
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
        workers = 2 if options.overlap and tracker.overlaps else 1
        self._workers = [
            threading.Thread(target=self._work, name=f"worker-{source.stream_id}-{i}", daemon=True)
            for i in range(workers)
        ]
        self._finding = threading.Lock()  # of the mailbox and `find`
        self._estimating = (
            threading.Lock()
        )  # of everything after `find`; taken while `_finding` is held: in order
        self._leaving = threading.Lock()
        self._working = workers
        self._seq = options.first_seq
        self._pending_assignments: deque[tuple[int, str | None, OnAssigned]] = deque()
        self._taken_s: deque[float] = deque()  # when the frames in work were taken, the oldest first

    def __enter__(self) -> "Pipeline":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Starts to read and to answer. Raises what a sink raises that cannot be opened."""
        if self._owns_sinks:
            self._sinks.open([self.info()])
        # Of this process: the pictures are small, and OpenCV's own threads would wait for them in loops.
        cv2.setNumThreads(1)
        for worker in self._workers:
            worker.start()
        self._reader.start()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Waits for the end; False when `timeout_s` passed first."""
        return self._done.wait(timeout_s)

    def stop(self, timeout_s: float = STOP_TIMEOUT_S) -> bool:
        """Ends within about `timeout_s`; False when a source hangs in native code and was abandoned."""
        self._stopping.set()
        self._mailbox.close(discard=True)
        ended = self._reader.stop(timeout_s)
        until_s = time.monotonic() + timeout_s
        for worker in self._workers:
            if worker.is_alive():
                worker.join(max(0.0, until_s - time.monotonic()))
        if self._owns_sinks:
            self._sinks.close()
        return ended and not any(worker.is_alive() for worker in self._workers)

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
        """Seconds since the oldest frame in work was taken; 0 while none is."""
        with suppress(IndexError):  # none; a worker may take it away at any moment
            return self._clock() - self._taken_s[0]
        return 0.0

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

    # --- the worker threads ---

    def _work(self) -> None:
        try:
            while self._answer_next():
                collect(idle=not self._mailbox.waiting)
        except Exception as error:  # a thread has no caller; the owner of the pipeline reads `error`
            self._fail(error)
        finally:
            with self._leaving:
                self._working -= 1
                last = not self._working
            if last:
                self._end()

    def _fail(self, error: Exception) -> None:
        with self._leaving:
            self.error = self.error or error
        self._stopping.set()
        self._mailbox.close(discard=True)

    def _end(self) -> None:
        if self.error is None:
            self._ended = self._mailbox.finished and not self._stopping.is_set()
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

    def _answer_next(self) -> bool:
        """Takes the next frame and answers it; False when there is nothing more to do."""
        with ExitStack() as finding:
            finding.enter_context(self._finding)
            if self._stopping.is_set():
                return False
            frame = self._mailbox.get(TICK_S)
            if frame is None:
                with self._estimating:
                    self._apply_pending_assignments()
                return not self._mailbox.finished
            self.meter.started()
            taken_s = self._clock()
            self._taken_s.append(taken_s)
            with span("find", frame.seq):
                faces = self._tracker.find(frame)
            found_s = self._clock()
            with self._estimating:
                if self._mailbox.waiting:
                    finding.close()  # the other worker finds the faces in that frame meanwhile
                if self.error is not None:  # of the frame before this one: none is answered after it
                    return False
                self._apply_pending_assignments()
                self._answer(frame, faces, taken_s, found_s)
                self._taken_s.popleft()
        return True

    def _answer(self, frame: Frame, faces: Faces, taken_s: float, found_s: float) -> None:
        with span("estimate", frame.seq):
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
        with span("deliver", frame.seq):
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
