"""The result of `label` as a table with one row for each frame, and its CSV form."""

import csv
import io
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

COLUMNS = (
    *("frame", "time", "valence", "arousal", "valence_sd", "arousal_sd", "state"),
    *("valence_label", "arousal_label"),
)
LABELLED = "labelled"
"""State of a frame that has a label and an estimate."""

Cell = float | None


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """n frames; nan: no value."""

    times_s: Array  # [n] from the first frame
    values: Array  # [n, 2] estimated valence and arousal in [-1, 1]
    sds: Array  # [n, 2]
    state: NDArray[np.str_]  # [n] LABELLED or one of mtclar.label.face_scan.STATES
    labels: Array  # [n, 2] given valence and arousal
    first_frame_s: float = 0.0  # time of the first frame in the media file

    def __len__(self) -> int:
        return len(self.times_s)

    def rows(self) -> Iterator[tuple[int, float, Cell, Cell, Cell, Cell, str, Cell, Cell]]:
        """Yield rows with the cells of COLUMNS."""
        numbers = np.hstack([self.values, self.sds, self.labels])
        for frame, (t_s, cells, state) in enumerate(
            zip(self.times_s.tolist(), numbers.tolist(), self.state.tolist(), strict=True)
        ):
            v, a, v_sd, a_sd, v_label, a_label = (None if math.isnan(x) else x for x in cells)
            yield frame, t_s, v, a, v_sd, a_sd, state, v_label, a_label

    def as_csv(self) -> bytes:
        """CSV in UTF-8 with four decimals; a missing value is an empty cell."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(COLUMNS)
        for frame, *cells in self.rows():
            writer.writerow([frame, *(_text(cell) for cell in cells)])
        return out.getvalue().encode()


def _text(cell: Cell | str) -> str:
    if cell is None or isinstance(cell, str):
        return cell or ""
    return f"{round(cell, 4) + 0.0:.4f}"
