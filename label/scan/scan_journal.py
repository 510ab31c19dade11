"""Append-only file with the results of a scan, so that an interrupted run resumes after the last complete record.

A journal belongs to one key, a digest of the input and the settings; a different key clears it. A truncated or damaged
record ends the journal: this record and all later ones are computed again.
"""

import hashlib
import os
import struct
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO

from mtclar.engine.backends.session import Closeable
from mtclar.engine.errors import MtclarError, UsageError, WriteError
from mtclar.engine.files.writing import PRIVATE, append_whole

try:
    import fcntl
except ImportError:  # Windows: two runs on one output are not detected
    fcntl = None  # type: ignore[assignment]

MAGIC = b"mtclar-label-journal 1\n"
RECORD_HEADER = struct.Struct("<Q32s")  # record size in bytes, sha256 of the record
MAX_RECORD_BYTES = 2**28


class ScanJournal(Closeable):
    """Records of bytes in a file with mode 0600, because embeddings of a face are biometric data.

    Raises WriteError if the file cannot be written, MtclarError if another run holds it.
    """

    def __init__(self, path: Path, key: str) -> None:
        self._path = path
        self.records: list[bytes] = []  # read when the file was opened
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file: IO[bytes] = os.fdopen(os.open(path, flags, PRIVATE), "r+b", 0)
        except OSError as error:
            raise (self._foreign() if path.is_symlink() else self._write_error(error)) from error
        try:
            self._lock()
            self._read(MAGIC + key.encode())
        except OSError as error:
            self._file.close()
            raise self._write_error(error) from error
        except MtclarError:
            self._file.close()
            raise
        self._has_records = bool(self.records)

    def append(self, record: bytes) -> None:
        """Append a record and flush it to the disk."""
        try:
            header = RECORD_HEADER.pack(len(record), hashlib.sha256(record).digest())
            append_whole(self._file, header + record)
            os.fsync(self._file.fileno())
            self._has_records = True
        except OSError as error:
            raise self._write_error(error) from error

    def close(self) -> None:
        """Close the file; delete it if it has no records."""
        if not self._file.closed and not self._has_records:
            with suppress(OSError):  # Windows cannot delete an open file
                self._path.unlink(missing_ok=True)
        self._file.close()

    def remove(self) -> None:
        """Close and delete the file, once the output is complete."""
        self.close()
        self._path.unlink(missing_ok=True)

    def _read(self, start: bytes) -> None:
        """Read the records of a file that begins with `start`; clear a journal of another key."""
        found = self._file.read(len(start))
        if not (found.startswith(MAGIC) or MAGIC.startswith(found)):  # a beginning: killed while it was made
            raise self._foreign()
        if found == start:
            self.records = list(_intact_records(self._file))
            kept = sum(RECORD_HEADER.size + len(record) for record in self.records)
            self._file.truncate(len(start) + kept)
        else:
            self._file.truncate(0)
            append_whole(self._file, start)

    def _lock(self) -> None:
        """Lock the file; the operating system releases the lock when the process ends."""
        if fcntl is None:
            return
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise MtclarError(
                f"another run is writing this output ({self._path})", "wait for it, or stop it"
            ) from error

    def _foreign(self) -> UsageError:
        return UsageError(
            f"{self._path} is in the way: it is not a journal of `label`", "move it, or name another output"
        )

    def _write_error(self, error: OSError) -> WriteError:
        return WriteError(
            f"cannot write {self._path}: {error.strerror or error}",
            "choose another folder, or free disk space",
        )


def _intact_records(file: IO[bytes]) -> Iterator[bytes]:
    while len(head := file.read(RECORD_HEADER.size)) == RECORD_HEADER.size:
        size, digest = RECORD_HEADER.unpack(head)
        if size > MAX_RECORD_BYTES:
            return
        record = file.read(size)
        if len(record) < size or hashlib.sha256(record).digest() != digest:
            return
        yield record
