"""`label --suggest N`: which frames of a video to label, as a list, a contact sheet and a label file to fill in."""

from collections.abc import Sequence
from pathlib import Path

SHEET, TEMPLATE = ".png", ".csv"


def run(
    video: Path,
    supports: Sequence[Path],
    outs: Sequence[Path],
    fps: float | None,
    count: int,
    rate_hz: float,
    passphrase_file: Path | None,
    backend: str,
    threads: int,
) -> None:
    """Looks at the video and writes what was asked for. Raises UsageError for other endings than .png and .csv."""
    import hashlib
    import tempfile

    import cv2

    from mtclar.cli.commands.label import frames_done
    from mtclar.cli.outputs import Output, require_safe
    from mtclar.cli.passphrase import passphrase_if_encrypted
    from mtclar.cli.terminal import Terminal, say
    from mtclar.engine.errors import UsageError
    from mtclar.engine.files import write_together
    from mtclar.label.face_scan import Looker
    from mtclar.label.job import labels_of
    from mtclar.label.journal import Journal
    from mtclar.label.output.exports import writer
    from mtclar.label.recording import open_recording
    from mtclar.label.suggest import contact_sheet, suggest, template

    for out in outs:
        if out.suffix.lower() not in (SHEET, TEMPLATE):
            raise UsageError(
                f"{out} is neither a contact sheet nor a label file", f"endings: {SHEET} or {TEMPLATE}"
            )
    require_safe([Output("--out", out) for out in outs], {"VIDEO": [video], "--support": supports})
    cv2.setNumThreads(threads)
    labels = [
        label
        for path in supports
        for label in labels_of(path, video, passphrase_if_encrypted(path, passphrase_file))
    ]
    recording = open_recording(video, fps)
    key = hashlib.sha256(recording.digest().encode()).hexdigest()
    with (
        tempfile.TemporaryDirectory() as folder,
        Journal(Path(folder) / "looked-at", key) as journal,
        frames_done() as started,
        Looker.open(backend=backend, threads=threads) as looker,
    ):
        found = suggest(recording, labels, looker, count, rate_hz, journal, started(recording))
    console = Terminal()
    say(console, f"{video}: the frames most worth a label, beside {len(labels)} there are:")
    for number, one in enumerate(found, 1):
        say(
            console,
            f"{number:4}.  {one.time_s:9.2f} s   takes {100 * one.gain:.0f} % of the expected error away",
        )
    contents = {
        out: contact_sheet(recording, found) if out.suffix.lower() == SHEET else template(found)
        for out in outs
    }
    write_together({out: writer(content) for out, content in contents.items()})
    for out in outs:
        say(console, f"Written: {out}")
