"""Series as a BIDS data set (https://bids-specification.readthedocs.io): physiological recordings and events.

    dataset_description.json, README.md, participants.tsv and .json
    sub-01/ses-a/beh/sub-01_ses-a_task-film_run-1_recording-face_physio.tsv.gz and .json
    sub-01/ses-a/beh/sub-01_ses-a_task-film_run-1_events.tsv and .json

Physiological recordings have one sampling frequency, so values are interpolated onto a regular grid, but not over gaps.
"""

import gzip
import itertools
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from mtclar.engine.errors import UsageError
from mtclar.engine.files.reading import read_ordinary
from mtclar.engine.files.writing import require_writable, write_together
from mtclar.engine.text import printable
from mtclar.label.analysis.segments import Segment
from mtclar.label.analysis.series import Series, at_times

BIDS_VERSION = "1.10.0"
PROGRAM = "mtclar-stream"
DEFAULT_TASK = "affect"
ENTITY = re.compile(r"(?<![^_])(task|run)-([0-9a-zA-Z]+)")
RECORDING = "face"
DESCRIPTION, PARTICIPANTS = "dataset_description.json", "participants.tsv"
MAX_DESCRIPTION_BYTES = 2**24
NOT_A_NUMBER = "n/a"
DECIMALS = 4

COLUMNS: Mapping[str, Mapping[str, str]] = {
    "valence": {
        "Description": "Estimated valence of the facial expression, from -1 (unpleasant) to 1 (pleasant)"
    },
    "arousal": {"Description": "Estimated arousal of the facial expression, from -1 (calm) to 1 (activated)"},
    "valence_sd": {"Description": "Standard deviation of the valence that the person would give"},
    "arousal_sd": {"Description": "Standard deviation of the arousal that the person would give"},
}
UNITS = "arbitrary"
README = """# Valence and arousal of faces

Made by mtclar-stream from video. `*_physio.tsv.gz` has valence and arousal with their standard deviations, at a regular
sampling frequency; the JSON beside it describes the columns. `*_events.tsv` has the segments of each recording.

The values say what a face shows, as one person labelled it. They are no measurement of what somebody feels.
"""


def bids_files(
    series: Sequence[Series],
    segments: Sequence[Segment] = (),
    *,
    task: str | None = None,
    name: str = "Valence and arousal of faces",
    rate_hz: float | None = None,
) -> dict[PurePosixPath, bytes]:
    """The files of the data set, by their path in it.

    A series without a participant is one of its own, named after its recording and face. A recording that is named
    like `..._task-rest_run-2`, as `analyse` names its tables, has that task and run; otherwise the task is `task`, by
    default DEFAULT_TASK, and several recordings of one participant, session and task are runs, in order. `rate_hz`: by
    default that of the frames. Raises UsageError for names without letters or digits, for two that become the same, and
    for several faces of one participant at a time.
    """
    files: dict[PurePosixPath, bytes] = {
        PurePosixPath(DESCRIPTION): _json(_description(name)),
        PurePosixPath("README.md"): README.encode(),
    }
    groups: dict[tuple[str, str], list[Series]] = {}
    spelled: dict[tuple[str, str], tuple[str, str]] = {}
    for one in series:
        given = _participant(one), one.key.session
        labels = _label(given[0], "participant"), _label(given[1], "session") if given[1] else ""
        if spelled.setdefault(labels, given) != given:
            raise UsageError(
                f"{' '.join(spelled[labels])!r} and {' '.join(given)!r} become the same BIDS name, sub-{labels[0]}",
                "BIDS names have letters and digits only: rename one of them",
            )
        groups.setdefault(labels, []).append(one)
    for (participant, session), own in groups.items():
        _require_one_face(own)
        parts = [f"sub-{participant}", *([f"ses-{session}"] if session else [])]
        folder = PurePosixPath(*parts, "beh")
        for of_task, run, one in _tasks_and_runs(own, task):
            stem = "_".join([*parts, f"task-{of_task}", *([f"run-{run}"] if run else [])])
            physio, sidecar = _physio(one, of_task, rate_hz)
            files[folder / f"{stem}_recording-{RECORDING}_physio.tsv.gz"] = physio
            files[folder / f"{stem}_recording-{RECORDING}_physio.json"] = sidecar
            events, names = _events(one, [segment for segment in segments if segment.is_of(one)])
            if names:
                files[folder / f"{stem}_events.tsv"] = events
                files[folder / f"{stem}_events.json"] = _json(_events_sidecar(of_task, names))
    participants = sorted({participant for participant, _ in groups})
    files[PurePosixPath(PARTICIPANTS)] = _tsv([["participant_id"], *([f"sub-{p}"] for p in participants)])
    about = {"participant_id": {"Description": "The participant, as named when the recordings were made"}}
    files[PurePosixPath("participants.json")] = _json(about)
    return files


