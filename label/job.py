"""Label or analyse one video: read the inputs, scan it, write the files. A killed job resumes from its journal."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from mtclar.engine.errors import UsageError
from mtclar.engine.support_set import SupportSet
from mtclar.label.analysis.segments import read_segments
from mtclar.label.analysis.tables import require_pandas
from mtclar.label.labelling import Outcome, Settings, input_digest, journal_path, label_recording
from mtclar.label.output.exports import exporter, output_files, write
from mtclar.label.output.table import RecordingTable
from mtclar.label.scan.face_scan import Advance, FaceScanner
from mtclar.label.scan.people import FaceChoice
from mtclar.label.scan.recording import Recording, open_recording
from mtclar.label.scan.scan_journal import ScanJournal
from mtclar.stream.label_formats.label_file import Label, Scale, of_video, read_labels
from mtclar.stream.sources.base import stream_name
from mtclar.stream.sources.options import file_of
from mtclar.stream.table.provenance import GAP_S, FileIdentity, Gap, SetIdentity, TableOrigin

SUPPORT_SET = ".mtclar"
SEGMENTS = "_segments.csv"
"""Ending of the statistics of segments."""

OnStart = Callable[[Recording], Advance]
"""Called with an opened recording; returns the callback that receives the number of finished frames."""


@dataclass(frozen=True, slots=True)
class Job:
    """A video, what is known of the person in it, and the files to write; a file's suffix selects its format."""

    video: Path
    labels: Path | None  # of this video: a label file, or a support set recorded from it
    outs: tuple[Path, ...]
    fps: float | None = None  # for an image folder
    face: FaceChoice | None = None  # replaces that of the settings
    scale: Scale | None = None  # of the values in a label file
    passphrase: str | None = field(default=None, repr=False)  # for an encrypted support set
    support: Path | None = None  # the person's support set, recorded anywhere
    participant: str = ""
    session: str = ""
    task: str = ""
    run: str = ""
    start_unix_s: float | None = None  # of the first frame
    segments: Path | None = None  # segments of the recording, whose statistics are written as well

    @property
    def inputs(self) -> list[Path]:
        """The files that are read."""
        return [path for path in (self.video, self.labels, self.support, self.segments) if path is not None]

    @property
    def support_sets(self) -> list[Path]:
        """Those of the inputs that are support sets, and may be encrypted."""
        given = [path for path in (self.labels, self.support) if path is not None]
        return [path for path in given if path.suffix.lower() == SUPPORT_SET]

    def recorded(self) -> dict[str, object]:
        """What the rows say about the recording itself."""
        names = ("participant", "session", "task", "run", "start_unix_s")
        found = {name: getattr(self, name) for name in names}
        if self.segments is not None:
            found["segments"] = hashlib.sha256(self.segments.read_bytes()).hexdigest()
        return found

    @property
    def files(self) -> list[Path]:
        """All files that are written."""
        files = [file for out in self.outs for file in output_files(out)]
        return files if self.segments is None else [*files, self.segments_file]

    @property
    def segments_file(self) -> Path:
        """Where the statistics of the segments are written."""
        return self.outs[0].with_name(f"{self.outs[0].stem}{SEGMENTS}")

    def absolute(self) -> "Job":
        """The same with absolute paths, which are valid in every working folder."""
        given = {
            name: path
            for name in ("labels", "support", "segments")
            if (path := getattr(self, name)) is not None
        }
        return replace(
            self,
            video=self.video.absolute(),
            outs=tuple(out.absolute() for out in self.outs),
            **{name: path.absolute() for name, path in given.items()},
        )


@dataclass(frozen=True, slots=True, eq=False)
class FinishedJob:
    """A finished job. Call `discard_journal` once all output files are complete."""

    key: str
    recording: Recording
    outcome: Outcome
    result: RecordingTable
    origin: TableOrigin
    journal: ScanJournal
    files: tuple[Path, ...] = ()  # written files

    def discard_journal(self) -> None:
        self.journal.remove()


def load_labels(job: Job, recording: Recording) -> tuple[Label, ...]:
    """Read labels from a label file, or from a support set (.mtclar) recorded from the same video.

    Raises UsageError or SupportSetError.
    """
    path, video = job.labels, job.video
    if path is None:
        return ()
    if path.suffix.lower() != SUPPORT_SET:
        read = read_labels(path, job.scale, recording.first_frame_s)
        return of_video(read, file_of(video).name, path)
    if job.scale is not None:
        raise UsageError("--scale is for label files, and a support set is from -1 to 1", "remove --scale")
    loaded = _load_set(path, job)
    name = file_of(video).resolve().name
    rows = [row for row in range(len(loaded)) if Path(loaded.source_of(row).rstrip("/")).name == name]
    if not rows:
        raise UsageError(
            f"the support set {path} was made from {loaded.source or 'an unknown recording'}, not from {video.name}",
            "its label times belong to that recording; apply it to other recordings with `analyse`",
        )
    own = loaded.only(np.array(rows))
    times_and_values = zip(own.times_s.tolist(), own.labels.tolist(), strict=True)
    labels = [
        Label(t_s, round(v, 4), round(a, 4)) for t_s, (v, a) in times_and_values
    ]  # as a label file has them
    return tuple(sorted(labels, key=lambda label: label.time_s))


