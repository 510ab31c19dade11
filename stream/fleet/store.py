"""The facts of a fleet in NATS' key-value store, watched: workers, owners of streams, wishes, drains.

Entries, as JSON:

    worker.NAME    {"load": 0.4, "streams": [...]}, put again and again: it proves that the worker lives;
                   at its end with "leaving", so that nobody expects it to take a stream
    stream.NAME    {"worker": NAME or null, "epoch": N}, changed only by compare and set
    wish.NAME      the worker that should have the stream
    drain.NAME     the worker takes no stream and gives its own away
"""

import asyncio
import json
import logging
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import nats.errors
from nats.js.errors import BucketNotFoundError, KeyNotFoundError, KeyWrongLastSequenceError
from nats.js.kv import KeyValue

from mtclar.stream.bus.connection import BusConnection
from mtclar.stream.bus.subjects import key, name_of
from mtclar.stream.fleet.placement import Facts, Member, Owner

log = logging.getLogger(__name__)

LEASE_S = 2.5
"""A worker whose entry has not changed for so long, as seen by another, is dead."""

REQUEST_S = 1.5
OPERATIONS_THAT_DELETE = ("DEL", "PURGE")


@dataclass(slots=True)
class _Seen:
    """The last state of one key."""

    value: dict[str, Any]
    revision: int
    seen_s: float


@dataclass(slots=True)
class Store:
    """For the loop of the connection's thread. `clock` is monotonic."""

    connection: BusConnection
    clock: Callable[[], float] = time.monotonic
    entries: dict[str, _Seen] = field(default_factory=dict)
    complete: bool = False  # all entries that there were have been read
    _bucket: KeyValue | None = None
    _watch: asyncio.Task[None] | None = None

    async def open(self, *, create: bool = True) -> None:
        """Finds or makes the bucket, and reads all of it anew. Raises nats.errors.Error, TimeoutError."""
        bus = self.connection.bus
        jetstream = self.connection.client.jetstream(timeout=REQUEST_S)
        name = f"{bus.prefix}-fleet"
        try:
            self._bucket = await jetstream.key_value(name)
        except BucketNotFoundError:
            if not create:
                raise
            self._bucket = await jetstream.create_key_value(bucket=name, history=1, replicas=bus.replicas)
        await self.close()
        self.complete = False
        self._watch = asyncio.create_task(self._read())

    async def close(self) -> None:
        """Ends the watch."""
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)

    async def wait_complete(self, timeout_s: float) -> None:
        """Returns when everything was read. Raises TimeoutError."""
        async with asyncio.timeout(timeout_s):
            while not self.complete:
                await asyncio.sleep(0.02)

    async def put(self, kind: str, name: str, value: dict[str, Any]) -> int:
        """Sets an entry, whatever it was; its revision."""
        return await self._opened.put(f"{kind}.{key(name)}", json.dumps(value).encode())

    async def delete(self, kind: str, name: str) -> None:
        """Deletes an entry, if there is one."""
        with suppress(KeyNotFoundError):
            await self._opened.delete(f"{kind}.{key(name)}")

    async def change_owner(
        self, stream: str, worker: str | None, epoch: int, before: int | None
    ) -> int | None:
        """Sets the owner if the entry is still at revision `before` (None: there is none); its revision, or None."""
        place, value = f"stream.{key(stream)}", json.dumps({"worker": worker, "epoch": epoch}).encode()
        try:
            if before is None:
                revision = await self._opened.create(place, value)
            else:
                revision = await self._opened.update(place, value, last=before)
        except KeyWrongLastSequenceError:
            return None
        seen = _Seen({"worker": worker, "epoch": epoch}, revision, self.clock())
        if (known := self.entries.get(f"stream.{key(stream)}")) is None or known.revision < revision:
            self.entries[f"stream.{key(stream)}"] = seen
        return revision

    def facts(self, wanted: frozenset[str], since_s: float = 0.0) -> Facts:
        """What is known; workers that were not seen for LEASE_S, counted from `since_s` at the earliest, are dead."""
        now_s = self.clock()
        drains = set(self._named("drain"))
        owners = {
            name: Owner(seen.value["worker"], seen.value["epoch"], seen.revision)
            for name, seen in self._named("stream").items()
        }
        counts = Counter(owner.worker for owner in owners.values())
        members = {
            name: Member(
                name,
                float(seen.value.get("load", 0)),
                counts[name],
                name in drains or bool(seen.value.get("leaving")),
            )
            for name, seen in self._named("worker").items()
            if now_s - max(seen.seen_s, since_s) < LEASE_S
        }
        wishes = {name: seen.value["worker"] for name, seen in self._named("wish").items()}
        return Facts(members, owners, wishes, wanted)

    def dead_workers(self, for_s: float) -> list[str]:
        """Workers that were not seen for so long."""
        now_s = self.clock()
        return [name for name, seen in self._named("worker").items() if now_s - seen.seen_s > for_s]

    def seen(self, kind: str, name: str) -> _Seen | None:
        """The last known state of an entry."""
        return self.entries.get(f"{kind}.{key(name)}")

    @property
    def _opened(self) -> KeyValue:
        if self._bucket is None:
            raise ConnectionError("the store is not open")
        return self._bucket

    def _named(self, kind: str) -> dict[str, _Seen]:
        return {
            name_of(place.partition(".")[2]): seen
            for place, seen in self.entries.items()
            if place.startswith(f"{kind}.")
        }

    async def _read(self) -> None:
        """Follows all changes; what there was before this watch and is not there now is forgotten."""
        try:
            watcher = await self._opened.watchall()
            found: set[str] = set()
            async for entry in watcher:
                if entry is None:
                    for place in self.entries.keys() - found:
                        del self.entries[place]
                    self.complete = True
                    continue
                if not self.complete:
                    found.add(entry.key)
                self._take(entry)
        except (nats.errors.Error, OSError, TimeoutError) as error:
            log.debug("the watch has ended: %s", error)

    def _take(self, entry: KeyValue.Entry) -> None:
        if entry.operation in OPERATIONS_THAT_DELETE:
            self.entries.pop(entry.key, None)
            return
        revision = entry.revision or 0
        known = self.entries.get(entry.key)
        if known is not None and known.revision >= revision and self.complete:
            return
        try:
            value = json.loads(entry.value or b"")
        except ValueError:
            log.warning("the entry %s of the store is no JSON", entry.key)
            return
        if isinstance(value, dict):
            self.entries[entry.key] = _Seen(value, revision, self.clock())
