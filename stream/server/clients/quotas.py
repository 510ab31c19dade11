"""The counters that enforce the limits of a server on its clients."""

import ipaddress
import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

from mtclar.stream.server.limits import REMEMBERED_ADDRESSES


@dataclass(slots=True)
class TokenBucket:
    """Full at first and refilled at `per_s` tokens a second up to `capacity`: bursts pass, floods do not."""

    capacity: float
    per_s: float
    clock: Callable[[], float] = time.monotonic
    _tokens: float = field(init=False)
    _updated_s: float = field(init=False)

    def __post_init__(self) -> None:
        self._tokens, self._updated_s = self.capacity, self.clock()

    @property
    def tokens(self) -> float:
        """How many there are now."""
        now_s = self.clock()
        self._tokens = min(self.capacity, self._tokens + (now_s - self._updated_s) * self.per_s)
        self._updated_s = now_s
        return self._tokens

    def take(self, count: int = 1) -> bool:
        """Takes tokens; False if there are fewer."""
        if self.tokens < count:
            return False
        self._tokens -= count
        return True


class AddressBuckets:
    """A token bucket for each of the last REMEMBERED_ADDRESSES addresses that took a token. For one thread."""

    def __init__(self, capacity: float, per_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._new = partial(TokenBucket, capacity, per_s, clock)
        self._buckets: OrderedDict[str, TokenBucket] = OrderedDict()  # the most recent one is last

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, address: str) -> bool:
        """Takes a token of this address; False if it has none."""
        bucket = self._buckets.pop(address, None) or self._new()
        self._buckets[address] = bucket
        while len(self._buckets) > REMEMBERED_ADDRESSES:
            self._buckets.popitem(last=False)
        return bucket.take()


class ConnectionQuota:
    """Counts open connections, in all and by address. For one thread."""

    def __init__(self, limit: int, limit_per_address: int) -> None:
        self.limit = limit
        self.limit_per_address = limit_per_address
        self._open: Counter[str] = Counter()

    def __len__(self) -> int:
        return self._open.total()

    def exceeded_by(self, address: str) -> Literal["total", "address"] | None:
        """Which limit one more connection from this address would exceed."""
        if self._open.total() >= self.limit:
            return "total"
        return "address" if self._open[address] >= self.limit_per_address else None

    def acquire(self, address: str) -> Callable[[], None]:
        """Counts a connection until the returned function is called."""
        self._open[address] += 1

        def release() -> None:
            self._open[address] -= 1
            if not self._open[address]:
                del self._open[address]

        return release


def allow_descriptors(wanted: int) -> int:
    """Raises this process's limit on open files towards `wanted` as far as the system permits; returns the limit."""
    try:
        import resource  # not on Windows, where sockets are not counted
    except ImportError:
        return wanted
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return wanted
    if soft < wanted:
        raised = wanted if hard == resource.RLIM_INFINITY else max(soft, min(wanted, hard))
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (raised, hard))
        except (OSError, ValueError):  # a sandbox may forbid it
            return soft
        return raised
    return soft


def address_of(peer: object) -> str:
    """What counts as one address: an IPv4 address, or the /64 network of an IPv6 host, which can use all of it."""
    text = str(peer[0]) if isinstance(peer, tuple) and peer else "unknown"
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return text
    if isinstance(address, ipaddress.IPv4Address):
        return text
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, 64), strict=False).network_address)
