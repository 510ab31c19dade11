"""The MediaPipe adapter: its errors, the mapping of coordinates, numbers and time, with a stand-in for its network."""

import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from mtclar.engine.data_types import Frame
from mtclar.engine.errors import BackendError, ModelError, UsageError
from mtclar.engine.face.crop import cut
from mtclar.engine.face.mediapipe_tracker import MediaPipeTracker, meshes_of
from mtclar.engine.installation.extras import install_command


def result(*faces: np.ndarray, shape: tuple[int, int]) -> SimpleNamespace:
    """A FaceLandmarkerResult: 478 normalised landmarks a face, as MediaPipe documents it."""
    height, width = shape
    irises = np.full((10, 3), 9.9)
    return SimpleNamespace(
        face_landmarks=[
            [
                SimpleNamespace(x=x, y=y, z=z)
                for x, y, z in np.vstack([points / (width, height, width), irises])
            ]
            for points in faces
        ]
    )


class StandIn:
    """Answers with the faces in `scene` and, like MediaPipe, refuses a time that is not later than the last."""

    scene: tuple[np.ndarray, ...] = ()
    started = closed = 0

    def __init__(self) -> None:
        type(self).started += 1
        self._last_ms = -1

    def __call__(self, rgb: np.ndarray, t_ms: int) -> SimpleNamespace:
        assert t_ms > self._last_ms
        self._last_ms = t_ms
        assert rgb.ndim == 3
        return result(*self.scene, shape=rgb.shape[:2])

    def close(self) -> None:
        type(self).closed += 1


@pytest.fixture
def stand_in() -> type[StandIn]:
    class Fresh(StandIn):
        pass

    return Fresh


def frame(image: np.ndarray, t_s: float) -> Frame:
    return Frame(image, round(t_s * 25), t_capture_s=t_s, clock="file", pts_s=t_s, stream_id="s")


def test_landmarks_come_back_in_pixels_without_the_irises(astronaut_points: np.ndarray) -> None:
    (mesh,) = meshes_of(result(astronaut_points, shape=(300, 512)), (300, 512, 3))
    assert mesh.points.shape == (468, 3)
    np.testing.assert_allclose(mesh.points, astronaut_points, rtol=1e-4, atol=1e-3)


def test_a_face_is_cut_as_our_own_tracker_cuts_it(
    stand_in: type[StandIn], astronaut: np.ndarray, astronaut_points: np.ndarray
) -> None:
    stand_in.scene = (astronaut_points,)
    with MediaPipeTracker(stand_in) as tracker:
        (crop,) = tracker(frame(astronaut, 0.0)).crops
        (grey,) = tracker(frame(astronaut[:, :, 1], 0.04)).crops
    assert (crop.image == cut(astronaut, astronaut_points)).mean() > 0.99  # landmarks rounded on their way
    assert grey.track_id == crop.track_id == 0
    assert stand_in.closed == 1


def test_track_ids_are_stable_and_loss_is_reported_once(
    stand_in: type[StandIn], astronaut: np.ndarray, astronaut_points: np.ndarray
) -> None:
    other = astronaut_points + np.float32([220, 150, 0])
    tracker = MediaPipeTracker(stand_in)
    stand_in.scene = (astronaut_points, other)
    first = {crop.track_id: crop.box for crop in tracker(frame(astronaut, 0.0)).crops}
    stand_in.scene = (
        other,
        astronaut_points,
        astronaut_points + np.float32(3),
    )  # order changed, one face twice
    second = {crop.track_id: crop.box for crop in tracker(frame(astronaut, 0.04)).crops}
    assert set(first) == set(second) == {0, 1}
    for track_id, box in first.items():
        assert second[track_id] == pytest.approx(box, abs=0.01)
    stand_in.scene = (astronaut_points,)
    states = [tracker(frame(astronaut, t_s)) for t_s in (0.5, 1.0, 1.5, 2.0)]
    assert [len(faces.crops) for faces in states] == [1, 1, 1, 1]
    assert [[face.track_id for face in faces.held] for faces in states] == [[1], [1], [], []]
    assert [[face.track_id for face in faces.lost] for faces in states] == [[], [], [1], []]


def test_equal_times_pass_and_a_step_back_restarts(
    stand_in: type[StandIn], astronaut: np.ndarray, astronaut_points: np.ndarray
) -> None:
    stand_in.scene = (astronaut_points,)
    tracker = MediaPipeTracker(stand_in)
    ids = [tracker(frame(astronaut, t_s)).crops[0].track_id for t_s in (1.0, 1.0, 1.0, 1.04, 0.0, 0.04)]
    assert ids == [0] * 6
    assert stand_in.started == 2
    tracker.reset()
    assert tracker(frame(astronaut, 0.0)).crops[0].track_id == 1
    tracker.close()
    tracker.close()
    with pytest.raises(BackendError, match="closed"):
        tracker(frame(astronaut, 1.0))


def test_files_that_are_no_task_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        MediaPipeTracker.open(tmp_path / "face_landmarker.task")
    (tmp_path / "text.task").write_text("hello")
    with pytest.raises(ModelError, match="no MediaPipe task"):
        MediaPipeTracker.open(tmp_path / "text.task")


def test_a_missing_package_says_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mediapipe", None)
    with zipfile.ZipFile(tmp_path / "some.task", "w") as archive:
        archive.writestr("face_detector.tflite", b"")
    with pytest.raises(BackendError) as caught:
        MediaPipeTracker.open(tmp_path / "some.task")
    assert caught.value.hint == install_command("mediapipe")


def test_a_bundle_of_other_networks_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_options: object) -> None:
        raise FileNotFoundError(
            "No file with name: face_landmarks_detector.tflite."
        )  # as mediapipe 1.2.2 does

    vision = SimpleNamespace(
        FaceLandmarkerOptions=SimpleNamespace,
        RunningMode=SimpleNamespace(VIDEO="VIDEO"),
        FaceLandmarker=SimpleNamespace(create_from_options=refuse),
    )
    tasks = SimpleNamespace(vision=vision, BaseOptions=SimpleNamespace)
    monkeypatch.setitem(sys.modules, "mediapipe", SimpleNamespace(tasks=tasks))  # type: ignore[arg-type]
    with zipfile.ZipFile(tmp_path / "other.task", "w") as archive:
        archive.writestr("face_detector.tflite", b"")
    with pytest.raises(ModelError, match=r"other\.task.*face_landmarks_detector"):
        MediaPipeTracker.open(tmp_path / "other.task")
