"""The mailbox between the reader and the worker of a stream: a named freshness policy, and a count of its drops."""

import threading
from collections import deque
from typing import Literal

from mtclar.engine.data_types import Frame

Freshness = Literal["latest", "paced", "all"]
"""`latest`: a newer frame replaces an older one. `paced`: the same for a file in real time. `all`: keeps all frames."""

FRESHNESS: tuple[Freshness, ...] = ("latest", "paced", "all")

BACKLOG_FRAMES = 8
"""How far the reader may be ahead with `all`: enough to cover one slow frame; 200 MB of 4K pictures."""


class Mailbox:
    """Passes frames from one thread to another; closing it wakes both at once."""

    def __init__(self, freshness: Freshness, backlog: int = BACKLOG_FRAMES) -> None:
        self.freshness = freshness
        self._blocking = freshness == "all"
        self._capacity = backlog if self._blocking else 1
        self._frames: deque[Frame] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._dropped = 0

    @property
    def dropped(self) -> int:
        """Frames that a newer one has replaced so far."""
        return self._dropped

    @property
    def finished(self) -> bool:
        """Whether it is closed and empty, so that no frame can follow."""
        with self._changed:
            return self._closed and not self._frames

    @property
    def waiting(self) -> bool:
        """Whether a frame is inside."""
        return bool(self._frames)

    def put(self, frame: Frame) -> bool:
        """Adds a frame; with `all` waits for room. False when the mailbox is closed: stop reading."""
        with self._changed:
            if self._blocking:
                self._changed.wait_for(lambda: self._closed or len(self._frames) < self._capacity)
            if self._closed:
                return False
            if len(self._frames) == self._capacity:
                self._frames.popleft()
                self._dropped += 1
            self._frames.append(frame)
            self._changed.notify_all()
            return True

    def get(self, timeout_s: float) -> Frame | None:
        """The oldest waiting frame; None after `timeout_s` without one, or at once when `finished`."""
        with self._changed:
            self._changed.wait_for(lambda: self._frames or self._closed, timeout_s)
            if not self._frames:
                return None
            frame = self._frames.popleft()
            self._changed.notify_all()
            return frame

    def close(self, discard: bool = False) -> None:
        """Takes no more frames; those inside can still be read, unless `discard`."""
        with self._changed:
            self._closed = True
            if discard:
                self._frames.clear()
            self._changed.notify_all()
