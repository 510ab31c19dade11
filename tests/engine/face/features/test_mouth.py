"""Mouth opening, and talking: a mouth that opens and closes again and again, not one that opens once."""

import numpy as np
import pytest

from mtclar.engine.face.crop import LEFT_EYE, RIGHT_EYE
from mtclar.engine.face.features.mouth import LOWER_LIP, PAUSE_S, UPPER_LIP, WITHIN_S, Talking, mouth_opening

FPS = 25


def face(opening: float, size: float = 60.0, turned: float = 0.0) -> np.ndarray:
    """Landmarks [468, 3] of a face turned about its vertical axis, whose lips are so far apart."""
    points = np.zeros((468, 3), np.float32)
    points[LEFT_EYE[1], 0] = size
    points[RIGHT_EYE[0], 0] = 0
    points[list(UPPER_LIP), 1] = size
    points[list(LOWER_LIP), 1] = size * (1 + opening)
    cos, sin = np.cos(turned), np.sin(turned)
    return points @ np.float32([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]])


def talking(openings: list[float], fps: float = FPS) -> np.ndarray:
    follow = Talking()
    return np.array([follow(i / fps, face(opening)) for i, opening in enumerate(openings)])


def syllables(count: int, opening: float = 0.2) -> list[float]:
    """Of .24 s each."""
    return [opening * np.sin(np.pi * i / 6) ** 2 for i in range(6 * count)]


@pytest.mark.parametrize("size", [8.0, 60.0, 600.0])
@pytest.mark.parametrize("turned", [0.0, 0.5])
def test_the_opening_depends_neither_on_size_nor_on_yaw(size: float, turned: float) -> None:
    assert mouth_opening(face(0.31, size, turned)) == pytest.approx(0.31, rel=1e-4)


@pytest.mark.parametrize("fps", [12.5, 25, 60])
def test_speech_is_talking_soon_after_it_began_and_until_soon_after_it_ended(fps: float) -> None:
    still, speech = round(2 * fps), round(3 * fps)
    opened = 0.1 * (1 - np.cos(2 * np.pi * 4 * np.arange(speech) / fps))
    said = talking([0.0] * still + opened.tolist() + [0.0] * still, fps)
    begin, end = (int(np.flatnonzero(said)[i]) for i in (0, -1))
    assert still < begin < still + 0.6 * fps
    assert said[begin : end + 1].all()
    assert still + speech < end < still + speech + (PAUSE_S + 0.2) * fps


def test_an_expression_that_comes_and_goes_is_not_talking() -> None:
    surprise = [*np.linspace(0, 0.5, 6), *[0.5] * 20, *np.linspace(0.5, 0, 6)]
    assert not talking([0.0] * 20 + surprise + [0.0] * 20).any()


def test_a_mouth_that_is_open_in_the_first_picture_has_not_opened() -> None:
    changes = [*[0.3] * 5, *np.linspace(0.3, 0, 4), *np.linspace(0, 0.3, 4), *[0.3] * 20]
    assert not talking(changes).any()


def test_an_expression_after_a_talk_does_not_prolong_it() -> None:
    speech = syllables(8)
    pause = [0.0] * round((PAUSE_S + 0.1) * FPS)
    smile = [*np.linspace(0, 0.2, 5), *[0.2] * 30]
    said = talking(speech + pause + smile)
    assert said[len(speech)]
    assert not said[len(speech) + len(pause) :].any()
    assert talking(speech + pause + speech)[-1]


def test_slow_movements_and_noise_are_not_talking() -> None:
    slowly = [0.2 * np.sin(np.pi * i / (2 * FPS * WITHIN_S)) ** 2 for i in range(8 * FPS)]
    assert not talking(slowly).any()
    noise = np.random.default_rng(3).uniform(0.1, 0.12, 200)
    assert not talking(noise.tolist()).any()


def test_a_gap_or_a_restart_ends_it() -> None:
    follow = Talking()
    times = [i / FPS for i in range(48)]
    assert [follow(t, face(o)) for t, o in zip(times, syllables(8), strict=True)][-1]
    assert not follow(times[-1] + 2.0, face(0.1))
    assert not follow(0.0, face(0.2))
