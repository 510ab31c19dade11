"""Makes the system refuse the n-th request of one kind in this process, as SQLite's tests do: out of memory or disk."""

import builtins
import errno
import io
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import cv2
import numpy as np
import pytest

LARGE_BYTES = 2**16
ALLOCATING = (
    "array",
    "ascontiguousarray",
    "concatenate",
    "empty",
    "hstack",
    "ones",
    "stack",
    "vstack",
    "zeros",
)
KINDS = ("open", "write", "fsync", "rename", "thread", "allocation")


class Refusals:
    """Counts the requests of one kind, and refuses number `at` (from 1); once only, as when others free resources."""

    def __init__(self, at: int) -> None:
        self.at = at
        self.seen = 0
        self._lock = threading.Lock()

    @property
    def happened(self) -> bool:
        """Whether there were so many requests that one was refused."""
        return self.seen >= self.at

    def is_next(self) -> bool:
        """Whether this request is the one to refuse."""
        with self._lock:
            self.seen += 1
            return self.seen == self.at


@contextmanager
def refusing(kind: str, at: int) -> Iterator[Refusals]:
    """Refuses request number `at` of that kind within the block."""
    refusals = Refusals(at)
    with pytest.MonkeyPatch.context() as patch:
        PATCHES[kind](patch, refusals)
        yield refusals


class _File:
    """A file of which one `write` writes half and fails, as on a disk that becomes full."""

    def __init__(self, file: Any, refusals: Refusals) -> None:
        self._file = file
        self._refusals = refusals

    def write(self, data: Any) -> int:
        if self._refusals.is_next():
            self._file.write(data[: len(data) // 2])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return int(self._file.write(data))

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def __enter__(self) -> "_File":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __iter__(self) -> Iterator[Any]:
        return iter(self._file)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def _refuse_with(
    patch: pytest.MonkeyPatch, refusals: Refusals, owner: Any, name: str, error: Callable[[], Exception]
) -> None:
    real = getattr(owner, name)

    def refuse(*arguments: Any, **options: Any) -> Any:
        if refusals.is_next():
            raise error()
        return real(*arguments, **options)

    patch.setattr(owner, name, refuse)


def _system_error(number: int) -> Callable[[], Exception]:
    return lambda: OSError(number, os.strerror(number))


def _opens(patch: pytest.MonkeyPatch, refusals: Refusals) -> None:
    for owner, name in ((os, "open"), (io, "open"), (builtins, "open")):
        _refuse_with(patch, refusals, owner, name, _system_error(errno.EMFILE))


def _writes(patch: pytest.MonkeyPatch, refusals: Refusals) -> None:
    real = io.open

    def open_counted(*arguments: Any, **options: Any) -> Any:
        file = real(*arguments, **options)
        return _File(file, refusals) if file.writable() else file

    for owner in (io, builtins):
        patch.setattr(owner, "open", open_counted)


def _fsyncs(patch: pytest.MonkeyPatch, refusals: Refusals) -> None:
    _refuse_with(patch, refusals, os, "fsync", _system_error(errno.EIO))


def _renames(patch: pytest.MonkeyPatch, refusals: Refusals) -> None:
    for name in ("rename", "replace"):
        _refuse_with(patch, refusals, os, name, _system_error(errno.EACCES))


def _threads(patch: pytest.MonkeyPatch, refusals: Refusals) -> None:
    _refuse_with(patch, refusals, threading.Thread, "start", lambda: RuntimeError("can't start new thread"))


def _allocations(patch: pytest.MonkeyPatch, refusals: Refusals) -> None:
    def count(owner: Any, name: str, error: Callable[[], Exception]) -> None:
        real = getattr(owner, name)

        def allocate(*arguments: Any, **options: Any) -> Any:
            made = real(*arguments, **options)
            if getattr(made, "nbytes", 0) >= LARGE_BYTES and refusals.is_next():
                raise error()
            return made

        patch.setattr(owner, name, allocate)

    for name in ALLOCATING:
        count(np, name, MemoryError)
    for name in ("cvtColor", "resize", "warpAffine"):
        count(
            cv2, name, lambda: cv2.error("OpenCV: (-4:Insufficient memory) Failed to allocate 921600 bytes")
        )


def _accepts(patch: pytest.MonkeyPatch, refusals: Refusals) -> None:
    _refuse_with(patch, refusals, socket.socket, "accept", _system_error(errno.EMFILE))


PATCHES: dict[str, Callable[[pytest.MonkeyPatch, Refusals], None]] = dict(
    zip(KINDS, (_opens, _writes, _fsyncs, _renames, _threads, _allocations), strict=True)
) | {"accept": _accepts}
