"""Atomic writes of files, and checks before the work begins that a path can be written.

All files that the project writes go through here, except rows that are appended during a run (`--csv`).
"""

import os
import secrets
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from mtclar.engine.errors import UsageError, WriteError

Write = Callable[[BinaryIO], object]

PRIVATE, ORDINARY = 0o600, 0o666  # before the umask
PROBE_BYTES = 4096  # a full disk still makes empty files


def write_whole(path: Path, write: Write, *, private: bool = False) -> None:
    """Lets `write` fill a temporary file, flushes it to the disk and renames it to `path`; makes the folder.

    After any failure, Ctrl-C included, the old file is unchanged and no temporary file is left. A symbolic link stays
    one: its target is replaced. `private`: mode 0600 from the first byte. Raises WriteError when the
    disk refuses.
    """
    write_together({path: write}, private=private)


def write_together(writes: Mapping[Path, Write], *, private: bool = False) -> None:
    """As `write_whole` for files that belong together: none is renamed before all of them are on the disk."""
    with ExitStack() as leftovers:
        finished: dict[Path, Path] = {}
        for path, write in writes.items():
            with _disk_errors(path):
                target = Path(os.path.realpath(path))
                target.parent.mkdir(parents=True, exist_ok=True)
                temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
                leftovers.callback(_remove, temporary)
                _fill(temporary, write, PRIVATE if private else ORDINARY)
                finished[temporary] = target
        for temporary, target in finished.items():
            with _disk_errors(target):
                temporary.replace(target)
                _flush_folder(target.parent)


def require_writable(path: Path) -> None:
    """Raises UsageError when no file can be written at `path`; tries it without leaving a trace.

    A missing folder is no error: it is made on writing.
    """
    try:
        if path.is_dir():
            raise UsageError(f"{path} is a folder", "name a file in it")
        if path.exists() and not path.is_file():
            raise UsageError(f"{path} is not an ordinary file", "name a file")
        _try_out(Path(os.path.realpath(path)).parent)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror or error}", "choose another place") from error


def require_new(path: Path) -> None:
    """Raises UsageError when `path` exists, or no file can be written there; leaves no trace."""
    require_writable(path)
    if path.exists():
        raise UsageError(f"{path} exists already", "name another file, or remove it")


def _try_out(folder: Path) -> None:
    """Writes a nameless file into `folder`, or into the nearest one above it that is there; raises OSError."""
    while not folder.exists():
        folder = folder.parent
    with tempfile.TemporaryFile(dir=folder) as probe:
        probe.write(bytes(PROBE_BYTES))
        probe.flush()


def _fill(temporary: Path, write: Write, mode: int) -> None:
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), mode)
    with os.fdopen(descriptor, "wb") as file:
        write(file)
        file.flush()
        os.fsync(file.fileno())


def _flush_folder(folder: Path) -> None:
    """A rename lasts only once the folder is on the disk; some systems cannot flush a folder."""
    with suppress(OSError):  # Windows opens no folder, and some file systems flush none
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _remove(temporary: Path) -> None:
    with suppress(OSError):  # renamed already, or not even its folder is one
        temporary.unlink()


@contextmanager
def _disk_errors(path: Path) -> Iterator[None]:
    """An error of the disk as a WriteError that names `path`."""
    try:
        yield
    except OSError as error:
        raise WriteError(
            f"cannot write {path}: {error.strerror or error}",
            "choose another place, or make room; a file that was there before is unchanged",
        ) from error
