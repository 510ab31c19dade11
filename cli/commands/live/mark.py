"""`mtclar-stream mark`: marks this moment in a running server, as any client of its websocket may."""

from typing import TYPE_CHECKING, Annotated

import typer

from mtclar.cli.options import HOST, PORT, ServerTokenOption, TokenFileOption, read_token
from mtclar.engine.errors import UsageError
from mtclar.engine.files.secret_files import warn_if_readable

if TYPE_CHECKING:
    from mtclar.stream.protocol.messages import MarkMessage


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
    import asyncio

    from mtclar.cli.display.terminal import Terminal, print_text
    from mtclar.stream.client import Client
    from mtclar.stream.protocol.client_messages import LABEL_LENGTH

    if not 1 <= len(label) <= LABEL_LENGTH:
        raise UsageError(f"a label has 1 to {LABEL_LENGTH} characters", "write mtclar-stream mark 'trial 1'")
    client = Client(url, token=read_token(token, token_file), reconnect=False)
    warn_if_readable(token_file)

    async def mark() -> "MarkMessage":
        async with client:
            return await client.mark(label, stream)

    print_text(Terminal(), f"Marked: {label} (t = {asyncio.run(mark()).t_s:.4f} s)")
