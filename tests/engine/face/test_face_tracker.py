"""Faces followed through real pictures: numbers, holding, losing, finding again, several people."""

from collections.abc import Callable, Iterable, Iterator

import cv2
import numpy as np
import pytest

from mtclar.engine.data_types import FaceCrop, Faces, Frame
from mtclar.engine.face.boxes import same_face
from mtclar.engine.face.crop import FRAMING, LEFT_EYE, RIGHT_EYE, cut, square_of, square_to_frame
from mtclar.engine.face.detector import Detection, Detector
from mtclar.engine.face.face_tracker import FaceTracker
from mtclar.engine.face.landmarks import FaceMesh, Mesh
from mtclar.engine.face.track_registry import Track, TrackRegistry, predicted_points, velocity

FPS = 25
SIZE = (480, 640)


class Counted:
    """A detector that counts how often it is asked."""

    def __init__(self, detector: Detector) -> None:
        self._detector = detector
        self.calls = self.bordered = self.tiled = 0

    def __call__(self, image: np.ndarray) -> list[Detection]:
        self.calls += 1
        return self._detector(image)

    def with_border(self, image: np.ndarray) -> list[Detection]:
        self.bordered += 1
        return self._detector.with_border(image)

    def in_tiles(self, image: np.ndarray) -> list[Detection]:
        self.tiled += 1
        return self._detector.in_tiles(image)


@pytest.fixture
def counted(detector: Detector) -> Counted:
    return Counted(detector)


@pytest.fixture
def make(counted: Counted, face_mesh: FaceMesh) -> Callable[..., FaceTracker]:
    return lambda **options: FaceTracker(counted, face_mesh, **options)  # type: ignore[arg-type]


@pytest.fixture
def scene(astronaut: np.ndarray) -> Callable[..., np.ndarray]:
    """A grey room with the astronaut's head at each (x, y) given, [480, 640, 3]."""
    head = astronaut[30:215, 140:310]

    def draw(*places: tuple[int, int]) -> np.ndarray:
        image = np.full((*SIZE, 3), 128, np.uint8)
        for x, y in places:
            image[y : y + head.shape[0], x : x + head.shape[1]] = head
        return image

    return draw


def play(
    tracker: FaceTracker, images: Iterable[np.ndarray], start_s: float = 0.0, fps: float = FPS
) -> Iterator[Faces]:
    for i, image in enumerate(images):
        t_s = start_s + i / fps
        yield tracker(Frame(image, i, t_capture_s=t_s, clock="file", pts_s=t_s, stream_id="s"))


def ids(faces: Faces) -> list[int]:
    return [crop.track_id for crop in faces.crops]


def test_a_still_is_cropped_by_its_landmarks(
    make, astronaut: np.ndarray, astronaut_points: np.ndarray
) -> None:
    (faces,) = play(make(), [astronaut])
    (crop,) = faces.crops
    np.testing.assert_allclose(crop.landmarks, astronaut_points, atol=0.01)
    assert (crop.image == cut(astronaut, crop.landmarks)).all()
    assert crop.score > 0.9
    assert faces.held == faces.lost == ()


def test_a_real_clip_is_one_face_with_one_number(make, counted: Counted, carphone: list[np.ndarray]) -> None:
    seen = list(play(make(), carphone))
    assert [ids(faces) for faces in seen] == [[0]] * len(carphone)
    assert counted.calls == 5  # at once and every second of 4.8
    assert counted.tiled == 0  # its face is large
    assert all(crop.sharpness > 100 for faces in seen for crop in faces.crops)


@pytest.mark.parametrize("grey", [False, True], ids=["colour", "grey"])
@pytest.mark.parametrize(
    ("size", "scale", "angle_deg"),
    [
        ((512, 512), 1.0, 30.0),
        ((512, 512), 1.0, -30.0),
        ((1024, 700), 1.5, 0.0),
        ((1024, 1024), 2.0, -15.0),
        ((3840, 2160), 6.0, 0.0),
        ((160, 120), 0.4, 0.0),
    ],
)
def test_eyes_come_to_the_same_place_of_the_crop(
    make, astronaut: np.ndarray, size: tuple[int, int], scale: float, angle_deg: float, grey: bool
) -> None:
    """Found anew in each picture: how the photograph lies in the frame does not show in the crop."""
    to_frame = cv2.getRotationMatrix2D((225, 128), angle_deg, scale)
    to_frame[:, 2] += np.array(size) / 2 - (225, 128)
    picture = cv2.warpAffine(
        cv2.GaussianBlur(astronaut, (0, 0), 0.4 / scale) if scale < 1 else astronaut, to_frame, size
    )
    if grey:
        picture = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    (plain,), (other,) = (next(play(make(), [image])).crops for image in (astronaut, picture))
    (right, left), (plain_right, plain_left) = eyes_in_crop(other), eyes_in_crop(plain)
    assert right[1] == pytest.approx(left[1], abs=0.01)
    # Measured: 0.6 pixels of 48 at most.
    assert np.linalg.norm(right - plain_right) < 1.5
    assert np.linalg.norm(left - plain_left) < 1.5
    expected = plain.landmarks[:, :2] @ to_frame[:, :2].T + to_frame[:, 2]
    assert np.abs(other.landmarks[:, :2] - expected).mean() < 0.02 * np.ptp(expected, axis=0).max()


