"""Small faces in large frames: found by a second look in tiles, which is rare, and false ones are not."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from mtclar.engine.data_types import Frame
from mtclar.engine.face.detector import Detector
from mtclar.engine.face.face_tracker import FaceTracker
from mtclar.engine.face.landmarks import FaceMesh

Image = NDArray[np.uint8]


@pytest.fixture
def face(astronaut: np.ndarray, astronaut_points: np.ndarray) -> tuple[Image, float]:
    """A head with its surroundings, and the side of its face in pixels."""
    (x0, y0), (x1, y1) = astronaut_points[:, :2].min(0), astronaut_points[:, :2].max(0)
    side = max(x1 - x0, y1 - y0)
    x, y = (x0 + x1) / 2, (y0 + y1) / 2
    reach = 0.75 * side
    return astronaut[int(y - reach) : int(y + reach), int(x - reach) : int(x + reach)], float(side)


def scene(
    size: tuple[int, int], face: tuple[Image, float], px: int, places: list[tuple[float, float]]
) -> Image:
    """Faces of `px` pixels at these shares of a frame."""
    width, height = size
    noise = np.random.default_rng(0).integers(60, 190, (6, 8, 3), dtype=np.uint8)
    image = cv2.resize(noise, size, interpolation=cv2.INTER_CUBIC)
    head = cv2.resize(face[0], None, fx=px / face[1], fy=px / face[1], interpolation=cv2.INTER_AREA)
    for x, y in places:
        left, top = int(x * (width - head.shape[1])), int(y * (height - head.shape[0]))
        image[top : top + head.shape[0], left : left + head.shape[1]] = head
    return np.asarray(image, np.uint8)


@pytest.mark.parametrize(("size", "px"), [((1920, 1080), 80), ((3840, 2160), 270), ((640, 480), 40)])
def test_four_people_far_away_are_found_and_followed(
    detector: Detector, face_mesh: FaceMesh, face: tuple[Image, float], size: tuple[int, int], px: int
) -> None:
    tracker = FaceTracker(detector, face_mesh)
    numbers = set()
    for n in range(4):
        places = [(0.05 + 0.3 * i + 0.002 * n, 0.2 + 0.2 * (i % 2) + 0.002 * n) for i in range(4)]
        found = tracker(Frame.of(scene(size, face, px, places), n / 25))
        assert len(found.crops) == 4
        numbers |= {crop.track_id for crop in found.crops}
    assert len(numbers) == 4


def test_one_who_joins_small_faces_is_found_within_a_second(
    detector: Detector, face_mesh: FaceMesh, face: tuple[Image, float]
) -> None:
    tracker = FaceTracker(detector, face_mesh)
    one, two = (scene((1920, 1080), face, 80, [(0.2, 0.4), (0.7, 0.4)][:count]) for count in (1, 2))
    assert len(tracker(Frame.of(one, 0.0)).crops) == 1
    seen = [len(tracker(Frame.of(two, 0.1 * n)).crops) for n in range(1, 12)]
    assert seen[-1] == 2


def test_textures_hold_no_small_faces(detector: Detector, face_mesh: FaceMesh) -> None:
    data = pytest.importorskip("skimage.data")
    for name in ("coins", "page", "text", "brick", "grass", "moon"):
        image = np.asarray(getattr(data, name)(), np.uint8)
        assert not FaceTracker(detector, face_mesh)(Frame.of(image, 0.0)).crops, name
