"""The streams of one worker: renews that it lives, claims what is free, gives away what it should, notices losses."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import nats.errors

from mtclar.stream.bus.connection import BusConnection, words
from mtclar.stream.bus.subjects import new_epoch
from mtclar.stream.fleet.placement import Facts, Owner, targets, to_release
from mtclar.stream.fleet.store import LEASE_S, Store

log = logging.getLogger(__name__)

TICK_S = 0.5
PAUSED_S = 1.5
"""After such a pause, as of a frozen process, what was seen before says nothing about who is alive."""

TURN_S = 1.5
"""A free stream is for its target; after this time for any worker."""

AGAIN_S = 30.0
"""A stream that failed here is not claimed here again for so long."""

BALANCE_S = 10.0
"""Between two streams that a worker gives away to a less busy one: its load is measured anew meanwhile."""

CLAIMS_AT_ONCE = 8
UNSEEN_S = 2.0
FORGOTTEN_S = 600.0
"""The entry of a worker that has been dead for so long is deleted."""

STORE_ERRORS = (nats.errors.Error, OSError, TimeoutError)  # ConnectionError is one


class Leases:
    """Runs on the connection's loop until it is cancelled.

    `on_take(stream, epoch)` is called when a stream is this worker's, also when its epoch has changed;
    `on_drop(stream)` when it is no longer; that is awaited before another may have it. `load` is the process's, 0..1.
    """

    def __init__(
        self,
        connection: BusConnection,
        worker: str,
        wanted: Iterable[str],
        *,
        on_take: Callable[[str, int], None],
        on_drop: Callable[[str], Awaitable[None]],
        load: Callable[[], float] = lambda: 0.0,
        balance: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.worker = worker
        self.owned: dict[str, int] = {}  # stream -> epoch
        self.troubles: dict[str, str] = {}  # stream -> why it failed here
        self.trouble: str | None = "the store of the fleet was not read yet"
        self.load = 0.0  # as it was last put into the store
        self._connection = connection
        self._store = Store(connection, clock)
        self._wanted = frozenset(wanted)
        self._on_take, self._on_drop, self._measure_load = on_take, on_drop, load
        self._balance = balance
        self._clock = clock
        self._ready = False
        self._last_tick_s = clock()
        self._since_s = clock()  # others are watched without a break since then
        self._own_seen: tuple[int, float] = (
            0,
            clock(),
        )  # the last revision of the own entry, and when it was seen
        self._free_s: dict[str, float] = {}  # since when a stream is free
        self._failed_s: dict[str, float] = {}
        self._balanced_s = clock()

    def reopen(self) -> None:
        """After a new connection: the store may be another one."""
        self._ready = False

    def fail(self, stream: str, reason: str) -> None:
        """The stream cannot run here; on the loop."""
        self.troubles[stream] = reason
        self._failed_s[stream] = self._clock()

    async def run(self) -> None:
        """Does everything, again and again."""
        try:
            while True:
                try:
                    await self._tick()
                    self.trouble = None
                except STORE_ERRORS as error:
                    self._ready = False
                    self._since_s = self._clock()
                    trouble = f"the store of the fleet cannot be reached: {words(error)}"
                    if self.trouble != trouble and self._connection.connected:
                        log.warning("%s; the streams go on", trouble)
                    self.trouble = trouble
                await asyncio.sleep(TICK_S)
        finally:
            await self._store.close()

    async def leave(self) -> None:
        """Gives everything away, so that others need not wait for the lease to end."""
        await self._store.put("worker", self.worker, self._entry() | {"leaving": True})
        await asyncio.gather(*map(self._release, list(self.owned)))
        await self._store.delete("worker", self.worker)

    async def _tick(self) -> None:
        now_s = self._clock()
        if now_s - self._last_tick_s > PAUSED_S:
            self._since_s = now_s
        self._last_tick_s = now_s
        if not self._connection.connected:
            raise ConnectionError(self._connection.trouble)
        if not self._ready:
            await self._store.open()
            await self._store.wait_complete(LEASE_S)
            self._ready, self._since_s = True, self._clock()
            self._own_seen = (0, self._clock())
        await self._store.put("worker", self.worker, self._entry())
        self._check_watch()
        facts = self._store.facts(self._wanted, self._since_s)
        await self._keep(facts)
        await self._claim(facts)
        await self._give_away(facts)
        for name in self._store.dead_workers(FORGOTTEN_S):
            await self._store.delete("worker", name)

    def _entry(self) -> dict[str, Any]:
        self.load = round(self._measure_load(), 3)
        return {"load": self.load, "streams": sorted(self.owned), "troubles": self.troubles}

    def _check_watch(self) -> None:
        """Raises TimeoutError when the watch is silent: then nobody's death may be concluded from it."""
        seen = self._store.seen("worker", self.worker)
        if seen is not None and seen.revision != self._own_seen[0]:
            self._own_seen = (seen.revision, self._clock())
        elif self._clock() - self._own_seen[1] > UNSEEN_S:
            raise TimeoutError("changes are not seen")

    async def _keep(self, facts: Facts) -> None:
        """What the store says of the own streams."""
        for stream, epoch in list(self.owned.items()):
            owner = facts.owners.get(stream)
            if owner is None:  # the store was emptied
                if not await self._take(stream, None, epoch):
                    await self._lose(stream, "another worker has it")
            elif owner.worker != self.worker or owner.epoch != epoch:
                await self._lose(stream, f"{owner.worker or 'nobody'} has it")
            elif stream in self._failed_s and self._clock() - self._failed_s[stream] < AGAIN_S:
                await self._release(stream)

    async def _claim(self, facts: Facts) -> None:
        now_s = self._clock()
        free = set(facts.free)
        self._free_s = {stream: self._free_s.get(stream, now_s) for stream in free}
        for stream, since_s in list(self._failed_s.items()):
            if now_s - since_s > AGAIN_S:
                del self._failed_s[stream]
                self.troubles.pop(stream, None)
        if now_s - self._since_s < LEASE_S:
            return
        claims = 0
        for stream, target in targets(facts).items():
            late = now_s - self._free_s[stream] > TURN_S and not facts.members[self.worker].draining
            may = stream not in self._failed_s and stream not in self.owned
            if may and (target == self.worker or late) and claims < CLAIMS_AT_ONCE:
                owner = facts.owners.get(stream)
                claims += await self._take(stream, owner, owner.epoch if owner else 0)

    async def _take(self, stream: str, owner: Owner | None, after: int) -> bool:
        epoch = new_epoch(after)
        before = None if owner is None else owner.revision
        if await self._store.change_owner(stream, self.worker, epoch, before) is None:
            return False
        self.owned[stream] = epoch
        self.troubles.pop(stream, None)
        log.info("%s is ours, epoch %d", stream, epoch)
        self._on_take(stream, epoch)
        return True

    async def _give_away(self, facts: Facts) -> None:
        rested = self._clock() - self._balanced_s > BALANCE_S
        stream = to_release(facts, self.worker, self.owned.keys(), balance=self._balance and rested)
        if stream is not None:
            self._balanced_s = self._clock()
            log.info("%s is given away", stream)
            await self._release(stream)

    async def _release(self, stream: str) -> None:
        """Stops it, then says that it is free."""
        epoch = self.owned.pop(stream)
        await self._on_drop(stream)
        seen = self._store.seen("stream", stream)
        if seen is not None and seen.value.get("worker") == self.worker and seen.value.get("epoch") == epoch:
            await self._store.change_owner(stream, None, epoch, seen.revision)

    async def _lose(self, stream: str, reason: str) -> None:
        log.warning("%s is no longer ours: %s", stream, reason)
        del self.owned[stream]
        await self._on_drop(stream)