def eyes_in_crop(crop: FaceCrop) -> list[np.ndarray]:
    """Middle of the person's right and left eye in pixels of the crop."""
    square = square_of(crop.landmarks, FRAMING)
    to_frame = square_to_frame(np.array(square.center), square.side, square.angle, FRAMING.size)
    to_crop = cv2.invertAffineTransform(to_frame)
    return [
        to_crop[:, :2] @ crop.landmarks[list(eye), :2].mean(0) + to_crop[:, 2]
        for eye in (RIGHT_EYE, LEFT_EYE)
    ]


def test_max_faces_prefers_large_ones(make, scene, astronaut: np.ndarray) -> None:
    head = cv2.resize(astronaut[30:215, 140:310], None, fx=1.3, fy=1.3, interpolation=cv2.INTER_LINEAR)
    image = scene((20, 20))
    image[200 : 200 + head.shape[0], 350 : 350 + head.shape[1]] = head
    for faces in play(make(max_faces=1), [image] * 3):
        (crop,) = faces.crops
        assert crop.box[0] > 350


@pytest.mark.parametrize("kind", ["160x120", "4K", "grey"])
def test_frames_of_every_kind(make, astronaut: np.ndarray, kind: str) -> None:
    image = {
        "160x120": lambda: cv2.resize(astronaut, (160, 120), interpolation=cv2.INTER_AREA),
        "4K": lambda: cv2.resize(astronaut, (3840, 2160)),
        "grey": lambda: cv2.cvtColor(astronaut, cv2.COLOR_BGR2GRAY),
    }[kind]()
    assert [ids(faces) for faces in play(make(), [image] * 3)] == [[0]] * 3


def test_a_pan_keeps_the_number_and_the_framing(make, scene) -> None:
    path = [(20 + round(140 * (1 - np.cos(i / 12))), 100 + i) for i in range(75)]
    seen = list(play(make(), [scene(place) for place in path]))
    assert [ids(faces) for faces in seen] == [[0]] * len(path)
    crops = np.array([faces.crops[0].image for faces in seen[2:]], float)
    assert np.abs(crops - crops.mean(0)).mean() < 8  # the face does not move within its crop


def test_two_people_keep_ids(make, scene, astronaut: np.ndarray) -> None:
    head = cv2.resize(astronaut[30:215, 140:310], None, fx=1.3, fy=1.3, interpolation=cv2.INTER_LINEAR)

    def both(i: int) -> np.ndarray:
        image = scene((20 + i, 20))
        image[200 : 200 + head.shape[0], 350 + i : 350 + i + head.shape[1]] = head
        return image

    seen = list(play(make(), [both(i) for i in range(60)]))
    assert [ids(faces) for faces in seen] == [[0, 1]] * 60
    assert all(faces.crops[0].box[0] > faces.crops[1].box[2] for faces in seen)


def test_a_newcomer_is_found_within_the_interval(make, scene) -> None:
    alone, both = scene((60, 100)), scene((60, 100), (400, 200))
    seen = list(play(make(redetect_s=0.4), [alone] * 5 + [both] * 12))
    assert [ids(faces) for faces in seen[:5]] == [[0]] * 5
    assert sorted(ids(seen[-1])) == [0, 1]


def test_no_more_faces_than_asked_for(make, scene) -> None:
    both = scene((60, 100), (400, 200))
    assert [ids(faces) for faces in play(make(max_faces=1, redetect_s=0.1), [both] * 10)] == [[0]] * 10


def test_a_short_loss_is_held_and_keeps_the_number(make, scene) -> None:
    here, empty = scene((60, 100)), scene()
    seen = list(play(make(), [here] * 3 + [empty] * 10 + [scene((90, 110))] * 3))
    assert [ids(faces) for faces in seen] == [[0]] * 3 + [[]] * 10 + [[0]] * 3
    held = [faces.held for faces in seen[3:13]]
    assert [face.unseen_s for (face,) in held] == pytest.approx([(i + 1) / FPS for i in range(10)])
    assert all(face.box == seen[2].crops[0].box for (face,) in held)
    assert all(faces.lost == () for faces in seen)


def test_lost_is_reported_once_and_ids_are_not_reused(make, scene) -> None:
    seen = list(play(make(hold_s=0.4), [scene((60, 100))] * 2 + [scene()] * 20 + [scene((60, 100))] * 2))
    assert [len(faces.held) for faces in seen[2:12]] == [1] * 10
    lost = [(i, face.track_id) for i, faces in enumerate(seen) for face in faces.lost]
    assert lost == [(12, 0)]
    assert all(not faces.held for faces in seen[12:])
    assert ids(seen[-1]) == [1]


def test_a_jump_within_reach_keeps_the_track(make, scene) -> None:
    near = list(play(make(), [scene((60, 100))] * 3 + [scene((110, 120))] * 3))
    assert [ids(faces) for faces in near] == [[0]] * 6
    far = list(play(make(), [scene((10, 50))] * 3 + [scene((460, 280))] * 3))
    assert [ids(faces) for faces in far] == [[0]] * 3 + [[1]] * 3
    assert far[-1].held[0].track_id == 0


