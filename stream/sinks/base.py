"""The base class of sinks, and the group that delivers messages to many of them without letting one stop the others.

A sink that may wait (a network, a slow disk) gets a thread and a bounded queue of its own from the group. Its failures
are counted and logged; only a sink that is `required` ends the run by one.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType, TracebackType
from typing import ClassVar, Self

from mtclar.engine.support_set import SupportSet
from mtclar.stream.protocol.messages import (
    AffectMessage,
    MarkMessage,
    ModelInfo,
    StatusMessage,
    StreamInfo,
    SubjectsMessage,
)

log = logging.getLogger(__name__)

QUEUE_MESSAGES = 256
"""Waiting messages of a sink with its own thread: eight seconds at 30 a second; the oldest is dropped beyond that."""

CLOSE_TIMEOUT_S = 3.0
"""A sink that does not return within this time at the end is abandoned with what waits for it."""


class Sink:
    """Receives what the pipelines of a run produce. Override the methods that matter; each does nothing by default.

    With `own_thread` every method is called from one thread of the sink's own, in order, and may wait. Without it
    `affect` and `subjects` are called by the workers of all streams, `status` by their readers, `mark` by the server's
    event loop and other threads: they must be safe for threads and return at once. A `required` sink ends the run when
    it fails.
    """

    own_thread: ClassVar[bool] = True
    required: ClassVar[bool] = False
    model: ModelInfo | None = None
    """The networks of the run, known before `open`."""

    supports: Mapping[str, Sequence[SupportSet]] = MappingProxyType({})
    """The support sets of each stream at present, known before `open`."""

    trouble: str | None = None
    """Why the sink cannot do its work at present, such as a full disk; it goes on by itself. Clients are told."""

    def open(self, streams: Sequence[StreamInfo]) -> None:
        """Called before the first message, on the caller's thread; raise MtclarError to refuse the run."""

    def affect(self, message: AffectMessage) -> None:
        """The faces of one frame."""

    def status(self, message: StatusMessage) -> None:
        """The state of a source has changed."""

    def mark(self, message: MarkMessage) -> None:
        """Somebody has marked a moment, in one stream or (`stream` is None) in all."""

    def subjects(self, message: SubjectsMessage) -> None:
        """The support sets of a stream have changed; called before the first `affect` that uses them."""

    def close(self) -> object:
        """Called after the last message, perhaps twice; what it returns is ignored."""


class SinkGroup:
    """Several sinks as one: `open`, messages from any thread, `close`. A context manager that closes.

    Messages before `open` reach no sink, but marks wait for it: clients may mark while the sources still connect.
    """

    def __init__(self, sinks: Sequence[Sink] = ()) -> None:
        self._deliveries = list(map(Delivery, sinks))
        self._lock = threading.Lock()  # of the one that follows
        self._early_marks: deque[MarkMessage] | None = deque(maxlen=QUEUE_MESSAGES)  # None once open

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def deliveries(self) -> "Sequence[Delivery]":
        """The sinks with their counts, in the order given."""
        return self._deliveries

    @property
    def trouble(self) -> str | None:
        """The trouble of the first sink that has any."""
        return next((one.sink.trouble for one in self._deliveries if one.sink.trouble), None)

    def attach(self, *sinks: Sink) -> "Sequence[Delivery]":
        """Adds sinks; before `open`. Returns them with their counts."""
        attached = list(map(Delivery, sinks))
        self._deliveries += attached
        return attached

    def open(self, streams: Sequence[StreamInfo]) -> None:
        """Opens every sink; closes those already open and raises when one cannot be opened."""
        try:
            for delivery in self._deliveries:
                delivery.open(streams)
        except BaseException:
            self.close()
            raise
        with self._lock:
            early, self._early_marks = self._early_marks or (), None
        for mark in early:
            self.mark(mark)

    def affect(self, message: AffectMessage) -> None:
        """Delivers one `affect` message. Raises what a required sink raised."""
        for delivery in self._deliveries:
            delivery.call(partial(delivery.sink.affect, message))

    def status(self, message: StatusMessage) -> None:
        """Delivers one `status` message. Raises what a required sink raised."""
        for delivery in self._deliveries:
            delivery.call(partial(delivery.sink.status, message))

    def mark(self, message: MarkMessage) -> None:
        """Delivers one `mark` message, when the sinks are open.

        What a required sink raises waits for the next `affect`: whoever marks must not be the one to get it.
        """
        with self._lock:
            if self._early_marks is not None:
                self._early_marks.append(message)
                return
        for delivery in self._deliveries:
            delivery.post(partial(delivery.sink.mark, message))

    def subjects(self, message: SubjectsMessage) -> None:
        """Delivers one `subjects` message. Raises what a required sink raised."""
        for delivery in self._deliveries:
            delivery.call(partial(delivery.sink.subjects, message))

    def close(self) -> None:
        """Closes every sink, then raises what the first required one raised. Safe to call twice."""
        errors = [error for delivery in self._deliveries if (error := delivery.close()) is not None]
        if errors:
            raise errors[0]


