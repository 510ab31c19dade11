"""`mtclar-stream watch`: prints the messages of a running server, as a live view or one JSON object per line."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mtclar.cli.options import ServerTokenOption, TokenFileOption, read_token
from mtclar.engine.errors import MtclarError, UsageError
from mtclar.engine.secret_files import warn_if_readable

if TYPE_CHECKING:
    from websockets.sync.client import ClientConnection

    from mtclar.cli.terminal import Terminal

OPEN_TIMEOUT_S = 10.0
CLOSE_TIMEOUT_S = 1.0
FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 10.0
POLICY_VIOLATION = 1008  # RFC 6455: how the server closes on a wrong token

Receive = Callable[[dict[str, Any]], bool]
"""Takes one message; returns False when its output has no reader left."""

Wait = Callable[[str], None]
"""Gets the reason for waiting for the server."""


class UnreachableError(MtclarError):
    """The server cannot be reached or closed the connection; a retry may succeed."""


def command(
    url: Annotated[str, typer.Argument(help="The server's websocket: ws://127.0.0.1:8765/ws")],
    token: ServerTokenOption = None,
    token_file: TokenFileOption = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one message per line, as the server sends it.")
    ] = False,
    count: Annotated[int | None, typer.Option(min=1, help="End after this many affect messages.")] = None,
    reconnect: Annotated[
        bool, typer.Option("--reconnect", help="Wait for a server that cannot be reached or has stopped.")
    ] = False,
) -> None:
    """Print a server's stream in this terminal; Ctrl-C ends it."""
    from mtclar.cli.terminal import Terminal

    address = websocket_address(url)
    secret = read_token(token, token_file)
    warn_if_readable(token_file)
    console = Terminal()
    try:
        if as_json:
            _watch_json(address, secret, console, count, reconnect)
        else:
            _watch_live(address, secret, console, count, reconnect)
    except KeyboardInterrupt:
        return


def websocket_address(url: str) -> str:
    """`url` as a websocket address, `/ws` added where the path is missing; raises UsageError."""
    from urllib.parse import urlsplit, urlunsplit

    try:
        parts = urlsplit(url)
        usable = bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or parts.scheme not in ("ws", "wss"):
        raise UsageError("this is not the address of a websocket", "write ws://127.0.0.1:8765/ws")
    if parts.username or parts.password or parts.query:
        raise UsageError("the address must not hold a token or password", "use --token-file")
    path = parts.path if parts.path not in ("", "/") else "/ws"
    return urlunsplit((parts.scheme, parts.netloc, path, "", ""))


def _watch_json(
    address: str, token: str | None, console: "Terminal", count: int | None, reconnect: bool
) -> None:
    """One message per line; other texts go to stderr."""
    import json

    from mtclar.cli.terminal import Terminal, print_text

    errors = Terminal(stderr=True)

    def receive(message: dict[str, Any]) -> bool:
        line = json.dumps(message, separators=(",", ":"), ensure_ascii=False)
        if not line.isprintable():
            line = json.dumps(message, separators=(",", ":"))
        console.out(line, highlight=False)
        return not console.pipe_closed

    def wait(reason: str) -> None:
        print_text(errors, f"waiting for {address}: {reason}")

    _watch(address, token, receive, wait if reconnect else None, count)


def _watch_live(
    address: str, token: str | None, console: "Terminal", count: int | None, reconnect: bool
) -> None:
    from mtclar.cli.terminal import print_text
    from mtclar.stream.sinks.live_view import LiveView

    bye: str | None = None
    with LiveView(address, console) as view:

        def receive(message: dict[str, Any]) -> bool:
            nonlocal bye
            if message["type"] == "hello":
                streams = ", ".join(stream["label"] for stream in message["streams"])
                view.title = f"{address}  {streams}"
                bye = None
                view.queued = any(stream.get("freshness") == "all" for stream in message["streams"])
            elif message["type"] == "affect":
                view.affect(message)
            elif message["type"] == "status":
                view.status(message)
            elif message["type"] == "mark":
                view.mark(message)
            elif message["type"] == "bye":
                bye = message["reason"]
            return not console.pipe_closed

        def wait(reason: str) -> None:
            view.status({"stream": address, "state": "waiting for the server", "reason": reason})

        _watch(address, token, receive, wait if reconnect else None, count)
    if bye is not None:
        print_text(console, f"The server closed the connection: {bye}.")


