"""Faces of many streams through one encoder: requests within a few milliseconds run as one batch.

Each stream's worker submits its own faces and waits. The first one becomes the leader: it collects the others' requests
until all streams have submitted, the batch is full or the time is up, runs the network once and distributes the
results. Requests run in the order of submission, and a stream has one at a time, so no stream can starve another.
"""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mtclar.engine.backends.session import Arrays, Closeable, InferenceSession, Shape
from mtclar.engine.errors import BackendError

Result = dict[str, NDArray[np.generic]]

MAX_BATCH = 64
DEFAULT_WAIT_MS = 2.0


@dataclass(eq=False)
class _Request:
    """One stream's faces, and their result."""

    feeds: Arrays
    rows: int
    submitted_s: float
    result: Result | None = None
    error: BaseException | None = None
    done: bool = False


@dataclass(slots=True)
class BatchCounts:
    """Counts of batches so far."""

    runs: int = 0
    rows: int = 0
    largest: int = 0
    by_stream: dict[str, int] = field(default_factory=dict)  # completed requests


class Batcher:
    """Shares one session between streams; `join` returns the session of one stream. Close the shared one last."""

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
        self._pending: list[_Request] = []
        self._has_leader = False
        self._running = threading.Lock()  # one run at a time: a backend's session belongs to one thread
        self._changed = threading.Condition()
        self._streams = 0

    def join(self, stream_id: str) -> "BatchedSession":
        """The session of one more stream."""
        with self._changed:
            self._streams += 1
            self.counts.by_stream[stream_id] = 0
        return BatchedSession(self, stream_id, self._session)

    def leave(self) -> None:
        """A stream has ended: batches no longer wait for it."""
        with self._changed:
            self._streams -= 1
            self._changed.notify_all()

    def submit(self, stream_id: str, feeds: Arrays) -> Result:
        """Runs the session on these feeds as part of a batch; raises what the session raises for that batch."""
        request = _Request(feeds, len(next(iter(feeds.values()), ())), self._clock())
        with self._changed:
            self._pending.append(request)
            self._changed.notify_all()
            while not request.done:
                if not self._has_leader:
                    self._has_leader = True
                    break
                self._changed.wait()
        if not request.done:
            self._lead(request)
        with self._changed:
            self.counts.by_stream[stream_id] += 1
        if request.error is not None:
            raise request.error
        assert request.result is not None, "a request that is done has a result or an error"
        return request.result

    def _lead(self, own: _Request) -> None:
        """Runs batches until the leader's own request is done; then another worker leads."""
        try:
            while not own.done:
                with self._running:
                    batch = self._collect()
                    self._run_batch(batch)
                with self._changed:
                    for request in batch:
                        request.done = True
                    self._changed.notify_all()
        finally:
            with self._changed:
                self._has_leader = False
                self._changed.notify_all()

    def _collect(self) -> list[_Request]:
        """The next batch in the order of submission; no request waits longer than `wait_ms` for others."""
        with self._changed:
            deadline_s = self._pending[0].submitted_s + self._wait_s
            while (
                len(self._pending) < self._streams
                and sum(request.rows for request in self._pending) < self._max_batch
                and (remaining_s := deadline_s - self._clock()) > 0
            ):
                self._changed.wait(remaining_s)
            batch = [self._pending.pop(0)]
            rows = batch[0].rows
            while self._pending and rows + self._pending[0].rows <= self._max_batch:
                batch.append(self._pending.pop(0))
                rows += batch[-1].rows
            return batch

    def _run_batch(self, batch: list[_Request]) -> None:
        """Runs the network once for a batch and stores results or the error."""
        try:
            if len(batch) == 1:
                batch[0].result = self._session.run(batch[0].feeds)
            else:
                joined = {
                    name: np.concatenate([request.feeds[name] for request in batch])
                    for name in batch[0].feeds
                }
                results = self._session.run(joined)
                start = 0
                for request in batch:
                    rows = slice(start, start + request.rows)
                    request.result = {name: array[rows] for name, array in results.items()}
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

    def run(self, feeds: Arrays) -> Result:
        if self._closed:
            raise BackendError("the session is closed")
        return self._batcher.submit(self._stream_id, feeds)

    def bind(self, feeds: Arrays) -> InferenceSession:  # noqa: ARG002
        raise BackendError("a batched session binds no inputs", "bind them before it is shared")

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._batcher.leave()
