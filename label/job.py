"""Label one video: read its labels, scan it, write the output files. An interrupted job resumes from its journal."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from mtclar.engine.errors import UsageError
from mtclar.engine.support_set import SupportSet
from mtclar.label.face_scan import Advance, FaceScanner
from mtclar.label.labelling import Outcome, Settings, input_digest, journal_path, label_recording
from mtclar.label.output.exports import exporter, write
from mtclar.label.people import FaceChoice
from mtclar.label.recording import Recording, open_recording
from mtclar.label.scan_journal import ScanJournal
from mtclar.stream.label_file import Label, Scale, read_labels
from mtclar.stream.sources.options import file_of

SUPPORT_SET = ".mtclar"

OnStart = Callable[[Recording], Advance]
"""Called with an opened recording; returns the callback that receives the number of finished frames."""


@dataclass(frozen=True, slots=True)
class Job:
    """A video, its labels and the files to write; the suffix of a file selects its format."""

    video: Path
    support: Path  # a label file, or a support set recorded from the video
    outs: tuple[Path, ...]
    fps: float | None = None  # for an image folder
    face: FaceChoice | None = None  # replaces that of the settings
    scale: Scale | None = None  # of the values in a label file
    passphrase: str | None = field(default=None, repr=False)  # for an encrypted support set


@dataclass(frozen=True, slots=True, eq=False)
class FinishedJob:
    """A finished job. Call `discard_journal` once all output files are complete."""

    key: str
    recording: Recording
    outcome: Outcome
    files: tuple[Path, ...]  # written files
    journal: ScanJournal

    def discard_journal(self) -> None:
        self.journal.remove()


def load_labels(job: "Job", recording: Recording) -> tuple[Label, ...]:
    """Read labels from a label file, or from a support set (.mtclar) recorded from the same video.

    Raises UsageError or SupportSetError.
    """
    support, video, passphrase = job.support, job.video, job.passphrase
    if support.suffix.lower() != SUPPORT_SET:
        return read_labels(support, job.scale, recording.first_frame_s)
    if job.scale is not None:
        raise UsageError("--scale is for label files, and a support set is from -1 to 1", "remove --scale")
    loaded = SupportSet.load(support, None if passphrase is None else lambda: passphrase)
    made_from = loaded.source.rstrip("/")
    if Path(made_from).name != file_of(video).resolve().name:
        raise UsageError(
            f"the support set {support} was made from {made_from or 'an unknown recording'}, not from {video.name}",
            "its label times belong to that recording; apply it to other recordings with `run`",
        )
    times_and_values = zip(loaded.times_s.tolist(), loaded.labels.tolist(), strict=True)
    labels = [Label(t_s, *value) for t_s, value in times_and_values]
    return tuple(sorted(labels, key=lambda label: label.time_s))


def job_digest(job: Job, scanner: FaceScanner, settings: Settings) -> str:
    """Digest of the inputs of a job, equal to `FinishedJob.key`. Raises MtclarError for unreadable inputs."""
    recording = open_recording(job.video, job.fps)
    return input_digest(
        recording,
        load_labels(job, recording),
        replace(settings, face=job.face),
        scanner.encoder_sha256,
    )


def run_job(job: Job, scanner: FaceScanner, settings: Settings, on_start: OnStart) -> FinishedJob:
    """Label the video and write all output files, or none of them. Raises MtclarError for invalid input."""
    for out in job.outs:
        exporter(out)  # reject an unknown suffix before the scan
    recording = open_recording(job.video, job.fps)
    labels = load_labels(job, recording)
    settings = replace(settings, face=job.face)
    key = input_digest(recording, labels, settings, scanner.encoder_sha256)
    with ScanJournal(journal_path(job.outs[0]), key) as journal:
        outcome = label_recording(recording, labels, scanner, settings, journal, on_start(recording))
        files = write(outcome.table, list(job.outs), file_of(job.video))
    return FinishedJob(key, recording, outcome, tuple(files), journal)
