"""The files that a command will write: refused before it starts where that would destroy something or cannot be."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mtclar.engine.encryption import is_sealed, seal
from mtclar.engine.errors import UsageError, WriteError
from mtclar.engine.files import require_writable, write_whole


def never(_: Path) -> bool:
    """A file that is there is not overwritten."""
    return False


def always(_: Path) -> bool:
    """A file that is there is overwritten."""
    return True


@dataclass(frozen=True, slots=True)
class Output:
    """One file that will be written."""

    option: str  # how messages call it: '--csv'
    path: Path
    may_replace: Callable[[Path], bool] = never  # asked of a file that is there
    hint: str = "name another file, or remove it"  # when it may not be replaced


def require_safe(outputs: Sequence[Output], inputs: Mapping[str, Iterable[Path]]) -> None:
    """Raises UsageError for an output that is an input or another output, that is there and kept, or cannot be written.

    `inputs`: files by the option that named them. Two paths are one file however they are spelt or linked.
    """
    for i, output in enumerate(outputs):
        require_writable(output.path)
        for option, paths in inputs.items():
            for path in paths:
                if _same(output.path, path):
                    raise UsageError(
                        f"{output.option} {output.path} is the file of {option}: writing would destroy it",
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
    """Puts a copy of the file that is there aside, so that a worse calibration loses nothing; None without one.

    With a passphrase the copy is encrypted, also where that file was not: it would stay readable otherwise.
    Raises WriteError when that cannot be; nothing has been changed then.
    """
    if not path.exists():
        return None
    previous = previous_of(path)
    try:
        before = path.read_bytes()
    except OSError as error:
        raise WriteError(
            f"cannot keep the calibration that is there: {path} cannot be read: {error.strerror or error}",
            "nothing was changed; write elsewhere with --out",
        ) from error
    if passphrase is not None and not is_sealed(before):
        before = seal(before, passphrase)
    write_whole(previous, lambda file: file.write(before), private=True)  # biometric data
    return previous


def previous_of(path: Path) -> Path:
    """Where `keep_previous` puts it."""
    return path.with_name(f"{path.stem}.previous{path.suffix}")


def seal_previous(path: Path, passphrase: str) -> Path | None:
    """Encrypts what `keep_previous` left beside a file that is encrypted from now on; None where nothing is in clear.

    Raises WriteError when that cannot be; that copy is as it was then.
    """
    previous = previous_of(path)
    try:
        before = previous.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise WriteError(
            f"cannot encrypt the calibration before it: {previous} cannot be read: {error.strerror or error}",
            "remove it if it should not be there in clear",
        ) from error
    if is_sealed(before):
        return None
    sealed = seal(before, passphrase)
    write_whole(previous, lambda file: file.write(sealed), private=True)
    return previous


def _same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:  # at least one is not there yet
        return os.path.realpath(one) == os.path.realpath(other)


def _inside(one: Path, other: Path) -> bool:
    """Whether one would be a file and the other a folder around it."""
    real, other_real = Path(os.path.realpath(one)), Path(os.path.realpath(other))
    return real in other_real.parents or other_real in real.parents
