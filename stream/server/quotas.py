"""How much of the server strangers may take: connections, time for a handshake, attempts at the token."""

import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, replace

REMEMBERED_ADDRESSES = 4096
DESCRIPTORS_KEPT = 128  # for sources, files, the libraries; never given to clients


@dataclass(frozen=True, slots=True)
class Limits:
    """What one server allows. Everything beyond is refused, and nobody who is connected notices."""

    clients: int = 1024  # websockets at once
    clients_per_address: int = 256  # of those, from one address (see `address_of`)
    pages: int = 64  # more connections, in all and from one address: for pages, and to say no in words
    handshake_s: float = 5.0  # for TLS, again for the request, and again for the token
    ping_s: float = 20.0  # a half-open connection is noticed after two of these
    guesses: int = 10  # wrong tokens from one address, then one more every `guess_s`
    guess_s: float = 6.0

    def for_descriptors(self, most: int) -> "Limits":
        """The same within `most` file descriptors of the process, if those are fewer."""
        room = max(2, most - DESCRIPTORS_KEPT)
        if self.clients + self.pages <= room:
            return self
        pages = min(self.pages, room // 2)
        clients = room - pages
        per_address = min(self.clients_per_address, clients)
        return replace(self, clients=clients, clients_per_address=per_address, pages=pages)


def allow_descriptors(wanted: int) -> int:
    """Raises this process's own limit on open files towards `wanted` as far as the system lets it; what it is then."""
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
    """Who counts as one: an IPv4 address, or the /64 that an IPv6 host may choose from at will."""
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


@dataclass(slots=True)
class AuthThrottle:
    """Wrong tokens by address: a few, then slowly one after another. Lives on the event loop."""

    limits: Limits
    clock: Callable[[], float] = time.monotonic
    _left: OrderedDict[str, tuple[float, float]] = field(
        default_factory=OrderedDict
    )  # attempts left, and when

    def allows(self, address: str) -> bool:
        """Whether a token from there is looked at at all."""
        return self._now(address) >= 1

    def record_failure(self, address: str) -> None:
        """Counts a wrong one."""
        self._left[address] = (max(0.0, self._now(address) - 1), self.clock())
        self._left.move_to_end(address)
        while len(self._left) > REMEMBERED_ADDRESSES:
            self._left.popitem(last=False)

    def _now(self, address: str) -> float:
        left, at_s = self._left.get(address, (float(self.limits.guesses), 0.0))
        return min(float(self.limits.guesses), left + (self.clock() - at_s) / self.limits.guess_s)
