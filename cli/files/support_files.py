"""Shared by the subcommands of `support`: the support sets that they read, and the one that they write."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mtclar.cli.display.terminal import Terminal, counted, print_text
from mtclar.cli.files.outputs import OVERWRITE, Output, always, never, require_safe
from mtclar.cli.files.passphrase import new_passphrase, passphrase_of
from mtclar.cli.options import default_support_path, expanded

if TYPE_CHECKING:
    from mtclar.engine.support_set import SupportSet

FileArgument = Annotated[
    Path | None,
    typer.Argument(
        metavar="[FILE]",
        help="A support set; by default the one that `calibrate` wrote.",
        callback=expanded,
        show_default=False,
    ),
]
OutOption = Annotated[
    Path, typer.Option("--out", "-o", metavar="FILE", help="Where to write.", callback=expanded)
]
ForceOption = Annotated[
    bool, typer.Option("--force", help="Overwrite the file named with --out, even if it is the input.")
]


def path_or_default(file: Path | None) -> Path:
    return default_support_path() if file is None else file


def load(path: Path, passphrase_file: Path | None) -> "SupportSet":
    from mtclar.engine.support_set import SupportSet

    return SupportSet.load(path, passphrase_of(path, passphrase_file))


def require_target(out: Path, force: bool) -> None:
    """Refuses to overwrite without --force; with it even the input, which is read first."""

    require_safe([Output("--out", out, always if force else never, OVERWRITE)], {})


def rewrite(
    paths: Sequence[Path],
    out: Path,
    force: bool,
    passphrase_file: Path | None,
    change: "Callable[..., SupportSet]",
) -> "tuple[list[SupportSet], SupportSet]":
    """Loads the sets, writes what `change` makes of them, encrypted if one of them is, and returns both."""
    from dataclasses import replace

    from mtclar.calibrate.core.evaluation.report import make_report
    from mtclar.engine.support_set import is_encrypted

    require_target(out, force)
    sets = [load(path, passphrase_file) for path in paths]
    changed = change(*sets)
    changed = replace(changed, warning=make_report(changed).warning)
    secret = new_passphrase(out, passphrase_file) if any(map(is_encrypted, paths)) else None
    changed.save(out, secret)
    how = "" if secret is None else ", encrypted"
    print_plain(f"Written: {out} ({counted(len(changed), 'frame')} of '{changed.subject}'){how}")
    changed.log_warning()
    return sets, changed


def print_plain(text: str) -> None:
    print_text(Terminal(), text)
