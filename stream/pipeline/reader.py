"""Reads a source into a mailbox on one thread; another supervises it and reconnects a live source."""

import logging
import math
import random
import threading
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field

from mtclar.engine.data_types import Frame
from mtclar.engine.errors import MtclarError, SourceError
from mtclar.engine.spans import span
from mtclar.stream.pipeline.mailbox import Mailbox
from mtclar.stream.protocol.messages import SourceState, StatusMessage
from mtclar.stream.sources.base import Source
from mtclar.stream.sources.pace import paced

log = logging.getLogger(__name__)

OnStatus = Callable[[StatusMessage], None]

PERIOD_GAIN = 0.2
"""Weight of the newest gap in the measured period between pictures."""

MAX_PERIOD_S = 5.0
"""A longer gap is an interruption and counts as this."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How long a live source may be silent, and how reconnecting is spaced. Seconds."""

    stall_s: float = 2.0  # silence that counts as a stall, or `stall_frames` periods if that is longer
    stall_frames: int = 10
    connect_timeout_s: float = 12.0  # from connecting to the first picture
    stall_timeout_s: float = 3.0  # a connection that is stalled for this long is abandoned
    reconnect_s: float = 0.3  # before the first try after losing a connection that gave pictures
    first_retry_s: float = 1.0
    max_retry_s: float = 30.0
    jitter: float = 0.2  # share by which a wait varies, so that many cameras do not reconnect together
    fast_probe_s: float = 0.5  # interval of `reachable` in the first `fast_probe_for_s`
    fast_probe_for_s: float = 60.0
    slow_probe_s: float = 5.0  # the same afterwards
    tick_s: float = 0.1
    max_hung: int = 4  # abandoned connections that still hang in native code; no new one beyond this

    def stall_after(self, fps: float | None, measured_period_s: float = 0.0) -> float:
        """Seconds without a picture after which a source that announces `fps` is stalled.

        The measured period counts too: a camera that exposes longer in the dark is slower than announced.
        """
        return max(self.stall_s, self.stall_frames * max(1.0 / fps if fps else 0.0, measured_period_s))

    def wait(self, attempt: int, random_share: float) -> float:
        """Seconds to wait before try `attempt` (from 0), `random_share` in [0, 1]."""
        wait_s = min(self.first_retry_s * 2.0 ** min(attempt, 16), self.max_retry_s)
        return self.jittered(wait_s, random_share)

    def jittered(self, wait_s: float, random_share: float) -> float:
        """`wait_s` changed by up to `jitter` of it."""
        return wait_s * (1.0 + self.jitter * (2.0 * random_share - 1.0))


UPLOAD_RETRY = RetryPolicy(connect_timeout_s=math.inf, stall_timeout_s=math.inf)
"""For uploaded pictures: a page that has not connected yet, or paused, may send at any time."""


@dataclass(eq=False)
class _Connection:
    """One run through `source.frames()` in a thread of its own, which can be abandoned when it hangs."""

    frames: Iterator[Frame]
    started_s: float
    done: threading.Event = field(default_factory=threading.Event)
    abandoned: threading.Event = field(default_factory=threading.Event)
    last_frame_s: float | None = None
    period_s: float = 0.0  # measured between pictures: a mean of the last few
    error: Exception | None = None
    thread: threading.Thread | None = None

    def record_frame(self, now_s: float) -> None:
        """Updates the measured period with a picture that arrived at `now_s`."""
        if self.last_frame_s is not None:
            gap_s = min(now_s - self.last_frame_s, MAX_PERIOD_S)
            self.period_s += (gap_s - self.period_s) * (PERIOD_GAIN if self.period_s else 1.0)
        self.last_frame_s = now_s

    @property
    def is_hung(self) -> bool:
        """Whether it was abandoned and is still in native code."""
        return self.abandoned.is_set() and not self.done.is_set()


