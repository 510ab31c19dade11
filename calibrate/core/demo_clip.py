"""The bundled clip as the demo plays it: calibrated on its first seconds, tracked after them; with its script."""

import csv
from collections.abc import Iterator
from contextlib import closing

import numpy as np

from mtclar.calibrate.core.labelled_frames import select_labelled
from mtclar.calibrate.core.support_builder import make_support
from mtclar.engine.data_types import Frame
from mtclar.engine.support_set import SupportSet
from mtclar.engine.tracker import Tracker
from mtclar.stream import demo_clip
from mtclar.stream.label_formats.label_file import read_labels
from mtclar.stream.pipeline.pipeline import Truth
from mtclar.stream.sources import Source, open_source

SUPPORT_MARGIN_S = 0.2  # between the last support frame and the first tracked one: none of them is scored


def demo_support(backend: str, threads: int) -> SupportSet:
    """The support set of the clip's first seconds, made as by `calibrate --labels`."""
    labels = read_labels(demo_clip.calibration_path())
    with closing(open_source("demo")) as source, Tracker.open(backend=backend, threads=threads) as tracker:
        recording = select_labelled(source.frames(), labels, tracker)
        return make_support(recording.accepted, tracker, subject="rendered", source=source.label)


class SkippedStart:
    """A source without the frames before `from_s`, which are decoded and skipped."""

    def __init__(self, source: Source, from_s: float) -> None:
        self._source = source
        self._from_s = from_s
        self.stream_id = source.stream_id
        self.label = source.label
        self.live = source.live
        self.size = source.size
        self.fps = source.fps
        self.files = source.files

    def frames(self) -> Iterator[Frame]:
        return (frame for frame in self._source.frames() if frame.pts_s >= self._from_s)

    def reachable(self) -> bool | None:
        return self._source.reachable()

    def close(self) -> None:
        self._source.close()


def script() -> Truth:
    """The clip's valence and arousal by source time, from the line of the nearest frame."""
    with demo_clip.script_path().open(newline="", encoding="utf-8") as file:
        lines = [(line["time"], line["valence"], line["arousal"]) for line in csv.DictReader(file)]
    times_s, valence, arousal = np.array(lines, np.float64).T

    def at(t_s: float) -> tuple[float, float]:
        index = int(np.abs(times_s - t_s).argmin())
        return float(valence[index]), float(arousal[index])

    return at
