"""One video, its labels and where the result goes: the unit of work, done whole or taken up where it was left."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from mtclar.engine.errors import UsageError
from mtclar.engine.support_set import SupportSet
from mtclar.label.face_scan import Advance, Looker
from mtclar.label.journal import Journal
from mtclar.label.labelling import Outcome, Settings, journal_of, key_of, label_recording
from mtclar.label.output.exports import exporter, write
from mtclar.label.recording import Recording, open_recording
from mtclar.stream.label_file import Label, read_labels

SUPPORT_SET = ".mtclar"

Started = Callable[[Recording], Advance]
"""Told of a recording that was opened; gives what is told of every frame done."""


@dataclass(frozen=True, slots=True)
class Job:
    """What to label with what, and the files to write: a format by the ending of each."""

    video: Path
    support: Path  # labels.csv, or a support set made from the video
    outs: tuple[Path, ...]
    fps: float | None = None  # of a folder of pictures
    passphrase: str | None = field(default=None, repr=False)  # of an encrypted support set


@dataclass(frozen=True, slots=True, eq=False)
class Done:
    """A finished job; `forget` its journal once the result is known to be safe."""

    key: str
    recording: Recording
    outcome: Outcome
    files: tuple[Path, ...]  # written
    journal: Journal

    def forget(self) -> None:
        self.journal.remove()


def labels_of(support: Path, video: Path, passphrase: str | None) -> tuple[Label, ...]:
    """The labels of a labels.csv, or of a support set (.mtclar) that was recorded from this very video.

    So the page of `calibrate --source VIDEO --every N` is a way to label it. `passphrase` is for an
    encrypted one. Raises UsageError or SupportSetError.
    """
    if support.suffix.lower() != SUPPORT_SET:
        return read_labels(support)
    loaded = SupportSet.load(support, None if passphrase is None else lambda: passphrase)
    made_from = loaded.source.rstrip("/")
    if Path(made_from).name != video.resolve().name:
        raise UsageError(
            f"the support set {support} was made from {made_from or 'something unknown'}, not from {video.name}",
            "its labels are moments of that recording; `run` compares faces of other recordings with it",
        )
    times_and_values = zip(loaded.times_s.tolist(), loaded.labels.tolist(), strict=True)
    labels = [Label(t_s, *value) for t_s, value in times_and_values]
    return tuple(sorted(labels, key=lambda label: label.time_s))


def key_of_job(job: Job, looker: Looker, settings: Settings) -> str:
    """What `Done.key` will be, without the work. Raises MtclarError for inputs that cannot be read."""
    recording = open_recording(job.video, job.fps)
    return key_of(
        recording, labels_of(job.support, job.video, job.passphrase), settings, looker.encoder_sha256
    )


def run(job: Job, looker: Looker, settings: Settings, started: Started) -> Done:
    """Labels the video and writes the result, whole or not at all. Raises MtclarError for what a user can cause."""
    for out in job.outs:
        exporter(out)  # an unknown ending is refused before the work, not after it
    labels = labels_of(job.support, job.video, job.passphrase)
    recording = open_recording(job.video, job.fps)
    key = key_of(recording, labels, settings, looker.encoder_sha256)
    with Journal(journal_of(job.outs[0]), key) as journal:
        outcome = label_recording(recording, labels, looker, settings, journal, started(recording))
        files = write(outcome.table, list(job.outs), job.video)
    return Done(key, recording, outcome, tuple(files), journal)
