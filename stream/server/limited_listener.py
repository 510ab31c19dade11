"""The listening socket that lets in only as many connections as there is room for, in all and from one address."""

import socket
from collections import Counter
from collections.abc import Callable

from mtclar.stream.server.quotas import address_of

BACKLOG = 256  # connections that the system may hold until they are accepted


class LimitedListener(socket.socket):
    """A listening socket for an event loop; counts a connection from accepting it to closing it.

    Here and not in the server, because a connection that says nothing (or never finishes its TLS handshake) costs a
    file descriptor all the same, and the server would not hear of it. Without room a connection is closed at once.
    """

    room = 0  # connections at once
    room_per_address = 0
    refused = 0  # connections that were closed at once

    def __init__(self, fileno: int) -> None:
        super().__init__(fileno=fileno)
        self._inside: Counter[str] = Counter()

    @property
    def inside(self) -> int:
        """How many connections are open."""
        return self._inside.total()

    def accept(self) -> tuple[socket.socket, object]:
        """As a socket's own; ConnectionAbortedError, which event loops pass over, for one that was refused."""
        plain, peer = super().accept()
        address = address_of(peer)
        if self.inside >= self.room or self._inside[address] >= self.room_per_address:
            self.refused += 1
            plain.close()
            raise ConnectionAbortedError("no room")
        self._inside[address] += 1
        return _CountedConnection(plain.detach(), lambda: self._leave(address)), peer

    def _leave(self, address: str) -> None:
        self._inside[address] -= 1
        if not self._inside[address]:
            del self._inside[address]


class _CountedConnection(socket.socket):
    """A connection that says when it is closed."""

    def __init__(self, fileno: int, on_close: Callable[[], None]) -> None:
        super().__init__(fileno=fileno)
        self._on_close: Callable[[], None] | None = on_close

    def close(self) -> None:
        """As a socket's own."""
        on_close, self._on_close = self._on_close, None
        super().close()
        if on_close is not None:
            on_close()


def open_listener(host: str, port: int, room: int, room_per_address: int) -> LimitedListener:
    """Listens on the first address that `host` stands for; '' is all of this machine. Raises OSError, OverflowError."""
    if not 0 <= port <= 65535:
        raise OverflowError(port)
    if not host:
        both = socket.has_dualstack_ipv6()
        family, address = (socket.AF_INET6, ("::", port)) if both else (socket.AF_INET, ("0.0.0.0", port))
    else:
        both = False
        family, *_, found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[
            0
        ]
        address = (found[0], port, *found[2:])
    plain = socket.create_server(address, family=family, backlog=BACKLOG, dualstack_ipv6=both)
    listener = LimitedListener(plain.detach())
    listener.room, listener.room_per_address = room, room_per_address
    return listener
