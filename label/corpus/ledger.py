"""What became of every video of a corpus, a JSON line each: the report, and what a repetition may leave out."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from mtclar.engine.backends.session import Closeable
from mtclar.engine.errors import UsageError, WriteError
from mtclar.label.job import Job
from mtclar.label.labelling import journal_of
from mtclar.label.output.exports import files_of

Status = Literal["done", "kept", "failed"]


@dataclass(frozen=True, slots=True)
class Entry:
    """What became of one video: a line of the ledger."""

    video: str
    out: str
    status: Status  # kept: it was done before, with the same input
    key: str = ""
    frames: int = 0
    valued: int = 0  # frames with a value
    video_s: float = 0.0
    processor_s: float = 0.0
    reason: str = ""  # of a failure, in words


class Ledger(Closeable):
    """A file of JSON lines that only grows: the report of a corpus, and what a repetition may leave out.

    The last line of an output counts. A line that was cut short is dropped. Raises UsageError when the file is
    something else, WriteError when the disk refuses.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.entries: dict[str, Entry] = {}  # by output
        self._made: set[str] = set()  # outputs that were written by a run of this report
        whole = 0
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            content = path.read_bytes() if path.exists() else b""
            for line in content.splitlines(keepends=True):
                if line.endswith(b"\n"):
                    self._take(line)
                    whole += len(line)
            self._file = path.open("ab")
            self._file.truncate(whole)
        except OSError as error:
            raise WriteError(
                f"cannot write {path}: {error.strerror or error}", "choose another place"
            ) from error

    def add(self, entry: Entry) -> None:
        """When this returns, the line is on the disk."""
        self._enter(entry)
        try:
            self._file.write(json.dumps(asdict(entry)).encode() + b"\n")
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise WriteError(f"cannot write {self.path}: {error.strerror or error}", "make room") from error

    def key_of(self, job: Job) -> str:
        """The key under which this job's output was done; '' when it was not, or is there no more."""
        entry = self.entries.get(str(job.outs[0]))
        there = all(file.is_file() for out in job.outs for file in files_of(out))
        return entry.key if entry is not None and entry.status != "failed" and there else ""

    def in_the_way(self, job: Job) -> Path | None:
        """A file that this job would write over, though no run of this report made it."""
        if (
            str(job.outs[0]) in self._made or journal_of(job.outs[0]).exists()
        ):  # killed before its line was written
            return None
        return next((file for out in job.outs for file in files_of(out) if file.exists()), None)

    def close(self) -> None:
        self._file.close()

    def _enter(self, entry: Entry) -> None:
        self.entries[entry.out] = entry
        if entry.status == "done":
            self._made.add(entry.out)

    def _take(self, line: bytes) -> None:
        try:
            entry = Entry(**json.loads(line))
        except (ValueError, TypeError) as error:
            raise UsageError(
                f"{self.path} is not a report of `label`", "name another file with --report"
            ) from error
        self._enter(entry)
