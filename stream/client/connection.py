"""One websocket connection of a client: its address, the handshake, and what each refusal means for a person."""

import json
import os
import re
from collections.abc import AsyncIterator
from ssl import SSLCertVerificationError
from urllib.parse import urlsplit, urlunsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, ConnectionClosedOK, InvalidStatus, WebSocketException
from websockets.typing import Subprotocol

from mtclar.engine.errors import MtclarError, UsageError
from mtclar.engine.text import printable
from mtclar.stream.client.inbox import Json
from mtclar.stream.protocol.messages import PROTOCOL
from mtclar.stream.protocol.server_messages import ServerMessage, decode_server

OPEN_TIMEOUT_S = 10.0
CLOSE_TIMEOUT_S = 1.0
MAX_BYTES = 2**24  # of a message: 64 faces with every field are a tenth of it
POLICY_VIOLATION = 1008  # RFC 6455: how the server closes on a wrong token
PATH = "/ws"
TOKEN_ERRORS = ("token_required", "bad_token", "too_many_guesses")
UNAUTHORIZED, TOO_MANY, UNAVAILABLE = 401, 429, 503


class UnreachableError(MtclarError):
    """The server cannot be reached, has no room or closed the connection; a later try may succeed."""


class RefusedError(MtclarError):
    """The server refuses this client or what it asked for; a later try would be refused too."""


class TokenError(RefusedError, UsageError):
    """The token is missing or wrong."""


class NotAServerError(MtclarError):
    """What answers at the address does not speak mtclar.v1."""


def websocket_address(url: str) -> str:
    """`url` as a websocket address, also of HOST:PORT; `/ws` is added where the path is missing. Raises UsageError."""
    if re.search(r"^[^/]+:\d+(/|$)", url):
        url = f"ws://{url}"
    try:
        parts = urlsplit(url)
        usable = bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or parts.scheme not in ("ws", "wss"):
        raise UsageError("this is not the address of a websocket", "write ws://127.0.0.1:8765/ws")
    if parts.username or parts.password or parts.query:
        raise UsageError(
            "the address must not hold a token or password",
            "give it as `token`; on the command line --token-file",
        )
    path = parts.path if parts.path not in ("", "/") else PATH
    return urlunsplit((parts.scheme, parts.netloc, path, "", ""))


class _Connect(connect):
    """Follows no redirect: the token is for this server alone."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


async def open_connection(address: str, token: str | None) -> ClientConnection:
    """An open websocket of mtclar.v1. Raises UnreachableError, RefusedError, or NotAServerError."""
    no_protocol = f"{address} does not speak {PROTOCOL}"
    if token is not None and not (token.isascii() and token.isprintable()):  # no server has such a token
        raise _token_error(token)
    try:
        connection = await _Connect(
            address,
            subprotocols=[Subprotocol(PROTOCOL)],
            additional_headers=None if token is None else {"Authorization": f"Bearer {token}"},
            open_timeout=OPEN_TIMEOUT_S,
            close_timeout=CLOSE_TIMEOUT_S,
            max_size=MAX_BYTES,
            compression=None,  # the server has none
            proxy=None,  # a proxy in the environment must not be asked for a server on this machine or network
        )
    except InvalidStatus as error:
        raise _refusal(error, address, token) from error
    except WebSocketException as error:
        raise NotAServerError(no_protocol, "check the port") from error
    except TimeoutError as error:
        raise UnreachableError(
            f"{address} did not answer within {OPEN_TIMEOUT_S:.0f} s", "check the port"
        ) from error
    except SSLCertVerificationError as error:  # a later try cannot help
        raise MtclarError(
            f"the certificate of {address} is not trusted: {error.verify_message}",
            "set SSL_CERT_FILE to the file of your own certificate, and use the host name that it contains",
        ) from error
    except OSError as error:
        # asyncio has words of its own for each address of a name; the system's are those that people know.
        number = re.search(r"\[Errno (\d+)\]", str(error))
        reason = os.strerror(int(number[1])) if number else error.strerror or str(error)
        raise UnreachableError(
            f"cannot reach {address}: {reason}", "is mtclar-stream running there?"
        ) from error
    if connection.subprotocol != PROTOCOL:
        await connection.close()
        raise NotAServerError(no_protocol, "check the port")
    return connection


async def messages_of(connection: ClientConnection, token: str | None) -> AsyncIterator[Json]:
    """Each message of the server as a JSON object, until it closes the connection normally.

    Raises UnreachableError when the connection is lost, RefusedError when the server refuses this client, and
    NotAServerError for anything that is no message.
    """
    while True:
        try:
            text = await connection.recv()
        except ConnectionClosedOK:
            return
        except ConnectionClosed as error:
            reason = printable(error.rcvd.reason) if error.rcvd is not None else ""
            if error.rcvd is not None and error.rcvd.code == POLICY_VIOLATION:
                raise RefusedError("the server rejected this client", reason) from error
            raise UnreachableError(f"the connection was lost{reason and f': {reason}'}") from error
        try:
            message = json.loads(text)
            code = message["code"] if message["type"] == "error" else None
        except (ValueError, TypeError, KeyError) as error:
            raise NotAServerError(f"the server sent something that is not {PROTOCOL}") from error
        if code in TOKEN_ERRORS:
            raise _token_error(token)
        yield message


def decoded(message: Json) -> ServerMessage | None:
    """A message of the server; None of an unknown type. Raises NotAServerError."""
    try:
        return decode_server(message)
    except ValueError as error:
        raise NotAServerError(str(error)) from error


def _refusal(error: InvalidStatus, address: str, token: str | None) -> MtclarError:
    """The answer to the handshake as an error; the server's own refusals are one line of plain text."""
    status = error.response.status_code
    text = printable((error.response.body or b"").decode(errors="replace").strip())
    if status == UNAUTHORIZED:
        return _token_error(token)
    if status in (TOO_MANY, UNAVAILABLE):
        return UnreachableError(f"{address} has no room for this client: {text}", "try again later")
    if status == 403:
        return RefusedError(f"{address} refuses this client", text)
    return NotAServerError(f"{address} does not speak {PROTOCOL} (HTTP {status})", "check port and path")


def _token_error(token: str | None) -> TokenError:
    if token is None:
        return TokenError(
            "this server requires a token", "give it as `token`; on the command line --token-file"
        )
    return TokenError("wrong token for this server", "it was set when the server was started")
