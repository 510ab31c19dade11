"""What `mtclar-stream fleet` asks and changes: the state of the fleet, wishes, drains, support sets."""

import asyncio
import logging
import time
from collections.abc import Coroutine
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass
from typing import Any, TypeVar

import nats.errors
from nats.js.errors import BucketNotFoundError

from mtclar.engine.errors import MtclarError, ServeError, UsageError
from mtclar.stream.bus.address import Bus
from mtclar.stream.bus.connection import BusConnection, words
from mtclar.stream.fleet.placement import Facts
from mtclar.stream.fleet.sets import put_set
from mtclar.stream.fleet.store import LEASE_S, Store

CONNECT_S = 5.0
ANSWER_S = 15.0
EVERYWHERE = "any"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class FleetState:
    """What the store says at one moment."""

    facts: Facts
    troubles: dict[str, str]  # stream -> why it failed on some worker


class Control:
    """A short connection to the bus; a context manager. Raises ServeError when the bus cannot be reached in time."""

    def __init__(self, bus: Bus) -> None:
        # Its caller gets the reason as an error.
        self._connection = BusConnection(bus, "mtclar-stream fleet", log_level=logging.DEBUG)

    def __enter__(self) -> "Control":
        self._connection.start()
        if not self._connection.wait_connected(CONNECT_S):
            self._connection.close()
            raise ServeError(self._connection.trouble or "the bus cannot be reached")
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def state(self) -> FleetState:
        """Workers that are alive, and who has which stream. Takes a moment: a worker is alive when it changes."""
        return self._do(self._state(watch_s=LEASE_S))

    def move(self, stream: str, worker: str) -> None:
        """From now on the stream belongs on this worker, or on any. Raises UsageError for an unknown name."""
        self._do(self._move(stream, worker))

    def drain(self, worker: str, *, undo: bool = False) -> None:
        """The worker gives its streams away and takes none; with `undo` it takes some again."""
        self._do(self._drain(worker, undo))

    def put_set(self, name: str, payload: bytes) -> None:
        """Stores an encrypted support set."""
        self._do(put_set(self._connection, name, payload))

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        try:
            return self._connection.run(work).result(ANSWER_S)
        except MtclarError:
            raise
        except BucketNotFoundError as error:
            raise UsageError("there is no fleet on this bus", "start a worker first") from error
        except (nats.errors.Error, OSError, TimeoutError, FutureTimeoutError) as error:
            raise ServeError(f"the store of the fleet cannot be reached: {words(error)}") from error

    async def _opened(self) -> Store:
        store = Store(self._connection)
        await store.open(create=False)
        await store.wait_complete(LEASE_S)
        return store

    async def _state(self, watch_s: float) -> FleetState:
        store = await self._opened()
        first = {name: seen.revision for name, seen in store.entries.items() if name.startswith("worker.")}
        until_s = time.monotonic() + watch_s
        while time.monotonic() < until_s and any(
            (now := store.entries.get(name)) is not None and now.revision == revision
            for name, revision in first.items()
        ):
            await asyncio.sleep(0.05)
        for name, revision in first.items():
            if (now := store.entries.get(name)) is not None and now.revision == revision:
                del store.entries[name]
        troubles: dict[str, str] = {}
        for name, seen in store.entries.items():
            if name.startswith("worker."):
                troubles |= seen.value.get("troubles", {})
        wanted = frozenset(store.facts(frozenset()).owners) | troubles.keys()
        state = FleetState(store.facts(wanted), troubles)
        await store.close()
        return state

    async def _move(self, stream: str, worker: str) -> None:
        store = await self._opened()
        facts = store.facts(frozenset())
        if stream not in facts.owners:
            raise UsageError(f"there is no stream '{stream}'", "`mtclar-stream fleet status` lists them")
        if worker == EVERYWHERE:
            await store.delete("wish", stream)
        else:
            self._require_worker(facts, worker)
            await store.put("wish", stream, {"worker": worker})
        await store.close()

    async def _drain(self, worker: str, undo: bool) -> None:
        store = await self._opened()
        self._require_worker(store.facts(frozenset()), worker)
        if undo:
            await store.delete("drain", worker)
        else:
            await store.put("drain", worker, {})
        await store.close()

    @staticmethod
    def _require_worker(facts: Facts, worker: str) -> None:
        if worker not in facts.members:
            raise UsageError(
                f"there is no worker '{worker}'", f"one of: {', '.join(sorted(facts.members)) or 'none'}"
            )
