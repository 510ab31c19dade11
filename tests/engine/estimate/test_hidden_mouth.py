"""The bundled probe: it belongs to the bundled encoder, and sees what covers the mouth of a face."""

from pathlib import Path

import numpy as np
import pytest
from support.media.covered_faces import Cover, covered_demo, headband, mask

from mtclar.engine import Tracker, models
from mtclar.engine.errors import ModelError
from mtclar.engine.estimate.caveats import HIDDEN_SD
from mtclar.engine.estimate.hidden_mouth import HiddenMouth, probe_of


def test_the_probe_belongs_to_the_bundled_encoder_alone() -> None:
    card = models.card("encoder")
    probe = probe_of(card.sha256)
    assert probe is not None, "run tools/fit/fit_hidden_mouth.py"
    assert probe.weight.shape == (card.embedding_dim,)
    assert probe_of("0" * 64) is None


def test_it_is_written_and_read(tmp_path: Path) -> None:
    path = tmp_path / "hidden_mouth.json"
    probe = HiddenMouth("a" * 64, np.array([0.5, -1.0]), 0.25)
    probe.write(path)
    again = HiddenMouth.read(path)
    assert again.encoder_sha256 == probe.encoder_sha256
    np.testing.assert_allclose(again(np.float32([[1, 0], [0, 1]])), [0.75, -0.75])


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"encoder_sha256": "a", "weight": ["x"], "bias": 0}'])
def test_a_damaged_file_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "hidden_mouth.json"
    path.write_text(content)
    with pytest.raises(ModelError, match=r"hidden_mouth\.json"):
        HiddenMouth.read(path)
    with pytest.raises(ModelError, match="cannot be read"):
        HiddenMouth.read(tmp_path / "missing.json")


@pytest.mark.parametrize(("cover", "hidden"), [(mask, True), (headband, False), (None, False)])
def test_a_covered_mouth_is_a_caveat_and_widens_the_sd(cover: Cover | None, hidden: bool) -> None:
    with Tracker.open(max_faces=1, smoother="none") as tracker:
        for frame in covered_demo(25, cover):
            (face,) = tracker(frame)
    assert ("mouth hidden" in face.caveats) == hidden
    assert face.raw is not None
    more = HIDDEN_SD[0] if hidden else 0.0
    assert face.valence_sd == pytest.approx(np.hypot(face.raw.valence_sd, more), abs=1e-6)