def require_new_folder(folder: Path) -> None:
    """Raises UsageError for a folder that has files, or in which none can be written."""
    try:
        occupied = folder.exists() and (not folder.is_dir() or any(folder.iterdir()))
    except OSError as error:
        raise UsageError(
            f"cannot write into {folder}: {error.strerror or error}", "choose another folder"
        ) from error
    if occupied:
        raise UsageError(f"{folder} is no empty folder", "name a new folder, or remove what is in it")
    require_writable(folder / "README.md")


def require_own_or_new_folder(folder: Path) -> None:
    """Raises UsageError as `require_new_folder`, but for a data set that an earlier run wrote."""
    try:
        about = json.loads(read_ordinary(folder / DESCRIPTION, MAX_DESCRIPTION_BYTES))
        ours = any(one["Name"] == PROGRAM for one in about["GeneratedBy"])
    except (OSError, UsageError, ValueError, LookupError, TypeError):
        ours = False
    if not ours:
        require_new_folder(folder)
    require_writable(folder / DESCRIPTION)


def write_bids(files: Mapping[PurePosixPath, bytes], folder: Path) -> None:
    """Writes all files into a new or empty folder, or none of them. Raises UsageError or WriteError."""
    require_new_folder(folder)
    write_together({folder / path: content for path, content in files.items()})


def update_bids(files: Mapping[PurePosixPath, bytes], folder: Path) -> None:
    """Writes a data set, new or over that of an earlier run; all files or none. Raises UsageError or WriteError.

    Of an earlier data set, the files at its top stay as they are, because people complete them (authors, licence, age),
    except that new participants are added to participants.tsv. Recordings that `files` lacks stay, too.
    """
    require_own_or_new_folder(folder)
    contents = {}
    for path, content in files.items():
        kept = folder / path
        if len(path.parts) == 1 and kept.exists():
            if path.name != PARTICIPANTS:
                continue
            content = _with_participants(read_ordinary(kept, MAX_DESCRIPTION_BYTES), content)
        contents[kept] = content
    write_together(contents)


def _with_participants(present: bytes, wanted: bytes) -> bytes:
    """The table `present` with the participants that only `wanted` has."""
    lines = present.decode(errors="replace").rstrip("\n").split("\n")
    there = {line.split("\t")[0] for line in lines}
    more = [row for row in wanted.decode().splitlines() if row not in there]
    if not more:
        return present
    others = [NOT_A_NUMBER] * lines[0].count("\t")
    return _tsv([*(line.split("\t") for line in lines), *([row, *others] for row in more)])


def _participant(series: Series) -> str:
    key = series.key
    return key.participant or f"{key.recording}{'' if key.stream == key.recording else key.stream}{key.face}"


def _label(text: str, kind: str) -> str:
    """A BIDS label: letters and digits. Raises UsageError without any."""
    label = re.sub(r"[^0-9a-zA-Z]", "", text)
    if not label:
        raise UsageError(
            f"the {kind} {printable(text)!r} has no letter or digit for a BIDS name", f"rename the {kind}"
        )
    return label


