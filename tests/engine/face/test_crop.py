"""The crop: the same face gives the same crop however it lies in the frame; pose, sharpness and light of it."""

import math

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtclar.engine.face.crop import (
    FRAMING,
    LEFT_EYE,
    RIGHT_EYE,
    Framing,
    Square,
    box_of,
    brightness,
    cut,
    pose_deg,
    sample,
    sharpness,
    square_of,
)


def similarity(angle: float, scale: float, dx: float, dy: float) -> np.ndarray:
    cos, sin = scale * math.cos(angle), scale * math.sin(angle)
    return np.array([[cos, -sin, dx], [sin, cos, dy]])


def moved(points: np.ndarray, by: np.ndarray) -> np.ndarray:
    """Landmarks [L, 3] after an affine map of the picture [2, 3]."""
    scale = math.sqrt(abs(np.linalg.det(by[:, :2])))
    result = points.astype(np.float64).copy()
    result[:, :2] = points[:, :2] @ by[:, :2].T + by[:, 2]
    result[:, 2] = points[:, 2] * scale
    return result.astype(np.float32)


def difference(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one.astype(float) - other).mean())


@settings(deadline=None, max_examples=25)
@given(st.floats(-3.1, 3.1), st.floats(0.7, 3.0))
def test_the_crop_does_not_change_with_turn_and_size(
    astronaut: np.ndarray, astronaut_points: np.ndarray, angle: float, scale: float
) -> None:
    plain = cut(astronaut, astronaut_points)
    by = similarity(angle, scale, 0, 0)
    by[:, 2] = 400 - by[:, :2] @ (225, 123)
    picture = cv2.warpAffine(
        astronaut, by, (800, 800), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    assert difference(cut(picture, moved(astronaut_points, by)), plain) < 6  # of a contrast of 59 (sd)


@given(st.floats(-3.1, 3.1), st.floats(0.1, 10), st.floats(-500, 500), st.floats(-500, 500))
def test_the_square_moves_with_the_landmarks(
    astronaut_points: np.ndarray, angle: float, scale: float, dx: float, dy: float
) -> None:
    still = square_of(astronaut_points, FRAMING)
    by = similarity(angle, scale, dx, dy)
    square = square_of(moved(astronaut_points, by), FRAMING)
    assert square.side == pytest.approx(scale * still.side, rel=1e-3)
    assert math.remainder(square.angle - still.angle - angle, math.tau) == pytest.approx(0, abs=1e-3)
    expected = by[:, :2] @ still.center + by[:, 2]
    assert square.center == pytest.approx(tuple(expected), abs=1e-3 * square.side + 1e-2)


def test_the_square_is_what_the_framing_asks_for() -> None:
    points = np.zeros((468, 3), np.float32)
    points[list(RIGHT_EYE)], points[list(LEFT_EYE)] = (-20, 0, 0), (20, 0, 0)
    points[0], points[1], points[2] = (-50, 10, 0), (50, 10, 0), (0, 70, 0)
    points[4] = (0, -30, 0)  # hull: 100 wide, 100 high, centre (0, 20)
    square = square_of(points, Framing(size=48, scale=1.2, shift_up=0.1))
    assert square.side == pytest.approx(120)
    assert square.center == pytest.approx((0, 10))
    assert square.angle == 0


def test_eyes_are_level_and_in_the_upper_half(astronaut: np.ndarray, astronaut_points: np.ndarray) -> None:
    crop = cut(astronaut, astronaut_points)
    assert crop.shape == (48, 48)
    assert crop.dtype == np.uint8
    rows = crop.astype(float).mean(1)
    assert 14 <= 10 + int(rows[10:26].argmin()) <= 22  # the dark rows of the eyes


@pytest.mark.parametrize("size", [24, 48, 112, 300])
def test_every_size_shows_the_same(astronaut: np.ndarray, astronaut_points: np.ndarray, size: int) -> None:
    framing = Framing(size, FRAMING.scale, FRAMING.shift_up)
    crop = cut(astronaut, astronaut_points, framing)
    assert crop.shape == (size, size)
    small = cv2.resize(crop, (24, 24), interpolation=cv2.INTER_AREA)
    plain = cv2.resize(cut(astronaut, astronaut_points), (24, 24), interpolation=cv2.INTER_AREA)
    assert difference(small, plain) < 6


def test_grey_and_colour_give_one_crop(astronaut: np.ndarray, astronaut_points: np.ndarray) -> None:
    grey = cv2.cvtColor(astronaut, cv2.COLOR_BGR2GRAY)
    assert (cut(grey, astronaut_points) == cut(astronaut, astronaut_points)).all()


def test_fine_patterns_are_averaged_and_not_sampled() -> None:
    chequers = (np.indices((960, 960)).sum(0) % 2 * 255).astype(np.uint8)
    crop = sample(chequers, Square((480.0, 480.0), 480.0, 0.3), 48)
    assert crop.std() < 12
    assert crop.mean() == pytest.approx(127, abs=3)


@pytest.mark.parametrize("center", [(0.0, 0.0), (99.0, 50.0), (-300.0, 50.0), (5000.0, 5000.0)])
@pytest.mark.parametrize("side", [10.0, 80.0, 400.0])
def test_beyond_the_frame_its_border_is_repeated(center: tuple[float, float], side: float) -> None:
    frame = np.full((100, 100, 3), 90, np.uint8)
    crop = sample(frame, Square(center, side, 0.5), 48)
    assert crop.shape == (48, 48)
    assert (crop == 90).all()


@given(st.floats(-60, 60))
def test_roll_is_the_turn_of_the_picture(astronaut_points: np.ndarray, angle_deg: float) -> None:
    yaw, pitch, roll = pose_deg(astronaut_points)
    assert (yaw, pitch, roll) == pytest.approx((0, 0, 0), abs=8)  # she looks at the camera
    by = similarity(math.radians(angle_deg), 2.0, 5, 6)
    assert pose_deg(moved(astronaut_points, by))[2] == pytest.approx(roll + angle_deg, abs=0.1)


def test_pose_has_the_signs_of_the_hand_over(astronaut_points: np.ndarray) -> None:
    """The landmarks turned in space: x right, y down, z away from the camera."""
    center = astronaut_points.mean(0)
    plain = pose_deg(astronaut_points)

    def turned(axis: int, degrees: float) -> tuple[float, float, float]:
        cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
        i, j = [k for k in range(3) if k != axis]
        rotation = np.eye(3)
        rotation[[i, i, j, j], [i, j, i, j]] = (cos, -sin, sin, cos)
        return pose_deg(((astronaut_points - center) @ rotation.T + center).astype(np.float32))

    nose_to_her_left = turned(1, 20)  # (x, z): the nose, which is near (z < 0), goes right on the screen
    assert nose_to_her_left[0] > plain[0] + 10
    nose_up = turned(0, -20)  # (y, z): what is near goes up on the screen
    assert nose_up[1] > plain[1] + 10


def test_mirrored_landmarks_turn_the_other_way(
    astronaut_points: np.ndarray,
) -> None:
    from_left = astronaut_points.copy()
    from_left[:, 0] += 0.4 * from_left[:, 2]  # sheared: what is near moves left
    from_right = astronaut_points.copy()
    from_right[:, 0] -= 0.4 * from_right[:, 2]  # what is near (z < 0) moves right: to the person's left
    assert pose_deg(from_right)[0] > pose_deg(astronaut_points)[0] > pose_deg(from_left)[0]


def test_sharpness_and_brightness(astronaut: np.ndarray, astronaut_points: np.ndarray) -> None:
    values = [
        sharpness(cut(cv2.GaussianBlur(astronaut, (0, 0), sigma), astronaut_points))
        for sigma in (0.1, 1, 2, 4, 8)
    ]
    assert values == sorted(values, reverse=True)
    assert values[0] > 10 * values[-1]
    assert sharpness(np.full((48, 48), 77, np.uint8)) == 0
    crop = cut(astronaut, astronaut_points)
    assert brightness(crop // 2) == pytest.approx(brightness(crop) / 2, abs=1)


def test_the_box_is_around_the_landmarks(astronaut_points: np.ndarray) -> None:
    x0, y0, x1, y1 = box_of(astronaut_points)
    assert (x0, y0) == tuple(astronaut_points[:, :2].min(0))
    assert (x1, y1) == tuple(astronaut_points[:, :2].max(0))
