"""The result of `label` as a table with one row for each frame, and its CSV form."""

import csv
import io
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

COLUMNS = ("frame", "time", "valence", "arousal", "valence_sd", "arousal_sd", "state")
LABELLED = "labelled"
"""State of a frame whose value is the given label; such a frame has no sd."""

Cell = float | None


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """n frames; nan: no value."""

    times_s: Array  # [n]
    values: Array  # [n, 2] valence and arousal in [-1, 1]
    sds: Array  # [n, 2]
    state: NDArray[np.str_]  # [n] LABELLED or one of mtclar.label.face_scan.STATES

    def __len__(self) -> int:
        return len(self.times_s)

    def rows(self) -> Iterator[tuple[int, float, Cell, Cell, Cell, Cell, str]]:
        """Yield rows with the cells of COLUMNS."""
        values_and_sds = np.hstack([self.values, self.sds])
        for frame, (t_s, cells, state) in enumerate(
            zip(self.times_s.tolist(), values_and_sds.tolist(), self.state.tolist(), strict=True)
        ):
            valence, arousal, valence_sd, arousal_sd = (None if math.isnan(x) else x for x in cells)
            yield frame, t_s, valence, arousal, valence_sd, arousal_sd, state

    def as_csv(self) -> bytes:
        """CSV in UTF-8 with four decimals; a missing value is an empty cell."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(COLUMNS)
        for frame, t_s, *cells, state in self.rows():
            numbers = ["" if cell is None else f"{round(cell, 4) + 0.0:.4f}" for cell in cells]
            writer.writerow([frame, f"{t_s:.4f}", *numbers, state])
        return out.getvalue().encode()