def _tasks_and_runs(series: Sequence[Series], task: str | None) -> list[tuple[str, str, Series]]:
    """Task, run (empty for the only one) and series of the recordings of a participant and session."""
    named = []
    for one in series:
        found = dict(ENTITY.findall(one.key.recording))
        named.append((_label(task or found.get("task", DEFAULT_TASK), "task"), found.get("run", ""), one))
    unnumbered = Counter(of_task for of_task, run, _ in named if not run)
    numbers = {of_task: itertools.count(1) for of_task in unnumbered}
    result: dict[tuple[str, str], Series] = {}
    for of_task, run, one in named:
        number = str(next(numbers[of_task])) if not run and unnumbered[of_task] > 1 else run
        other = result.setdefault((of_task, number), one)
        if other is not one:
            raise UsageError(
                f"{other.key} and {one.key} have the same participant, session, task {of_task} and run {number}",
                "rename one of the tables, or give the session in the column `session`",
            )
    return [(*names, one) for names, one in result.items()]


def _require_one_face(series: Sequence[Series]) -> None:
    seen: dict[tuple[str, str], Series] = {}
    for one in series:
        other = seen.setdefault((one.key.recording, one.key.stream), one)
        if other is not one:
            raise UsageError(
                f"{one.key.recording} has the faces {other.key.face!r} and {one.key.face!r} of one participant",
                "--calibrated takes the face with a support set; --one-person joins tracks of one person",
            )


def _description(name: str) -> dict[str, Any]:
    from importlib.metadata import PackageNotFoundError, version

    try:
        made_by = {"Name": PROGRAM, "Version": version(PROGRAM)}
    except PackageNotFoundError:
        made_by = {"Name": PROGRAM}
    return {"Name": name, "BIDSVersion": BIDS_VERSION, "DatasetType": "raw", "GeneratedBy": [made_by]}


def _physio(series: Series, task: str, rate_hz: float | None) -> tuple[bytes, bytes]:
    """The compressed table without a header, and its JSON."""
    rate_hz = rate_hz or _rate(series)
    first_s, last_s = float(series.times_s[0]), float(series.times_s[-1])
    times_s = first_s + np.arange(int((last_s - first_s) * rate_hz + 1e-6) + 1) / rate_hz
    columns = np.hstack([at_times(series, times_s), at_times(replace(series, values=series.sds), times_s)])
    content = _tsv([[_number(value) for value in row] for row in columns])
    sidecar = {
        "TaskName": task,
        "SamplingFrequency": round(rate_hz, 6),
        "StartTime": round(first_s, 6),
        "Columns": list(COLUMNS),
        "PhysioType": "generic",
        **{name: {**about, "Units": UNITS} for name, about in COLUMNS.items()},
    }
    return gzip.compress(content, mtime=0), _json(sidecar)


def _rate(series: Series) -> float:
    """Frames a second, of their times as a whole: single periods are rounded. Raises UsageError for a single frame."""
    if len(series) < 2:
        raise UsageError(
            f"{series.key} has a single frame, and so no sampling frequency", "give one: --rate 25"
        )
    span_s = float(series.times_s[-1] - series.times_s[0])
    return max(round(span_s / series.period_s), 1) / span_s


def _events(series: Series, segments: Sequence[Segment]) -> tuple[bytes, list[str]]:
    """The events, and the names in them."""
    rows = []
    for segment in segments:
        start_s, end_s = segment.span(series)
        rows.append((start_s, end_s - start_s, printable(segment.name).replace("\t", " ")))
    rows.sort()
    cells = [[f"{start_s:.3f}", f"{duration_s:.3f}", name] for start_s, duration_s, name in rows]
    return _tsv([["onset", "duration", "trial_type"], *cells]), sorted({name for *_, name in rows})


def _events_sidecar(task: str, names: Sequence[str]) -> dict[str, Any]:
    return {
        "TaskName": task,
        "onset": {"Description": "Start of the segment, from the first frame of the video", "Units": "s"},
        "duration": {"Description": "Length of the segment", "Units": "s"},
        "trial_type": {
            "Description": "Name of the segment",
            "Levels": {name: f"Segment {name}" for name in names},
        },
    }


def _number(value: float) -> str:
    return NOT_A_NUMBER if np.isnan(value) else f"{round(value, DECIMALS) + 0.0:.{DECIMALS}f}"


def _tsv(rows: Sequence[Sequence[str]]) -> bytes:
    return "".join("\t".join(row) + "\n" for row in rows).encode()


def _json(content: Mapping[str, Any]) -> bytes:
    return (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode()
