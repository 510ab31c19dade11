"""Error of `label` on the rendered test clips with and without the effect of caveats on the values.

    python -m experiments.label.caveats

The 24 clips of experiments.label.modes (made at the first use); labels as the plans say, every other frame is scored.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from experiments.label.modes import run
from mtclar.cli.commands.networks.evaluate import CACHE
from mtclar.engine.estimate.metrics import Z_90
from mtclar.engine.files.reading import user_folder
from mtclar.label import labelling
from mtclar.label.labelling import Settings
from mtclar.label.output.table import LABELLED, Table
from mtclar.label.scan.face_scan import RATE_HZ, FaceScanner
from mtclar.label.scan.recording import open_recording
from mtclar.label.values.person_values import PersonValues, QualifiedValues, with_caveats
from mtclar.stream.label_formats.label_file import read_labels
from mtclar.train.progress import silent
from mtclar.train.rendered.held_out import HeldOut
from tools.arguments import parser_of
from tools.docs.figures import table

SHARE = 0.06
EVERY = 20


def as_measured(found: PersonValues, *others: Any, **how: Any) -> QualifiedValues:
    """Names the caveats and leaves values and sd."""
    return QualifiedValues(found.values, found.sds, with_caveats(found, *others, **how).caveats)


def labelled_rows(plan: str, count: int) -> np.ndarray:
    if plan == "none":
        return np.zeros(0, int)
    if plan == "every-20":
        return np.arange(0, count, EVERY)
    return np.linspace(0, count, round(SHARE * count), endpoint=False).astype(int)


def errors(
    videos: list[Path], plan: str, rate_hz: float, scanner: FaceScanner
) -> Iterator[tuple[Table, np.ndarray, np.ndarray]]:
    """Each clip's table, the frames to score [n] and the error [n, 2]."""
    for video in videos:
        truth = read_labels(video.with_suffix(".csv"))
        labels = [truth[row] for row in labelled_rows(plan, len(truth))]
        outcome, _ = run(open_recording(video), labels, scanner, Settings(rate_hz=rate_hz))
        va = np.array([(label.valence, label.arousal) for label in truth])
        yield outcome.table, outcome.table.state != LABELLED, outcome.table.values - va


def both(values: np.ndarray, digits: int = 4) -> str:
    return " / ".join(f"{value:.{digits}f}" for value in values)


def row(videos: list[Path], plan: str, rate_hz: float, scanner: FaceScanner) -> list[str]:
    """RMSE and coverage, without and with the effect of caveats."""
    cells = [plan, "every frame" if rate_hz == 0 else f"{rate_hz:g}"]
    for effect in (as_measured, with_caveats):
        with mock.patch.object(labelling, "with_caveats", effect):
            found = list(errors(videos, plan, rate_hz, scanner))
        off = np.concatenate([error[scored] for _, scored, error in found])
        sds = np.concatenate([one.sds[scored] for one, scored, _ in found])
        covered = (np.abs(off) <= Z_90 * sds).mean(0)
        cells += [both(np.sqrt(np.nanmean(off**2, axis=0))), both(100 * covered, 0)]
    return cells


def main() -> None:
    """Measures and prints."""
    parser_of(__doc__).parse_args()
    held_out = HeldOut(user_folder("cache") / CACHE)
    held_out.load_clips(silent)
    videos = [held_out.home / f"{person}-{held_out.seconds:g}s.mp4" for person in held_out.people]
    with FaceScanner.open(threads=1) as scanner:
        rows = [
            row(videos, plan, rate_hz, scanner)
            for plan in ("none", "every-20", "share-6")
            for rate_hz in (0.0, RATE_HZ)
        ]
    head = ["labelled", "scanned a second", "RMSE without", "in 90 %", "RMSE with", "in 90 %"]
    print(table(head, rows))


if __name__ == "__main__":
    main()
