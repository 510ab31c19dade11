"""The filter on a face's square: still at rest, with the face when it moves, on source time."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtclar.engine.face.crop import Square
from mtclar.engine.face.crop_stabilizer import RESTART_AFTER_S, CropStabilizer

FPS = 25


def square(x: float = 300.0, side: float = 200.0, angle: float = 0.0) -> Square:
    return Square((x, 240.0), side, angle)


def test_noise_at_rest_is_halved_at_least() -> None:
    rng = np.random.default_rng(1)
    measured = [
        square(300 + rng.normal(0, 0.5), 200 + rng.normal(0, 0.5), rng.normal(0, 0.003)) for _ in range(200)
    ]
    stabilizer = CropStabilizer()
    cut = [stabilizer(i / FPS, one) for i, one in enumerate(measured)][20:]
    for value in (lambda one: one.center[0], lambda one: one.side, lambda one: one.angle):
        trembling = np.std(np.diff([value(one) for one in measured]))
        assert np.std(np.diff([value(one) for one in cut])) < 0.5 * trembling


@pytest.mark.parametrize(
    "path",
    [
        lambda t: square(x=300 + 400 * t),
        lambda t: square(side=200 * math.exp(0.8 * t)),
        lambda t: square(angle=1.5 * t),
    ],
    ids=["moving", "coming near", "tipping"],
)
def test_motion_of_every_kind_is_followed(path) -> None:
    stabilizer = CropStabilizer()
    for i in range(50):
        cut, measured = stabilizer(i / FPS, path(i / FPS)), path(i / FPS)
    assert abs(cut.center[0] - measured.center[0]) < 0.02 * measured.side
    assert cut.side == pytest.approx(measured.side, rel=0.02)
    assert cut.angle == pytest.approx(math.remainder(measured.angle, math.tau), abs=math.radians(1.5))


def test_a_turn_through_half_a_circle_goes_the_short_way() -> None:
    stabilizer = CropStabilizer()
    stabilizer(0.0, square(angle=math.pi - 0.01))
    angle = stabilizer(1 / FPS, square(angle=-math.pi + 0.01)).angle
    assert abs(math.remainder(angle - math.pi, math.tau)) < 0.02


@pytest.mark.parametrize("t_s", [5.0 + 2 * RESTART_AFTER_S, 4.0])
def test_restart_after_a_gap_or_a_step_back(t_s: float) -> None:
    stabilizer = CropStabilizer()
    stabilizer(5.0, square())
    assert stabilizer(t_s, square(x=500)) == square(x=500)


def test_the_same_time_again_changes_nothing() -> None:
    stabilizer = CropStabilizer()
    before = stabilizer(0.0, square())
    again = stabilizer(0.0, square(x=320))
    assert again.center == pytest.approx(before.center)
    assert again.side == pytest.approx(before.side)


@given(st.floats(0.01, 100), st.lists(st.floats(-50, 50), min_size=2, max_size=20))
def test_the_filter_does_not_depend_on_face_size(scale: float, path: list[float]) -> None:
    small, large = CropStabilizer(), CropStabilizer()
    for i, x in enumerate(path):
        one = small(i / FPS, Square((x, 0.0), 100.0, 0.0))
        other = large(i / FPS, Square((x * scale, 0.0), 100.0 * scale, 0.0))
        assert other.center[0] == pytest.approx(one.center[0] * scale, rel=1e-6, abs=1e-6 * scale)
