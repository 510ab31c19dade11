"""The recordings that `analyse` reads: videos, folders, and manifests with participants, sessions and start times."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from mtclar.engine.errors import UsageError
from mtclar.engine.text import printable
from mtclar.label.corpus.manifest import (
    at_row,
    face_of,
    manifest_rows,
    rate_of,
    require_distinct_outputs,
    scale_of,
)
from mtclar.label.job import Job
from mtclar.stream.sources.base import stream_name
from mtclar.stream.sources.options import file_of

MANIFESTS = (".csv", ".parquet")
VIDEOS = frozenset(
    (
        ".3gp",
        ".avi",
        ".flv",
        ".gif",
        ".m4v",
        ".mkv",
        ".mov",
        ".mp4",
        ".mpeg",
        ".mpg",
        ".mts",
        ".ogv",
        ".webm",
        ".wmv",
    )
)
PARTS = {"participant": "sub", "session": "ses", "task": "task", "run": "run"}
"""Columns that name an output, with their prefixes in BIDS."""
EXAMPLE = (
    f"columns: video, optionally {', '.join(PARTS)}, support, labels, start, segments, fps, face and scale; paths are "
    "relative to the manifest"
)
NO_SUPPORT = "none"
START_HINT = "write date, time and time zone: 2026-03-01T14:05:12+01:00, or ...Z for UTC"


@dataclass(frozen=True, slots=True)
class Recorded:
    """What holds for every recording that says nothing else: the options of the command."""

    support: Path | None = None
    labels: Path | None = None
    participant: str = ""
    session: str = ""
    start: str = ""  # ISO 8601 with a time zone
    fps: float | None = None


def recording_jobs(paths: Sequence[Path], out: Path, suffixes: Sequence[str], common: Recorded) -> list[Job]:
    """The jobs of videos, folders of videos or images, and manifests; each writes NAME + suffix into `out`.

    NAME is made of participant, session, task and run, or else is that of the video. Raises UsageError.
    """
    jobs = [job for path in paths for job in _jobs_of(path, common)]
    if common.labels is not None and len(jobs) > 1:
        raise UsageError("--labels is for one video", "for several, add the column `labels` to a manifest")
    if common.start and len(jobs) > 1:
        raise UsageError("--start is for one video", "for several, add the column `start` to a manifest")
    names = [_name(job) for job in jobs]
    often = Counter(names)
    named = [
        replace(job, outs=tuple(out / f"{_full_name(job) if often[name] > 1 else name}{s}" for s in suffixes))
        for job, name in zip(jobs, names, strict=True)
    ]
    require_distinct_outputs(named, "--out")
    return named


def parse_start(text: str) -> float | None:
    """Unix time of an ISO 8601 time with a zone; None for ''. Raises UsageError."""
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"start {text[:40]!r} is not a time", START_HINT) from error
    if moment.tzinfo is None:
        raise UsageError(f"start {text[:40]!r} has no time zone", START_HINT)
    return moment.timestamp()


def _jobs_of(path: Path, common: Recorded) -> Iterator[Job]:
    if path.suffix.lower() in MANIFESTS and not path.is_dir():
        for where, row in manifest_rows(path, ("video",), EXAMPLE):
            with at_row(where):
                yield _job_of_row(row, path.parent, common)
        return
    videos = [path]
    if path.is_dir() and common.fps is None:
        videos = sorted(file for file in path.iterdir() if file.suffix.lower() in VIDEOS and file.is_file())
        if not videos:
            raise UsageError(f"{path} has no video", "a folder of images needs --fps")
    for video in videos:
        yield Job(
            video,
            common.labels,
            (),
            common.fps,
            support=common.support,
            participant=common.participant,
            session=common.session,
            start_unix_s=parse_start(common.start),
        )


def _job_of_row(row: Mapping[str, Any], folder: Path, common: Recorded) -> Job:
    def text(name: str, default: str = "") -> str:
        cell = row.get(name)
        return printable(str(cell).strip()) if cell not in (None, "") else default

    def path(name: str, default: Path | None = None) -> Path | None:
        cell = text(name)
        if cell == NO_SUPPORT:
            return None
        return folder / cell if cell else default

    start = row.get("start")
    return Job(
        folder / str(row["video"]),
        path("labels"),
        (),
        rate_of(row) or common.fps,
        face_of(row),
        scale_of(row),
        support=path("support", common.support),
        participant=text("participant", common.participant),
        session=text("session", common.session),
        task=text("task"),
        run=text("run"),
        start_unix_s=parse_start(
            start.isoformat() if isinstance(start, datetime) else text("start", common.start)
        ),
        segments=path("segments"),
    )


def _name(job: Job) -> str:
    """sub-01_ses-02_task-rest_run-1, or the name of the video."""
    if not job.participant:
        return file_of(job.video).stem
    parts = []
    for part, prefix in PARTS.items():
        if value := getattr(job, part):
            bare = re.sub(rf"^{prefix}-", "", value)
            parts.append(f"{prefix}-{re.sub(r'[^0-9A-Za-z]+', '', bare) or stream_name(bare)}")
    return "_".join(parts)


def _full_name(job: Job) -> str:
    """For videos that would share a name."""
    return f"{_name(job)}_{file_of(job.video).name}" if job.participant else file_of(job.video).name
