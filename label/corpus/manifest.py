"""Read a corpus as a list of jobs from manifest.csv or manifest.parquet, and split it into shards."""

import csv
import io
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mtclar.engine.errors import UsageError
from mtclar.engine.files import read_ordinary
from mtclar.label.job import Job
from mtclar.label.output.exports import exporter, output_files
from mtclar.label.people import FaceChoice
from mtclar.stream.label_file import Scale

COLUMNS = ("video", "support", "out")
FPS, FACE, SCALE = "fps", "face", "scale"
EXAMPLE = (
    f"columns: {', '.join(COLUMNS)}, optionally {FPS}, {FACE} and {SCALE}; paths are relative to the manifest"
)
MAX_BYTES = 256 * 2**20
SHARD = re.compile(r"(\d{1,6})/(\d{1,6})")


def read_manifest(path: Path) -> list[Job]:
    """Read the jobs of a .csv or .parquet file. Raises UsageError with the row of the first error."""
    rows = _parquet_rows(path) if path.suffix.lower() == ".parquet" else _csv_rows(path)
    jobs = []
    for where, row in rows:
        missing = [column for column in COLUMNS if not row.get(column)]
        if missing:
            raise UsageError(f"{where}: {', '.join(missing)} is missing", EXAMPLE)
        if any("\0" in str(row[column]) for column in COLUMNS):
            raise UsageError(f"{where}: a path contains a NUL character", EXAMPLE)
        fps = row.get(FPS) or None
        try:
            rate = None if fps is None else float(fps)
        except ValueError:
            rate = -1.0
        if rate is not None and not 0 < rate <= 1000:
            raise UsageError(f"{where}: {FPS} must be a rate from 0 to 1000, not {fps!r}", EXAMPLE)
        video, support, out = (path.parent / str(row[column]) for column in COLUMNS)
        try:
            exporter(out)
            face = FaceChoice.parse(str(row[FACE])) if row.get(FACE) else None
            scale = Scale.parse(str(row[SCALE])) if row.get(SCALE) else None
        except UsageError as error:
            raise UsageError(f"{where}: {error.what}", error.hint) from error
        jobs.append(Job(video, support, (out,), rate, face, scale))
    require_distinct_outputs(jobs, str(path))
    return jobs


def require_distinct_outputs(jobs: Sequence[Job], where: str) -> None:
    """Raise UsageError if two jobs share an output, if an output is also an input, or if there is no job."""
    if not jobs:
        raise UsageError(f"{where} lists no video", EXAMPLE)
    inputs = {os.path.realpath(path) for job in jobs for path in (job.video, job.support)}
    seen: set[str] = set()
    for job in jobs:
        for path in (file for out in job.outs for file in output_files(out)):
            real = os.path.realpath(path)
            if real in inputs:
                raise UsageError(
                    f"{where}: {path} is also an input and would be overwritten", "name another output"
                )
            if real in seen:
                raise UsageError(
                    f"{where}: two videos have the output {path}", "give each video its own `out`"
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


def _csv_rows(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    try:
        text = io.StringIO(read_ordinary(path, MAX_BYTES).decode("utf-8-sig"), newline="")
        reader = csv.DictReader(text, skipinitialspace=True)
        if not set(COLUMNS) <= set(reader.fieldnames or ()):
            raise UsageError(f"{path} is not a manifest: a column is missing in its first line", EXAMPLE)
        for row in reader:
            yield f"{path}, line {reader.line_num}", row
    except FileNotFoundError as error:
        raise UsageError(f"no such manifest: {path}", EXAMPLE) from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"cannot read the manifest {path}: {reason}", EXAMPLE) from error


def _parquet_rows(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise UsageError(
            "Parquet files need pyarrow, which is not installed", "pip install 'mtclar-stream[parquet]'"
        ) from error
    if not path.is_file():
        raise UsageError(f"no such manifest: {path}", EXAMPLE)
    try:
        rows = parquet.read_table(path).to_pylist()
    except (pyarrow.ArrowException, OSError) as error:
        raise UsageError(f"cannot read the manifest {path}: {str(error).splitlines()[0]}", EXAMPLE) from error
    for number, row in enumerate(rows, 1):
        yield f"{path}, row {number}", row
