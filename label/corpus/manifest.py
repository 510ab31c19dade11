"""Read a corpus as a list of jobs from manifest.csv or manifest.parquet, and split it into shards."""

import csv
import io
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mtclar.engine.errors import UsageError
from mtclar.engine.files.reading import read_ordinary
from mtclar.engine.installation.extras import install_command
from mtclar.label.job import Job
from mtclar.label.output.exports import exporter
from mtclar.label.scan.people import FaceChoice
from mtclar.stream.label_formats.label_file import Scale

COLUMNS = ("video", "support", "out")
FPS, FACE, SCALE = "fps", "face", "scale"
EXAMPLE = (
    f"columns: {', '.join(COLUMNS)}, optionally {FPS}, {FACE} and {SCALE}; paths are relative to the manifest"
)
MAX_BYTES = 256 * 2**20
SHARD = re.compile(r"(\d{1,6})/(\d{1,6})")


def read_manifest(path: Path) -> list[Job]:
    """The jobs of `label --corpus`: a .csv or .parquet file. Raises UsageError with the row of the first error."""
    jobs = []
    for where, row in manifest_rows(path, COLUMNS, EXAMPLE):
        video, support, out = (path.parent / str(row[column]) for column in COLUMNS)
        with at_row(where):
            exporter(out)
            jobs.append(Job(video, support, (out,), rate_of(row), face_of(row), scale_of(row)))
    require_distinct_outputs(jobs, str(path))
    return jobs


def manifest_rows(
    path: Path, required: Sequence[str], example: str
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Place and cells of each row. Raises UsageError for a missing cell; `example` is the hint of all errors."""
    rows = _parquet_rows if path.suffix.lower() == ".parquet" else _csv_rows
    for where, row in rows(path, required, example):
        missing = [column for column in required if not row.get(column)]
        if missing:
            raise UsageError(f"{where}: {', '.join(missing)} is missing", example)
        if any("\0" in str(cell) for cell in row.values()):
            raise UsageError(f"{where}: a cell contains a NUL character", example)
        yield where, row


@contextmanager
def at_row(where: str) -> Iterator[None]:
    """Names the row in a UsageError."""
    try:
        yield
    except UsageError as error:
        raise UsageError(f"{where}: {error.what}", error.hint) from error


def rate_of(row: Mapping[str, Any]) -> float | None:
    """The cell `fps`. Raises UsageError."""
    if not (fps := row.get(FPS)):
        return None
    try:
        rate = float(fps)
    except ValueError:
        rate = -1.0
    if not 0 < rate <= 1000:
        raise UsageError(
            f"{FPS} must be a rate from 0 to 1000, not {fps!r}", "frames per second of the folder"
        )
    return rate


def face_of(row: Mapping[str, Any]) -> FaceChoice | None:
    """The cell `face`. Raises UsageError."""
    return FaceChoice.parse(str(row[FACE])) if row.get(FACE) else None


def scale_of(row: Mapping[str, Any]) -> Scale | None:
    """The cell `scale`. Raises UsageError."""
    return Scale.parse(str(row[SCALE])) if row.get(SCALE) else None


def require_distinct_outputs(jobs: Sequence[Job], where: str) -> None:
    """Raise UsageError if two jobs share an output, if an output is also an input, or if there is no job."""
    if not jobs:
        raise UsageError(f"{where} lists no video", EXAMPLE)
    inputs = {os.path.realpath(path) for job in jobs for path in job.inputs}
    seen: set[str] = set()
    for job in jobs:
        for path in job.files:
            real = os.path.realpath(path)
            if real in inputs:
                raise UsageError(
                    f"{where}: {path} is also an input and would be overwritten", "name another output"
                )
            if real in seen:
                raise UsageError(
                    f"{where}: two videos have the output {path}",
                    "give each its own `out` (label), or participant, session, task, run (analyse)",
                )
            seen.add(real)


def shard(jobs: Sequence[Job], part: str | None) -> list[Job]:
    """Every n-th job from the i-th on for `i/n`; all jobs for None. Raises UsageError."""
    if part is None:
        return list(jobs)
    match = SHARD.fullmatch(part)
    if match is None or not 1 <= int(match[1]) <= int(match[2]):
        raise UsageError(
            f"--shard must be I/N, not {part!r}", "for example 1/4, 2/4, 3/4 and 4/4 on four machines"
        )
    return list(jobs[int(match[1]) - 1 :: int(match[2])])


def _require_columns(path: Path, required: Sequence[str], found: Sequence[str], example: str) -> None:
    if missing := [column for column in required if column not in found]:
        raise UsageError(f"{path} is not a manifest: there is no column {', '.join(missing)}", example)


def _csv_rows(path: Path, required: Sequence[str], example: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    try:
        text = io.StringIO(read_ordinary(path, MAX_BYTES).decode("utf-8-sig"), newline="")
        reader = csv.DictReader(text, skipinitialspace=True)
        _require_columns(path, required, reader.fieldnames or (), example)
        for row in reader:
            yield f"{path}, line {reader.line_num}", row
    except FileNotFoundError as error:
        raise UsageError(f"no such manifest: {path}", example) from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"cannot read the manifest {path}: {reason}", example) from error


def _parquet_rows(
    path: Path,
    required: Sequence[str],
    example: str,
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise UsageError(
            "Parquet files need pyarrow, which is not installed", install_command("parquet")
        ) from error
    if not path.is_file():
        raise UsageError(f"no such manifest: {path}", example)
    try:
        table = parquet.read_table(path)
    except (pyarrow.ArrowException, OSError) as error:
        raise UsageError(f"cannot read the manifest {path}: {str(error).splitlines()[0]}", example) from error
    _require_columns(path, required, table.column_names, example)
    for number, row in enumerate(table.to_pylist(), 1):
        yield f"{path}, row {number}", row
