"""What `label` finds out of a recording, a row for each frame, and its CSV."""

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
"""State of a frame whose value is the label that was given; its sd is nobody's to say."""

Cell = float | None


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """n frames. nan: there is no honest value."""

    times_s: Array  # [n]
    values: Array  # [n, 2] valence and arousal in [-1, 1]
    sds: Array  # [n, 2]
    state: NDArray[np.str_]  # [n] LABELLED or one of mtclar.label.face_scan.STATES

    def __len__(self) -> int:
        return len(self.times_s)

    def rows(self) -> Iterator[tuple[int, float, Cell, Cell, Cell, Cell, str]]:
        """In the order of COLUMNS."""
        numbers = np.hstack([self.values, self.sds])
        for frame, (t_s, of_frame, state) in enumerate(
            zip(self.times_s.tolist(), numbers.tolist(), self.state.tolist(), strict=True)
        ):
            valence, arousal, valence_sd, arousal_sd = (None if math.isnan(x) else x for x in of_frame)
            yield frame, t_s, valence, arousal, valence_sd, arousal_sd, state

    def as_csv(self) -> bytes:
        """UTF-8, four decimals; an empty cell where there is no honest value."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(COLUMNS)
        for frame, t_s, *cells, state in self.rows():
            shown = ["" if cell is None else f"{round(cell, 4) + 0.0:.4f}" for cell in cells]
            writer.writerow([frame, f"{t_s:.4f}", *shown, state])
        return out.getvalue().encode()
