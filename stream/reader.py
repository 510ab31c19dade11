"""The thread that drains a source into a mailbox, and the one that watches over it and connects again."""

import logging
import math
import random
import threading
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field

from mtclar.engine.data_types import Frame
from mtclar.engine.errors import MtclarError, SourceError
from mtclar.stream.mailbox import Mailbox
from mtclar.stream.protocol.messages import SourceState, StatusMessage
from mtclar.stream.sources.base import Source
from mtclar.stream.sources.pace import paced

log = logging.getLogger(__name__)

OnStatus = Callable[[StatusMessage], None]

PERIOD_SHARE = 0.2
"""What the newest gap counts in the measured period between pictures."""

LONGEST_PERIOD_S = 5.0
"""A longer gap is an interruption: it counts no more than this."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a live source may be silent, and how reconnecting is spaced. Seconds."""

    silence_s: float = 2.0  # stalled after this, or after `silence_frames` periods if that is longer
    silence_frames: int = 10
    connect_s: float = 12.0  # from connecting to the first picture
    stalled_s: float = 3.0  # stalled for this long: the connection is given up
    again_s: float = 0.3  # before the first try when a connection was lost that gave pictures
    first_retry_s: float = 1.0
    longest_retry_s: float = 30.0
    jitter: float = (
        0.2  # a retry comes up to this share earlier or later, so that cameras do not all come at once
    )
    probe_often_s: float = 0.5  # how often a lost server is looked for in the first `often_s`, and after them
    often_s: float = 60.0
    probe_seldom_s: float = 5.0
    tick_s: float = 0.1
    hanging: int = 4  # connections in native code that were given up: with so many, no other is begun

    def silence(self, fps: float | None, measured_period_s: float = 0.0) -> float:
        """Seconds without a picture after which a source that announces `fps` is stalled.

        A camera that exposes longer in the dark is slower than it says: the period that was measured counts as well.
        """
        return max(self.silence_s, self.silence_frames * max(1.0 / fps if fps else 0.0, measured_period_s))

    def retry(self, attempt: int, random_share: float) -> float:
        """Seconds to wait before try `attempt` (from 0), `random_share` in [0, 1]."""
        return self.spread(
            min(self.first_retry_s * 2.0 ** min(attempt, 16), self.longest_retry_s), random_share
        )

    def spread(self, wait_s: float, random_share: float) -> float:
        """`wait_s`, up to `jitter` of it earlier or later."""
        return wait_s * (1.0 + self.jitter * (2.0 * random_share - 1.0))


PUSHED = Patience(connect_s=math.inf, stalled_s=math.inf)
"""For pictures that somebody sends: whoever has not come, or stopped for a while, may come at any time."""


@dataclass(eq=False)
class _Connection:
    """One run through `source.frames()` in a thread of its own, which can be left behind if it hangs."""

    frames: Iterator[Frame]
    began_s: float
    over: threading.Event = field(default_factory=threading.Event)
    left: threading.Event = field(default_factory=threading.Event)
    last_frame_s: float | None = None
    period_s: float = 0.0  # between pictures, as measured: a mean over the last few
    error: Exception | None = None
    thread: threading.Thread | None = None

    def note_frame(self, now_s: float) -> None:
        """A picture has come."""
        if self.last_frame_s is not None:
            gap_s = min(now_s - self.last_frame_s, LONGEST_PERIOD_S)
            self.period_s += (gap_s - self.period_s) * (PERIOD_SHARE if self.period_s else 1.0)
        self.last_frame_s = now_s

    @property
    def hangs(self) -> bool:
        """Given up, and still in native code."""
        return self.left.is_set() and not self.over.is_set()


