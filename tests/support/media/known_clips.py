"""Clips of rendered test people (tests/label/clips) with the valence and arousal of every frame."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mtclar.stream.label_formats.label_file import Label, read_labels

CLIPS = Path(__file__).parents[2] / "label" / "clips"
EVERY = 20  # frames to a label


@dataclass(frozen=True)
class KnownClip:
    """A video of which every frame's valence and arousal is known."""

    video: Path
    truth: tuple[Label, ...]

    @property
    def va(self) -> NDArray[np.float64]:
        return np.array([(label.valence, label.arousal) for label in self.truth])

    def labels(self, every: int = EVERY) -> tuple[Label, ...]:
        return self.truth[::every]


def known_clips() -> list[KnownClip]:
    """Every one of them, in the order of their names."""
    return [KnownClip(path, read_labels(path.with_suffix(".csv"))) for path in sorted(CLIPS.glob("*.mp4"))]
