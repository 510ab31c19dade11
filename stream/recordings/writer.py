"""Writes one recording: rows in parts, events line by line, the manifest. A killed process leaves it readable.

Rows are appended to an Arrow stream, which is whole after every flush; after a minute it becomes a Parquet part, on a
thread of its own, as its way to the disk must not delay the next flush.
"""

import io
import json
import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import IO, Any

import pyarrow
from pyarrow import parquet

from mtclar.engine.errors import UsageError, WriteError
from mtclar.engine.files.writing import append_whole, open_private, write_whole
from mtclar.engine.text import printable
from mtclar.stream.protocol.messages import (
    AffectMessage,
    Message,
    ModelInfo,
    ReceivedAffect,
    StreamInfo,
)
from mtclar.stream.recordings import EVENTS, FORMAT, MANIFEST, OPEN_PART, PART, VERSION, file_name
from mtclar.stream.recordings.rows import SCHEMA, Row, rows_of

log = logging.getLogger(__name__)

PART_S = 60.0
MAX_WAITING = 64 * 2**20
"""Bytes that wait while the disk is full, about an hour of a face; later rows are lost and counted."""

ClockReading = tuple[float, float]
"""Unix and monotonic time of one moment."""


class RecordingWriter:
    """One recording, from its first file to `close`; for one thread.

    The folder is made in `parent` and named after the start and the session. Raises UsageError when that is impossible.
    """

    def __init__(
        self,
        parent: Path,
        *,
        session: str,
        participant: str = "",
        streams: Sequence[StreamInfo],
        model: ModelInfo | None,
        support_sets: Mapping[str, Sequence[Mapping[str, Any]]],
        clock: ClockReading,
        program: str = "",
    ) -> None:
        unix_s, monotonic_s = clock
        self.started_s = monotonic_s
        self.trouble: str | None = None
        self.lost = 0  # messages without rows, because too many waited
        self._unix_offset_s = unix_s - monotonic_s
        started = datetime.fromtimestamp(unix_s, UTC)
        self._manifest: dict[str, Any] = {
            "format": FORMAT,
            "version": VERSION,
            "program": program,
            "participant": printable(participant),
            "session": printable(session),
            "started": started.isoformat(timespec="milliseconds"),
            "ended": None,
            "clock": {"unix": unix_s, "monotonic": monotonic_s},
            "model": None if model is None else asdict(model),
            "streams": [asdict(stream) for stream in streams],
            "support_sets": support_sets,
            "parts": [],
            "lost": 0,
        }
        try:
            self.folder = _make_folder(parent, started, session)
            self._write_manifest()
            self._events_file = open_private(self.folder / EVENTS, "xb")
        except (OSError, WriteError) as error:
            reason = error.what if isinstance(error, WriteError) else f"{parent}: {error.strerror or error}"
            raise UsageError(
                f"no recording can be written: {reason}", "choose another place, or make room"
            ) from error
        self._events = b""  # not written yet
        self._rows: list[Row] = []
        self._number = 0  # of the open part
        self._part: IO[bytes] | None = None
        self._batches: list[pyarrow.RecordBatch] = []  # of the open part
        self._buffer = io.BytesIO()  # of the open part, not written yet
        self._stream: pyarrow.RecordBatchStreamWriter | None = None
        self._finisher = ThreadPoolExecutor(1, "recording-parts")
        pyarrow.RecordBatch.from_pylist(
            [{}], SCHEMA
        )  # the first one imports pandas, if there is one: a second

    def announce(self, streams: Sequence[StreamInfo]) -> None:
        """Sets the streams of the manifest, where others have appeared."""
        self._manifest["streams"] = [asdict(stream) for stream in streams]
        self._write_manifest()

    def affect(self, t_s: float, message: AffectMessage | ReceivedAffect) -> None:
        """Keeps the rows of one message, which left the tracker at `t_s`, for `flush`."""
        if self._buffer.tell() > MAX_WAITING:
            self.lost += 1
        else:
            self._rows += rows_of(message, t_s, self._unix_offset_s)

    def event(self, t_s: float, message: Message, **details: Any) -> None:
        """Keeps any other message of the server for `flush`; `details` are further fields of its line."""
        line = {
            "t_message": t_s,
            "t_unix": t_s + self._unix_offset_s,
            "message": json.loads(message.encode()),
        }
        if len(self._events) <= MAX_WAITING:
            self._events += json.dumps(line | details, ensure_ascii=False).encode() + b"\n"

    def flush(self) -> None:
        """Writes all that waits; on a full disk it goes on waiting, and `trouble` says so."""
        if self._rows:
            self._add_batch()
        try:
            append_whole(self._events_file, self._events)
            self._events = b""
            if self._buffer.tell():
                if self._part is None:
                    self._part = open_private(self.folder / OPEN_PART.format(number=self._number), "xb")
                append_whole(self._part, self._buffer.getvalue())
                self._buffer.seek(0)
                self._buffer.truncate()
        except OSError as error:
            if self.trouble is None:
                log.warning(
                    "%s cannot be written: %s; its rows wait for room", self.folder, error.strerror or error
                )
            self.trouble = f"the recording {self.folder.name} cannot be written: {error.strerror or error}"
            return
        if self.trouble is not None:
            log.warning("%s is written again; rows of %d frames are missing", self.folder, self.lost)
            self.trouble = None
        if self._batches and _seconds(self._batches) >= PART_S:
            self._finish_part()

    def close(self) -> None:
        """Writes the rest and completes the manifest. Raises WriteError when the last rows cannot be written."""
        self.flush()
        if self._batches and self.trouble is None:
            self._finish_part()
        self.abandon()
        if self.trouble is not None:
            raise WriteError(
                f"the last rows are missing: {self.trouble}", "the rows before them are complete"
            )
        self._manifest |= {"ended": datetime.now(UTC).isoformat(timespec="milliseconds"), "lost": self.lost}
        self._write_manifest()

    def abandon(self) -> None:
        """Closes the files as they are, after a failure."""
        self._finisher.shutdown()
        self._events_file.close()
        if self._part is not None:
            self._part.close()

    def _add_batch(self) -> None:
        if self._stream is None:
            self._number += 1
            self._stream = pyarrow.ipc.new_stream(self._buffer, SCHEMA)
        batch = pyarrow.RecordBatch.from_pylist(self._rows, SCHEMA)
        self._rows = []
        self._stream.write_batch(batch)
        self._batches.append(batch)

    def _finish_part(self) -> None:
        """Makes a Parquet part of the open one, whose rows are all written."""
        assert self._part is not None
        self._part.close()
        self._finisher.submit(self._write_part, self._number, self._batches)
        self._part, self._stream, self._batches, self._buffer = None, None, [], io.BytesIO()

    def _write_part(self, number: int, batches: Sequence[pyarrow.RecordBatch]) -> None:
        """Called by the finisher. What cannot be written stays as it is: a reader takes either form."""
        table = pyarrow.Table.from_batches(batches)
        name = PART.format(number=number)
        try:
            write = partial(parquet.write_table, table, compression="zstd", write_page_checksum=True)
            write_whole(self.folder / name, write)
            (self.folder / OPEN_PART.format(number=number)).unlink()
            times = table["t_capture"]
            part = {
                "file": name,
                "rows": len(table),
                "first_t": times[0].as_py(),
                "last_t": times[-1].as_py(),
            }
            self._manifest["parts"].append(part)
            self._write_manifest()
        except (OSError, WriteError) as error:
            log.warning("%s stays an Arrow stream: %s", name, error)

    def _write_manifest(self) -> None:
        content = json.dumps(self._manifest, indent=1, ensure_ascii=False).encode() + b"\n"
        write_whole(self.folder / MANIFEST, content)


def _make_folder(parent: Path, started: datetime, session: str) -> Path:
    """A new folder such as `2026-11-29T10-15-00Z_P07`, which only its owner can read."""
    parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    name = f"{started:%Y-%m-%dT%H-%M-%SZ}" + (f"_{file_name(session)}" if session else "")
    for number in range(1, 1000):
        folder = parent / (name if number == 1 else f"{name}_{number}")
        try:
            folder.mkdir(mode=0o700)
        except FileExistsError:
            continue
        (folder / PART).parent.mkdir(mode=0o700)
        return folder
    raise FileExistsError(f"{parent / name} exists a thousand times")


def _seconds(batches: Sequence[pyarrow.RecordBatch]) -> float:
    times = batches[-1]["t_message"]
    return float(times[len(times) - 1].as_py() - batches[0]["t_message"][0].as_py())
