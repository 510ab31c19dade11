"""`--csv FILE`: one row per face per frame, written while the run lasts, with the marks; always whole rows.

FILE.json beside it says where the values come from (mtclar.stream.table.provenance).
"""

import csv
import hashlib
import io
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

from mtclar.engine.data_types import BLENDSHAPES, Affect
from mtclar.engine.errors import UsageError, WriteError
from mtclar.engine.files.reading import expand_home
from mtclar.engine.files.writing import append_whole, open_private
from mtclar.stream.protocol.messages import AffectMessage, MarkMessage, StatusMessage, StreamInfo
from mtclar.stream.server.clock import ClockPair
from mtclar.stream.sinks.base import Sink
from mtclar.stream.table.columns import Value, chosen_columns, csv_cells
from mtclar.stream.table.provenance import GAP_S, Gap, TableOrigin, write_sidecar

log = logging.getLogger(__name__)

FLUSH_EVERY_S = 1.0
"""A SIGKILL or a power cut loses the rows of at most this time."""

FLUSH_CHARACTERS = 4096
"""So many characters of rows are written at once without waiting: a fast run fills a disk to its last rows too."""

MAX_WAITING = 16 * 2**20
"""Characters of rows that wait while the disk is full, about an hour of a face; later ones are lost and counted."""

MARKS_KEPT = 1000
"""The newest marks of a stream without frames; older ones are dropped."""

MAX_GAPS = 10_000
"""Gaps that are listed; later ones are only in the rows."""


@dataclass(slots=True)
class _StreamRecord:
    """What the JSON says about one stream."""

    info: StreamInfo
    clock: str = ""  # where capture times come from
    frames: int = 0
    dropped: int = 0
    last_s: float | None = None  # source time of the last frame
    trouble: str = ""  # why frames are missing now

    def describe(self) -> dict[str, Any]:
        info = self.info
        return {
            **{name: getattr(info, name) for name in ("stream", "label", "live", "size", "fps", "freshness")},
            **{name: getattr(self, name) for name in ("clock", "frames", "dropped")},
        }


def open_csv(argument: str) -> "CsvSink":
    """The sink of `csv://FILE`."""
    if not argument:
        raise UsageError("the csv sink needs a file", "write csv://out.csv")
    return CsvSink(expand_home(argument))


