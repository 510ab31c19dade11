"""Faces of many streams through one encoder: requests that come within a few milliseconds are answered together.

Each stream's worker asks for its own faces and waits; whoever comes first collects what the others ask for, until all
streams have asked, the batch is full or the time is up, runs the network once and hands out the answers. Requests are
served in the order in which they came, and a stream has one at a time, so none is served twice before another once.
"""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mtclar.engine.backends.session import Arrays, Closeable, InferenceSession, Shape
from mtclar.engine.errors import BackendError

Answer = dict[str, NDArray[np.generic]]

MAX_BATCH = 64
DEFAULT_WAIT_MS = 2.0


@dataclass(eq=False)
class _Request:
    """One stream's faces, and what became of them."""

    feeds: Arrays
    rows: int
    asked_s: float
    answer: Answer | None = None
    error: BaseException | None = None
    done: bool = False


@dataclass(slots=True)
class BatchCounts:
    """What was batched so far."""

    runs: int = 0
    rows: int = 0
    largest: int = 0
    by_stream: dict[str, int] = field(default_factory=dict)  # requests answered


class Batcher:
    """Shares one session between streams; `join` gives each its own view of it. Closed after all streams are."""

    def __init__(
        self,
        session: InferenceSession,
        *,
        wait_ms: float = DEFAULT_WAIT_MS,
        max_batch: int = MAX_BATCH,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.counts = BatchCounts()
        self._session = session
        self._wait_s = wait_ms / 1e3
        self._max_batch = max_batch
        self._clock = clock
        self._waiting: list[_Request] = []
        self._leading = False  # somebody collects
        self._running = threading.Lock()  # one run at a time: a backend's session belongs to one thread
        self._changed = threading.Condition()
        self._streams = 0

    def join(self, stream_id: str) -> "BatchedSession":
        """The session as one stream uses it."""
        with self._changed:
            self._streams += 1
            self.counts.by_stream[stream_id] = 0
        return BatchedSession(self, stream_id, self._session)

    def leave(self) -> None:
        """A stream ended: nobody waits for it any more."""
        with self._changed:
            self._streams -= 1
            self._changed.notify_all()

    def ask(self, stream_id: str, feeds: Arrays) -> Answer:
        """Answers as the session does; raises what the session raises for the batch that these feeds were in."""
        request = _Request(feeds, len(next(iter(feeds.values()), ())), self._clock())
        with self._changed:
            self._waiting.append(request)
            self._changed.notify_all()
            while not request.done:
                if not self._leading:
                    self._leading = True
                    break
                self._changed.wait()
        if not request.done:
            self._lead(request)
        with self._changed:
            self.counts.by_stream[stream_id] += 1
        if request.error is not None:
            raise request.error
        assert request.answer is not None, "a request that is done has an answer or an error"
        return request.answer

    def _lead(self, own: _Request) -> None:
        """Collects, runs, hands out, until the leader's own request is answered; then another leads."""
        try:
            while not own.done:
                with self._running:
                    batch = self._collect()
                    self._answer(batch)
                with self._changed:
                    for request in batch:
                        request.done = True
                    self._changed.notify_all()
        finally:
            with self._changed:
                self._leading = False
                self._changed.notify_all()

    def _collect(self) -> list[_Request]:
        """The next batch, in the order of asking; nobody waits for others longer than was allowed since it asked."""
        with self._changed:
            until_s = self._waiting[0].asked_s + self._wait_s
            while (
                len(self._waiting) < self._streams
                and sum(request.rows for request in self._waiting) < self._max_batch
                and (left_s := until_s - self._clock()) > 0
            ):
                self._changed.wait(left_s)
            batch = [self._waiting.pop(0)]
            rows = batch[0].rows
            while self._waiting and rows + self._waiting[0].rows <= self._max_batch:
                batch.append(self._waiting.pop(0))
                rows += batch[-1].rows
            return batch

    def _answer(self, batch: list[_Request]) -> None:
        """One run for all of them."""
        try:
            if len(batch) == 1:
                batch[0].answer = self._session.run(batch[0].feeds)
            else:
                joined = {
                    name: np.concatenate([request.feeds[name] for request in batch])
                    for name in batch[0].feeds
                }
                answers = self._session.run(joined)
                start = 0
                for request in batch:
                    rows = slice(start, start + request.rows)
                    request.answer = {name: array[rows] for name, array in answers.items()}
                    start += request.rows
        except BaseException as error:
            for request in batch:
                request.error = error
        counts, rows_run = self.counts, sum(request.rows for request in batch)
        counts.runs += 1
        counts.rows += rows_run
        counts.largest = max(counts.largest, rows_run)


class BatchedSession(Closeable):
    """One stream's share, an InferenceSession; closing it leaves the other streams' open."""

    def __init__(self, batcher: Batcher, stream_id: str, session: InferenceSession) -> None:
        self.backend = session.backend
        self.inputs: Mapping[str, Shape] = session.inputs
        self.outputs: Mapping[str, Shape] = session.outputs
        self._batcher = batcher
        self._stream_id = stream_id
        self._closed = False

    def run(self, feeds: Arrays) -> Answer:
        if self._closed:
            raise BackendError("the session is closed")
        return self._batcher.ask(self._stream_id, feeds)

    def bind(self, feeds: Arrays) -> InferenceSession:  # noqa: ARG002
        raise BackendError("a batched session binds no inputs", "bind them before it is shared")

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._batcher.leave()
