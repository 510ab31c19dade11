"""`label --suggest N`: propose frames to label as a list, a contact sheet and a label file to fill in."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mtclar.label.scan.people import FaceChoice
    from mtclar.stream.label_formats.label_file import Scale

SHEET, TEMPLATE = ".png", ".csv"


def run(
    video: Path,
    supports: Sequence[Path],
    outs: Sequence[Path],
    fps: float | None,
    count: int,
    rate_hz: float,
    face: "FaceChoice | None",
    scale: "Scale | None",
    passphrase_file: Path | None,
    backend: str,
    threads: int,
) -> None:
    """Scan the video, print and write the proposals. Raises UsageError for suffixes other than .png and .csv."""
    import hashlib
    import tempfile

    import cv2

    from mtclar.cli.commands.recordings.label import frame_progress, print_people
    from mtclar.cli.display.terminal import Terminal, print_text
    from mtclar.cli.files.outputs import Output, require_safe
    from mtclar.cli.files.passphrase import passphrase_if_encrypted
    from mtclar.engine.errors import UsageError
    from mtclar.engine.files.writing import write_together
    from mtclar.label.job import Job, load_labels
    from mtclar.label.scan.face_scan import FaceScanner
    from mtclar.label.scan.recording import open_recording
    from mtclar.label.scan.scan_journal import ScanJournal
    from mtclar.label.suggest import contact_sheet, suggest, template
    from mtclar.stream.sources.options import file_of

    for out in outs:
        if out.suffix.lower() not in (SHEET, TEMPLATE):
            raise UsageError(
                f"unknown output format: {out}",
                f"use {SHEET} for a contact sheet or {TEMPLATE} for a label file",
            )
    require_safe([Output("--out", out) for out in outs], {"VIDEO": [file_of(video)], "--support": supports})
    cv2.setNumThreads(threads)
    recording = open_recording(video, fps)
    labels = [
        label
        for path in supports
        for label in load_labels(
            Job(video, path, (), scale=scale, passphrase=passphrase_if_encrypted(path, passphrase_file)),
            recording,
        )
    ]
    key = hashlib.sha256(recording.digest().encode()).hexdigest()
    with (
        tempfile.TemporaryDirectory() as folder,
        ScanJournal(Path(folder) / "scan", key) as journal,
        frame_progress() as on_start,
        FaceScanner.open(backend=backend, threads=threads) as scanner,
    ):
        suggestions, followed = suggest(
            recording, labels, scanner, count, rate_hz, face, journal, on_start(recording)
        )
    console = Terminal()
    print_people(console, followed)
    for text in recording.warnings:
        print_text(console, f"{video}: {text}.", "yellow")
    print_text(console, f"{video}: the most useful frames to label ({len(labels)} labelled so far):")
    for number, suggestion in enumerate(suggestions, 1):
        print_text(
            console,
            f"{number:4}.  {suggestion.time_s:9.2f} s   removes {100 * suggestion.gain:.0f} % of the expected error",
        )
    contents = {
        out: contact_sheet(recording, suggestions) if out.suffix.lower() == SHEET else template(suggestions)
        for out in outs
    }
    write_together(contents)
    for out in outs:
        print_text(console, f"Written: {out}")