class Reader:
    """Reads a live source until `stop`, or a file to its end; reports changes of state through `on_status`.

    A live source that ends, fails or hangs is reconnected after growing waits, which end early once its server is
    reachable again. A connection that hangs in native code is abandoned and counted in `abandoned`; no new one starts
    while `retry.max_hung` of them hang.
    """

    def __init__(
        self,
        source: Source,
        mailbox: Mailbox,
        *,
        on_status: OnStatus | None = None,
        clock: Callable[[], float] = time.monotonic,
        retry: RetryPolicy | None = None,
    ) -> None:
        self.error: Exception | None = None
        self.reconnects = 0
        self.abandoned = 0
        self._source = source
        self._mailbox = mailbox
        self._on_status = on_status
        self._clock = clock
        self._retry = retry or RetryPolicy()
        self._stopped = threading.Event()
        self._state: tuple[SourceState, str | None] | None = None
        self._connection: _Connection | None = None
        self._hung: list[_Connection] = []
        self._thread = threading.Thread(target=self._run, name=f"reader-{source.stream_id}", daemon=True)

    def start(self) -> None:
        """Starts to read."""
        self._thread.start()

    def stop(self, timeout_s: float) -> bool:
        """Ends reading; False when a thread hangs in native code and was abandoned (it is a daemon)."""
        self._stopped.set()
        self._source.close()
        self._mailbox.close()
        until_s = self._clock() + timeout_s
        if self._thread.is_alive():
            self._thread.join(timeout_s)
        connection = self._connection
        if connection is not None and connection.thread is not None:
            connection.thread.join(max(0.0, until_s - self._clock()))
            return not connection.thread.is_alive()
        return not self._thread.is_alive()

    # --- the supervising thread ---

    def _run(self) -> None:
        try:
            if self._source.live:
                self._read_live()
            else:
                self._read_once()
        except Exception as error:  # a thread has no caller; the pipeline reads `error`
            self.error = error
        finally:
            ended = not self._stopped.is_set()  # read now: a closed mailbox may make the pipeline stop us
            self._mailbox.close()
            if ended:
                self._report("ended", reason=None if self.error is None else _reason(self.error))

    def _read_once(self) -> None:
        self._report("connecting")
        connection = self._connect()
        while not connection.done.wait(self._retry.tick_s):
            if connection.last_frame_s is not None:
                self._report("live")
            if self._stopped.is_set():
                return
        if connection.error is not None:
            raise connection.error
        self._report("live")  # a short file may end within the first tick

    def _read_live(self) -> None:
        attempt = 0
        while self._may_connect():
            self._report("connecting")
            connection = self._connect()
            reason = self._supervise(connection)
            if self._stopped.is_set():
                return
            if connection.error is not None and not isinstance(connection.error, MtclarError):
                raise connection.error  # a bug: retrying would hide it
            if connection.last_frame_s is not None:
                attempt = 0
                self.reconnects += 1
                self._report("stalled", reason=reason)
                wait_s = self._retry.jittered(self._retry.reconnect_s, random.random())
            else:
                wait_s = self._retry.wait(attempt, random.random())
                attempt += 1
            self._report("reconnecting", retry_s=wait_s, reason=reason)
            self._wait_to_retry(wait_s)

    def _supervise(self, connection: _Connection) -> str:
        """Waits until the connection ends or is abandoned; returns the reason in words."""
        retry = self._retry
        while not connection.done.wait(retry.tick_s):
            if self._stopped.is_set():
                return "stopped"
            now_s = self._clock()
            if connection.last_frame_s is None:
                if now_s - connection.started_s > retry.connect_timeout_s:
                    return self._abandon(connection, f"no picture within {retry.connect_timeout_s:g} s")
                continue
            silent_s = now_s - connection.last_frame_s
            limit_s = retry.stall_after(self._source.fps, connection.period_s)
            if silent_s > limit_s + retry.stall_timeout_s:
                return self._abandon(connection, f"no picture for {silent_s:.1f} s")
            if silent_s > limit_s:
                self._report("stalled", reason=f"no picture for {limit_s:.3g} s")
            else:
                self._report("live")
        return "the stream ended" if connection.error is None else _reason(connection.error)

    def _abandon(self, connection: _Connection, reason: str) -> str:
        """Abandons a connection that does not answer; its thread ends by itself, or never."""
        connection.abandoned.set()
        self.abandoned += 1
        self._hung = [other for other in self._hung if other.is_hung] + [connection]
        log.warning("%s: %s; connection abandoned", self._source.label, reason)
        return reason

    def _may_connect(self) -> bool:
        """Waits while too many connections hang; False when the reader was stopped."""
        while not self._stopped.is_set():
            hung = sum(connection.is_hung for connection in self._hung)
            if hung < self._retry.max_hung:
                return True
            self._report("reconnecting", reason=f"{hung} connections hang; waiting for one of them to end")
            self._stopped.wait(self._retry.tick_s)
        return False

    def _wait_to_retry(self, wait_s: float) -> None:
        """Waits; ends early when the source was unreachable and is reachable again."""
        retry = self._retry
        started_s = self._clock()
        was_unreachable = self._source.reachable() is False  # now: it may be back before the first probe
        while not self._stopped.is_set():
            waited_s = self._clock() - started_s
            every_s = retry.fast_probe_s if waited_s < retry.fast_probe_for_s else retry.slow_probe_s
            if waited_s >= wait_s or self._stopped.wait(min(every_s, wait_s - waited_s)):
                return
            is_reachable = self._source.reachable()
            # Only a change counts: a server that is reachable but refuses would be retried without a pause.
            if is_reachable and was_unreachable:
                return
            was_unreachable = was_unreachable or is_reachable is False

    def _report(self, state: SourceState, retry_s: float | None = None, reason: str | None = None) -> None:
        """Calls `on_status` when the state changes."""
        if (state, reason) == self._state or (self._state and state == self._state[0] == "stalled"):
            return
        self._state = (state, reason)
        if self._on_status is not None:
            self._on_status(StatusMessage(self._source.stream_id, state, retry_s, reason, self.reconnects))

    # --- the reading thread ---

    def _connect(self) -> _Connection:
        frames = self._source.frames()
        if self._mailbox.freshness == "paced" and not self._source.live:
            frames = paced(frames, self._stopped, self._clock)
        connection = _Connection(frames, self._clock())
        thread = threading.Thread(
            target=self._drain, args=(connection,), name=f"source-{self._source.stream_id}", daemon=True
        )
        self._connection = connection
        thread.start()
        connection.thread = thread  # one that could not be started cannot be joined either
        return connection

    def _drain(self, connection: _Connection) -> None:
        try:
            while True:
                with span("read"):
                    frame = next(connection.frames, None)
                if frame is None:
                    return
                if self._stopped.is_set() or connection.abandoned.is_set():
                    return
                connection.record_frame(self._clock())
                with span("put", frame.seq):
                    is_open = self._mailbox.put(frame)
                if not is_open:
                    return
        except Exception as error:  # the supervising thread decides what it means
            connection.error = error
        finally:
            # Now: an abandoned connection that wakes up would otherwise keep its socket.
            if isinstance(connection.frames, Generator):
                connection.frames.close()
            connection.done.set()


def _reason(error: Exception) -> str:
    return error.what if isinstance(error, SourceError) else type(error).__name__
