"""`mtclar-stream mark`: marks this moment in a running server, as any client of its websocket may."""

import json
from typing import Annotated, Any

import typer

from mtclar.cli.commands.watch import connected, messages, websocket_address
from mtclar.cli.options import HOST, PORT, ServerTokenOption, TokenFileOption, read_token
from mtclar.engine.errors import MtclarError, UsageError
from mtclar.engine.secret_files import warn_if_readable


def command(
    label: Annotated[str, typer.Argument(help="What happens now, such as 'trial 1'.")],
    url: Annotated[str, typer.Argument(help="The server's websocket.")] = f"ws://{HOST}:{PORT}/ws",
    stream: Annotated[
        str | None, typer.Option(help="The stream to mark, by its name in `hello`; by default all.")
    ] = None,
    token: ServerTokenOption = None,
    token_file: TokenFileOption = None,
) -> None:
    """Mark this moment in a running server, for its CSV file, its log, its clients and its other sinks.

    The mark has the time of its arrival, some tenths of a second after the start of this command. For exact times keep
    a websocket connected, or send LSL markers (`run --markers`).
    """
    from mtclar.cli.terminal import Terminal, print_text
    from mtclar.stream.protocol.client_messages import LABEL_LENGTH

    if not 1 <= len(label) <= LABEL_LENGTH:
        raise UsageError(f"a label has 1 to {LABEL_LENGTH} characters", "write mtclar-stream mark 'trial 1'")
    address = websocket_address(url)
    secret = read_token(token, token_file)
    warn_if_readable(token_file)
    time_s = _mark(address, secret, {"type": "mark", "label": label, "stream": stream})
    print_text(Terminal(), f"Marked: {label} (t = {time_s:.4f} s)")


def _mark(address: str, token: str | None, mark: dict[str, Any]) -> float:
    """Sends the mark and waits until the server tells it to all clients; its time on the server's clock, in seconds."""
    with connected(address, token) as connection:
        for message in messages(connection, token):
            if message["type"] == "hello":
                connection.send(json.dumps(mark))
            elif message["type"] == "mark" and message["label"] == mark["label"]:
                return float(message["t"])
            elif message["type"] == "error":
                raise MtclarError(f"the server refused the mark: {message['message']}")
            elif message["type"] == "bye":
                raise MtclarError(f"the server has ended: {message['reason']}")
    raise MtclarError("the server has closed the connection before the mark")
