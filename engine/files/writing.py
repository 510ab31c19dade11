"""Atomic writes, and checks before the work begins that a path can be written.

All files that the project writes go through here. A new file has mode 0600 unless it contains nothing about a person,
such as a network or a benchmark.
"""

import json
import os
import re
import secrets
import stat
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO

from mtclar.engine.errors import UsageError, WriteError

try:
    import fcntl
except ImportError:  # Windows: parts that a killed process left are not swept
    fcntl = None  # type: ignore[assignment]

Content = bytes | Callable[[IO[bytes]], object]
"""What a file gets: these bytes, or what a function writes into it. The file that it gets has its path as `name`."""

PRIVATE, ORDINARY = 0o600, 0o666  # before the umask
PROBE_BYTES = 4096  # a full disk still makes empty files


def write_whole(path: Path, content: Content, *, private: bool = True) -> None:
    """Puts the content into a temporary file, flushes it to the disk and renames it to `path`; makes the folder.

    After any failure, Ctrl-C included, the old file is unchanged and no temporary file is left. A symbolic link stays
    one: its target is replaced. `private`: mode 0600 from the first byte, otherwise as the umask has it. Raises
    WriteError when the disk refuses.
    """
    write_together({path: content}, private=private)


def write_json(path: Path, content: object, *, private: bool = True, indent: int = 2) -> None:
    """JSON, written as by `write_whole`. Raises ValueError for a number that JSON does not have."""
    text = json.dumps(content, indent=indent, allow_nan=False) + "\n"
    write_whole(path, text.encode(), private=private)


def write_together(contents: Mapping[Path, Content], *, private: bool = True) -> None:
    """As `write_whole` for files that belong together: none is renamed before all of them are on the disk."""
    with ExitStack() as leftovers:
        finished: dict[Path, Path] = {}
        locked: set[Path] = set()
        for path, content in contents.items():
            with disk_errors(f"cannot write {path}"):
                target = Path(os.path.realpath(path))
                target.parent.mkdir(parents=True, exist_ok=True)
                if target.parent not in locked:
                    leftovers.enter_context(_locked(target.parent, exclusive=False))
                    locked.add(target.parent)
                temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
                leftovers.callback(_remove, temporary)
                with _open(temporary, "xb", PRIVATE if private else ORDINARY) as file:
                    if isinstance(content, bytes):
                        file.write(content)
                    else:
                        content(file)
                    file.flush()
                    os.fsync(file.fileno())
                finished[temporary] = target
        for temporary, target in finished.items():
            with disk_errors(f"cannot write {target}"):
                temporary.replace(target)
                _flush_folder(target.parent)


def open_private(path: Path, mode: str) -> IO[bytes]:
    """`open` for a file that grows during a run, such as rows: without a buffer, and with mode 0600 if it is new."""
    return _open(path, mode, PRIVATE, buffering=0)


def _open(path: Path, mode: str, permissions: int, buffering: int = -1) -> IO[bytes]:
    return open(path, mode, buffering, opener=lambda name, flags: os.open(name, flags, permissions))


def append_whole(file: IO[bytes], data: bytes) -> None:
    """Writes `data` to the end of a file without a buffer: all of it, or nothing when the disk raises OSError."""
    start = file.seek(0, os.SEEK_END)
    written = 0
    try:
        while written < len(data):
            written += file.write(data[written:]) or 0
    except OSError:
        with suppress(OSError):
            file.truncate(start)
        raise


def sweep_parts(path: Path) -> list[Path]:
    """Deletes the temporary files that killed processes left of `path` and of files named after its stem.

    Returns what was deleted; nothing while any process writes in that folder.
    """
    target = Path(os.path.realpath(path))
    left = re.compile(rf"\.{re.escape(target.stem)}(\..*)?\.[0-9a-f]{{8}}\.part", re.DOTALL)
    swept = []
    with suppress(OSError), _locked(target.parent, exclusive=True) as alone:
        for part in target.parent.iterdir() if alone else ():
            if left.fullmatch(part.name) and stat.S_ISREG(part.lstat().st_mode):
                part.unlink()
                swept.append(part)
    return swept


def delete_together(paths: Iterable[Path]) -> None:
    """Deletes files, and the folders that are empty then. Tries all; raises WriteError with the first that stays."""
    refused: dict[Path, OSError] = {}
    folders = set()
    for path in paths:
        try:
            path.unlink(missing_ok=True)
            folders.add(path.parent)
        except OSError as error:
            refused[path] = error
    for folder in folders:
        _flush_folder(folder)
        with suppress(OSError):  # there is more in it
            folder.rmdir()
    for path, cause in refused.items():
        raise WriteError(f"cannot delete {path}: {cause.strerror or cause}", "delete it yourself") from cause


def require_writable(path: Path) -> None:
    """Raises UsageError when no file can be written at `path`; tries it without leaving a trace.

    A missing folder is no error: it is made on writing. Sweeps what killed processes left there.
    """
    try:
        if path.is_dir():
            raise UsageError(f"{path} is a folder", "name a file in it")
        if path.exists() and not path.is_file():
            raise UsageError(f"{path} is not an ordinary file", "name a file")
        sweep_parts(path)
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


@contextmanager
def _locked(folder: Path, *, exclusive: bool) -> Iterator[bool]:
    """Holds a lock of the folder: every writer shares it, a sweep needs it alone and does not wait. False without it.

    The lock of a killed process ends with it, which no number of a process in the file's name could tell.
    """
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:  # Windows opens no folder, and a folder may be writable only
        yield False
        return
    try:
        yield fcntl is not None and _lock(descriptor, exclusive)
    finally:
        os.close(descriptor)


def _lock(descriptor: int, exclusive: bool) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB if exclusive else fcntl.LOCK_SH)
    except OSError:  # another process has it, or the file system has no locks
        return False
    return True


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
def disk_errors(
    failure: str, hint: str = "choose another place, or make room; a file that was there before is unchanged"
) -> Iterator[None]:
    """An OSError as a WriteError: `failure`, such as "cannot write out.csv", then the system's reason."""
    try:
        yield
    except OSError as error:
        raise WriteError(f"{failure}: {error.strerror or error}", hint) from error
