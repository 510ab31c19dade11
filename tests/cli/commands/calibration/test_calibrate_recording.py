"""What `calibrate --every`, `--pick` and `--continuous` write when the page saves."""

from pathlib import Path

import numpy as np
import pytest

from mtclar.calibrate.core.sets.predecessors import predecessors
from mtclar.calibrate.web.rating_files import labels_path, saving_labels_too
from mtclar.engine.data_types import Encoded
from mtclar.engine.errors import WriteError
from mtclar.engine.face.crop import FRAMING
from mtclar.engine.models import EncoderIdentity
from mtclar.engine.support_set import SupportSet
from mtclar.stream.label_formats.label_file import Label, read_labels

LABELS = (Label(0.5, 0.25, -0.5), Label(1.0, 0.5, -0.25))


def support(frames: int) -> SupportSet:
    encoded = Encoded(
        np.ones((frames, 4), np.float32), np.zeros((frames, 2), np.float32), np.zeros((frames, 8), np.float32)
    )
    return SupportSet.from_encoded(
        encoded,
        np.zeros((frames, 2), np.float32),
        subject="anna",
        encoder=EncoderIdentity("encoder", "ab" * 32, FRAMING),
    )


def test_labels_are_private_and_a_failure_leaves_the_sets_alone(tmp_path: Path) -> None:
    target = tmp_path / "anna.mtclar"
    save = saving_labels_too(target, None, lambda: LABELS)
    save(support(2))
    save(support(3))
    beside = labels_path(target)
    assert [(label.time_s, label.valence, label.arousal) for label in read_labels(beside)] == [
        (0.5, 0.25, -0.5),
        (1.0, 0.5, -0.25),
    ]
    assert beside.stat().st_mode & 0o777 == 0o600
    beside.unlink()
    beside.mkdir()
    for _ in range(2):
        with pytest.raises(WriteError):
            save(support(4))
    assert len(SupportSet.load(target)) == 3
    assert len(SupportSet.load(predecessors(tmp_path / "anna.mtclar")[0])) == 2
