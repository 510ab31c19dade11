"""Eye opening: 1 for open eyes of any size, low in a blink, and back to 1 when narrow eyes stay."""

import numpy as np
import pytest

from mtclar.engine.data_types import Frame
from mtclar.engine.face.detector import Detector
from mtclar.engine.face.face_tracker import FaceTracker
from mtclar.engine.face.features.eyes import (
    BLINK_OPENING,
    CORNERS,
    LIDS,
    LONGEST_BLINK_S,
    EyeOpening,
    eye_aspect_ratio,
)
from mtclar.engine.face.landmarks import FaceMesh

FPS = 25


def face(ratio: float, size: float = 30.0, turned: float = 0.3) -> np.ndarray:
    """Landmarks [468, 3] whose eyes have this height over width."""
    points = np.zeros((468, 3), np.float32)
    for (right, left), lids in zip(CORNERS, LIDS, strict=True):
        points[right, :2], points[left, :2] = (0, 0), (size, 0)
        for k, (upper, lower) in enumerate(lids):
            points[upper, :2] = size * (k + 1) / 4, -size * ratio / 2
            points[lower, :2] = size * (k + 1) / 4, size * ratio / 2
    cos, sin = np.cos(turned), np.sin(turned)
    points[:, :2] = points[:, :2] @ np.float32([[cos, sin], [-sin, cos]])
    return points


@pytest.mark.parametrize("size", [4.0, 30.0, 300.0])
def test_the_ratio_depends_neither_on_size_nor_on_roll(size: float) -> None:
    assert eye_aspect_ratio(face(0.31, size)) == pytest.approx(0.31, rel=1e-4)


def openings(ratios: list[float]) -> list[float]:
    opening = EyeOpening()
    return [opening(i / FPS, face(ratio)) for i, ratio in enumerate(ratios)]


def test_a_blink_is_below_the_limit_and_open_eyes_are_not() -> None:
    values = openings([0.3] * 20 + [0.2, 0.12, 0.12, 0.2] + [0.3] * 20)
    assert all(value == pytest.approx(1.0) for value in values[:20])
    assert all(value < BLINK_OPENING for value in values[20:24])
    assert all(value == pytest.approx(1.0, abs=0.01) for value in values[24:])


def test_eyes_that_stay_narrow_count_as_open() -> None:
    values = openings([0.3] * 20 + [0.15] * 40 + [0.08] * 3 + [0.15] * 3)
    narrow = np.array(values[20:60]) < BLINK_OPENING
    assert narrow[: int(LONGEST_BLINK_S * FPS)].all()
    assert not narrow[int(LONGEST_BLINK_S * FPS) + 2 :].any()
    assert all(value < BLINK_OPENING for value in values[60:63])


def test_a_slow_narrowing_is_no_blink() -> None:
    assert min(openings(list(np.linspace(0.32, 0.2, 3 * FPS)))) > BLINK_OPENING


@pytest.mark.parametrize("t_s", [-0.1, 5.0])
def test_a_gap_or_a_step_back_starts_again(t_s: float) -> None:
    opening = EyeOpening()
    opening(0.0, face(0.3))
    assert opening(t_s, face(0.1)) == 1.0


def test_the_tracker_measures_it(detector: Detector, face_mesh: FaceMesh, astronaut: np.ndarray) -> None:
    face_tracker = FaceTracker(detector, face_mesh)
    for seq in range(3):
        t_s = seq / FPS
        (crop,) = face_tracker(Frame(astronaut, seq, t_s, "file", t_s, "s")).crops
    assert crop.eye_opening == pytest.approx(1.0, abs=0.05)
    assert crop.blendshapes is None