def test_empty_scene_is_detected_once_a_frame(make, counted: Counted, coins: np.ndarray) -> None:
    seen = list(play(make(), [coins] * 30))
    assert all(faces == Faces((), (), ()) or not (faces.crops or faces.held or faces.lost) for faces in seen)
    assert counted.calls == 30
    assert counted.bordered == counted.tiled == 2  # once a second


def test_a_slow_slide_show_keeps_the_number(make, scene) -> None:
    seen = list(play(make(), [scene((60 + 8 * i, 100)) for i in range(6)], fps=0.5))
    assert [ids(faces) for faces in seen] == [[0]] * 6


def test_time_that_goes_back_and_stands_still(make, scene) -> None:
    tracker = make()
    here, empty = scene((60, 100)), scene()
    assert [ids(faces) for faces in play(tracker, [here] * 5, start_s=100.0)] == [[0]] * 5
    assert [ids(faces) for faces in play(tracker, [here] * 5)] == [[0]] * 5
    list(play(tracker, [here] * 3, start_s=50.0))
    gone = list(play(tracker, [empty] * 40, start_s=10.0))
    assert [face.track_id for faces in gone for face in faces.lost] == [0]
    same_time = [tracker(Frame(here, i, 0.0, "file", 60.0, "s")) for i in range(3)]
    assert [ids(faces) for faces in same_time] == [[1]] * 3


def test_reset_forgets_faces_but_not_their_numbers(make, scene) -> None:
    tracker = make()
    assert ids(next(play(tracker, [scene((60, 100))]))) == [0]
    tracker.reset()
    (faces,) = play(tracker, [scene((60, 100))])
    assert ids(faces) == [1]
    assert faces.held == faces.lost == ()


def test_two_tracks_never_share_a_face(make, scene) -> None:
    """One of two people walks off behind the other: nobody is counted twice, and the one in front keeps the number."""
    images = [scene((20 + 12 * i, 150), (300, 150)) for i in range(22)] + [scene((300, 150))] * 10
    seen = list(play(make(), images))
    first = {crop.box[0] > 250: crop.track_id for crop in seen[0].crops}
    for faces in seen:
        boxes = [crop.box for crop in faces.crops]
        assert not any(same_face(a, b) for i, a in enumerate(boxes) for b in boxes[i + 1 :])
    assert len(seen[-1].crops) == 1
    assert ids(seen[-1])[0] in first.values()


def mesh_at(points: np.ndarray, dx: float = 0.0, scale: float = 1.0) -> Mesh:
    center = points.mean(0)
    return Mesh(((points - center) * scale + center + np.float32([dx, 0, 0])).astype(np.float32), 1.0)


def test_matching_by_distance_time_and_size(astronaut_points: np.ndarray) -> None:
    registry = TrackRegistry()
    left = registry.start(mesh_at(astronaut_points), 0.0)
    right = registry.start(mesh_at(astronaut_points, 150), 0.0)
    side = max(left.box[2] - left.box[0], left.box[3] - left.box[1])

    def box(dx: float, scale: float = 1.0) -> tuple[float, float, float, float]:
        points = mesh_at(astronaut_points, dx, scale).points
        x0, y0 = points[:, :2].min(0)
        x1, y1 = points[:, :2].max(0)
        return float(x0), float(y0), float(x1), float(y1)

    both = [left, right]
    assert registry.match([box(140), box(10)], both, 0.0) == {0: right, 1: left}
    assert registry.match([box(10), box(5)], [left], 0.0) == {1: left}
    assert registry.match([box(-1.2 * side)], both, 0.0) == {}
    assert registry.match([box(-1.2 * side)], both, 0.9) == {
        0: left
    }  # unseen for a while: it may have gone further
    assert registry.match([box(0, 2.0)], [left], 0.0) == {}


def track_at(x: float, velocity: tuple[float, float]) -> Track:
    """A face of 100 pixels at x, moving (pixels a second)."""
    points = np.zeros((3, 3), np.float32)
    return Track(0, points, (x, 0.0, x + 100.0, 100.0), seen_s=1.0, born_s=0.0, velocity=velocity)


def test_position_is_predicted_for_fast_faces_only() -> None:
    for speed, ahead in ((0.0, 0.0), (150.0, 0.0), (500.0, 20.0), (5000.0, 50.0)):
        points = predicted_points(track_at(0.0, (speed, 0.0)), 1.04)
        assert points[0, 0] == pytest.approx(ahead)


def test_a_jump_is_no_speed() -> None:
    before = (0.0, 0.0, 100.0, 100.0)
    assert velocity(before, (20.0, 0.0, 120.0, 100.0), 0.04) == pytest.approx((500.0, 0.0))
    assert velocity(before, (300.0, 0.0, 400.0, 100.0), 0.04) == (0.0, 0.0)  # exchanged, or found anew
    assert velocity(before, (20.0, 0.0, 120.0, 100.0), 0.0) == (0.0, 0.0)