class Reader:
    """Reads a source for ever if it is live, or to its end; says how it is through `on_status`.

    A live source that ends, fails or hangs is connected to again, with growing pauses that a cheap look at the server
    cuts short. A connection that hangs in native code is left to itself and counted in `abandoned`; while as many as
    `patience.hanging` do so at the same time, no other is begun.
    """

    def __init__(
        self,
        source: Source,
        mailbox: Mailbox,
        *,
        on_status: OnStatus | None = None,
        clock: Callable[[], float] = time.monotonic,
        patience: Patience | None = None,
    ) -> None:
        self.error: Exception | None = None
        self.reconnects = 0
        self.abandoned = 0
        self._source = source
        self._mailbox = mailbox
        self._on_status = on_status
        self._clock = clock
        self._patience = patience or Patience()
        self._stopped = threading.Event()
        self._state: tuple[SourceState, str | None] | None = None
        self._connection: _Connection | None = None
        self._left: list[_Connection] = []
        self._thread = threading.Thread(target=self._run, name=f"reader-{source.stream_id}", daemon=True)

    def start(self) -> None:
        """Begins to read."""
        self._thread.start()

    def stop(self, timeout_s: float) -> bool:
        """Ends reading; False when a thread hangs in native code and was left behind (it is a daemon)."""
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

    # --- the watching thread ---

    def _run(self) -> None:
        try:
            if self._source.live:
                self._read_for_ever()
            else:
                self._read_once()
        except Exception as error:  # handed to whoever waits: a thread has no caller
            self.error = error
        finally:
            ended = (
                not self._stopped.is_set()
            )  # asked first: whoever sees the mailbox closed may stop this reader
            self._mailbox.close()
            if ended:
                self._say("ended", reason=None if self.error is None else _why(self.error))

    def _read_once(self) -> None:
        self._say("connecting")
        connection = self._connect()
        while not connection.over.wait(self._patience.tick_s):
            if connection.last_frame_s is not None:
                self._say("live")
            if self._stopped.is_set():
                return
        if connection.error is not None:
            raise connection.error
        self._say("live")  # a short file may be over before the first look

    def _read_for_ever(self) -> None:
        attempt = 0
        while self._may_connect():
            self._say("connecting")
            connection = self._connect()
            reason = self._watch(connection)
            if self._stopped.is_set():
                return
            if connection.error is not None and not isinstance(connection.error, MtclarError):
                raise connection.error  # a fault of ours: trying again would hide it
            if connection.last_frame_s is not None:
                attempt = 0
                self.reconnects += 1
                self._say("stalled", reason=reason)
                wait_s = self._patience.spread(self._patience.again_s, random.random())
            else:
                wait_s = self._patience.retry(attempt, random.random())
                attempt += 1
            self._say("reconnecting", retry_s=wait_s, reason=reason)
            self._wait_to_retry(wait_s)

    def _watch(self, connection: _Connection) -> str:
        """Waits until the connection is over or given up; why, in words."""
        patience = self._patience
        while not connection.over.wait(patience.tick_s):
            if self._stopped.is_set():
                return "stopped"
            now_s = self._clock()
            if connection.last_frame_s is None:
                if now_s - connection.began_s > patience.connect_s:
                    return self._leave(connection, f"no picture within {patience.connect_s:g} s")
                continue
            silent_s = now_s - connection.last_frame_s
            limit_s = patience.silence(self._source.fps, connection.period_s)
            if silent_s > limit_s + patience.stalled_s:
                return self._leave(connection, f"no picture for {silent_s:.1f} s")
            if silent_s > limit_s:
                self._say("stalled", reason=f"no picture for {limit_s:.3g} s")
            else:
                self._say("live")
        return "the stream ended" if connection.error is None else _why(connection.error)

    def _leave(self, connection: _Connection, reason: str) -> str:
        """Gives up a connection that does not answer; its thread ends by itself, or never."""
        connection.left.set()
        self.abandoned += 1
        self._left = [other for other in self._left if other.hangs] + [connection]
        log.warning("%s: %s; connection given up", self._source.label, reason)
        return reason

    def _may_connect(self) -> bool:
        """Waits while too many connections hang; False when the reader was stopped."""
        while not self._stopped.is_set():
            hanging = sum(connection.hangs for connection in self._left)
            if hanging < self._patience.hanging:
                return True
            self._say("reconnecting", reason=f"{hanging} connections hang; waiting for one of them to end")
            self._stopped.wait(self._patience.tick_s)
        return False

    def _wait_to_retry(self, wait_s: float) -> None:
        """Waits, but less when the source was unreachable and is now back."""
        patience = self._patience
        began_s = self._clock()
        was_away = self._source.reachable() is False  # at once: it may be back before the first look below
        while not self._stopped.is_set():
            waited_s = self._clock() - began_s
            every_s = patience.probe_often_s if waited_s < patience.often_s else patience.probe_seldom_s
            if waited_s >= wait_s or self._stopped.wait(min(every_s, wait_s - waited_s)):
                return
            there = self._source.reachable()
            # Only a return counts: a server that is there and refuses would be asked without a pause.
            if there and was_away:
                return
            was_away = was_away or there is False

    def _say(self, state: SourceState, retry_s: float | None = None, reason: str | None = None) -> None:
        """Passes the state on when it changes."""
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
        connection.thread = threading.Thread(
            target=self._drain, args=(connection,), name=f"source-{self._source.stream_id}", daemon=True
        )
        self._connection = connection
        connection.thread.start()
        return connection

    def _drain(self, connection: _Connection) -> None:
        try:
            for frame in connection.frames:
                if self._stopped.is_set() or connection.left.is_set():
                    return
                connection.note_frame(self._clock())
                if not self._mailbox.put(frame):
                    return
        except Exception as error:  # told to the watching thread, which decides what it means
            connection.error = error
        finally:
            # At once: one that was given up and woke again would keep its socket until nobody knows it any more.
            if isinstance(connection.frames, Generator):
                connection.frames.close()
            connection.over.set()


def _why(error: Exception) -> str:
    return error.what if isinstance(error, SourceError) else type(error).__name__
