"""`--csv FILE`: one row per face per frame, written as it happens."""

import contextlib
import csv
import time
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

from mtclar.engine.errors import MtclarError, UsageError
from mtclar.engine.handover import Affect
from mtclar.stream.messages import AffectMessage

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
)

FLUSH_EVERY_S = 1.0


class CsvSink:
    """Writes each message's faces; a frame without a face is one row with empty cells, so every frame has a row.

    A cell is empty where there is no honest value. The folder is made; the file must not exist yet, unless
    `overwrite`. Raises UsageError when it does, MtclarError when it cannot be written (a full disk ends the run; what
    was written stays).
    """

    def __init__(
        self, path: Path, *, overwrite: bool = False, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.path = path
        self._clock = clock
        self._file: TextIO | None = None
        if path.exists() and not overwrite:
            raise UsageError(f"{path} exists already", "name another file, or remove it")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("w" if overwrite else "x", newline="", encoding="utf-8")
        except OSError as error:
            raise UsageError(f"cannot write {path}: {error.strerror}", "choose another place") from error
        self._writer = csv.writer(self._file, lineterminator="\n")
        self._flushed_s = clock()
        self._attempt(lambda: self._writer.writerow(COLUMNS))
        self._attempt(self._file.flush)

    def publish(self, message: AffectMessage) -> None:
        """One row per face of this frame."""
        if self._file is None:
            return
        rows = [_row(message, face) for face in message.faces] or [_row(message, None)]
        self._attempt(lambda: self._writer.writerows(rows))
        if self._clock() - self._flushed_s >= FLUSH_EVERY_S:
            self._attempt(self._file.flush)
            self._flushed_s = self._clock()

    def close(self) -> None:
        """Writes out what is left; safe to call twice."""
        file, self._file = self._file, None
        if file is not None:
            self._attempt(file.close)

    def _attempt(self, write: Callable[[], object]) -> None:
        try:
            write()
        except OSError as error:
            file, self._file = self._file, None
            if file is not None:
                with contextlib.suppress(OSError):  # closing tries to write the rest once more, then lets go
                    file.close()
            raise MtclarError(
                f"cannot write {self.path}: {error.strerror}",
                "what was written so far stays; is the disk full?",
            ) from error


def _row(message: AffectMessage, face: Affect | None) -> list[object]:
    start: list[object] = [message.stream, message.frame, f"{message.pts_s:.4f}"]
    if face is None:
        return start + [""] * (len(COLUMNS) - len(start))
    raw = face.raw
    x0, y0, x1, y1 = face.box
    similarity = None if raw is None or raw.nearest is None else float(raw.similarity[raw.nearest])
    return [
        *start,
        face.track_id,
        face.subject or "",
        face.state,
        *(_number(v) for v in (face.valence, face.arousal, face.valence_sd, face.arousal_sd)),
        *(("", "", "") if raw is None else (_number(raw.valence), _number(raw.arousal), int(raw.in_support))),
        int(face.calibrated),
        _number(similarity),
        "; ".join(face.faults),
        *(f"{v:.1f}" for v in (x0, y0, x1 - x0, y1 - y0)),
        *(("", "", "") if face.pose_deg is None else (f"{v:.1f}" for v in face.pose_deg)),
    ]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
