"""The entry point `mtclar-stream`: register the commands, print errors as one message, set the exit code.

Exit codes: 0 success (including the end of a file and Ctrl-C of `run`), 1 failure, 2 usage error, 130 interrupted.
A command module imports only typer at its top, so that --help stays fast.
"""

import functools
import inspect
import io
import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from mtclar.cli.old_spellings import current_spelling
from mtclar.engine.errors import MtclarError, machine_refusal

# Before numpy is imported. Our matrices are small: on busy cores, threads that wait for each other take ten times the
# processor time (a leave-one-out report of 100 labels: 12 s in place of 1.3 s), and `--workers` promises one core each.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

GROUPS = {
    "calibration": "Calibrate",
    "live": "Track",
    "recordings": "Work on recordings",
    "tables": "Tables, statistics, plots",
    "networks": "Networks",
    "machine": "This machine",
}
"""Folder of cli/commands -> the heading of its commands in --help."""

COMMANDS = {
    "calibrate": "calibration",
    "support": "calibration",
    "studio": "live",
    "demo": "live",
    "run": "live",
    "replay": "live",
    "watch": "live",
    "mark": "live",
    "gateway": "live",
    "worker": "live",
    "fleet": "live",
    "label": "recordings",
    "analyse": "recordings",
    "segments": "tables",
    "compare": "tables",
    "plot": "tables",
    "bids": "tables",
    "evaluate": "networks",
    "train": "networks",
    "export": "networks",
    "bench": "machine",
    "doctor": "machine",
    "config": "machine",
}
"""Command -> its folder."""

PROGRAM = "mtclar-stream"
DISTRIBUTION = "mtclar-stream"
NETWORKS = ("encoder", "pair", "face_detector", "face_mesh", "face_blendshapes")
DEBUG_FLAG = "--debug"
MIN_ADDRESS_SPACE = 800 * 2**20  # measured: `label` needs 750 MiB, `run` 950
MAX_WIDTH = 120  # columns of help
INTERRUPTED = 130  # 128 + SIGINT, the shell convention


class _InOrder(TyperGroup):
    """Lists the commands in the order of COMMANDS."""

    def list_commands(self, _: object) -> list[str]:
        return list(COMMANDS)


class _PlainCommand(TyperCommand):
    """Help without panels: at 80 columns their type column leaves too little room for names and texts."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options | {"rich_markup_mode": None})


class _PlainGroup(TyperGroup):
    """The same for a command that has subcommands."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options | {"rich_markup_mode": None})


def version() -> str:
    """The installed version."""
    from importlib.metadata import version as installed

    return installed(DISTRIBUTION)


def make_app() -> typer.Typer:
    """The command-line application with all commands."""
    app = typer.Typer(
        cls=_InOrder,
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": MAX_WIDTH},
    )
    app.callback()(_root)
    for name, folder in COMMANDS.items():
        module = import_module(f"mtclar.cli.commands.{folder}.{name}")
        command = _interruptible(module.command)
        if not (subcommands := getattr(module, "SUBCOMMANDS", {})):
            app.command(name, cls=_PlainCommand, help=_help_text(command), rich_help_panel=GROUPS[folder])(
                command
            )
            continue
        has_parameters = bool(inspect.signature(module.command).parameters)
        group = typer.Typer(
            cls=_PlainGroup if has_parameters else None,
            no_args_is_help=not has_parameters,
            invoke_without_command=has_parameters,
        )
        group.callback(help=_help_text(command))(command)
        for subname, subcommand in subcommands.items():
            group.command(subname, cls=_PlainCommand, help=_help_text(subcommand))(_interruptible(subcommand))
        app.add_typer(group, name=name, rich_help_panel=GROUPS[folder])
    return app


