"""The limits of a server on its clients, and the counters that enforce them."""

import ipaddress
import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal

REMEMBERED_ADDRESSES = 4096
DESCRIPTORS_KEPT = 128  # for sources, files, the libraries; never given to clients


@dataclass(frozen=True, slots=True)
class Limits:
    """All limits of one server; docs/security.md explains them. Exceeding one affects no other client."""

    clients: int = 1024  # websockets at once
    clients_per_address: int = 256  # of those, from one address (see `address_of`)
    pages: int = 64  # further connections, in all and from one address: for pages and refusals
    handshake_s: float = 5.0  # for TLS, again for the request, and again for the token
    ping_s: float = 20.0  # a half-open connection is noticed after two of these
    wrong_tokens: int = 10  # wrong tokens from one address, then one more every `wrong_token_s`
    wrong_token_s: float = 6.0
    messages_per_s: float = 50.0  # text messages of one client
    frames_per_s: float = 120.0  # binary messages of one client
    broadcasts_per_s: float = 50.0  # marks and assigns of all clients together: each goes to every client
    protocol_errors: int = 20  # of one client
    backlog: int = 1024  # `affect` messages that may wait for a client with delivery `all`: 40 s at 25/s
    control_backlog: int = 256  # other messages that may wait for one client

    def for_descriptors(self, most: int) -> "Limits":
        """The same within `most` file descriptors of the process, if those are fewer."""
        room = max(2, most - DESCRIPTORS_KEPT)
        if self.clients + self.pages <= room:
            return self
        pages = min(self.pages, room // 2)
        clients = room - pages
        per_address = min(self.clients_per_address, clients)
        return replace(self, clients=clients, clients_per_address=per_address, pages=pages)


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
    def empty(self) -> bool:
        """Whether `take` would fail."""
        now_s = self.clock()
        self._tokens = min(self.capacity, self._tokens + (now_s - self._updated_s) * self.per_s)
        self._updated_s = now_s
        return self._tokens < 1

    def take(self) -> bool:
        """Takes one token; False if there is none."""
        if self.empty:
            return False
        self._tokens -= 1
        return True


@dataclass(slots=True)
class AuthThrottle:
    """Limits wrong tokens by address: `wrong_tokens` at once, then one every `wrong_token_s`. For one thread."""

    limits: Limits
    clock: Callable[[], float] = time.monotonic
    _buckets: OrderedDict[str, TokenBucket] = field(default_factory=OrderedDict)

    def allows(self, address: str) -> bool:
        """Whether a token from this address is checked at all."""
        bucket = self._buckets.get(address)
        return bucket is None or not bucket.empty

    def record_failure(self, address: str) -> None:
        """Counts a wrong token."""
        bucket = self._buckets.pop(address, None)
        if bucket is None:
            bucket = TokenBucket(self.limits.wrong_tokens, 1 / self.limits.wrong_token_s, self.clock)
        bucket.take()
        self._buckets[address] = bucket  # the most recent one is last
        while len(self._buckets) > REMEMBERED_ADDRESSES:
            self._buckets.popitem(last=False)


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
