"""The columns of every table of values: `run --csv`, `label`, `analyse`, Parquet and the dashboard's export.

One row is one face of one frame; a frame without a face is one row without a track. A cell is empty where there is no
value. docs/reference/columns.md shows this list to users; a test compares the two, and the dashboard's list with this.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from mtclar.engine.data_types import BLENDSHAPES
from mtclar.engine.text import cell, printable

Kind = Literal["text", "integer", "number", "flag"]
"""`flag`: 1 or 0."""

Value = str | float | bool | Sequence[str] | None
"""Of one cell. Several texts are joined by `; `; None is an empty cell."""

SEPARATOR = "; "


@dataclass(frozen=True, slots=True)
class Column:
    """One column: how its cells are written, and what they mean."""

    name: str
    kind: Kind
    meaning: str
    unit: str = ""
    decimals: int = 4  # of a number

    def text(self, value: Value) -> str:
        """The cell of a CSV file. Names are never formulas of a spreadsheet; there is no -0."""
        if value is None:
            return ""
        if isinstance(value, str):
            return cell(value)
        if isinstance(value, Sequence):
            return SEPARATOR.join(map(cell, value))
        if self.kind == "number":
            return f"{round(float(value), self.decimals) + 0.0:.{self.decimals}f}"
        return str(int(value))

    def plain(self, value: Value) -> str | float | None:
        """The value for a typed table such as Parquet: one printable line of text, a number, or None."""
        if value is None or (self.kind == "text" and not value):
            return None
        if self.kind == "text":
            return printable(value if isinstance(value, str) else SEPARATOR.join(value))  # type: ignore[arg-type]
        return float(value) if self.kind == "number" else int(value)  # type: ignore[arg-type]


COLUMNS = (
    Column("t_unix", "number", "when the frame was captured, as Unix time (UTC)", "s"),
    Column("time", "number", "time from the first frame of the source", "s"),
    Column("frame", "integer", "number of the frame in its source, from 0"),
    Column("participant", "text", "who was recorded, as given with --participant or in a manifest"),
    Column("session", "text", "the session, as given with --session or in a manifest"),
    Column("stream", "text", "name of the camera or recording"),
    Column(
        "track",
        "integer",
        "number of the face; `run`: of one uninterrupted view of it, offline: of the person",
    ),
    Column("subject", "text", "whose support set was used; empty without one"),
    Column("state", "text", "whether the face could be measured"),
    Column("faults", "text", "why a face of low quality was not measured"),
    Column("caveats", "text", "why a measured value is less certain"),
    Column("drift", "text", "why the support set no longer fits the face"),
    Column("valence", "number", "smoothed estimate, -1 to 1"),
    Column("arousal", "number", "smoothed estimate, -1 to 1"),
    Column("valence_sd", "number", "standard deviation of the label that the person would give"),
    Column("arousal_sd", "number", "standard deviation of the label that the person would give"),
    Column("raw_valence", "number", "estimate of this frame alone, not smoothed"),
    Column("raw_arousal", "number", "estimate of this frame alone, not smoothed"),
    Column("absolute_valence", "number", "the network's value without any support set"),
    Column("absolute_arousal", "number", "the network's value without any support set"),
    Column("in_support", "flag", "whether the support set covers this expression"),
    Column("calibrated", "flag", "whether a support set was used"),
    Column("nearest_similarity", "number", "similarity to the most similar labelled frame, 0 to 1"),
    Column("label_valence", "number", "the label that a person gave to this frame"),
    Column("label_arousal", "number", "the label that a person gave to this frame"),
    Column("x", "number", "left edge of the face", "px", 1),
    Column("y", "number", "upper edge of the face", "px", 1),
    Column("width", "number", "width of the face", "px", 1),
    Column("height", "number", "height of the face", "px", 1),
    Column("yaw", "number", "head turned to the person's left", "degrees", 1),
    Column("pitch", "number", "head raised", "degrees", 1),
    Column("roll", "number", "head tilted clockwise", "degrees", 1),
    Column("latency_ms", "number", "from the capture of the frame to its value; live only", "ms", 1),
    Column("mark", "text", "labels of marks, in the first row of the first frame captured after them"),
)

NAMES = tuple(column.name for column in COLUMNS)

BLENDSHAPE_COLUMNS = tuple(
    Column(name, "number", "blendshape coefficient, 0 to 1") for name in BLENDSHAPES[1:]
)
"""After the others, where blendshapes are computed; `_neutral` says nothing."""


def chosen_columns(blendshapes: bool = False) -> tuple[Column, ...]:
    """The columns of a table, with or without blendshapes."""
    return COLUMNS + BLENDSHAPE_COLUMNS if blendshapes else COLUMNS


def csv_cells(values: Mapping[str, Value], columns: Sequence[Column] = COLUMNS) -> list[str]:
    """The cells of one row; a column without a value is empty."""
    return [column.text(values.get(column.name)) for column in columns]


def read_types(columns: Sequence[Column] = COLUMNS) -> dict[str, str]:
    """`dtype` for pandas.read_csv, so that names such as 01 stay text: {"participant": "string", ...}."""
    return {column.name: "string" for column in columns if column.kind == "text"}