def _help_text(command: Callable[..., object]) -> str:
    """The docstring of a command with one line for each paragraph; a paragraph that begins with \\b keeps its lines."""
    paragraphs = (inspect.getdoc(command) or "").split("\n\n")
    return "\n\n".join(part if part.startswith("\b") else part.replace("\n", " ") for part in paragraphs)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line. Always raises SystemExit."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = DEBUG_FLAG in given
    if isinstance(sys.stdout, io.TextIOWrapper):  # the encoding of a pipe of Windows lacks most letters
        sys.stdout.reconfigure(errors="backslashreplace")
    given = [argument for argument in given if argument != DEBUG_FLAG]  # at any position
    given, notice = current_spelling(given)
    if notice is not None:
        typer.echo(notice, err=True)
    try:
        _require_memory()
        make_app()(args=given, prog_name=PROGRAM)
    except MtclarError as error:
        if debug:
            raise
        _print_error(error.what, error.hint)
        sys.exit(error.exit_code)
    except Exception as error:
        if debug:
            raise
        refusal = machine_refusal(error)
        text = (str(error).splitlines() or [""])[0]
        _print_error(
            refusal.what if refusal else f"{type(error).__name__}: {text}",
            refusal.hint
            if refusal
            else f"this is a bug in {PROGRAM}; repeat with {DEBUG_FLAG} for the traceback",
        )
        sys.exit(1)


def build_text() -> str:
    """Program, commit and networks, a line each."""
    import json
    from importlib import resources

    from mtclar.engine.installation.build_info import commit

    cards = resources.files("mtclar.engine") / "models"
    texts = {name: (cards / f"{name}.json").read_text(encoding="utf-8") for name in NETWORKS}
    networks = {name: json.loads(texts[name])["sha256"] for name in NETWORKS}
    lines = [f"{PROGRAM} {version()}", f"commit {commit()}"]
    return "\n".join([*lines, *(f"{name} sha256 {digest}" for name, digest in networks.items())])


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(build_text())
        raise typer.Exit


def _root(
    show_version: Annotated[  # handled by its callback
        bool,
        typer.Option(
            "--version",
            callback=_print_version,
            is_eager=True,
            help="Print version, commit and networks, and stop.",
        ),
    ] = False,
    debug: Annotated[  # main() removes it from the arguments; declared here for --help
        bool, typer.Option(DEBUG_FLAG, help="Show the traceback of an error.")
    ] = False,
) -> None:
    """Real-time valence and arousal of a face, calibrated with a few labelled frames of that face.

    First `mtclar-stream calibrate`, then `mtclar-stream run`. Without a camera: `mtclar-stream demo`.
    """


def _interruptible(command: Callable[..., None]) -> Callable[..., None]:
    """Wrap a command so that Ctrl-C exits with INTERRUPTED instead of typer's `Aborted!`."""

    @functools.wraps(command)
    def run(*arguments: Any, **options: Any) -> None:
        try:
            command(*arguments, **options)
        except KeyboardInterrupt as interrupt:
            raise typer.Exit(INTERRUPTED) from interrupt

    return run


def _require_memory() -> None:
    """Raises MtclarError under a limit at which OpenBLAS and OpenCV crash instead of reporting that it is reached."""
    try:
        import resource  # not on Windows
    except ImportError:
        return
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit != resource.RLIM_INFINITY and limit < MIN_ADDRESS_SPACE:
        raise MtclarError(
            f"the limit of {limit // 2**20} MiB of address space is too small for the libraries",
            f"allow at least {MIN_ADDRESS_SPACE // 2**20} MiB: ulimit -v {MIN_ADDRESS_SPACE // 2**10}",
        )


def _print_error(what: str, hint: str) -> None:
    """Print one error message with its hint on stderr."""
    from rich.text import Text

    from mtclar.cli.display.logs import report_error
    from mtclar.cli.display.terminal import Terminal

    if report_error(what, hint):
        return
    console = Terminal(stderr=True, soft_wrap=True, highlight=False)
    console.print(Text.assemble(("error: ", "bold red"), what))
    if hint:
        console.print(Text.assemble(("  hint: ", "bold"), hint))


if __name__ == "__main__":
    main()
