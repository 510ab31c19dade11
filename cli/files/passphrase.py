"""The passphrase of an encrypted support set: from a file, the environment, or a prompt.

There is no option with the passphrase itself, since other users can read the arguments of a command.
"""

import os
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mtclar.engine.files.secret_files import first_line, warn_if_readable

if TYPE_CHECKING:
    from mtclar.label.job import Job

VARIABLE = "MTCLAR_PASSPHRASE"
PassphraseFileOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Read the passphrase of encrypted support sets from the first line of a file; by default from "
        f"{VARIABLE}, or a prompt.",
    ),
]


def passphrase_of(path: Path, file: Path | None) -> Callable[[], str]:
    """A function that reads the passphrase of the support set at `path` on its first call."""
    return cache(lambda: _read(f"Passphrase of {path}", file, twice=False))


def passphrase_if_encrypted(path: Path, file: Path | None) -> str | None:
    """The passphrase of the support set at `path`; None, without a prompt, when it is not encrypted."""
    from mtclar.engine.support_set import is_encrypted

    return passphrase_of(path, file)() if is_encrypted(path) else None


def passphrase_of_job(job: "Job", ask: Callable[[Path], str | None]) -> str | None:
    """The passphrase of a job's support sets, which share one; `ask` gives that of a path."""
    return next(filter(None, map(ask, job.support_sets)), None)


def is_given(file: Path | None) -> bool:
    """Whether a passphrase can be read without a prompt."""
    return file is not None or VARIABLE in os.environ


def new_passphrase(path: Path, file: Path | None) -> str:
    """The passphrase to encrypt `path` with; a prompt asks for it twice."""
    return _read(f"New passphrase of {path}", file, twice=True)


def _read(prompt: str, file: Path | None, *, twice: bool) -> str:
    from mtclar.engine.errors import UsageError

    if file is not None:
        warn_if_readable(file)
        return first_line(file, "passphrase", "its first line must be the passphrase")
    if (given := os.environ.get(VARIABLE)) is not None:
        return given
    if not sys.stdin.isatty():
        raise UsageError(
            f"{prompt}: a passphrase is required, and there is no terminal to ask on",
            f"set {VARIABLE}, or use --passphrase-file",
        )
    return str(typer.prompt(prompt, hide_input=True, confirmation_prompt=twice, err=True))
