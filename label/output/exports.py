"""Write a table in the formats of other tools: Parquet, ELAN and NOVA, selected by the file suffix.

ELAN (EAF 3.0, https://www.mpi.nl/tools/elan/EAF_Annotation_Format_3.0_and_ELAN.pdf): one tier each for valence and
arousal, one annotation every STEP_S with the mean of its frames, no annotation without a value. NOVA
(https://github.com/hcmlab/nova, docs): one continuous file for each dimension with a confidence from 0 to 1; a missing
value is nan with confidence 0. Times in both count from the beginning of the media file, as players show them.
"""

import hashlib
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtclar.engine.errors import UsageError
from mtclar.engine.files.writing import write_together
from mtclar.engine.installation.extras import install_command
from mtclar.engine.text import printable
from mtclar.label.output.table import RecordingTable, Table
from mtclar.stream.label_formats.elan import write_elan
from mtclar.stream.label_formats.nova import write_nova
from mtclar.stream.table.provenance import TableOrigin, encode, sidecar_path

STEP_S = 0.2
MARK_MS = 500  # how long a mark is shown, at most until the next one
AXES = ("valence", "arousal")
FULL_SD = 0.5  # sd at which the confidence in NOVA files is 0

Contents = Mapping[Path, bytes]
"""Content by path; one export may consist of several files."""


def to_csv(result: RecordingTable, out: Path, video: Path) -> Contents:  # noqa: ARG001
    """CSV as `RecordingTable.as_csv` formats it."""
    return {out: result.as_csv()}


def to_parquet(result: RecordingTable, out: Path, video: Path) -> Contents:
    """The columns of the CSV; null for a missing value. Raises UsageError if pyarrow is missing."""
    table = arrow_table(result, video.name)
    from pyarrow import parquet

    buffer = io.BytesIO()
    parquet.write_table(table, buffer, compression="zstd")
    return {out: buffer.getvalue()}


def arrow_table(result: RecordingTable, video: str) -> Any:
    """A pyarrow.Table with the columns of the CSV; null for no value. Raises UsageError if pyarrow is missing."""
    try:
        import pyarrow
    except ImportError as error:
        raise UsageError(
            "Parquet files need pyarrow, which is not installed", install_command("parquet")
        ) from error
    kinds = {
        "text": pyarrow.string(),
        "integer": pyarrow.int64(),
        "number": pyarrow.float64(),
        "flag": pyarrow.int8(),
    }
    columns = result.columns
    cells: dict[str, list[str | float | None]] = {column.name: [] for column in columns}
    for row in result.rows():
        for column in columns:
            cells[column.name].append(column.plain(row.get(column.name)))
    arrays = [pyarrow.array(cells[column.name], kinds[column.kind]) for column in columns]
    schema = pyarrow.schema(
        [(column.name, kinds[column.kind]) for column in columns], metadata={"video": video}
    )
    return pyarrow.table(arrays, schema=schema)


def to_elan(table: Table, out: Path, video: Path | None, marks: Sequence[tuple[float, str]] = ()) -> Contents:
    """An .eaf file that refers to the video, if any, by its relative path.

    `marks` (seconds from the beginning of the media file, label) become a third tier.
    """
    segments = _segments(table)
    tiers = {
        axis: [(start, end, f"{value[i] + 0.0:.3f}") for start, end, value in segments]
        for i, axis in enumerate(AXES)
    }
    if marks:
        tiers["mark"] = list(_mark_annotations(marks))
    return {out: write_elan(tiers, out, video)}


def to_nova(table: Table, out: Path, video: Path) -> Contents:  # noqa: ARG001
    """face.annotation -> face.valence.annotation and face.arousal.annotation, each with its data file (name + ~)."""
    contents: dict[Path, bytes] = {}
    rate_hz = _rate(table)
    times_s = table.first_frame_s + table.times_s
    sample_times = np.arange(max(1, round((times_s[-1] + 1 / rate_hz) * rate_hz))) / rate_hz
    rows = np.clip(np.searchsorted((times_s[1:] + times_s[:-1]) / 2, sample_times), 0, len(table) - 1)
    early = sample_times < times_s[0] - 0.5 / rate_hz  # before the first frame
    values = np.where(early[:, None], np.nan, table.values[rows])
    sds = np.nan_to_num(table.sds[rows])
    for i, axis in enumerate(AXES):
        header_file, data_file = output_files(out)[2 * i : 2 * i + 2]
        confidence = np.clip(1 - sds[:, i] / FULL_SD, 0.0, 1.0)
        samples = list(zip(values[:, i].tolist(), confidence.tolist(), strict=True))
        contents[header_file], contents[data_file] = write_nova(axis, out.stem, rate_hz, samples)
    return contents


