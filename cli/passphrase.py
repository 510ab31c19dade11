"""Where the passphrase of an encrypted support set comes from: a file, the environment, or a prompt; never an argument.

Others on the machine can read the arguments of a command, so there is no such option.
"""

import os
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Annotated

import typer

VARIABLE = "MTCLAR_PASSPHRASE"
PassphraseFileOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Read the passphrase of encrypted support sets from the first line of a file; otherwise it comes from "
        f"{VARIABLE}, or is asked for.",
    ),
]


def passphrase_of(path: Path, file: Path | None) -> Callable[[], str]:
    """Asks for the passphrase of the support set at `path` when it is called for the first time."""
    return cache(lambda: _read(f"Passphrase of {path}", file, twice=False))


def passphrase_if_encrypted(path: Path, file: Path | None) -> str | None:
    """That of the support set at `path`; None, and nobody is asked, for any other file."""
    from mtclar.engine.support_set import is_encrypted

    return passphrase_of(path, file)() if is_encrypted(path) else None


def new_passphrase(path: Path, file: Path | None) -> str:
    """A passphrase for a file that is about to be encrypted; at a prompt it is asked for twice."""
    return _read(f"New passphrase of {path}", file, twice=True)


def _read(prompt: str, file: Path | None, *, twice: bool) -> str:
    from mtclar.engine.errors import UsageError

    if file is not None:
        try:
            return file.expanduser().read_text(encoding="utf-8").partition("\n")[0].removesuffix("\r")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "not a text file"
            raise UsageError(
                f"cannot read the passphrase file {file}: {reason}", "one line with the passphrase"
            ) from error
    if (given := os.environ.get(VARIABLE)) is not None:
        return given
    if not sys.stdin.isatty():
        raise UsageError(
            f"{prompt}: it is needed, and there is nobody to ask",
            f"set {VARIABLE}, or name a file with --passphrase-file",
        )
    return str(typer.prompt(prompt, hide_input=True, confirmation_prompt=twice, err=True))
