"""Check the output files of a command before it starts: nothing is overwritten by accident, and all are writable."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mtclar.engine.errors import UsageError
from mtclar.engine.files.writing import require_writable


def never(_: Path) -> bool:
    """Never overwrite an existing file."""
    return False


def always(_: Path) -> bool:
    """Always overwrite an existing file."""
    return True


OVERWRITE = "choose another name, or --force to overwrite it"
"""Hint of commands that have --force."""


@dataclass(frozen=True, slots=True)
class Output:
    """One file that a command writes."""

    option: str  # its option in messages, such as --csv
    path: Path
    may_replace: Callable[[Path], bool] = never  # called with an existing file
    hint: str = "name another file, or remove it"  # of the error if it may not be replaced


def require_safe(outputs: Sequence[Output], inputs: Mapping[str, Iterable[Path]]) -> None:
    """Raise UsageError if an output is an input, another output, a protected existing file, or not writable.

    `inputs` maps options to their files. Links and different spellings of a path count as the same file.
    """
    for i, output in enumerate(outputs):
        require_writable(output.path)
        for option, paths in inputs.items():
            for path in paths:
                if _same(output.path, path):
                    raise UsageError(
                        f"{output.option} {output.path} is also the file of {option} and would be overwritten",
                        "name another file",
                    )
        for other in outputs[:i]:
            if _same(output.path, other.path) or _inside(output.path, other.path):
                raise UsageError(
                    f"{other.option} {other.path} and {output.option} {output.path} exclude each other",
                    "give each a file of its own",
                )
        if output.path.exists() and not output.may_replace(output.path):
            raise UsageError(f"{output.path} exists already", output.hint)


def _same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:  # at least one does not exist yet
        return os.path.realpath(one) == os.path.realpath(other)


def _inside(one: Path, other: Path) -> bool:
    """Whether one path is a parent folder of the other."""
    real, other_real = Path(os.path.realpath(one)), Path(os.path.realpath(other))
    return real in other_real.parents or other_real in real.parents
