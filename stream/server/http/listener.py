"""The listening socket with its quota, the websocket library's server on it, and why a port cannot be opened."""

import asyncio
import errno
import logging
import socket
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from traceback import format_exception
from typing import Any, cast

from websockets.asyncio.server import Server as WebsocketServer
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import NegotiationError
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from mtclar.engine.errors import ServeError, UsageError, machine_refusal
from mtclar.stream.protocol.messages import PROTOCOL
from mtclar.stream.server.clients.connection import CLOSE_TIMEOUT_S, LimitedConnection, Unfinished
from mtclar.stream.server.clients.quotas import AddressBuckets, ConnectionQuota, address_of
from mtclar.stream.server.config import DEFAULT_HOST, ServerConfig
from mtclar.stream.server.http.tls import Certificate
from mtclar.stream.server.limits import (
    ACCEPT_BACKLOG,
    ACCEPTED_AT_ONCE,
    SEND_BUFFER_BYTES,
    UNSENT_BYTES,
    WRITE_LIMIT_BYTES,
    Limits,
)

log = logging.getLogger(__name__)

CLOSING_STEP_S = 0.01


class LimitedListener(socket.socket):
    """A listening socket for an event loop that counts each connection from accepting it to closing it.

    The websocket library only sees connections that send a request; one that never finishes its TLS handshake costs a
    file descriptor as well. A connection beyond the quota is closed at once.
    """

    def __init__(self, fileno: int, limits: Limits) -> None:
        super().__init__(fileno=fileno)
        at_once = limits.clients_per_address + limits.pages
        self.quota = ConnectionQuota(limits.clients + limits.pages, at_once)
        self.rate = AddressBuckets(at_once, limits.connections_per_s)
        self.refused = 0
        self.closing = False  # refuses every connection
        self._open: set[_CountedConnection] = set()

    def listen(self, _: int = 0) -> None:
        """Holds ACCEPT_BACKLOG connections: an event loop asks for as many as it accepts in a turn."""
        super().listen(ACCEPT_BACKLOG)

    def accept(self) -> tuple[socket.socket, object]:
        """Like socket.accept; raises ConnectionAbortedError, which event loops ignore, for a refused connection."""
        accepted, peer = super().accept()
        address = address_of(peer)
        if self.closing or self.quota.exceeded_by(address) is not None or not self.rate.take(address):
            self.refused += 1
            accepted.close()
            raise ConnectionAbortedError("too many connections")
        connection = _CountedConnection(accepted.detach(), self.quota.acquire(address), self._open)
        return connection, peer

    def end_connections(self) -> None:
        """Ends both directions of every connection; its transport reads the end and closes it."""
        for connection in self._open:
            with suppress(OSError):  # the other side has ended it
                connection.shutdown(socket.SHUT_RDWR)


class _CountedConnection(socket.socket):
    """A connection that is among those that are open, and has a place in the quota, until it is closed."""

    def __init__(self, fileno: int, release: Callable[[], None], are_open: "set[_CountedConnection]") -> None:
        super().__init__(fileno=fileno)
        self._release: Callable[[], None] | None = release
        self._are_open = are_open
        are_open.add(self)

    def close(self) -> None:
        """Like socket.close."""
        release, self._release = self._release, None
        super().close()
        self._are_open.discard(self)
        if release is not None:
            release()


def open_listener(host: str, port: int, limits: Limits) -> LimitedListener:
    """Listens on the first address of `host`; '' is every address of this machine. Raises OSError, OverflowError."""
    if not 0 <= port <= 65535:
        raise OverflowError(port)
    if not host:
        both = socket.has_dualstack_ipv6()
        family, address = (socket.AF_INET6, ("::", port)) if both else (socket.AF_INET, ("0.0.0.0", port))
    else:
        both = False
        addresses = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, *_, found = addresses[0]
        address = (found[0], port, *found[2:])
    sock = socket.create_server(address, family=family, backlog=ACCEPT_BACKLOG, dualstack_ipv6=both)
    return LimitedListener(sock.detach(), limits)


def open_configured(config: ServerConfig, limits: Limits) -> LimitedListener:
    """Listens where `config` says; without a port of its own, on a free one if the usual one is in use.

    Raises ServeError, UsageError.
    """
    # 'localhost' is two addresses, and port 0 would give each a port of its own.
    host = DEFAULT_HOST if config.host == "localhost" else config.host
    try:
        try:
            return open_listener(host, config.usual_port, limits)
        except OSError as error:
            if config.port is not None or error.errno != errno.EADDRINUSE:
                raise
            return open_listener(host, 0, limits)
    except (OSError, OverflowError) as error:
        raise start_error(error, config.host, config.usual_port) from error


