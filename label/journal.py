"""What was worked out so far, on the disk piece by piece: a run that was killed goes on after its last whole piece.

A journal belongs to one key (a digest of input and settings); of another key it is begun anew. A piece that was cut
short or damaged ends it: that piece and all after it are worked out again.
"""

import hashlib
import os
import struct
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from mtclar.engine.backends.session import Closeable
from mtclar.engine.errors import MtclarError, WriteError

try:
    import fcntl
except ImportError:  # Windows: two runs on one output are not noticed there
    fcntl = None  # type: ignore[assignment]

MAGIC = b"mtclar-label-journal 1\n"
KEY_BYTES = 64  # hexadecimal sha256
HEAD = struct.Struct("<Q32s")  # bytes of a piece, its sha256
MAX_PIECE_BYTES = 2**28


class Journal(Closeable):
    """Pieces of bytes in a file that only grows. Mode 0600: embeddings of a face are biometric data.

    Raises WriteError when the disk refuses.
    """

    def __init__(self, path: Path, key: str) -> None:
        self._path = path
        self.pieces: list[bytes] = []  # that were there already
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o600)
            self._file: BinaryIO = os.fdopen(descriptor, "r+b")
            self._lock()
            start = MAGIC + key.encode()
            if self._file.read(len(start)) == start:
                self.pieces = list(_whole_pieces(self._file))
                self._file.truncate(len(start) + sum(HEAD.size + len(piece) for piece in self.pieces))
            else:
                self._file.seek(0)
                self._file.truncate()
                self._file.write(start)
            self._file.seek(0, os.SEEK_END)
            self._kept = bool(self.pieces)
        except OSError as error:
            raise self._refused(error) from error

    def append(self, piece: bytes) -> None:
        """Adds a piece; when this returns, it is on the disk."""
        try:
            self._file.write(HEAD.pack(len(piece), hashlib.sha256(piece).digest()) + piece)
            self._file.flush()
            os.fsync(self._file.fileno())
            self._kept = True
        except OSError as error:
            raise self._refused(error) from error

    def close(self) -> None:
        """A journal without a piece is of no use to anybody and goes."""
        if not self._file.closed and not self._kept:
            with suppress(OSError):  # Windows removes no open file
                self._path.unlink(missing_ok=True)
        self._file.close()

    def remove(self) -> None:
        """The work is done: nothing is left."""
        self.close()
        self._path.unlink(missing_ok=True)

    def _lock(self) -> None:
        """Held until the file is closed, however this process ends."""
        if fcntl is None:
            return
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._file.close()
            raise MtclarError(
                f"another run works on this output ({self._path})", "wait for it, or stop it"
            ) from error

    def _refused(self, error: OSError) -> WriteError:
        return WriteError(
            f"cannot write {self._path}: {error.strerror or error}", "choose another place, or make room"
        )


def _whole_pieces(file: BinaryIO) -> Iterator[bytes]:
    while len(head := file.read(HEAD.size)) == HEAD.size:
        size, digest = HEAD.unpack(head)
        if size > MAX_PIECE_BYTES:
            return
        piece = file.read(size)
        if len(piece) < size or hashlib.sha256(piece).digest() != digest:
            return
        yield piece
