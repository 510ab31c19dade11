"""How the port is opened: the server with its limits, buffers of a connection, what can go wrong, the library's log."""

import asyncio
import errno
import logging
import socket
from collections.abc import Awaitable, Callable, Sequence
from traceback import format_exception

from websockets.asyncio.server import Server as WebsocketServer
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import NegotiationError
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from mtclar.engine.errors import ServeError, UsageError
from mtclar.stream.protocol.client_messages import MAX_CLIENT_MESSAGE_BYTES
from mtclar.stream.protocol.messages import PROTOCOL
from mtclar.stream.server.client import CLOSE_TIMEOUT_S
from mtclar.stream.server.limited_listener import LimitedListener
from mtclar.stream.server.quotas import Limits
from mtclar.stream.server.tls import Certificate

# What a slow client can leave unread inside this machine is old by the time it is read: keep it small.
SEND_BUFFER_BYTES = 64 * 1024
UNSENT_BYTES = WRITE_LIMIT_BYTES = 8 * 1024


async def open_server(
    listener: LimitedListener,
    limits: Limits,
    tls: Certificate | None,
    handle: Callable[[ServerConnection], Awaitable[None]],
    answer: Callable[[ServerConnection, Request], Response | Awaitable[Response] | None],
) -> WebsocketServer:
    """Serves what comes through the listener: `answer` sees each request first, `handle` has the websockets."""
    return await serve(
        handle,
        sock=listener,
        ssl=None if tls is None else tls.context,
        ssl_handshake_timeout=None if tls is None else limits.handshake_s,
        process_request=answer,
        select_subprotocol=_select_subprotocol,
        compression=None,
        server_header=None,
        open_timeout=limits.handshake_s,
        close_timeout=CLOSE_TIMEOUT_S,
        ping_interval=limits.ping_s,
        ping_timeout=limits.ping_s,
        max_size=MAX_CLIENT_MESSAGE_BYTES,
        max_queue=4,
        write_limit=WRITE_LIMIT_BYTES,
        logger=connection_log(),
    )


def _select_subprotocol(_: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    """Ours if it is offered; a client that offers none is welcome, one that offers only others is not."""
    if PROTOCOL in offered:
        return Subprotocol(PROTOCOL)
    if offered:
        raise NegotiationError(f"this server speaks {PROTOCOL}")
    return None


def keep_little_unsent(transport: asyncio.BaseTransport) -> None:
    """Small buffers between a client's mailbox and its network."""
    sock = transport.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
    if hasattr(socket, "TCP_NOTSENT_LOWAT"):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)


def reachable(host: str) -> str:
    """The bound address as one types it into an address bar on this machine."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)
    return f"[{host}]" if ":" in host else host


def require_free(host: str, port: int) -> None:
    """Raises what starting a server there would raise; for whoever has long work to do before it starts one."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server does
        try:
            probe.bind((host, port))
        except OSError as error:
            raise start_error(error, host, port) from error


def start_error(error: Exception, host: str, port: int) -> Exception:
    """Why the port could not be opened, for people; faults that are not the user's stay what they are."""
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
    """The library's log without the handshakes that failed: what strangers send is not our error."""
    log = logging.getLogger(f"{__name__}.connections")
    if not log.filters:
        log.addFilter(_ours)
        log.setLevel(logging.WARNING)  # its debug lines hold every header and message, and so the token
    return log


def _ours(record: logging.LogRecord) -> bool:
    if "opening handshake failed" in record.getMessage():
        return False
    # websockets 17 asserts where a client has closed its half of the connection before it was answered.
    error = record.exc_info[1] if record.exc_info else None
    return not (isinstance(error, AssertionError) and "eof_sent" in "".join(format_exception(error)[-2:]))
