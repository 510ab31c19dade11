"""A corpus as a list of jobs: manifest.csv or manifest.parquet in, checked before any work begins; and its parts."""

import csv
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mtclar.engine.errors import UsageError
from mtclar.label.job import Job
from mtclar.label.output.exports import exporter, files_of

COLUMNS = ("video", "support", "out")
FPS = "fps"
EXAMPLE = f"its columns are {', '.join(COLUMNS)} and perhaps {FPS}; paths are relative to it"
SHARD = re.compile(r"(\d{1,6})/(\d{1,6})")


def read_manifest(path: Path) -> list[Job]:
    """Jobs of a .csv or .parquet file. Raises UsageError that names the row of what is wrong."""
    rows = _parquet_rows(path) if path.suffix.lower() == ".parquet" else _csv_rows(path)
    jobs = []
    for where, row in rows:
        missing = [column for column in COLUMNS if not row.get(column)]
        if missing:
            raise UsageError(f"{where}: {', '.join(missing)} is missing", EXAMPLE)
        fps = row.get(FPS) or None
        try:
            rate = None if fps is None else float(fps)
        except ValueError:
            rate = -1.0
        if rate is not None and not 0 < rate <= 1000:
            raise UsageError(f"{where}: {FPS} is {fps!r}, not a rate", EXAMPLE)
        video, support, out = (path.parent / str(row[column]) for column in COLUMNS)
        try:
            exporter(out)
        except UsageError as error:
            raise UsageError(f"{where}: {error.what}", error.hint) from error
        jobs.append(Job(video, support, (out,), rate))
    require_apart(jobs, str(path))
    return jobs


def require_apart(jobs: Sequence[Job], where: str) -> None:
    """Raises UsageError for an output that two jobs write or that is some job's input, or when there is no job."""
    if not jobs:
        raise UsageError(f"{where} names no video", EXAMPLE)
    inputs = {os.path.realpath(path) for job in jobs for path in (job.video, job.support)}
    seen: set[str] = set()
    for job in jobs:
        for path in (file for out in job.outs for file in files_of(out)):
            real = os.path.realpath(path)
            if real in inputs:
                raise UsageError(
                    f"{where}: {path} is an input as well: writing would destroy it", "name another"
                )
            if real in seen:
                raise UsageError(f"{where}: two videos would be written to {path}", "give each an own `out`")
            seen.add(real)


def shard(jobs: Sequence[Job], part: str | None) -> list[Job]:
    """Every n-th job from the i-th on, for `i/n`; all for None. Raises UsageError."""
    if part is None:
        return list(jobs)
    match = SHARD.fullmatch(part)
    if match is None or not 1 <= int(match[1]) <= int(match[2]):
        raise UsageError(f"--shard {part!r} is no part", "for example 1/4, 2/4, 3/4 and 4/4 on four machines")
    return list(jobs[int(match[1]) - 1 :: int(match[2])])


def _csv_rows(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, skipinitialspace=True)
            if not set(COLUMNS) <= set(reader.fieldnames or ()):
                raise UsageError(f"{path} is not a manifest: its first line lacks a column", EXAMPLE)
            for row in reader:
                yield f"{path}, line {reader.line_num}", row
    except FileNotFoundError as error:
        raise UsageError(f"there is no manifest {path}", EXAMPLE) from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"cannot read the manifest {path}: {error}", EXAMPLE) from error


def _parquet_rows(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise UsageError(
            "Parquet files need pyarrow, which is not installed", "pip install 'mtclar-stream[parquet]'"
        ) from error
    if not path.is_file():
        raise UsageError(f"there is no manifest {path}", EXAMPLE)
    try:
        rows = parquet.read_table(path).to_pylist()
    except (pyarrow.ArrowException, OSError) as error:
        raise UsageError(f"cannot read the manifest {path}: {str(error).splitlines()[0]}", EXAMPLE) from error
    for number, row in enumerate(rows, 1):
        yield f"{path}, row {number}", row
