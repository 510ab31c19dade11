"""The result of `label` and `analyse`: the values of each person in every frame, and their rows by column.

The columns are those of mtclar.stream.table.columns, as in `run --csv`.
"""

import csv
import io
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mtclar.engine.data_types import BLENDSHAPES
from mtclar.stream.table.columns import SEPARATOR, Column, Value, chosen_columns, csv_cells

Array = NDArray[np.float64]

LABELLED = "labelled"
"""State of a frame that has a label and an estimate."""

PAIRS = (("valence", "arousal"), ("valence_sd", "arousal_sd"), ("label_valence", "label_arousal"))


@dataclass(frozen=True, slots=True, eq=False)
class Measurements:
    """One person's faces in the m frames where they were measured or found too poor; nan and '': no value."""

    rows: NDArray[np.int64]  # [m] frames, in order
    boxes: Array  # [m, 4] x0, y0, x1, y1 in pixels
    pose_deg: Array  # [m, 3] yaw, pitch, roll
    faults: NDArray[np.str_]  # [m]
    raw: Array  # [m, 2]
    absolute: Array  # [m, 2]
    in_support: Array  # [m]
    similarity: Array  # [m]
    caveats: NDArray[np.str_]  # [m]
    drift: NDArray[np.str_]  # [m]
    blendshapes: Array  # [m, 52]; [m, 0] where they were not computed


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """One person in n frames; nan: no value."""

    times_s: Array  # [n] from the first frame
    values: Array  # [n, 2] estimated valence and arousal in [-1, 1]
    sds: Array  # [n, 2]
    state: NDArray[np.str_]  # [n] LABELLED or one of mtclar.label.scan.face_scan.STATES
    labels: Array  # [n, 2] given valence and arousal
    first_frame_s: float = 0.0  # time of the first frame in the media file
    track: int | None = None  # number of the person
    subject: str | None = None  # whose support set or labels were used
    calibrated: bool = True  # whether a support set or labels were used
    measured: Measurements | None = None

    def __len__(self) -> int:
        return len(self.times_s)

    @property
    def valued(self) -> NDArray[np.bool_]:
        """[n] whether both axes have a value."""
        return np.asarray(~np.isnan(self.values).any(axis=1))

    def rows(self) -> Iterator[dict[str, Value]]:
        """The cells of each frame by column. Without a value and a face, there is no track."""
        numbers = np.hstack([self.values, self.sds, self.labels]).tolist()
        at = {} if self.measured is None else {row: i for i, row in enumerate(self.measured.rows.tolist())}
        names = [name for pair in PAIRS for name in pair]
        for frame, (cells, t_s, state) in enumerate(
            zip(numbers, self.times_s.tolist(), self.state.tolist(), strict=True)
        ):
            row: dict[str, Value] = {"time": t_s, "frame": frame, "state": state}
            row |= {name: _known(cell) for name, cell in zip(names, cells, strict=True)}
            if row["valence"] is not None or frame in at:
                row |= {"track": self.track, "subject": self.subject, "calibrated": self.calibrated}
            if self.measured is not None and frame in at:
                row |= _face_cells(self.measured, at[frame])
            yield row


@dataclass(frozen=True, slots=True, eq=False)
class RecordingTable:
    """All people of one recording, and what its rows say about the recording itself."""

    people: tuple[Table, ...]  # the followed person first; all with the same frames
    stream: str = ""
    participant: str = ""
    session: str = ""
    start_unix_s: float | None = None  # of the first frame

    @property
    def columns(self) -> tuple[Column, ...]:
        measured = [person.measured for person in self.people]
        return chosen_columns(any(one is not None and one.blendshapes.size for one in measured))

    def rows(self) -> Iterator[dict[str, Value]]:
        """One row for each frame of each person who is there; a frame without anybody has one row without a track."""
        common: dict[str, Value] = {
            name: getattr(self, name) or None for name in ("stream", "participant", "session")
        }
        for together in zip(*(person.rows() for person in self.people), strict=True):
            there = [row for row in together if "track" in row]
            for row in there or together[:1]:
                if self.start_unix_s is not None:
                    row["t_unix"] = self.start_unix_s + float(row["time"])
                yield common | row

    def as_csv(self) -> bytes:
        """CSV in UTF-8; a missing value is an empty cell."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        columns = self.columns
        writer.writerow([column.name for column in columns])
        writer.writerows(csv_cells(row, columns) for row in self.rows())
        return out.getvalue().encode()


def _face_cells(measured: Measurements, i: int) -> dict[str, Value]:
    x0, y0, x1, y1 = measured.boxes[i].tolist()
    cells: dict[str, Value] = {"x": x0, "y": y0, "width": x1 - x0, "height": y1 - y0}
    for names, numbers in (
        (("yaw", "pitch", "roll"), measured.pose_deg[i]),
        (("raw_valence", "raw_arousal"), measured.raw[i]),
        (("absolute_valence", "absolute_arousal"), measured.absolute[i]),
        (("in_support", "nearest_similarity"), np.array([measured.in_support[i], measured.similarity[i]])),
        (BLENDSHAPES[: measured.blendshapes.shape[1]], measured.blendshapes[i]),
    ):
        cells |= dict(zip(names, map(_known, numbers.tolist()), strict=True))
    for name in ("faults", "caveats", "drift"):
        text = str(getattr(measured, name)[i])
        cells[name] = text.split(SEPARATOR) if text else None
    return cells


def _known(number: float) -> float | None:
    return None if math.isnan(number) else number
