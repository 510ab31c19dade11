"""Check the output files of a command before it starts: nothing is overwritten by accident, and all are writable."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mtclar.engine.encryption import is_sealed, seal
from mtclar.engine.errors import UsageError, WriteError
from mtclar.engine.files import MAX_SUPPORT_BYTES, read_ordinary, require_writable, write_whole


def never(_: Path) -> bool:
    """Never overwrite an existing file."""
    return False


def always(_: Path) -> bool:
    """Always overwrite an existing file."""
    return True


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


def keep_previous(path: Path, passphrase: str | None) -> Path | None:
    """Copy an existing calibration to `previous_of(path)` before it is replaced; None if there is no file.

    With a passphrase the copy is encrypted, even if the file was not. Raises WriteError if the copy cannot be written;
    the file is unchanged then.
    """
    if not path.exists():
        return None
    previous = previous_of(path)
    try:
        content = read_ordinary(path, MAX_SUPPORT_BYTES)
    except OSError as error:
        raise WriteError(
            f"cannot back up the existing calibration {path}: {error.strerror or error}",
            "nothing was changed; write to another file with --out",
        ) from error
    if passphrase is not None and not is_sealed(content):
        content = seal(content, passphrase)
    write_whole(previous, lambda file: file.write(content))  # biometric data
    return previous


def previous_of(path: Path) -> Path:
    """Path of the backup written by `keep_previous`."""
    return path.with_name(f"{path.stem}.previous{path.suffix}")


def seal_previous(path: Path, passphrase: str) -> Path | None:
    """Encrypt the backup of `keep_previous`; None if there is no unencrypted backup.

    Raises WriteError if it cannot be written; the backup is unchanged then.
    """
    previous = previous_of(path)
    try:
        content = read_ordinary(previous, MAX_SUPPORT_BYTES)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise WriteError(
            f"cannot encrypt the previous calibration {previous}: {error.strerror or error}",
            "delete it if it must not stay unencrypted",
        ) from error
    if is_sealed(content):
        return None
    sealed = seal(content, passphrase)
    write_whole(previous, lambda file: file.write(sealed))
    return previous


def _same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:  # at least one does not exist yet
        return os.path.realpath(one) == os.path.realpath(other)


def _inside(one: Path, other: Path) -> bool:
    """Whether one path is a parent folder of the other."""
    real, other_real = Path(os.path.realpath(one)), Path(os.path.realpath(other))
    return real in other_real.parents or other_real in real.parents
