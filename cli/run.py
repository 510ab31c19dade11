"""`mtclar-stream run`: a source and support sets become valence and arousal over websockets, with the dashboard."""

from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mtclar.cli.options import (
    HOST,
    NO_SUPPORT,
    PORT,
    WEBCAM,
    BackendOption,
    SourceOption,
    SummaryOption,
    ThreadsOption,
    default_support_path,
)

if TYPE_CHECKING:
    from rich.console import Console

    from mtclar.engine.support import SupportSet
    from mtclar.stream.mailbox import Freshness


def command(
    source: SourceOption = WEBCAM,
    support: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE|none",
            help="A support set, once for each person; by default the one that `calibrate` wrote.",
        ),
    ] = None,
    freshness: Annotated[
        str | None,
        typer.Option(
            metavar="latest|all|paced",
            help="Newest frame wins, every frame, or a file as if live; by default latest for what is live, "
            "all for files.",
        ),
    ] = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on; beyond this machine it needs a token.")
    ] = HOST,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")
    ] = PORT,
    token: Annotated[
        str | None, typer.Option(help="What clients must know. Others can see it in the process list.")
    ] = None,
    token_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Read the token from the first line of a file.")
    ] = None,
    tls_cert: Annotated[
        Path | None, typer.Option(metavar="PEM", help="Certificate chain, for wss://.")
    ] = None,
    tls_key: Annotated[Path | None, typer.Option(metavar="PEM", help="Its private key.")] = None,
    smoother: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="one-euro (default), exponential, kalman or none."),
    ] = None,
    max_faces: Annotated[int | None, typer.Option(min=1, max=32, help="How many faces are followed.")] = None,
    csv: Annotated[
        Path | None, typer.Option("--csv", metavar="FILE", help="Write a row for each face of each frame.")
    ] = None,
    summary_json: SummaryOption = None,
    no_live: Annotated[bool, typer.Option("--no-live", help="No live values in the terminal.")] = False,
    backend: BackendOption = "auto",
    threads: ThreadsOption = 1,
) -> None:
    """Send the valence and arousal of every frame over websockets, and show them on the dashboard."""
    from rich.console import Console

    from mtclar.cli.serving import Service, stop_on_signals
    from mtclar.cli.terminal import say
    from mtclar.engine.smooth import DEFAULT_SMOOTHER
    from mtclar.engine.support import SupportSet
    from mtclar.engine.tracker import MAX_FACES, Tracker
    from mtclar.stream.csv_sink import CsvSink
    from mtclar.stream.sources import open_source

    console = Console()
    # Everything that can be refused is refused before the first file is made.
    with stop_on_signals() as stopped, ExitStack() as stack:
        policy = None if freshness is None else freshness_named(freshness)
        secret = _token(token, token_file)
        paths = _support_paths(support)
        supports = [SupportSet.load(path) for path in paths]
        opened = stack.enter_context(closing(open_source(source)))
        tracker = stack.enter_context(
            Tracker.open(
                supports,
                backend=backend,
                threads=threads,
                smoother=smoother or DEFAULT_SMOOTHER,
                max_faces=max_faces or MAX_FACES,
            )
        )
        service = Service(
            tracker,
            console,
            host=host,
            port=port,
            token=secret,
            tls_cert=tls_cert,
            tls_key=tls_key,
            live_view=not no_live,
        )
        service.prepare(opened, policy)
        stack.enter_context(service)
        sinks = [] if csv is None else [stack.enter_context(closing(CsvSink(csv)))]
        _say_supports(console, paths, supports, asked_for_none=bool(support))
        service.announce()
        answered = service.answer(stopped, sinks)
        if not answered.ended:
            say(console, "Stopped.")
        service.print_summary(answered.summary)
        if summary_json is not None:
            answered.summary.write(summary_json)
            say(console, f"Written: {summary_json}")


def freshness_named(name: str) -> "Freshness":
    """The freshness policy of that name; UsageError that lists the names."""
    from mtclar.engine.errors import UsageError
    from mtclar.stream.mailbox import FRESHNESS

    for policy in FRESHNESS:
        if policy == name:
            return policy
    raise UsageError(f"there is no freshness '{name}'", f"one of: {', '.join(FRESHNESS)}")


def _token(token: str | None, token_file: Path | None) -> str | None:
    """The token, from the command line or from the first line of a file."""
    from mtclar.engine.errors import UsageError

    if token_file is None:
        return token
    if token is not None:
        raise UsageError("--token and --token-file exclude each other", "choose one")
    try:
        first_line = token_file.expanduser().read_text(encoding="utf-8").partition("\n")[0].strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not a text file"
        raise UsageError(
            f"cannot read the token file {token_file}: {reason}", "one line with the token"
        ) from error
    if not first_line:
        raise UsageError(f"the token file {token_file} is empty", "its first line is the token")
    return first_line


def _support_paths(named: Sequence[str] | None) -> list[Path]:
    """The support sets to use: those named, or the default one if it is there."""
    from mtclar.engine.errors import UsageError

    if not named:
        default = default_support_path()
        return [default] if default.exists() else []
    if NO_SUPPORT in named and len(named) > 1:
        raise UsageError("--support none stands alone", "drop the other support sets, or `none`")
    return [Path(name).expanduser() for name in named if name != NO_SUPPORT]


def _say_supports(
    console: "Console", paths: Sequence[Path], supports: "Sequence[SupportSet]", asked_for_none: bool
) -> None:
    """Which ones were taken; none is possible, and said as well."""
    from mtclar.cli.terminal import say

    for path, support in zip(paths, supports, strict=True):
        say(console, f"Support    {path} ({len(support)} frames of '{support.subject}')")
    if not supports:
        why = (
            "as you asked" if asked_for_none else "there is none yet; make one with `mtclar-stream calibrate`"
        )
        say(console, f"Not calibrated ({why}): values are those of an average face.", "yellow")
