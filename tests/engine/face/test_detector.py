"""The detector on real photographs of every size and kind, and the geometry of overlapping boxes."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from mtclar.engine import models
from mtclar.engine.backends.session import open_session
from mtclar.engine.face.boxes import area, overlap
from mtclar.engine.face.detector import SAME_FACE_IOU, Detector, merge

FACE = (178.0, 81.0, 272.0, 175.0)  # the astronaut's, 512 x 512; looked at


def where(detector: Detector, image: np.ndarray) -> list[tuple[float, ...]]:
    return [face.box for face in detector(image)]


@pytest.mark.parametrize("size", [(512, 512), (640, 480), (160, 120), (3840, 2160), (480, 640)])
@pytest.mark.parametrize("kind", ["colour", "grey", "flat grey"])
def test_one_face_at_its_place(
    detector: Detector, astronaut: np.ndarray, size: tuple[int, int], kind: str
) -> None:
    # Her head and shoulders, as large as the frame allows, in its middle.
    part, (width, height) = astronaut[0:300, 80:380], size
    factor = min(size) / 300
    x, y = (width - min(size)) // 2, (height - min(size)) // 2
    image = np.full((height, width, 3), 128, np.uint8)
    flags = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    image[y : y + min(size), x : x + min(size)] = cv2.resize(
        part, (min(size), min(size)), interpolation=flags
    )
    if kind != "colour":
        image = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    if kind == "grey":
        image = cv2.cvtColor(image, cv2.COLOR_GRAY2BGR)
    face, *others = sorted(detector(image), key=lambda found: found.score, reverse=True)
    assert all(other.score < 0.5 for other in others)  # candidates that the landmark network refuses
    expected = (np.array(FACE) - (80, 0, 80, 0)) * factor + (x, y, x, y)
    assert overlap(np.array(face.box), expected[None])[0] > 0.6
    assert 0.5 <= face.score <= 1
    right_eye, left_eye, nose, mouth = face.keypoints[:4]
    assert right_eye[0] < nose[0] < left_eye[0]
    assert max(right_eye[1], left_eye[1]) < nose[1] < mouth[1]


@pytest.mark.parametrize("angle", [-25, 25])
def test_a_tilted_head_is_found(detector: Detector, astronaut: np.ndarray, angle: float) -> None:
    turn = cv2.getRotationMatrix2D((225, 128), angle, 1)
    (face,) = detector(cv2.warpAffine(astronaut, turn, (512, 512)))
    right_eye, left_eye = face.keypoints[:2]
    tilt = np.degrees(np.arctan2(left_eye[1] - right_eye[1], left_eye[0] - right_eye[0]))
    assert 0.4 < tilt / -angle < 1.3  # rough: the landmarks level the eyes


def test_two_faces_come_largest_first(detector: Detector, astronaut: np.ndarray) -> None:
    head = astronaut[30:215, 140:310]
    both = np.full((400, 500, 3), 128, np.uint8)
    both[10:195, 10:180] = cv2.resize(head, (170, 185))
    both[100:378, 220:475] = cv2.resize(head, (255, 278))
    first, second = where(detector, both)
    assert first[0] > 220 > second[2]
    assert area(first) > area(second)


def test_a_moving_face_is_found_in_every_frame(detector: Detector, carphone: list[np.ndarray]) -> None:
    assert len(carphone) == 120
    assert [len(detector(image)) for image in carphone[::10]] == [1] * 12


def test_no_face_no_good_candidate(detector: Detector, coins: np.ndarray) -> None:
    assert all(face.score < 0.5 for face in detector(coins) + detector.with_border(coins))
    assert detector(np.zeros((480, 640, 3), np.uint8)) == []
    assert detector(np.zeros((1, 1), np.uint8)) == []


def test_border_finds_a_face_that_fills_the_image(astronaut: np.ndarray) -> None:
    close = cv2.resize(astronaut[60:190, 165:285], None, fx=4, fy=4, interpolation=cv2.INTER_CUBIC)
    with open_session(models.path("face_detector")) as session:
        bordered = Detector(session).with_border(close)
        retried = Detector(session, retry_with_border=True)(close)
    (face,) = bordered
    expected = (np.array(FACE) - (165, 60, 165, 60)) * 4
    assert overlap(np.array(face.box), expected[None])[0] > 0.6
    assert len(retried) == 1


corner = st.floats(-1e3, 1e3, allow_nan=False, width=32)
length = st.floats(0.125, 1e3, allow_nan=False, width=32)
boxes = st.builds(
    lambda x, y, w, h: np.array([x, y, x + w, y + h], np.float64), corner, corner, length, length
)


@given(boxes, boxes, corner, corner, st.floats(0.1, 10))
def test_overlap_is_symmetric_and_translation_invariant(
    one: np.ndarray, other: np.ndarray, dx: float, dy: float, scale: float
) -> None:
    value = overlap(one, other[None])[0]
    assert 0 <= value <= 1 + 1e-9
    assert overlap(other, one[None])[0] == pytest.approx(value)
    assert overlap(one, one[None])[0] == pytest.approx(1)
    shift = np.array([dx, dy, dx, dy])
    assert overlap(one * scale + shift, (other * scale + shift)[None])[0] == pytest.approx(value, abs=1e-6)


def test_overlap_of_known_boxes() -> None:
    one = np.array([0.0, 0.0, 2.0, 2.0])
    others = np.array(
        [[1.0, 0.0, 3.0, 2.0], [2.0, 0.0, 4.0, 2.0], [0.5, 0.5, 1.5, 1.5], [1.0, 1.0, 1.0, 1.0]]
    )
    assert overlap(one, others) == pytest.approx([1 / 3, 0, 1 / 4, 0])


@given(st.lists(boxes, max_size=12), st.data())
def test_merge_stays_within_its_candidates(found: list[np.ndarray], data: st.DataObject) -> None:
    candidates = np.array(found).reshape(-1, 4)
    scores = data.draw(arrays.arrays(np.float64, len(found), elements=st.floats(0.5, 1)))
    keypoints = np.repeat(candidates[:, None, :2], 6, axis=1)
    merged, points, best = merge(candidates, keypoints, scores)
    assert len(merged) == len(points) == len(best) <= len(found)
    assert list(best) == sorted(best, reverse=True)
    if len(found):
        assert best[0] == scores.max()
        assert (merged >= candidates.min(0) - 1e-6).all()
        assert (merged <= candidates.max(0) + 1e-6).all()
        np.testing.assert_allclose(points[:, 0], merged[:, :2], atol=1e-6)


def test_merge_weights_by_score() -> None:
    candidates = np.array([[0.0, 0, 10, 10], [1.0, 0, 11, 10], [50.0, 0, 60, 10]])
    assert overlap(candidates[0], candidates[1:])[0] > SAME_FACE_IOU
    merged, _, best = merge(candidates, np.zeros((3, 6, 2)), np.array([0.9, 0.6, 0.7]))
    assert merged == pytest.approx(np.array([[0.4, 0, 10.4, 10], [50, 0, 60, 10]]))
    assert best == pytest.approx([0.9, 0.7])