def load_support(job: Job) -> SupportSet | None:
    """The person's support set. Raises UsageError or SupportSetError."""
    return None if job.support is None else _load_set(job.support, job)


def _load_set(path: Path, job: Job) -> SupportSet:
    passphrase = job.passphrase
    loaded = SupportSet.load(path, None if passphrase is None else lambda: passphrase)
    loaded.log_warning()
    return loaded


def job_digest(job: Job, scanner: FaceScanner, settings: Settings) -> str:
    """Digest of the inputs of a job, equal to `FinishedJob.key`. Raises MtclarError for unreadable inputs."""
    return _read(job, scanner, settings).key


@dataclass(frozen=True, slots=True, eq=False)
class _Inputs:
    recording: Recording
    labels: tuple[Label, ...]
    support: SupportSet | None
    key: str


def _read(job: Job, scanner: FaceScanner, settings: Settings) -> _Inputs:
    recording = open_recording(job.video, job.fps)
    labels, support = load_labels(job, recording), load_support(job)
    key = input_digest(
        recording,
        labels,
        replace(settings, face=job.face),
        scanner.encoder_sha256,
        support,
        {**job.recorded(), "stream": _stream(job)},
    )
    return _Inputs(recording, labels, support, key)


def run_job(job: Job, scanner: FaceScanner, settings: Settings, on_start: OnStart) -> FinishedJob:
    """Write all output files of the video, or none of them. Raises MtclarError for invalid input."""
    for out in job.outs:
        exporter(out)  # reject an unknown suffix before the scan
    if job.segments is not None:
        require_pandas()
        read_segments(job.segments)
    done = compute_job(job, scanner, settings, on_start, journal_path(job.outs[0]))
    others = {}
    if job.segments is not None:
        from mtclar.label.output.data_frame import segments_csv  # needs pandas

        segments = read_segments(job.segments)
        others[job.segments_file] = segments_csv(done.result, job.outs[0].stem, segments)
    files = write(done.result, list(job.outs), file_of(job.video), done.origin, others)
    return replace(done, files=tuple(files))


def compute_job(
    job: Job, scanner: FaceScanner, settings: Settings, on_start: OnStart, unfinished: Path
) -> FinishedJob:
    """The result without output files; `unfinished` is the path of the scan journal. Raises MtclarError."""
    inputs = _read(job, scanner, settings)
    recording, settings = inputs.recording, replace(settings, face=job.face)
    with ScanJournal(unfinished, inputs.key) as journal:
        advance = on_start(recording)
        outcome = label_recording(
            recording, inputs.labels, scanner, settings, journal, advance, inputs.support
        )
    result = RecordingTable(outcome.tables, _stream(job), job.participant, job.session, job.start_unix_s)
    origin = origin_of(job, inputs.support, recording, scanner, settings)
    return FinishedJob(inputs.key, recording, outcome, result, origin, journal)


def origin_of(
    job: Job, support: SupportSet | None, recording: Recording, scanner: FaceScanner, settings: Settings
) -> TableOrigin:
    """What the JSON beside the table says."""
    start = None if job.start_unix_s is None else datetime.fromtimestamp(job.start_unix_s, UTC).isoformat()
    times_s = recording.times_s
    pauses = np.flatnonzero(np.diff(times_s) > GAP_S)
    return TableOrigin(
        "analyse" if settings.everyone else "label",
        job.participant,
        job.session,
        model=scanner.model,
        supports=() if support is None else (SetIdentity.of(support, job.support),),
        parameters={
            **{name: getattr(settings, name) for name in ("mode", "rate_hz", "smooth", "blendshapes")},
            "face": None if job.face is None else str(job.face),
            **{name: getattr(job, name) for name in ("task", "run")},
        },
        clock={
            "t_unix": "start of the recording, as given, and time from its first frame",
            "start": start,
        },
        files=tuple(FileIdentity.of(path) for path in map(file_of, job.inputs) if path.is_file()),
        sources=(
            {
                "stream": _stream(job),
                "frames": len(times_s),
                "first_frame_s": recording.first_frame_s,
                "warnings": recording.warnings,
            },
        ),
        gaps=[
            Gap(_stream(job), round(float(times_s[row]), 4), round(float(times_s[row + 1]), 4))
            for row in pauses
        ],
    )


def _stream(job: Job) -> str:
    return stream_name(file_of(job.video).stem)