def _watch(address: str, token: str | None, receive: Receive, wait: Wait | None, count: int | None) -> None:
    """Passes messages to `receive` until it returns False, `count` affect messages have come or the server sends bye.

    With `wait`, reconnects to a server that cannot be reached or sent bye; `wait` gets each new reason once.
    """
    import time

    wait_s = FIRST_WAIT_S
    remaining = count
    last_reason: str | None = None
    while True:
        try:
            with connected(address, token) as connection:
                for message in messages(connection, token):
                    wait_s, last_reason = FIRST_WAIT_S, None
                    if not receive(message):
                        return
                    if message["type"] == "bye":
                        if message["code"] == "failed":
                            raise MtclarError(f"the server failed: {message['reason']}")
                        if wait is None:
                            return
                        raise UnreachableError(message["reason"])
                    if message["type"] == "affect" and remaining is not None:
                        remaining -= 1
                        if remaining == 0:
                            return
            raise UnreachableError("the server has closed the connection", "add --reconnect to wait for it")
        except UnreachableError as error:
            if wait is None:
                raise
            if error.what != last_reason:
                last_reason = error.what
                wait(error.what)
        time.sleep(wait_s)
        wait_s = min(2 * wait_s, LONGEST_WAIT_S)


def connected(address: str, token: str | None) -> "ClientConnection":
    """A connection to the server; raises MtclarError, of which an UnreachableError may pass."""
    from ssl import SSLCertVerificationError

    from websockets.exceptions import InvalidStatus, WebSocketException
    from websockets.sync.client import connect
    from websockets.typing import Subprotocol

    from mtclar.stream.protocol.messages import PROTOCOL

    no_protocol = f"{address} does not speak {PROTOCOL}"
    try:
        return connect(
            address,
            subprotocols=[Subprotocol(PROTOCOL)],
            additional_headers=None if token is None else {"Authorization": f"Bearer {token}"},
            open_timeout=OPEN_TIMEOUT_S,
            close_timeout=CLOSE_TIMEOUT_S,
            proxy=None,  # the server is on this machine or network
        )
    except InvalidStatus as error:
        status = error.response.status_code
        if status in (401, 403):
            raise _token_error(token) from error
        raise MtclarError(f"{no_protocol} (HTTP {status})", "check port and path") from error
    # AssertionError: the sync client of websockets 17 sometimes raises it when a server sends before the handshake.
    except (WebSocketException, AssertionError) as error:
        raise MtclarError(no_protocol, "check the port") from error
    except TimeoutError as error:
        raise UnreachableError(
            f"{address} did not answer within {OPEN_TIMEOUT_S:.0f} s", "check the port"
        ) from error
    except SSLCertVerificationError as error:  # a retry cannot help
        raise MtclarError(
            f"the certificate of {address} is not trusted: {error.verify_message}",
            "set SSL_CERT_FILE to the file of your own certificate, and use the host name that it contains",
        ) from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise UnreachableError(
            f"cannot reach {address}: {reason}", "is mtclar-stream running there?"
        ) from error


def messages(connection: "ClientConnection", token: str | None) -> Iterator[dict[str, Any]]:
    """Each message, until the server closes the connection normally."""
    import json

    from websockets.exceptions import ConnectionClosed, ConnectionClosedOK

    from mtclar.stream.protocol.messages import PROTOCOL

    if connection.subprotocol != PROTOCOL:
        raise MtclarError(f"the server does not speak {PROTOCOL}", "check the port")
    while True:
        try:
            text = connection.recv()
        except ConnectionClosedOK:
            return
        except ConnectionClosed as error:
            if error.rcvd is not None and error.rcvd.code == POLICY_VIOLATION:
                raise MtclarError("the server rejected this client", error.rcvd.reason) from error
            raise UnreachableError(
                "the connection was lost", "add --reconnect to wait for the server"
            ) from error
        try:
            message = json.loads(text)
            kind = message["type"]
        except (ValueError, TypeError, KeyError) as error:
            raise MtclarError("the server sent something that is not mtclar.v1") from error
        if kind == "error" and message["code"] in ("token_required", "bad_token"):
            raise _token_error(token)
        yield message


def _token_error(token: str | None) -> UsageError:
    if token is None:
        return UsageError("this server requires a token", "add --token-file or --token")
    return UsageError("wrong token for this server", "it was set when the server was started")
