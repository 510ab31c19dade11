"""`mtclar-stream watch`: prints what a running server says, as a live view or one JSON message a line."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mtclar.cli.options import TokenFileOption, read_token
from mtclar.engine.errors import MtclarError, UsageError

if TYPE_CHECKING:
    from websockets.sync.client import ClientConnection

    from mtclar.cli.terminal import Terminal

OPEN_TIMEOUT_S = 10.0
CLOSE_TIMEOUT_S = 1.0
FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 10.0
POLICY_VIOLATION = 1008  # RFC 6455: how the server closes on a wrong token

Receive = Callable[[dict[str, Any]], bool]
"""Takes one message; False when nobody reads what comes of it."""

Wait = Callable[[str], None]
"""Is told why the server is being waited for."""


class UnreachableError(MtclarError):
    """The server is not there, or has gone: trying again may help."""


def command(
    url: Annotated[str, typer.Argument(help="The server's websocket: ws://127.0.0.1:8765/ws")],
    token: Annotated[
        str | None, typer.Option(help="The server's token. Others can see it in the process list.")
    ] = None,
    token_file: TokenFileOption = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="One message a line, as the server sends it.")
    ] = False,
    count: Annotated[int | None, typer.Option(min=1, help="End after this many affect messages.")] = None,
    reconnect: Annotated[
        bool, typer.Option("--reconnect", help="Wait for a server that is not there or has gone.")
    ] = False,
) -> None:
    """Print a server's stream in this terminal; Ctrl-C ends it."""
    from mtclar.cli.terminal import Terminal

    address = websocket_address(url)
    secret = read_token(token, token_file)
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
        raise UsageError("the address is not a websocket's", "write it like ws://127.0.0.1:8765/ws")
    if parts.username or parts.password or parts.query:
        raise UsageError("a token or password does not belong into the address", "use --token-file")
    path = parts.path if parts.path not in ("", "/") else "/ws"
    return urlunsplit((parts.scheme, parts.netloc, path, "", ""))


def _watch_json(
    address: str, token: str | None, console: "Terminal", count: int | None, reconnect: bool
) -> None:
    """One message a line; what is not a message goes to stderr."""
    import json

    from mtclar.cli.terminal import Terminal, print_text

    aside = Terminal(stderr=True)

    def receive(message: dict[str, Any]) -> bool:
        console.out(json.dumps(message, separators=(",", ":"), ensure_ascii=False), highlight=False)
        return not console.pipe_closed

    def wait(reason: str) -> None:
        print_text(aside, f"waiting for {address}: {reason}")

    _watch(address, token, receive, wait if reconnect else None, count)


def _watch_live(
    address: str, token: str | None, console: "Terminal", count: int | None, reconnect: bool
) -> None:
    from mtclar.cli.terminal import print_text, printable
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
            elif message["type"] == "bye":
                bye = printable(message["reason"])
            return not console.pipe_closed

        def wait(reason: str) -> None:
            view.status({"stream": address, "state": "waiting for the server", "reason": reason})

        _watch(address, token, receive, wait if reconnect else None, count)
    if bye is not None:
        print_text(console, f"The server said bye: {bye}.")


def _watch(address: str, token: str | None, receive: Receive, wait: Wait | None, count: int | None) -> None:
    """Hands every message to `receive` until that says False, `count` affect messages came or the server says bye.

    With `wait` a server that is not there, or says bye, is waited for, and `wait` is told why, once for each reason.
    """
    import time

    from mtclar.cli.terminal import printable

    wait_s = FIRST_WAIT_S
    left = count
    waited_for: str | None = None
    while True:
        try:
            with _connected(address, token) as connection:
                for message in _messages(connection, token):
                    wait_s, waited_for = FIRST_WAIT_S, None
                    if not receive(message):
                        return
                    if message["type"] == "bye":
                        if message["code"] == "failed":
                            raise MtclarError(f"the server failed: {printable(message['reason'])}")
                        if wait is None:
                            return
                        raise UnreachableError(printable(message["reason"]))
                    if message["type"] == "affect" and left is not None:
                        left -= 1
                        if left == 0:
                            return
            raise UnreachableError("the server has closed the connection", "--reconnect waits for it")
        except UnreachableError as error:
            if wait is None:
                raise
            if error.what != waited_for:
                waited_for = error.what
                wait(error.what)
        time.sleep(wait_s)
        wait_s = min(2 * wait_s, LONGEST_WAIT_S)


def _connected(address: str, token: str | None) -> "ClientConnection":
    from ssl import SSLCertVerificationError

    from websockets.exceptions import InvalidStatus, WebSocketException
    from websockets.sync.client import connect
    from websockets.typing import Subprotocol

    from mtclar.stream.protocol.messages import PROTOCOL

    not_ours = f"{address} does not speak {PROTOCOL}"
    try:
        return connect(
            address,
            subprotocols=[Subprotocol(PROTOCOL)],
            additional_headers=None if token is None else {"Authorization": f"Bearer {token}"},
            open_timeout=OPEN_TIMEOUT_S,
            close_timeout=CLOSE_TIMEOUT_S,
            proxy=None,  # a camera's server is on this network
        )
    except InvalidStatus as error:
        status = error.response.status_code
        if status in (401, 403):
            raise _token_refused(token) from error
        raise MtclarError(f"{not_ours} (HTTP {status})", "is that mtclar-stream's port and path?") from error
    # AssertionError: now and then the sync client of websockets 17 trips over a server that speaks before it was asked.
    except (WebSocketException, AssertionError) as error:
        raise MtclarError(not_ours, "is that mtclar-stream's port?") from error
    except TimeoutError as error:
        raise UnreachableError(
            f"{address} did not answer within {OPEN_TIMEOUT_S:.0f} s", "is that mtclar-stream's port?"
        ) from error
    except SSLCertVerificationError as error:  # waiting for it would not make it known
        raise MtclarError(
            f"the certificate of {address} is not trusted here: {error.verify_message}",
            "name your own one's file in the variable SSL_CERT_FILE, and the host as the certificate does",
        ) from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise UnreachableError(
            f"cannot reach {address}: {reason}", "is mtclar-stream running there?"
        ) from error


def _messages(connection: "ClientConnection", token: str | None) -> Iterator[dict[str, Any]]:
    """Each message; ends when the server closes in good order."""
    import json

    from websockets.exceptions import ConnectionClosed, ConnectionClosedOK

    from mtclar.stream.protocol.messages import PROTOCOL

    if connection.subprotocol != PROTOCOL:
        raise MtclarError(f"the server does not speak {PROTOCOL}", "is that mtclar-stream's port?")
    while True:
        try:
            text = connection.recv()
        except ConnectionClosedOK:
            return
        except ConnectionClosed as error:
            if error.rcvd is not None and error.rcvd.code == POLICY_VIOLATION:
                raise MtclarError("the server has turned this client away", error.rcvd.reason) from error
            raise UnreachableError("the connection was lost", "--reconnect waits for the server") from error
        try:
            message = json.loads(text)
            kind = message["type"]
        except (ValueError, TypeError, KeyError) as error:
            raise MtclarError("the server sent something that is not mtclar.v1") from error
        if kind == "error" and message["code"] in ("token_required", "bad_token"):
            raise _token_refused(token)
        yield message


def _token_refused(token: str | None) -> UsageError:
    if token is None:
        return UsageError("this server wants a token", "add --token-file or --token")
    return UsageError("that is not this server's token", "it was chosen where the server was started")
