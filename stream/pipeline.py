"""From a source to messages: reader, mailbox, tracker, sinks; the way of a frame in one place."""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Protocol

from mtclar.engine.data_types import Affect, Faces, Frame
from mtclar.engine.errors import MtclarError, UsageError
from mtclar.stream.mailbox import Freshness, Mailbox
from mtclar.stream.protocol.messages import AffectMessage, LatencyMs, StreamInfo, SubjectInfo
from mtclar.stream.reader import OnStatus, Patience, Reader
from mtclar.stream.sources.base import Source
from mtclar.stream.summary import Meter, Summary

Truth = Callable[[float], tuple[float, float] | None]
"""The V/A that a script gives for a source time, or None where it says nothing."""

TICK_S = 0.2
STOP_TIMEOUT_S = 3.0


class FrameTracker(Protocol):
    """What the pipeline needs of mtclar.engine.tracker.Tracker: its two steps, so that each can be timed."""

    def find(self, frame: Frame) -> Faces:
        """The faces of a frame."""
        ...

    def estimate(self, frame: Frame, faces: Faces) -> Sequence[Affect]:
        """Their affect."""
        ...

    def assign(self, track_id: int, subject: str | None) -> None:
        """Gives a face the support set of a subject; raises MtclarError when there is no such face or subject."""
        ...


class Sink(Protocol):
    """Takes every message, in order, from the worker thread."""

    def publish(self, message: AffectMessage) -> None:
        """An error raised here ends the run."""
        ...


def default_freshness(source: Source) -> Freshness:
    """`latest` for what is live; every frame of a file."""
    return "latest" if source.live else "all"


class Pipeline:
    """Answers the frames of one source. `start`, then `wait`; `stop` ends it early; it is a context manager.

    The pipeline ends when a file ends, when `stop` is called, or when the source, the tracker or a sink fails; the
    failure is then in `error`. `on_frame` gets every answered frame, on the worker's thread. `meter` may be shared with
    a Server (`on_sent=meter.sent`), so that the summary's latency reaches to the socket. `first_seq`: for a stream
    that goes on in front of the same clients.
    """

    def __init__(
        self,
        source: Source,
        tracker: FrameTracker,
        *,
        freshness: Freshness | None = None,
        sinks: Sequence[Sink] = (),
        on_status: OnStatus | None = None,
        truth: Truth | None = None,
        meter: Meter | None = None,
        backend: str | None = None,
        patience: Patience | None = None,
        clock: Callable[[], float] = time.monotonic,
        on_frame: Callable[[Frame], None] | None = None,
        first_seq: int = 0,
    ) -> None:
        self.source = source
        self.freshness: Freshness = freshness or default_freshness(source)
        self.meter = meter or Meter(clock)
        self.error: Exception | None = None
        self.backend = backend or getattr(tracker, "backend", "") or "unknown"
        self._tracker = tracker
        self._sinks = tuple(sinks)
        self._truth = truth
        self._clock = clock
        self._on_frame = on_frame
        self._mailbox = Mailbox(self.freshness)
        self._reader = Reader(source, self._mailbox, on_status=on_status, clock=clock, patience=patience)
        self._stopping = threading.Event()
        self._over = threading.Event()
        self._ended = False  # the source came to its end and every frame was answered
        self._worker = threading.Thread(target=self._work, name=f"worker-{source.stream_id}", daemon=True)
        self._seq = first_seq
        self._wishes: deque[tuple[int, str | None, Callable[[MtclarError | None], None]]] = deque()
        self._taken_s: float | None = None  # when the frame that is being answered was taken

    def __enter__(self) -> "Pipeline":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Begins to read and to answer."""
        self._worker.start()
        self._reader.start()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Waits for the end; False when `timeout_s` passed first."""
        return self._over.wait(timeout_s)

    def stop(self, timeout_s: float = STOP_TIMEOUT_S) -> bool:
        """Ends within about `timeout_s`; False when a source hangs in native code and was left behind."""
        self._stopping.set()
        self._mailbox.close(discard=True)
        ended = self._reader.stop(timeout_s)
        if self._worker.is_alive():
            self._worker.join(timeout_s)
        return ended and not self._worker.is_alive()

    def assign(self, face: int, subject: str | None, answered: Callable[[MtclarError | None], None]) -> None:
        """Has the tracker give a face a subject's support set, between two frames; from any thread, returns at once.

        `answered` is called by the worker thread, or at once after the end; with the reason when it could not be.
        """
        self._wishes.append((face, subject, answered))
        if self._over.is_set():  # asked after it was put down: either this thread or the worker sees it
            self._refuse_wishes()

    def info(self, subjects: Sequence[SubjectInfo] = ()) -> StreamInfo:
        """What `hello` says of this stream; size and rate are known once it is connected."""
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
        """Connections that hung and were left to themselves."""
        return self._reader.abandoned

    @property
    def busy_s(self) -> float:
        """For how long one frame has been worked on; 0 while waiting for the next."""
        taken_s = self._taken_s
        return 0.0 if taken_s is None else self._clock() - taken_s

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
                self._grant_wishes()
                if frame is not None:
                    self._answer(frame)
                elif self._mailbox.finished:
                    self._ended = not self._stopping.is_set()
                    break
        except Exception as error:  # a thread has no caller: it is raised again by whoever asks for `error`
            self.error = error
            self._stopping.set()
            self._mailbox.close(discard=True)
        finally:
            if self.error is None:
                self.error = self._reader.error
            self._over.set()
            self._refuse_wishes()

    def _grant_wishes(self) -> None:
        while self._wishes:
            face, subject, answered = self._wishes.popleft()
            try:
                self._tracker.assign(face, subject)
            except MtclarError as error:
                answered(error)
            else:
                answered(None)

    def _refuse_wishes(self) -> None:
        with suppress(IndexError):  # emptied, perhaps by another thread that found the same
            while True:
                _, _, answered = self._wishes.popleft()
                answered(UsageError("the stream has ended"))

    def _answer(self, frame: Frame) -> None:
        self.meter.started()
        self._taken_s = taken_s = self._clock()
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
        for sink in self._sinks:
            sink.publish(message)
        if self._on_frame is not None:
            self._on_frame(frame)
        self.meter.answered(frame.t_capture_s, with_face=any(face.state != "lost" for face in affects))
        self._taken_s = None
