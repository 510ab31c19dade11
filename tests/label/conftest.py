"""Four clips of rendered test people with the truth of every frame, and the networks that look at them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from mtclar.label.face_scan import FaceScanner
from mtclar.stream.label_file import Label, read_labels

CLIPS = Path(__file__).parent / "clips"
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


@pytest.fixture(scope="session")
def clips() -> list[KnownClip]:
    return [KnownClip(path, read_labels(path.with_suffix(".csv"))) for path in sorted(CLIPS.glob("*.mp4"))]


@pytest.fixture(scope="session")
def scanner() -> Iterator[FaceScanner]:
    with FaceScanner.open() as opened:
        yield opened
