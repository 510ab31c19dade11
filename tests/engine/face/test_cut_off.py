"""Faces that the edge of the frame cuts off: gated while running and at calibration; whole faces never."""

from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from mtclar.engine.data_types import FaceCrop, Frame
from mtclar.engine.face.quality import CALIBRATION_LIMITS, RUN_LIMITS, quality_issues
from mtclar.engine.tracker import Tracker
from mtclar.stream import demo_clip

ROOT = Path(__file__).parents[3]
CLIPS = [demo_clip.clip_path(), *sorted((ROOT / "tests" / "label" / "clips").glob("*.mp4"))]
EYES, MOUTH, CHIN = (33, 263), (61, 291, 17), (152,)

Image = NDArray[np.uint8]


def images(path: Path, every: int) -> list[Image]:
    with av.open(str(path)) as clip:
        frames = clip.decode(video=0)
        return [frame.to_ndarray(format="bgr24") for n, frame in enumerate(frames) if n % every == 0]


def only_face(tracker: Tracker, image: Image) -> FaceCrop:
    tracker.reset()
    (crop,) = tracker.find(Frame.of(np.ascontiguousarray(image), 0.0)).crops
    return crop


@pytest.mark.parametrize("path", CLIPS, ids=lambda path: path.stem)
def test_a_whole_face_is_never_gated(path: Path) -> None:
    with Tracker.open(max_faces=1) as tracker:
        for image in images(path, 25):
            crop = only_face(tracker, image)
            assert crop.cut_off == 0
            x0, y0, x1, y1 = (round(value) for value in crop.box)
            tight = only_face(tracker, image[max(0, y0 - 8) : y1 + 8, max(0, x0 - 8) : x1 + 8])
            assert "cut off" not in quality_issues(tight, CALIBRATION_LIMITS)


@pytest.mark.parametrize("path", CLIPS, ids=lambda path: path.stem)
def test_a_face_without_mouth_or_eye_is_gated(path: Path) -> None:
    with Tracker.open(max_faces=1) as tracker:
        for image in images(path, 50):
            crop = only_face(tracker, image)
            side = max(crop.box[2] - crop.box[0], crop.box[3] - crop.box[1])
            mouth_y = round(float(crop.landmarks[MOUTH[2], 1] - 0.12 * side))
            eye_x = round(float(crop.landmarks[EYES[0], 0] + 0.12 * side))
            for part in (image[:mouth_y], image[:, eye_x:]):
                cut = only_face(tracker, part)
                assert "cut off" in quality_issues(cut, RUN_LIMITS)
                assert "cut off" in quality_issues(cut, CALIBRATION_LIMITS)
                assert 0.01 < cut.cut_off < 0.3


def test_a_hidden_forehead_or_chin_alone_does_not_count() -> None:
    with Tracker.open(max_faces=1) as tracker:
        image = images(CLIPS[0], 1000)[0]
        crop = only_face(tracker, image)
        brow_y = round(float(crop.landmarks[10, 1] * 0.5 + crop.landmarks[9, 1] * 0.5))
        chin_y = round(float(crop.landmarks[CHIN[0], 1] * 0.6 + crop.landmarks[17, 1] * 0.4))
        for part in (image[brow_y:], image[:chin_y]):
            assert "cut off" not in quality_issues(only_face(tracker, part), CALIBRATION_LIMITS)


def test_the_state_says_why() -> None:
    with Tracker.open(max_faces=1) as tracker:
        image = images(CLIPS[0], 1000)[0]
        crop = only_face(tracker, image)
        mouth_y = round(float(crop.landmarks[0, 1]))
        tracker.reset()
        (face,) = tracker(np.ascontiguousarray(image[:mouth_y]), 0.0)
        assert (face.state, face.quality_issues, face.valence) == ("low_quality", ("cut off",), None)
