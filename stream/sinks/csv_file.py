"""`--csv FILE`: one row per face per frame, written while the run lasts, with the marks; always whole rows."""

import csv
import io
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

from mtclar.engine.data_types import BLENDSHAPES, Affect
from mtclar.engine.errors import UsageError, WriteError
from mtclar.engine.files import append_whole, expand_home, open_private
from mtclar.engine.text import cell
from mtclar.stream.protocol.messages import AffectMessage, MarkMessage, StreamInfo
from mtclar.stream.sinks.base import Sink

log = logging.getLogger(__name__)

COLUMNS = (
    "stream",
    "frame",
    "time",  # seconds of the source's own time, as in labels.csv
    "track",
    "subject",
    "state",
    "valence",
    "arousal",
    "valence_sd",
    "arousal_sd",
    "raw_valence",
    "raw_arousal",
    "in_support",
    "calibrated",
    "nearest_similarity",
    "faults",
    "x",
    "y",
    "width",
    "height",
    "yaw",
    "pitch",
    "roll",
    "mark",  # labels; in the first row of the first frame captured after them
)

BLENDSHAPE_COLUMNS = BLENDSHAPES[1:]
"""After the others, where blendshapes are computed; `_neutral` says nothing."""

FLUSH_EVERY_S = 1.0
"""A SIGKILL or a power cut loses the rows of at most this time."""

MAX_WAITING = 16 * 2**20
"""Characters of rows that wait while the disk is full, about an hour of a face; later ones are lost and counted."""

MARKS_KEPT = 1000
"""The newest marks of a stream without frames; older ones are dropped."""


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
    ) -> None:
        self.path = path
        self._blendshapes = blendshapes
        self._clock = clock
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
        self._writer.writerow((*COLUMNS, *BLENDSHAPE_COLUMNS) if blendshapes else COLUMNS)
        if (refusal := self._write()) is not None:
            self._file.close()
            if not overwrite:
                path.unlink()
            raise UsageError(refusal, "choose another place, or make room")

    def open(self, streams: Sequence[StreamInfo]) -> None:
        self._marks = {info.stream: deque(maxlen=MARKS_KEPT) for info in streams}

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
            rows = [_row(message, face) for face in message.faces] or [_row(message, None)]
            rows[0][-1] = self._marks_before(message)
            if self._blendshapes:
                for row, face in zip(rows, message.faces or (None,), strict=True):
                    row += _blendshape_cells(face)
            self._writer.writerows(rows)
            if self._clock() - self._flushed_s >= FLUSH_EVERY_S:
                self._flush()

    def mark(self, message: MarkMessage) -> None:
        """Keeps the label for the next frame; waits for no disk, as the event loop must not."""
        for stream, marks in self._marks.items():
            if message.stream in (None, stream):
                marks.append((message.t_s, cell(message.label)))

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

    def _marks_before(self, message: AffectMessage) -> str:
        """The labels whose first later frame this is."""
        waiting = self._marks.get(message.stream, deque())
        taken = []
        while waiting and waiting[0][0] <= message.t_capture_s:
            taken.append(waiting.popleft()[1])
        return "; ".join(taken)

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
        try:
            append_whole(self._file, self._rows.getvalue().encode())
        except OSError as error:
            return f"{self.path.name} cannot be written: {error.strerror or error}"
        self._rows.seek(0)
        self._rows.truncate()
        return None


def _row(message: AffectMessage, face: Affect | None) -> list[object]:
    start: list[object] = [cell(message.stream), message.frame, f"{message.pts_s:.4f}"]
    if face is None:
        return start + [""] * (len(COLUMNS) - len(start))
    raw = face.raw
    x0, y0, x1, y1 = face.box
    similarity = None if raw is None or raw.nearest is None else float(raw.similarity[raw.nearest])
    return [
        *start,
        face.track_id,
        cell(face.subject or ""),
        face.state,
        *(_number(v) for v in (face.valence, face.arousal, face.valence_sd, face.arousal_sd)),
        *(("", "", "") if raw is None else (_number(raw.valence), _number(raw.arousal), int(raw.in_support))),
        int(face.calibrated),
        _number(similarity),
        "; ".join(map(cell, face.quality_issues)),
        *(f"{v:.1f}" for v in (x0, y0, x1 - x0, y1 - y0)),
        *(("", "", "") if face.pose_deg is None else (f"{v:.1f}" for v in face.pose_deg)),
        "",
    ]


def _blendshape_cells(face: Affect | None) -> list[object]:
    if face is None or face.blendshapes is None:
        return [""] * len(BLENDSHAPE_COLUMNS)
    return [_number(value) for value in face.blendshapes[1:].tolist()]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
