"""Blendshapes of real photographs, without a reference to MediaPipe's package: test_real_mediapipe.py has that."""

from collections.abc import Iterator

import cv2
import numpy as np
import pytest

from mtclar.engine import models
from mtclar.engine.backends.session import open_session
from mtclar.engine.data_types import Frame
from mtclar.engine.face.features.blendshapes import BLENDSHAPES, LANDMARKS, BlendshapeNetwork
from mtclar.engine.tracker import Tracker


@pytest.fixture(scope="module")
def network() -> Iterator[BlendshapeNetwork]:
    with open_session(models.path(models.BLENDSHAPES), "onnxruntime:cpu") as session:
        yield BlendshapeNetwork(session)


def test_names_and_landmarks_are_those_of_the_network() -> None:
    assert len(BLENDSHAPES) == len(set(BLENDSHAPES)) == 52
    assert len(LANDMARKS) == len(set(LANDMARKS)) == 146
    assert list(LANDMARKS) == sorted(LANDMARKS)


def test_a_smile_is_detected_at_any_size_and_place(
    network: BlendshapeNetwork, astronaut_points: np.ndarray
) -> None:
    shapes = dict(zip(BLENDSHAPES, network(astronaut_points), strict=True))
    assert shapes["mouthSmileLeft"] > 0.5
    assert shapes["mouthSmileRight"] > 0.5
    assert shapes["eyeBlinkLeft"] < 0.3
    moved = network(3 * astronaut_points + np.float32([500, -40, 7]))
    np.testing.assert_allclose(moved, list(shapes.values()), atol=1e-3)


def test_given_irises_are_used(network: BlendshapeNetwork, astronaut_points: np.ndarray) -> None:
    looking_left = np.vstack([astronaut_points, np.zeros((10, 3), np.float32)])
    for eye, corners in enumerate(((33, 133), (362, 263))):
        right, left = astronaut_points[list(corners)]
        centre = right + 0.8 * (left - right)
        reach = 0.21 * (left - right)
        down = np.float32([-reach[1], reach[0], 0])
        looking_left[468 + 5 * eye : 473 + 5 * eye] = centre + np.stack(
            [0 * reach, reach, -down, -reach, down]
        )
    ahead = dict(zip(BLENDSHAPES, network(astronaut_points), strict=True))
    aside = dict(zip(BLENDSHAPES, network(looking_left), strict=True))
    assert aside["eyeLookOutLeft"] > ahead["eyeLookOutLeft"] + 0.2
    assert aside["eyeLookInRight"] > ahead["eyeLookInRight"] + 0.2


def test_faces_carry_them_only_where_asked_for(astronaut: np.ndarray) -> None:
    frame = Frame(astronaut, 0, 0.0, "file", 0.0, "s")
    blank = Frame(np.zeros_like(astronaut), 1, 0.04, "file", 0.04, "s")
    with Tracker.open(blendshapes=True) as tracker:
        (face,) = tracker(frame)
        (gone,) = tracker(blank)
    assert face.blendshapes is not None
    assert face.blendshapes.shape == (52,)
    assert face.blendshapes.dtype == np.float32
    assert 0 <= face.blendshapes.min() <= face.blendshapes.max() <= 1
    assert gone.blendshapes is None
    with Tracker.open() as tracker:
        (face,) = tracker(frame)
    assert face.blendshapes is None


def test_small_pictures_give_much_the_same(astronaut: np.ndarray) -> None:
    small = cv2.resize(astronaut, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    with Tracker.open(blendshapes=True) as tracker:
        (large,) = tracker(Frame(astronaut, 0, 0.0, "file", 0.0, "s"))
        tracker.reset()
        (half,) = tracker(Frame(small, 0, 0.0, "file", 0.0, "s"))
    assert large.blendshapes is not None
    assert half.blendshapes is not None
    smile = BLENDSHAPES.index("mouthSmileLeft")
    assert half.blendshapes[smile] == pytest.approx(large.blendshapes[smile], abs=0.15)
