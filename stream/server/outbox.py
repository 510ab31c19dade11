"""Messages and calls from any thread to the event loop of the server."""

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from mtclar.engine.errors import ServeError
from mtclar.stream.server.limits import MAX_QUEUED

Item = TypeVar("Item")


class Outbox(Generic[Item]):
    """A bounded queue that any thread fills. While a loop serves, `wake` is called there once for what waits."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._items: deque[Item] = deque()
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None  # while it serves

    def __len__(self) -> int:
        return len(self._items)

    @property
    def is_open(self) -> bool:
        """Whether a loop serves."""
        return self._loop is not None

    def open(self, loop: asyncio.AbstractEventLoop) -> None:
        """The loop serves from now on."""
        self._loop = loop

    def close(self) -> bool:
        """No loop serves any more; False if none did. What waits can still be taken."""
        with self._lock:
            was_open = self._loop is not None
            self._loop = None
            return was_open

    def put(self, item: Item) -> None:
        """Adds an item, if a loop serves. Raises ServeError beyond MAX_QUEUED."""
        with self._lock:
            if self._loop is None:
                return
            if len(self._items) >= MAX_QUEUED:
                raise ServeError("the server's event loop does not process messages any more")
            self._items.append(item)
            if len(self._items) == 1:  # otherwise a wake-up is already scheduled
                self._loop.call_soon_threadsafe(self._wake)

    def take(self) -> list[Item]:
        """All items that wait."""
        with self._lock:
            items = list(self._items)
            self._items.clear()
            return items

    def call(self, work: Callable[..., object], *arguments: object) -> None:
        """Calls `work` on the loop, if one serves."""
        with self._lock:
            if self._loop is not None:
                self._loop.call_soon_threadsafe(work, *arguments)
