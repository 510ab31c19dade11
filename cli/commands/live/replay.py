"""`mtclar-stream replay`: serves a recording as if it were live, with the dashboard."""

from pathlib import Path
from typing import Annotated

import typer

from mtclar.cli.options import expanded, with_options
from mtclar.cli.options_of_servers import ReadOnlyOption, ServerOptions, ViewTokenFileOption


@with_options
def command(
    recording: Annotated[
        Path,
        typer.Argument(
            help="A folder that `run --record` has written, or the folder with that one in it.",
            callback=expanded,
        ),
    ],
    speed: Annotated[
        float, typer.Option(min=0.01, max=1000, help="How many seconds of the recording pass in a second.")
    ] = 1.0,
    start: Annotated[
        str, typer.Option(metavar="[[H:]MM:]SS", help="Where to begin, counted from the beginning.")
    ] = "0",
    wait: Annotated[bool, typer.Option("--wait", help="Begin when the first client connects.")] = False,
    stay: Annotated[
        bool, typer.Option("--stay", help="At the end wait for clients that go back, until Ctrl-C.")
    ] = False,
    *,
    server: ServerOptions,
    view_token_file: ViewTokenFileOption = None,
    read_only: ReadOnlyOption = False,
) -> None:
    """Serve a recording as if it were live: the same messages at the same pace, on the dashboard and the websocket."""
    from mtclar.cli.display.terminal import Terminal, counted, print_text
    from mtclar.cli.main import version
    from mtclar.cli.service.signals import stop_on_signals
    from mtclar.stream.recordings.player import Player
    from mtclar.stream.recordings.reader import Recording

    console = Terminal()
    config = server.config(view_token_file=view_token_file, read_only=read_only)
    start_s = _seconds(start)
    opened = Recording(recording)
    player = Player(opened, config, speed=speed, start_s=start_s, version=version())
    with stop_on_signals() as stopped, player:
        print_text(console, f"Recording  {opened.folder}")
        print_text(
            console, f"Started    {opened.started}" + (f" ({opened.session})" if opened.session else "")
        )
        print_text(console, f"Dashboard  {player.server.url}")
        print_text(console, f"Websocket  {player.server.ws_url}")
        if opened.ended is None:
            print_text(
                console, "The recording has no end: its process was killed, or is still writing it.", "yellow"
            )
        for warning in player.server.warnings:
            print_text(console, f"warning: {warning}", "yellow")
        frames = player.run(stopped, wait=wait, stay=stay)
        print_text(console, f"{counted(frames, 'frame')} sent." + (" Stopped." if stopped.is_set() else ""))


def _seconds(text: str) -> float:
    """`90`, `1:30` or `0:01:30` in seconds. Raises UsageError."""
    from mtclar.engine.errors import UsageError

    parts = text.split(":")
    try:
        numbers = [float(part) for part in parts]
    except ValueError:
        numbers = []
    if not 1 <= len(numbers) <= 3 or not all(0 <= number < 1e6 for number in numbers):
        raise UsageError(
            f"--start {text}: this is no time", "write seconds, or minutes and seconds such as 1:30"
        )
    return sum(number * 60**place for place, number in enumerate(reversed(numbers)))
