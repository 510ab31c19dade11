"""Between the reader and the worker: a mailbox with a named freshness policy, its drops counted."""

import threading
from collections import deque
from typing import Literal

from mtclar.engine.data_types import Frame

Freshness = Literal["latest", "paced", "all"]
"""`latest`: the newest frame wins. `paced`: the same, for a file released at its own times. `all`: the reader waits."""

FRESHNESS: tuple[Freshness, ...] = ("latest", "paced", "all")

BACKLOG_FRAMES = 8
"""How far the reader may run ahead with `all`: enough to ride out one slow frame, 200 MB of 4K pictures."""


class Mailbox:
    """Frames from one thread to another; closing it wakes both sides at once."""

    def __init__(self, freshness: Freshness, backlog: int = BACKLOG_FRAMES) -> None:
        self.freshness = freshness
        self._waits = freshness == "all"
        self._capacity = backlog if self._waits else 1
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
        """True when it is closed and empty: no frame will come any more."""
        with self._changed:
            return self._closed and not self._frames

    def put(self, frame: Frame) -> bool:
        """Puts a frame in; with `all` waits for room. False: the mailbox is closed, stop reading."""
        with self._changed:
            if self._waits:
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
        """No more frames go in; those that wait can still be taken, unless `discard`."""
        with self._changed:
            self._closed = True
            if discard:
                self._frames.clear()
            self._changed.notify_all()