class Serving:
    """The websocket library's server on a listener; lives on the event loop."""

    def __init__(
        self, listener: LimitedListener, server: WebsocketServer, connections: set[LimitedConnection]
    ) -> None:
        self._listener = listener
        self._server = server
        self._connections = connections

    async def end(self) -> None:
        """Listens no more, and closes every connection; clients have CLOSE_TIMEOUT_S to answer that.

        The library waits for strangers that send no request, but not for TLS handshakes, and asyncio never closes a
        connection that it has accepted but not yet begun when its server closes.
        """
        self._listener.closing = True
        # What is accepted gets its transport in the next turn of the loop, and begins in the one after it.
        for _ in range(2):
            await asyncio.sleep(0)
        self._server.close()
        await asyncio.sleep(0)  # it does so in the next turn; TLS connections that begin later see that
        for connection in self._connections:
            if connection.request is None:
                connection.transport.abort()
        with suppress(TimeoutError):  # a client does not read: its buffer would never drain
            async with asyncio.timeout(2 * CLOSE_TIMEOUT_S):
                await self._server.wait_closed()
        for connection in self._connections:
            connection.transport.abort()
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                while self._listener.quota:
                    self._listener.end_connections()
                    await asyncio.sleep(CLOSING_STEP_S)
                await self._server.wait_closed()


async def serve_on(
    listener: LimitedListener,
    limits: Limits,
    tls: Certificate | None,
    handle: Callable[[LimitedConnection], Awaitable[None]],
    answer: Callable[[ServerConnection, Request], Response | Awaitable[Response] | None],
) -> Serving:
    """Serves the listener's connections: `answer` gets each request first, `handle` each websocket."""
    connections: set[LimitedConnection] = set()
    unfinished = Unfinished(limits.unfinished_bytes)
    create = partial(LimitedConnection, limits=limits, unfinished=unfinished, connections=connections)
    server = await serve(
        cast(Callable[[ServerConnection], Awaitable[None]], handle),  # gets what `create` makes
        sock=listener,
        backlog=ACCEPTED_AT_ONCE,
        ssl=None if tls is None else tls.context,
        ssl_handshake_timeout=None if tls is None else limits.handshake_s,
        create_connection=cast(type[ServerConnection], create),
        process_request=answer,
        select_subprotocol=_select_subprotocol,
        compression=None,
        server_header=None,
        open_timeout=None,  # LimitedConnection counts from accepting the connection to the token
        close_timeout=CLOSE_TIMEOUT_S,
        ping_interval=limits.ping_s,
        ping_timeout=limits.ping_s,
        max_size=limits.message_bytes,
        max_queue=4,
        write_limit=WRITE_LIMIT_BYTES,
        logger=connection_log(),
    )
    return Serving(listener, server, connections)


def on_loop_error(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """The loop's exception handler: without a descriptor for a connection, asyncio tries again a second later."""
    if "out of system resource" in context["message"]:
        log.warning("a connection waits: %s", machine_refusal(context["exception"]) or context["message"])
    else:
        loop.default_exception_handler(context)


def _select_subprotocol(_: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    """`mtclar.v1` if it is offered; a client that offers none is admitted, one that offers only others is not."""
    if PROTOCOL in offered:
        return Subprotocol(PROTOCOL)
    if offered:
        raise NegotiationError(f"this server speaks {PROTOCOL}")
    return None


def limit_unsent(transport: asyncio.BaseTransport) -> None:
    """Keeps the system's buffers between a client's mailbox and its network small."""
    if transport.is_closing():  # it has ended while its request waited
        return
    sock = transport.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
    if hasattr(socket, "TCP_NOTSENT_LOWAT"):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)


def reachable(host: str) -> str:
    """The bound address as a browser on this machine needs it."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)
    return f"[{host}]" if ":" in host else host


def require_free(host: str, port: int) -> None:
    """Raises the error that a server would raise at this address; for commands that work long before they serve."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server does
        try:
            probe.bind((host, port))
        except OSError as error:
            raise start_error(error, host, port) from error


def start_error(error: Exception, host: str, port: int) -> Exception:
    """The error of opening a port, for users; errors that are not theirs are returned unchanged."""
    if isinstance(error, OverflowError):
        return UsageError(f"{port} is not a port", "ports are 0 to 65535")
    if not isinstance(error, OSError):
        return error
    if error.errno == errno.EADDRINUSE:
        return ServeError(
            f"port {port} is in use", "stop the other program, or take a free port with --port 0"
        )
    if error.errno == errno.EACCES:
        return ServeError(f"port {port} is not allowed", "use a port above 1023")
    if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
        return ServeError(f"'{host}' is not an address of this machine", "use --host 127.0.0.1")
    return ServeError(f"{host}:{port} cannot be opened: {error.strerror}")


def connection_log() -> logging.Logger:
    """The websocket library's log without failed handshakes: malformed requests of strangers are no errors of ours."""
    log = logging.getLogger(f"{__name__}.connections")
    if not log.filters:
        log.addFilter(_is_our_error)
        log.setLevel(logging.WARNING)  # its debug lines hold every header and message, and so the token
    return log


def _is_our_error(record: logging.LogRecord) -> bool:
    if "opening handshake failed" in record.getMessage():
        return False
    # websockets 17 asserts where a client has closed its half of the connection before it was answered.
    error = record.exc_info[1] if record.exc_info else None
    return not (isinstance(error, AssertionError) and "eof_sent" in "".join(format_exception(error)[-2:]))