def _elan(result: RecordingTable, out: Path, video: Path) -> Contents:
    return to_elan(result.people[0], out, video)


def _nova(result: RecordingTable, out: Path, video: Path) -> Contents:
    return to_nova(result.people[0], out, video)


Export = Callable[[RecordingTable, Path, Path], Contents]
"""(result, file, video) -> content; ELAN and NOVA files have the followed person only."""

TABLES: Mapping[str, Export] = {".csv": to_csv, ".parquet": to_parquet}
EXPORTS: Mapping[str, Export] = {**TABLES, ".eaf": _elan, ".annotation": _nova}


def exporter(out: Path) -> Export:
    """The exporter for the suffix of the file. Raises UsageError for an unknown suffix."""
    if out.suffix.lower() not in EXPORTS:
        raise UsageError(f"unknown output format: {out}", f"use one of the suffixes {', '.join(EXPORTS)}")
    return EXPORTS[out.suffix.lower()]


def output_files(out: Path) -> list[Path]:
    """The files that an export to `out` writes; a table has a JSON beside it."""
    if out.suffix.lower() in TABLES:
        return [out, sidecar_path(out)]
    if out.suffix.lower() != ".annotation":
        return [out]
    headers = [out.with_name(f"{out.stem}.{axis}.annotation") for axis in AXES]
    return [path for header in headers for path in (header, header.with_name(f"{header.name}~"))]


def write(
    result: RecordingTable,
    outs: list[Path],
    video: Path,
    origin: TableOrigin,
    others: Contents = MappingProxyType({}),
) -> list[Path]:
    """Write all exports, the JSON beside each table and `others`, or none of them; return the written files.

    Raises UsageError or WriteError.
    """
    contents = dict(others)
    for out in outs:
        exported = exporter(out)(result, out, video)
        contents.update(exported)
        if out.suffix.lower() in TABLES:
            digest = hashlib.sha256(exported[out]).hexdigest()
            rows = sum(1 for _ in result.rows())
            contents[sidecar_path(out)] = encode(origin.describe(out, result.columns, rows, digest))
    write_together(contents)
    return list(contents)


def _segments(table: Table) -> list[tuple[int, int, NDArray[np.float64]]]:
    """(start_ms, end_ms, mean V/A) of at most STEP_S each; a frame lasts until the next frame."""
    period_s = float(np.median(np.diff(table.times_s))) if len(table) > 1 else STEP_S
    ends_s = np.append(table.times_s[1:], table.times_s[-1] + period_s)
    step = (table.times_s / STEP_S + 1e-6).astype(np.int64)
    valued = np.asarray(~np.isnan(table.values).any(axis=1), np.bool_)
    edge = np.flatnonzero((step[1:] != step[:-1]) | (valued[1:] != valued[:-1])) + 1
    segments = []
    for rows in np.split(np.arange(len(table)), edge):
        if valued[rows[0]]:
            span_s = (table.times_s[rows[0]], ends_s[rows[-1]])
            start, end = (round(1000 * (table.first_frame_s + t_s)) for t_s in span_s)
            if end > start:
                segments.append((start, end, table.values[rows].mean(0)))
    return segments


def _mark_annotations(marks: Sequence[tuple[float, str]]) -> Iterator[tuple[int, int, str]]:
    """(start_ms, end_ms, label) in order, without overlap."""
    starts = sorted((round(1000 * t_s), label) for t_s, label in marks)
    end = 0
    for (start, label), (following, _) in zip(starts, [*starts[1:], (2**53, "")], strict=True):
        start = max(start, end)
        end = max(start + 1, min(start + MARK_MS, following))
        yield start, end, printable(label)


def _rate(table: Table) -> float:
    """Frame rate, from the median time between frames."""
    return 1.0 / float(np.median(np.diff(table.times_s))) if len(table) > 1 else 25.0
