"""`mtclar-stream watch`: prints the messages of a running server, as a live view or one JSON object per line."""

from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mtclar.cli.options import ServerTokenOption, TokenFileOption, read_token
from mtclar.engine.files.secret_files import warn_if_readable

if TYPE_CHECKING:
    from mtclar.cli.display.terminal import Terminal

AGAIN_S = 0.5  # after a server whose source has ended

Receive = Callable[[dict[str, Any]], bool]
"""Takes one message; returns False when its output has no reader left."""

Wait = Callable[[str], None]
"""Gets the reason for waiting for the server."""


def command(
    url: Annotated[str, typer.Argument(help="The server: localhost:8765, or wss://HOST:PORT.")],
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
    from mtclar.cli.display.terminal import Terminal
    from mtclar.stream.client.connection import websocket_address

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


def _watch_json(
    address: str, token: str | None, console: "Terminal", count: int | None, reconnect: bool
) -> None:
    """One message per line; other texts go to stderr."""
    import json

    from mtclar.cli.display.terminal import Terminal, print_text

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
    from mtclar.cli.display.terminal import print_text
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
    """Passes messages to `receive` until it returns False, `count` affect messages have come or the server has ended.

    With `wait`, waits for a server that cannot be reached or has ended; `wait` gets each new reason once.
    """
    import time
    from collections.abc import AsyncIterator

    from mtclar.stream.client import Client, Disconnected, UnreachableError
    from mtclar.stream.client.script import in_thread

    async def items() -> AsyncIterator[Any]:
        async with Client(address, token=token, reconnect=wait is not None, wait=wait is not None) as client:
            async for item in client.raw():
                yield item

    remaining = count
    while True:
        try:
            with closing(in_thread(items)) as received:
                for item in received:
                    if isinstance(item, Disconnected) and wait is not None:
                        wait(item.reason)
                    if not isinstance(item, dict):
                        continue
                    if not receive(item):
                        return
                    if item["type"] == "bye" and item["code"] == "ended" and wait is not None:
                        wait(item["reason"])
                    if item["type"] == "affect" and remaining is not None:
                        remaining -= 1
                        if remaining == 0:
                            return
        except UnreachableError as error:
            raise UnreachableError(error.what, error.hint or "add --reconnect to wait for it") from error
        if wait is None:
            return
        time.sleep(AGAIN_S)
