"""The synthetic source draws the requested scene."""

import numpy as np
import pytest

from mtclar.engine.errors import UsageError
from mtclar.stream.sources import open_source
from mtclar.stream.sources.synthetic import Scene, face_pictures, parse_scene


@pytest.mark.parametrize(
    ("spec", "scene"),
    [
        ("synthetic", Scene()),
        ("synthetic:320x240", Scene(320, 240)),
        ("synthetic:@5", Scene(fps=5)),
        ("synthetic:320x240@12.5?faces=3", Scene(320, 240, 12.5, 3)),
        ("synthetic?faces=0&frames=7", Scene(faces=0, frames=7)),
    ],
)
def test_specs(spec: str, scene: Scene) -> None:
    assert parse_scene(spec) == scene


@pytest.mark.parametrize(
    "spec",
    [
        "synthetic:",
        "synthetic:x",
        "synthetic:0x0",
        "synthetic:99999x9",
        "synthetic:@0",
        "synthetic?faces=99",
        "synthetic?face=1",
        "synthetic?faces=-1",
    ],
)
def test_other_specs_are_refused(spec: str) -> None:
    if spec == "synthetic:":
        assert parse_scene(spec) == Scene()
        return
    with pytest.raises(UsageError):
        parse_scene(spec)


@pytest.mark.parametrize("faces", [0, 1, 3])
def test_a_finite_one_gives_its_frames_and_ends(faces: int) -> None:
    source = open_source(f"synthetic:320x240@50?faces={faces}&frames=5")
    frames = list(source.frames())
    assert not source.live
    assert [frame.pts_s for frame in frames] == pytest.approx([0, 0.02, 0.04, 0.06, 0.08])
    assert all(frame.image.shape == (240, 320, 3) for frame in frames)
    assert not np.array_equal(frames[0].image, frames[4].image)


def test_one_without_an_end_is_live_and_can_be_closed() -> None:
    source = open_source("synthetic:64x48@200?faces=0")
    assert source.live
    for frame in source.frames():
        if frame.seq == 5:
            source.close()
    assert frame.seq == 5


def test_there_are_faces_to_draw() -> None:
    pictures = face_pictures()
    assert pictures
    assert all(picture.shape == (240, 240, 3) for picture in pictures)