class CsvSink(Sink):
    """Writes each message's faces; a frame without a face is one row with empty cells, so every frame has a row.

    A cell is empty where there is no honest value. The folder is made; the file must not exist yet, unless
    `overwrite`. Raises UsageError when it does, or cannot be written. On a disk that becomes full the rows wait for
    room, and `close` raises WriteError when there is none at the end. A mark that no frame follows has no row.
    `origin` is what the caller knows for the JSON: command, participant, session, support sets, parameters. `pair`:
    Unix and monotonic time of one moment, for messages of an earlier run; None: those of this machine now.
    """

    own_thread = False  # a row must not be dropped: a queue that is full would
    required = True

    def __init__(
        self,
        path: Path,
        *,
        overwrite: bool = False,
        blendshapes: bool = False,
        clock: Callable[[], float] = time.monotonic,
        pair: tuple[float, float] | None = None,
        origin: TableOrigin | None = None,
    ) -> None:
        self.path = path
        self._columns = chosen_columns(blendshapes)
        self._clock = clock
        self._origin = origin or TableOrigin("run")
        self._clocks = ClockPair() if pair is None else None
        # Unix and monotonic; another one each time that the wall clock is set
        self._pairs = [pair or ClockPair().read()]
        self._streams: dict[str, _StreamRecord] = {}
        self._gaps: list[Gap] = []
        self._digest = hashlib.sha256()
        self._count = 0  # rows that wait or are written
        self._file: IO[bytes] | None = None
        if path.exists() and not overwrite:
            raise UsageError(f"{path} exists already", "name another file, or remove it")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = open_private(path, "wb" if overwrite else "xb")
        except OSError as error:
            raise UsageError(f"cannot write {path}: {error.strerror}", "choose another place") from error
        self._lock = threading.Lock()  # of all that follows: streams write from threads of their own
        self._marks: dict[str, deque[tuple[float, str]]] = {}  # by stream: time and label
        self._rows = io.StringIO()
        self._writer = csv.writer(self._rows, lineterminator="\n")
        self._lost = 0  # messages without rows, because too many waited
        self._writer.writerow([column.name for column in self._columns])
        if (refusal := self._write()) is not None:
            self._file.close()
            if not overwrite:
                path.unlink()
            raise UsageError(refusal, "choose another place, or make room")

    def open(self, streams: Sequence[StreamInfo]) -> None:
        self._marks = {info.stream: deque(maxlen=MARKS_KEPT) for info in streams}
        self._streams = {info.stream: _StreamRecord(info) for info in streams}
        self._write_sidecar(complete=False)

    def status(self, message: StatusMessage) -> None:
        """Keeps why frames are missing, for the list of gaps."""
        if (record := self._streams.get(message.stream)) is not None and message.state != "live":
            record.trouble = message.reason or message.state

    def affect(self, message: AffectMessage) -> None:
        """One row per face of this frame."""
        with self._lock:
            if self._file is None:
                return
            if self.trouble is not None and self._clock() - self._flushed_s >= FLUSH_EVERY_S:
                self._flush()  # before this row is given up
            if self._rows.tell() > MAX_WAITING:
                self._lost += 1
                return
            self._note(message)
            rows = [self._values(message, face) for face in message.faces or (None,)]
            rows[0]["mark"] = self._marks_before(message) or None
            self._writer.writerows(csv_cells(row, self._columns) for row in rows)
            self._count += len(rows)
            full = self.trouble is None and self._rows.tell() >= FLUSH_CHARACTERS
            if full or self._clock() - self._flushed_s >= FLUSH_EVERY_S:
                self._flush()

    def mark(self, message: MarkMessage) -> None:
        """Keeps the label for the next frame; waits for no disk, as the event loop must not."""
        for stream, marks in self._marks.items():
            if message.stream in (None, stream):
                marks.append((message.t_s, message.label))

    def close(self) -> None:
        """Writes the remaining rows; safe to call twice. Raises WriteError when they cannot be written."""
        with self._lock:
            if self._file is None:
                return
            self._flush()
            self._file.close()
            self._file = None
            if self.trouble is not None:
                raise WriteError(
                    f"the last rows are missing: {self.trouble}", "the rows before them are complete"
                )
            self._write_sidecar(complete=True)

    def _note(self, message: AffectMessage) -> None:
        """Keeps what the JSON says about the message's stream."""
        record = self._streams.get(message.stream)
        if record is None:
            return
        if record.last_s is not None and message.pts_s - record.last_s > GAP_S and len(self._gaps) < MAX_GAPS:
            self._gaps.append(
                Gap(message.stream, round(record.last_s, 4), round(message.pts_s, 4), record.trouble)
            )
        record.clock, record.last_s, record.dropped = message.clock, message.pts_s, message.dropped
        record.frames += 1
        record.trouble = ""

    def _values(self, message: AffectMessage, face: Affect | None) -> dict[str, Value]:
        """One row by column."""
        unix_s, monotonic_s = self._pairs[-1]
        return {
            "t_unix": message.t_capture_s - monotonic_s + unix_s,
            "time": message.pts_s,
            "frame": message.frame,
            "participant": self._origin.participant,
            "session": self._origin.session,
            "stream": message.stream,
            "latency_ms": None if message.clock == "file" else message.latency_ms.total,
            **({} if face is None else _face_values(face)),
        }

    def _write_sidecar(self, *, complete: bool) -> None:
        """Writes the JSON beside a table that is an ordinary file. Raises WriteError."""
        if not self.path.is_file():
            return
        (unix_s, monotonic_s), *later = self._pairs
        clock = {
            "t_unix": "time of capture on this machine's clock; of a file: when its frame was read",
            "start": {"unix": unix_s, "monotonic": monotonic_s},
            "wall_clock_set": [{"unix": unix_s, "monotonic": monotonic_s} for unix_s, monotonic_s in later],
        }
        origin = replace(
            self._origin,
            model=self.model,
            clock=clock,
            sources=[record.describe() for record in self._streams.values()],
            gaps=self._gaps,
        )
        digest = self._digest.hexdigest() if complete else None
        description = origin.describe(self.path, self._columns, self._count if complete else None, digest)
        write_sidecar(self.path, description)

    def _marks_before(self, message: AffectMessage) -> list[str]:
        """The labels whose first later frame this is."""
        waiting = self._marks.get(message.stream, deque())
        taken = []
        while waiting and waiting[0][0] <= message.t_capture_s:
            taken.append(waiting.popleft()[1])
        return taken

    def _flush(self) -> None:
        """Writes the rows; those that the disk refuses wait."""
        refusal = self._write()
        if refusal is not None and self.trouble is None:
            log.warning("%s; its rows wait for room", refusal)
        elif refusal is None and self.trouble is not None:
            log.warning("%s is written again; rows of %d frames are missing", self.path, self._lost)
            self._lost = 0
        self.trouble = refusal

    def _write(self) -> str | None:
        """Writes all rows at once, so that the file ends with a whole row; the reason when they have to wait."""
        assert self._file is not None
        self._flushed_s = self._clock()
        if self._clocks is not None and (pair := self._clocks.read_if_set()) is not None:
            self._pairs.append(pair)
        data = self._rows.getvalue().encode()
        try:
            append_whole(self._file, data)
        except OSError as error:
            return f"{self.path.name} cannot be written: {error.strerror or error}"
        self._digest.update(data)
        self._rows.seek(0)
        self._rows.truncate()
        return None


def _face_values(face: Affect) -> dict[str, Value]:
    """The cells of one face by column."""
    x0, y0, x1, y1 = face.box
    values: dict[str, Value] = {
        "track": face.track_id,
        "subject": face.subject,
        "state": face.state,
        "faults": face.quality_issues,
        "caveats": face.caveats,
        "drift": face.drift,
        "valence": face.valence,
        "arousal": face.arousal,
        "valence_sd": face.valence_sd,
        "arousal_sd": face.arousal_sd,
        "calibrated": face.calibrated,
        **{"x": x0, "y": y0, "width": x1 - x0, "height": y1 - y0},
    }
    if (raw := face.raw) is not None:
        values |= {"raw_valence": raw.valence, "raw_arousal": raw.arousal, "in_support": raw.in_support}
        values |= {"absolute_valence": raw.absolute[0], "absolute_arousal": raw.absolute[1]}
        values["nearest_similarity"] = None if raw.nearest is None else float(raw.similarity[raw.nearest])
    if face.pose_deg is not None:
        values |= dict(zip(("yaw", "pitch", "roll"), face.pose_deg, strict=True))
    if face.blendshapes is not None:
        values |= dict(zip(BLENDSHAPES, face.blendshapes.tolist(), strict=True))
    return values
