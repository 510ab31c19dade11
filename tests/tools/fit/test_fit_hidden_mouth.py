"""The objects that test the probe cover what they should, and the threshold lets few mouths in view through."""

import numpy as np
import pytest

pytest.importorskip("torch", reason="the [train] extra is not installed")

from mtclar.engine import Frame, Tracker
from mtclar.stream import demo_clip
from mtclar.stream.sources import open_source
from tools.fit.fit_hidden_mouth import FALSE_SHARE, HIDDEN, IN_VIEW, TRIES, Drawn, fitted
from tools.fit.occluders import OCCLUDERS, draw, draw_elsewhere, mouth_mask


@pytest.fixture(scope="module")
def face() -> tuple[np.ndarray, np.ndarray]:
    """A grey picture and its landmarks."""
    source = open_source(str(demo_clip.clip_path()))
    try:
        image = next(iter(source.frames())).image
    finally:
        source.close()
    with Tracker.open(max_faces=1) as tracker:
        (crop,) = tracker.find(Frame.of(image, 0.0)).crops
    return image.mean(2).astype(np.uint8), crop.landmarks


@pytest.mark.parametrize("name", OCCLUDERS)
def test_an_object_covers_the_mouth_and_not_the_eyes(face, name: str) -> None:
    picture, points = face
    mouth = mouth_mask(picture.shape, points)
    shares = []
    for seed in range(10):
        changed, mask = draw(name, picture, points, picture[::-1], np.random.default_rng(seed))
        assert changed.shape == picture.shape
        assert changed.dtype == np.uint8
        assert not mask[tuple(points[[159, 386], 1::-1].round().astype(int).T)].any()
        shares.append(mask[mouth].mean())
    assert np.mean(np.array(shares) >= HIDDEN) > 0.7


def test_an_object_elsewhere_leaves_the_mouth(face) -> None:
    picture, points = face
    mouth = mouth_mask(picture.shape, points)
    for seed in range(10):
        changed = draw_elsewhere(picture, points, picture[::-1], np.random.default_rng(seed))
        assert (changed != picture).any()
        assert np.abs(changed[mouth].astype(int) - picture[mouth]).mean() < 3


def test_the_share_of_a_drawn_object_is_that_in_the_photo(face) -> None:
    picture, points = face
    random, drawn = np.random.default_rng(5), Drawn(*face)
    mouth = mouth_mask(picture.shape, points)
    of = [drawn(random) for _ in range(4 * TRIES)]
    hidden = next(after for after, share in of if share >= HIDDEN)
    clear = next(after for after, share in of if share <= IN_VIEW)
    assert (drawn.photo(hidden)[mouth] != picture[mouth]).mean() > HIDDEN - 0.1
    assert np.abs(drawn.photo(clear)[mouth].astype(int) - picture[mouth]).mean() < 15


def test_few_mouths_in_view_are_taken_for_hidden() -> None:
    random = np.random.default_rng(7)
    hidden = random.random(4000) < 0.3
    embedding = random.normal(0, 2, (4000, 8)) + 5
    embedding[:, 3] += 8 * hidden
    probe = fitted(embedding, hidden, np.ones(4000), "a" * 64)
    assert (probe(embedding[~hidden]) > 0).mean() == pytest.approx(FALSE_SHARE, abs=0.002)
    assert (probe(embedding[hidden]) > 0).mean() > 0.9
