"""Runs MediaPipe on frames, in the environment of `make setup-mediapipe`: FRAMES.npz TASK OUT.npz.

FRAMES holds `photo` [H, W, 3] and `clip` [n, h, w, 3], both BGR.
"""

import sys
from pathlib import Path

import mediapipe
import numpy as np

from mtclar.engine.data_types import Frame
from mtclar.engine.face.mediapipe_tracker import MediaPipeTracker


def raw_result(photo: np.ndarray, task: Path) -> tuple[np.ndarray, np.ndarray]:
    """All 478 points [478, 2] in pixels and coefficients [52], without any of our code."""
    vision = mediapipe.tasks.vision
    options = vision.FaceLandmarkerOptions(
        base_options=mediapipe.tasks.BaseOptions(model_asset_path=str(task)),
        output_face_blendshapes=True,
    )
    rgb = np.ascontiguousarray(photo[:, :, ::-1])
    with vision.FaceLandmarker.create_from_options(options) as landmarker:
        result = landmarker.detect(mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=rgb))
    height, width = photo.shape[:2]
    points = [(p.x * width, p.y * height) for p in result.face_landmarks[0]]
    return np.array(points), np.array([shape.score for shape in result.face_blendshapes[0]])


def main() -> None:
    frames, task, out = np.load(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    points, coefficients = raw_result(frames["photo"], task)
    with MediaPipeTracker.open(task, blendshapes=True) as tracker:

        def crops(image: np.ndarray, t_s: float) -> tuple:
            return tracker(Frame(image, 0, t_s, "file", t_s, "s")).crops

        (photo,) = crops(frames["photo"], 0.0)
        tracker.reset()
        clip = [crops(image, i / 30) for i, image in enumerate(frames["clip"])]
        (again,) = crops(frames["clip"][0], 0.0)  # a step back in time
        blank = crops(np.zeros_like(frames["clip"][0]), 1.0)
    np.savez(
        out,
        points=points,
        coefficients=coefficients,
        landmarks=photo.landmarks,
        crop=photo.image,
        blendshapes=photo.blendshapes,
        track_ids=[[crop.track_id for crop in found] for found in clip],
        again=again.track_id,
        blank=len(blank),
    )


if __name__ == "__main__":
    main()