class Delivery:
    """One sink of a group: how it is called, and what went wrong.

    `failures` counts exceptions, `dropped` messages that a full queue lost. The first failure is logged when it
    happens, both counts when the sink is closed.
    """

    def __init__(self, sink: Sink) -> None:
        self.sink = sink
        self.name = type(sink).__name__
        self.failures = 0
        self.dropped = 0
        self._error: Exception | None = None  # of a required sink, until a caller has got it
        self._queue: deque[Callable[[], None]] = deque()
        self._changed = threading.Condition()
        self._open = False
        self._thread: threading.Thread | None = None

    def open(self, streams: Sequence[StreamInfo]) -> None:
        """Opens the sink, and starts its thread if it has one."""
        self.sink.open(streams)
        self._open = True
        if self.sink.own_thread:
            self._thread = threading.Thread(target=self._work, name=f"sink-{self.name}", daemon=True)
            self._thread.start()

    def call(self, work: Callable[[], None]) -> None:
        """Does `work` with the sink, at once or on the sink's thread; raises what a required sink raised."""
        self.post(work)
        if self._open:
            self._raise_error()

    def post(self, work: Callable[[], None]) -> None:
        """As `call`, but raises nothing: the next `call` or `close` does."""
        if not self._open:
            return
        if self._thread is None:
            self._try(work)
        else:
            with self._changed:
                if len(self._queue) == QUEUE_MESSAGES:
                    self._queue.popleft()
                    self.dropped += 1
                self._queue.append(work)
                self._changed.notify()

    def close(self) -> Exception | None:
        """Delivers what waits and closes the sink; what a required sink raised meanwhile."""
        if self._open:
            with self._changed:
                self._open = False
                self._changed.notify()
            if self._thread is None:
                self._try(self.sink.close)
            else:
                self._thread.join(CLOSE_TIMEOUT_S)
                if self._thread.is_alive():
                    log.warning("%s did not end within %g s", self.name, CLOSE_TIMEOUT_S)
            if self.failures or self.dropped:
                log.warning("%s: %d failures, %d messages dropped", self.name, self.failures, self.dropped)
        error, self._error = self._error, None
        return error

    def _raise_error(self) -> None:
        error, self._error = self._error, None
        if error is not None:
            raise error

    def _try(self, work: Callable[[], object]) -> None:
        try:
            work()
        except Exception as error:
            self.failures += 1
            if self.sink.required:
                self._error = error
            elif self.failures == 1:
                log.warning("%s failed: %s: %s", self.name, type(error).__name__, error)

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._queue or not self._open)
                if not self._queue:
                    break
                work = self._queue.popleft()
            self._try(work)
        self._try(self.sink.close)
