"""Landmarks on real photographs, and the region that leads from one frame to the next."""

import math

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtclar.engine.face.crop import LEFT_EYE, RIGHT_EYE, box_of
from mtclar.engine.face.detector import Detector
from mtclar.engine.face.landmarks import POINTS, ROI_MARGIN, FaceMesh, Roi, roi_of_detection, roi_of_points

NOSE_TIP, UPPER_LIP, LOWER_LIP, CHIN = 1, 13, 14, 152


def test_points_sit_on_the_features(
    astronaut_points: np.ndarray, detector: Detector, astronaut: np.ndarray
) -> None:
    assert astronaut_points.shape == (POINTS, 3)
    assert astronaut_points.dtype == np.float32
    (face,) = detector(astronaut)
    side = face.box[2] - face.box[0]
    for indices, seen in ((RIGHT_EYE, 0), (LEFT_EYE, 1), ((NOSE_TIP,), 2), ((UPPER_LIP, LOWER_LIP), 3)):
        middle = astronaut_points[list(indices), :2].mean(0)
        assert np.linalg.norm(middle - face.keypoints[seen]) < 0.1 * side
    assert (
        astronaut_points[CHIN, 1] == astronaut_points[:, 1].max()
        or astronaut_points[CHIN, 1] > face.box[3] - 10
    )
    assert (
        astronaut_points[NOSE_TIP, 2] < astronaut_points[RIGHT_EYE[0], 2]
    )  # the nose is nearer to the camera


@pytest.mark.parametrize("grey", [False, True])
@pytest.mark.parametrize(("factor", "angle"), [(1.0, 30.0), (0.3, 0.0), (4.0, -20.0)])
def test_landmarks_follow_a_turned_and_scaled_picture(
    face_mesh: FaceMesh,
    astronaut: np.ndarray,
    astronaut_points: np.ndarray,
    factor: float,
    angle: float,
    grey: bool,
) -> None:
    size = round(512 * factor)
    turn = cv2.getRotationMatrix2D((225, 128), angle, factor)
    turn[:, 2] += np.array([225, 128]) * (factor - 1)
    flags = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    picture = cv2.warpAffine(astronaut, turn, (size, size), flags=flags)
    if grey:
        picture = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    expected = astronaut_points.copy()
    expected[:, :2] = expected[:, :2] @ turn[:, :2].T + turn[:, 2]
    mesh = face_mesh(picture, roi_of_points(expected))
    side = max(np.ptp(expected[:, :2], axis=0))
    assert mesh.score > 0.9
    assert np.abs(mesh.points[:, :2] - expected[:, :2]).mean() < 0.02 * side


def test_following_stays_on_a_moving_face(
    detector: Detector, face_mesh: FaceMesh, carphone: list[np.ndarray]
) -> None:
    roi = roi_of_detection(detector(carphone[0])[0])
    for i, image in enumerate(carphone):
        mesh = face_mesh(image, roi)
        roi = roi_of_points(mesh.points)
        assert mesh.score > 0.9
        if i % 20 == 0:
            x0, y0, x1, y1 = box_of(mesh.points)
            nose = detector(image)[0].keypoints[2]
            assert x0 < nose[0] < x1
            assert y0 < nose[1] < y1


def test_a_region_without_a_face_is_said_to_have_none(face_mesh: FaceMesh, coins: np.ndarray) -> None:
    for x in (80, 200, 320):
        assert face_mesh(coins, Roi((float(x), 150.0), 120.0, 0.0)).score < 0.5
    assert face_mesh(coins, Roi((-900.0, -900.0), 120.0, 0.0)).score < 0.5  # beyond the picture


@given(
    st.floats(-math.pi + 0.2, math.pi - 0.2),
    st.floats(0.05, 20),
    st.floats(-1000, 1000),
    st.floats(-1000, 1000),
)
def test_the_region_turns_moves_and_grows_with_the_face(
    angle: float, scale: float, dx: float, dy: float
) -> None:
    points = np.random.default_rng(3).uniform(-40, 40, (POINTS, 3))
    points[list(RIGHT_EYE)] = (-20.0, -10.0, 0.0)
    points[list(LEFT_EYE)] = (20.0, -10.0, 0.0)
    still = roi_of_points(points.astype(np.float32))
    assert still.angle == pytest.approx(0, abs=1e-6)
    assert still.side == pytest.approx(ROI_MARGIN * max(np.ptp(points[:, :2], axis=0)), rel=1e-5)
    cos, sin = math.cos(angle), math.sin(angle)
    turn = scale * np.array([[cos, -sin], [sin, cos]])
    moved = points.copy()
    moved[:, :2] = points[:, :2] @ turn.T + (dx, dy)
    roi = roi_of_points(moved.astype(np.float32))
    assert math.remainder(roi.angle - angle, math.tau) == pytest.approx(0, abs=2e-2)
    assert roi.side == pytest.approx(scale * still.side, rel=2e-2, abs=1e-2)
    assert roi.center == pytest.approx(
        tuple(turn @ still.center + (dx, dy)), abs=0.02 * scale * still.side + 1e-2
    )
