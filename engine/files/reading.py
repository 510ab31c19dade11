"""Reading files that others wrote, and the places of files: home folders, the user's data and cache."""

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO, Literal

from mtclar.engine.errors import UsageError

MAX_SUPPORT_BYTES = 256 * 2**20  # 10,000 frames with their crops fit; a larger file is not a support set
BINARY = getattr(os, "O_BINARY", 0)


def open_ordinary(path: Path) -> BinaryIO:
    """Opens a file for reading. Raises OSError, also for a folder, device, pipe or socket, without waiting for it."""
    _require_ordinary(path.stat())  # a device is not even opened
    file = os.fdopen(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | BINARY), "rb")
    try:
        _require_ordinary(os.fstat(file.fileno()))  # it may have been exchanged since
    except OSError:
        file.close()
        raise
    return file


def read_ordinary(path: Path, most_bytes: int) -> bytes:
    """The content of a file of at most `most_bytes`. Raises OSError as `open_ordinary`, and for a larger file."""
    with open_ordinary(path) as file:
        content = file.read(most_bytes + 1) if os.fstat(file.fileno()).st_size <= most_bytes else None
    if content is None or len(content) > most_bytes:
        raise OSError(errno.EFBIG, f"it is larger than {most_bytes / 2**20:g} MiB")
    return content


def read_input(path: Path, most_bytes: int, hint: str, kind: str = "") -> bytes:
    """As `read_ordinary`, with ~ expanded, for a file that a user names. Raises UsageError, which may name a `kind`."""
    try:
        return read_ordinary(expand_home(path), most_bytes)
    except OSError as error:
        file = f"the {kind} {path}" if kind else path
        raise UsageError(f"cannot read {file}: {error.strerror or error}", hint) from error


def _require_ordinary(found: os.stat_result) -> None:
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, "it is a folder")
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "it is a device, pipe or socket, not an ordinary file")


def readable_by_others(path: Path) -> bool:
    """Whether other users of the machine may read the file."""
    try:
        return bool(path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH))
    except OSError:
        return False


def expand_home(path: Path | str) -> Path:
    """A path with `~` replaced by the home folder; a file that is really called so is left as it is.

    Raises UsageError where there is no such home folder, also for an account without one.
    """
    try:
        return Path(path) if Path(path).exists() else Path(path).expanduser()
    except (RuntimeError, ValueError) as error:
        user = str(path).partition("/")[0]
        raise UsageError(f"unknown home folder {user!r}", "write the whole path") from error


def user_folder(kind: Literal["data", "cache"]) -> Path:
    """The program's folder of the user's data or cache. Raises UsageError for a user without a home folder."""
    from platformdirs import user_cache_path, user_data_path

    try:
        return (user_data_path if kind == "data" else user_cache_path)("mtclar-stream", appauthor=False)
    except (RuntimeError, KeyError) as error:
        raise UsageError(
            f"this account has no home folder, so there is no {kind} folder",
            f"set HOME or XDG_{kind.upper()}_HOME to an absolute path, or name every file",
        ) from error
