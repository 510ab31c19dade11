"""What a client has received and its program has not read yet, and which messages are missing in between."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]

MOST_WAITING = 1024  # with delivery `all`: beyond it the client stops reading, and the server notices


@dataclass(frozen=True, slots=True)
class Gap:
    """Messages of a stream that this client did not get; comes just before the next message of that stream."""

    stream: str
    missed: int | None  # how many, by `seq`; None: unknown, as the server was started again
    disconnected_s: (
        float  # how long the client had no connection meanwhile; 0: it or the network was too slow
    )

    def __str__(self) -> str:
        many = "an unknown number of" if self.missed is None else str(self.missed)
        messages = "message" if self.missed == 1 else "messages"
        return f"{self.stream}: {many} {messages} missed, {self.disconnected_s:.1f} s without connection"


@dataclass(frozen=True, slots=True)
class Disconnected:
    """There is no connection, and the client tries again; once for each new reason."""

    reason: str


@dataclass(frozen=True, slots=True)
class _Affect:
    """An `affect` message, and what tells a gap before it."""

    message: Json
    session: str
    disconnected_s: float


class Inbox:
    """Lives on one event loop; iterating takes the items out. `max_hz`: gaps in `seq` are what was asked for."""

    def __init__(self) -> None:
        self.max_hz = False
        self.over = False
        self.error: Exception | None = None
        self._items: dict[
            object, Any
        ] = {}  # in their order; an `affect` by its stream if a newer one replaces it
        self._seen: dict[str, _Affect] = {}  # the last one that the program got, by stream
        self._arrived = asyncio.Event()
        self._room = asyncio.Event()
        self._hurry = False

    def put(self, item: Json | Disconnected) -> None:
        """Adds anything but an `affect`."""
        self._add(object(), item)

    def put_latest(self, message: Json, session: str, disconnected_s: float) -> None:
        """Adds an `affect`, in place of one of its stream that is still here.

        `session` is that of the server; `disconnected_s` the time without connection so far.
        """
        self._items.pop(message["stream"], None)
        self._add(message["stream"], _Affect(message, session, disconnected_s))

    async def put_every(self, message: Json, session: str, disconnected_s: float) -> None:
        """Adds an `affect` when there is room for it."""
        while len(self._items) >= MOST_WAITING and not self._hurry:
            self._room.clear()
            await self._room.wait()
        self._add(object(), _Affect(message, session, disconnected_s))

    def hurry(self, on: bool) -> None:
        """While on, there is always room: an answer is awaited, and it may come behind any number of messages."""
        self._hurry = on
        self._room.set()

    def forget(self) -> None:
        """Drops every `affect`, and what came before the next one: another subscription begins."""
        self._items = {key: item for key, item in self._items.items() if not isinstance(item, _Affect)}
        self._seen.clear()
        self._room.set()

    def end(self, error: Exception | None) -> None:
        """Nothing follows; `error` is raised behind the last item."""
        self.over, self.error = True, error
        self._arrived.set()

    async def __aiter__(self) -> AsyncIterator[Json | Gap | Disconnected]:
        while True:
            while not self._items:
                if self.error is not None:
                    raise self.error
                if self.over:
                    return
                self._arrived.clear()
                await self._arrived.wait()
            item = self._items.pop(next(iter(self._items)))
            self._room.set()
            if isinstance(item, _Affect):
                gap = self._gap_before(item)
                if gap is not None:
                    yield gap
                item = item.message
            yield item

    def _add(self, key: object, item: Any) -> None:
        self._items[key] = item
        self._arrived.set()

    def _gap_before(self, item: _Affect) -> Gap | None:
        stream = item.message["stream"]
        last = self._seen.get(stream)
        self._seen[stream] = item
        if last is None:
            return None
        disconnected_s = item.disconnected_s - last.disconnected_s
        missed = item.message["seq"] - last.message["seq"] - 1 if item.session == last.session else None
        if disconnected_s == 0 and (self.max_hz or not missed):
            return None
        return Gap(stream, missed, disconnected_s)
