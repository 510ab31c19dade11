"""`mtclar-stream config`: the file that `run --config` reads, explained or checked."""

from pathlib import Path
from typing import Annotated

import typer


def command(
    example: Annotated[
        bool, typer.Option("--example", help="Print a file with every key and its explanation.")
    ] = False,
    check: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Check whether `run --config FILE` accepts it.")
    ] = None,
) -> None:
    """Show or check the TOML file that `run --config FILE` reads."""
    from mtclar.cli.commands.live.run import command as run
    from mtclar.cli.display.terminal import Terminal, counted, print_text
    from mtclar.cli.files.config_file import EXAMPLE_HINT, read_config, readable_secrets, settings_of
    from mtclar.cli.files.config_file import example as example_of
    from mtclar.cli.main import PROGRAM
    from mtclar.engine.errors import UsageError

    settings = settings_of(run)
    if example == (check is not None):
        raise UsageError("give either --example or --check FILE", EXAMPLE_HINT)
    if check is None:
        typer.echo(example_of(settings, PROGRAM), nl=False)
        return
    console = Terminal()
    values = read_config(check, settings)
    print_text(console, f"{check} is valid: {counted(len(values), 'key')}.")
    if readable_secrets(check):
        print_text(console, f"warning: other users can read the secrets in it: chmod 600 {check}", "yellow")
