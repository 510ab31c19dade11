"""The result of every video of a corpus as JSON lines: the report, and the outputs that a repeated run keeps."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from mtclar.engine.backends.session import Closeable
from mtclar.engine.errors import UsageError, WriteError
from mtclar.engine.files.reading import read_ordinary
from mtclar.engine.files.writing import append_whole, open_private
from mtclar.label.job import Job
from mtclar.label.labelling import journal_path

Status = Literal["done", "kept", "failed"]
MAX_BYTES = 256 * 2**20  # half a million videos


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """The result of one video: a line of the ledger."""

    video: str
    out: str
    status: Status  # kept: finished earlier from the same input
    key: str = ""
    frames: int = 0
    valued: int = 0  # frames with a value
    video_s: float = 0.0
    processor_s: float = 0.0
    faces: int = 0  # people seen; one of them was followed
    reason: str = ""  # of a failure
    warning: str = ""  # about the video: it breaks off, its times jump


class Ledger(Closeable):
    """Append-only file of JSON lines. The last line of an output is valid; a truncated last line is dropped.

    Raises UsageError if the file is not a ledger, WriteError if it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.entries: dict[str, LedgerEntry] = {}  # by output
        self._written: set[str] = set()  # outputs that runs with this ledger wrote
        whole = 0
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            content = read_ordinary(path, MAX_BYTES) if path.exists() else b""
            for line in content.splitlines(keepends=True):
                if line.endswith(b"\n"):
                    self._read_line(line)
                    whole += len(line)
            self._file = open_private(path, "ab")
            self._file.truncate(whole)
        except OSError as error:
            raise WriteError(
                f"cannot write {path}: {error.strerror or error}", "choose another folder"
            ) from error

    def add(self, entry: LedgerEntry) -> None:
        """Append the entry and flush it to the disk."""
        self._record(entry)
        try:
            append_whole(self._file, json.dumps(asdict(entry)).encode() + b"\n")
            os.fsync(self._file.fileno())
        except OSError as error:
            raise WriteError(
                f"cannot write {self.path}: {error.strerror or error}", "free disk space"
            ) from error

    def input_digest(self, job: Job) -> str:
        """Input digest of the finished output of a job; '' if it was not finished or no longer exists."""
        entry = self.entries.get(str(job.outs[0]))
        exists = all(file.is_file() for file in job.files)
        return entry.key if entry is not None and entry.status != "failed" and exists else ""

    def conflicting_file(self, job: Job) -> Path | None:
        """An existing output file of the job that no run with this ledger wrote."""
        # A journal: a run that was killed before it wrote its entry.
        if str(job.outs[0]) in self._written or journal_path(job.outs[0]).exists():
            return None
        return next((file for file in job.files if file.exists()), None)

    def close(self) -> None:
        self._file.close()

    def _record(self, entry: LedgerEntry) -> None:
        self.entries[entry.out] = entry
        if entry.status == "done":
            self._written.add(entry.out)

    def _read_line(self, line: bytes) -> None:
        try:
            entry = LedgerEntry(**json.loads(line))
        except (ValueError, TypeError) as error:
            raise UsageError(
                f"{self.path} is not a report of `label`", "name another file with --report"
            ) from error
        self._record(entry)
