"""Google's own FaceLandmarker in place of our detector and landmarks, from a .task file that the user names.

Needs the extra `[mediapipe]`. Its wheel brings opencv-contrib, which takes the place of any other `cv2`.
"""

import importlib
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from mtclar.engine.backends.session import Closeable
from mtclar.engine.data_types import Faces, Frame
from mtclar.engine.errors import BackendError, ModelError, UsageError
from mtclar.engine.face.boxes import same_face
from mtclar.engine.face.crop import FRAMING, Framing, box_of
from mtclar.engine.face.face_tracker import MAX_FACES
from mtclar.engine.face.landmarks import POINTS, Mesh
from mtclar.engine.face.offline_thread import OfflineThread
from mtclar.engine.face.track_registry import HOLD_S, Track, TrackRegistry
from mtclar.engine.installation.extras import install_command

FOUND_SCORE = 1.0  # the landmarker gives no score; it leaves out faces below its own threshold


class Landmarker(Protocol):
    """The part of MediaPipe that is used: images of one stream in, landmarks out."""

    def __call__(self, rgb: NDArray[np.uint8], t_ms: int) -> Any:
        """A FaceLandmarkerResult for [H, W, 3] at a time later than that of the call before."""

    def close(self) -> None:
        """Frees what it holds."""


class MediaPipeTracker(Closeable):
    """Called as `face_tracker.FaceTracker` is: the frames of one stream in order -> Faces. A context manager."""

    def __init__(
        self,
        start: Callable[[], Landmarker],
        framing: Framing = FRAMING,
        max_faces: int = MAX_FACES,
        *,
        hold_s: float = HOLD_S,
    ) -> None:
        """`start` makes a landmarker, and another one when the stream restarts. Most callers use `open`."""
        self._start = start
        self._landmarker: Landmarker | None = start()
        self.framing = framing
        self._max_faces = max_faces
        self._registry = TrackRegistry(framing, hold_s)
        self._last_s: float | None = None  # of the frame before
        self._last_ms: int | None = None  # in the time passed to MediaPipe

    @classmethod
    def open(
        cls,
        task: Path,
        framing: Framing = FRAMING,
        max_faces: int = MAX_FACES,
        *,
        hold_s: float = HOLD_S,
        blendshapes: bool = False,
    ) -> Self:
        """With the networks in `task`; `blendshapes`: faces carry MediaPipe's own coefficients.

        Raises UsageError when there is no such file, ModelError when it is no face landmarker, BackendError when the
        package is missing.
        """
        if not task.is_file():
            raise UsageError(f"{task}: there is no such file", "name a face_landmarker.task of MediaPipe")
        if not zipfile.is_zipfile(task):
            raise ModelError(f"{task} is no MediaPipe task", "it is damaged, or another kind of file")
        try:
            mediapipe = importlib.import_module("mediapipe")
        except ImportError as error:
            raise BackendError(
                f"MediaPipe cannot be imported: {error}", install_command("mediapipe")
            ) from error
        return cls(
            lambda: _FaceLandmarker(mediapipe, task, max_faces, blendshapes),
            framing,
            max_faces,
            hold_s=hold_s,
        )

    def close(self) -> None:
        """Frees the landmarker; safe to call twice."""
        if self._landmarker is not None:
            self._landmarker.close()
        self._landmarker = None

    def reset(self) -> None:
        """Forgets all faces, for a stream that restarts. Their numbers are not used again."""
        self._registry.reset()
        self._renew()

    def __call__(self, frame: Frame) -> Faces:
        """`frame.image` is [H, W, 3] BGR or [H, W] grey. Faces seen come largest first."""
        if self._last_s is not None and frame.pts_s < self._last_s:  # MediaPipe refuses to go back in time
            self._registry.rewind(frame.pts_s)
            self._renew()
        self._last_s = frame.pts_s
        t_ms = round(frame.pts_s * 1000)
        if self._last_ms is not None:
            t_ms = max(t_ms, self._last_ms + 1)  # two frames of one time, or of less than a millisecond
        self._last_ms = t_ms
        if self._landmarker is None:
            raise BackendError("the MediaPipe tracker is closed")
        grey = frame.image.ndim == 2
        rgb = cv2.cvtColor(frame.image, cv2.COLOR_GRAY2RGB if grey else cv2.COLOR_BGR2RGB)
        found = meshes_of(self._landmarker(np.asarray(rgb, np.uint8), t_ms), frame.image.shape[:2])
        faces: list[Mesh] = []
        for mesh in found:
            if not any(same_face(box_of(mesh.points), box_of(other.points)) for other in faces):
                faces.append(mesh)
        faces = faces[: self._max_faces]
        known = self._registry.match(
            [box_of(mesh.points) for mesh in faces], self._registry.tracks, frame.pts_s
        )
        seen: dict[Track, Mesh] = {}
        for i, mesh in enumerate(faces):
            seen[known.get(i) or self._registry.start(mesh, frame.pts_s)] = mesh
        return self._registry.report(frame, seen)

    def _renew(self) -> None:
        if self._landmarker is not None:
            self._landmarker.close()
            self._landmarker = self._start()
        self._last_s = self._last_ms = None


def meshes_of(result: Any, shape: tuple[int, ...]) -> list[Mesh]:
    """The faces of a FaceLandmarkerResult for a picture of (height, width).

    Its landmarks are shares of the picture's width (x, z) and height (y). The first 468 are those of Face Mesh; the ten
    of the irises, which follow, are left out.
    """
    height, width = shape[:2]
    scale = np.array([width, height, width], np.float32)
    faces = result.face_landmarks
    coefficients = getattr(result, "face_blendshapes", None) or [None] * len(faces)
    return [
        Mesh(
            np.array([(p.x, p.y, p.z) for p in face[:POINTS]], np.float32) * scale,
            FOUND_SCORE,
            None if shapes is None else np.array([shape.score for shape in shapes], np.float32),
        )
        for face, shapes in zip(faces, coefficients, strict=True)
    ]


class _FaceLandmarker:
    """MediaPipe's FaceLandmarker in its video mode.

    Its wheels report their use to Google and have no option against it (issue 6291 of google-ai-edge/mediapipe), so it
    lives in a thread without a network.
    """

    def __init__(self, mediapipe: Any, task: Path, max_faces: int, blendshapes: bool) -> None:
        vision = mediapipe.tasks.vision
        options = vision.FaceLandmarkerOptions(
            base_options=mediapipe.tasks.BaseOptions(model_asset_path=str(task)),
            running_mode=vision.RunningMode.VIDEO,
            num_faces=max_faces,
            output_face_blendshapes=blendshapes,
        )
        self._thread = OfflineThread()
        try:
            self._landmarker = self._thread.run(lambda: vision.FaceLandmarker.create_from_options(options))
        except (ValueError, RuntimeError, OSError) as error:  # a bundle of other networks: FileNotFoundError
            raise ModelError(
                f"{task}: MediaPipe cannot load it: {error}", "is it a face_landmarker.task?"
            ) from error
        self._mediapipe = mediapipe

    def __call__(self, rgb: NDArray[np.uint8], t_ms: int) -> Any:
        image = self._mediapipe.Image(image_format=self._mediapipe.ImageFormat.SRGB, data=rgb)
        try:
            return self._thread.run(lambda: self._landmarker.detect_for_video(image, t_ms))
        except (ValueError, RuntimeError) as error:
            raise BackendError(f"MediaPipe: {error}") from error

    def close(self) -> None:
        self._thread.run(self._landmarker.close)
        self._thread.close()
