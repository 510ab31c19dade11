"""`analyse` for programs and notebooks: one recording as a data frame, statistics of its segments, and figures."""

import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mtclar.engine.support_set import SupportSet
from mtclar.label.corpus.recordings import parse_start
from mtclar.label.job import Job, compute_job
from mtclar.label.labelling import Settings
from mtclar.label.output.exports import arrow_table, exporter, write
from mtclar.label.output.table import RecordingTable
from mtclar.label.scan.face_scan import Advance, FaceScanner
from mtclar.label.scan.people import FaceChoice
from mtclar.label.scan.recording import Recording
from mtclar.stream.sources.options import file_of
from mtclar.stream.table.provenance import TableOrigin

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

    from mtclar.label.analysis.segments import Segment
    from mtclar.label.analysis.series import Series

PRINT_EVERY_S = 0.5

PathLike = str | os.PathLike[str]
OnStart = Callable[[Recording], Advance]


@dataclass(frozen=True, eq=False)
class AnalysedRecording:
    """The values of every face in every frame; the columns are those of docs/reference/columns.md."""

    video: Path
    table: RecordingTable
    origin: TableOrigin

    def to_pandas(self) -> "DataFrame":
        """One row a face and frame. Raises UsageError if pandas is missing."""
        from mtclar.label.output.data_frame import data_frame

        return data_frame(self.table)

    def to_arrow(self) -> Any:
        """The same as a pyarrow.Table. Raises UsageError if pyarrow is missing."""
        return arrow_table(self.table, self.video.name)

    def segments(
        self, segments: "PathLike | Sequence[Segment] | None" = None, baseline: str | None = None
    ) -> "DataFrame":
        """Statistics of each segment and of the whole recording: a row each (docs/analysis/tables.md).

        `segments`: a table or ELAN file of segments, or the segments themselves. Raises UsageError.
        """
        from mtclar.label.analysis.segment_table import long_table

        return long_table(self.series(), self._segments(segments), baseline)

    def plot(self, segments: "PathLike | Sequence[Segment] | None" = None) -> "Figure":
        """Valence and arousal over time with their 90 % intervals, a panel for each face. Raises UsageError."""
        from mtclar.label.analysis.figures import time_figure

        return time_figure(self.series(), self._segments(segments))

    def series(self) -> "list[Series]":
        """A series of values for each face, as the functions of mtclar.label.analysis take them."""
        from mtclar.label.output.data_frame import series_of_result

        return series_of_result(self.table, file_of(self.video).stem)

    def save(self, *outs: PathLike) -> list[Path]:
        """Writes tables (.csv, .parquet), each with its JSON; returns all files. Raises UsageError or WriteError."""
        paths = [Path(out) for out in outs]
        for path in paths:
            exporter(path)
        return write(self.table, paths, file_of(self.video), self.origin)

    def _segments(self, segments: "PathLike | Sequence[Segment] | None") -> "Sequence[Segment]":
        from mtclar.label.analysis.segments import read_segments

        if segments is None:
            return ()
        return read_segments(Path(segments)) if isinstance(segments, str | os.PathLike) else segments


def analyse(
    video: PathLike,
    support: PathLike | SupportSet | None = None,
    *,
    labels: PathLike | None = None,
    participant: str = "",
    session: str = "",
    start: str = "",
    face: str | None = None,
    fps: float | None = None,
    rate_hz: float = 0.0,
    smooth: bool = True,
    blendshapes: bool = False,
    passphrase: str | None = None,
    threads: int = 1,
    progress: bool | OnStart | None = None,
) -> AnalysedRecording:
    """Valence and arousal of every face in every frame of a recording, as `mtclar-stream analyse` computes them.

    `support` is the person's support set, recorded anywhere; `labels` a label file of this recording; both count
    together, without either the values are those of the uncalibrated model. `start`: ISO 8601 with a time zone.
    `rate_hz`: scanned frames a second, 0 for every frame. `progress` prints to stderr, by default in a terminal and in
    a notebook; a function is called with the recording, and what it returns with the number of frames finished since.
    Raises MtclarError, with the reason and what to do about it.
    """
    shown = progress if isinstance(progress, bool) else sys.stderr.isatty() or "ipykernel" in sys.modules
    path = Path(video)
    choice = None if face is None else FaceChoice.parse(face)
    start_unix_s = parse_start(start)
    with (
        tempfile.TemporaryDirectory() as folder,
        FaceScanner.open(threads=threads, blendshapes=blendshapes) as scanner,
    ):
        if isinstance(support, SupportSet):
            file = Path(folder) / f"{support.subject or 'support'}.mtclar".replace(os.sep, "_")
            support.save(file)
            support = file
        job = Job(
            path,
            None if labels is None else Path(labels),
            (),
            fps,
            choice,
            passphrase=passphrase,
            support=None if support is None else Path(support),
            participant=participant,
            session=session,
            start_unix_s=start_unix_s,
        )
        settings = Settings(rate_hz=rate_hz, smooth=smooth, everyone=True, blendshapes=blendshapes)
        on_start = progress if callable(progress) else _printed if shown else _silent
        done = compute_job(job, scanner, settings, on_start, Path(folder) / "unfinished")
        done.discard_journal()
    return AnalysedRecording(path, done.result, done.origin)


def _silent(_: Recording) -> Advance:
    return lambda _: None


def _printed(recording: Recording, clock: Callable[[], float] = time.monotonic) -> Advance:
    """Prints the share and the remaining time on one line, which terminals and notebooks overwrite."""
    total, started_s = len(recording.times_s), clock()
    finished, printed_s = 0, float("-inf")

    def advance(count: int) -> None:
        nonlocal finished, printed_s
        finished += count
        now_s = clock()
        if now_s - printed_s >= PRINT_EVERY_S or finished >= total:
            printed_s = now_s
            left_s = (now_s - started_s) * (total - finished) / max(finished, 1)
            end = "\n" if finished >= total else ""
            text = f"\r{recording.name}: {100 * finished // total} %, {left_s:.0f} s left   "
            print(text, end=end, file=sys.stderr, flush=True)

    return advance
