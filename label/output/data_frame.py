"""The result of `label` and `analyse` as a pandas data frame, and as series for mtclar.label.analysis."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mtclar.label.analysis.segment_table import as_csv, long_table
from mtclar.label.analysis.segments import Segment
from mtclar.label.analysis.series import Series
from mtclar.label.analysis.tables import require_pandas, series_of_frame
from mtclar.label.output.table import RecordingTable

if TYPE_CHECKING:
    from pandas import DataFrame

TYPES = {"text": "string", "integer": "Int64", "number": "float64", "flag": "Int8"}


def data_frame(result: RecordingTable) -> "DataFrame":
    """One row a face and frame. Raises UsageError if pandas is missing."""
    columns = result.columns
    rows = [[column.plain(row.get(column.name)) for column in columns] for row in result.rows()]
    frame: DataFrame = require_pandas().DataFrame(rows, columns=[column.name for column in columns])
    return frame.astype({column.name: TYPES[column.kind] for column in columns})


def series_of_result(result: RecordingTable, name: str) -> list[Series]:
    """A series for each face; `name` is that of the recording. Raises UsageError if pandas is missing."""
    frame = data_frame(result)
    for column in ("track", "in_support", "calibrated"):
        frame[column] = frame[column].astype("string").fillna("")
    return series_of_frame(frame, name)


def segments_csv(result: RecordingTable, name: str, segments: Sequence[Segment]) -> bytes:
    """The statistics of the segments, as `mtclar-stream segments --out` writes them. Raises UsageError."""
    return as_csv(long_table(series_of_result(result, name), segments))
