"""Face Mesh: 468 landmarks of one face inside a region of interest (Kartynnik et al. 2019, arXiv:1907.06724)."""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from mtclar.engine.backends.session import InferenceSession
from mtclar.engine.face.crop import Framing, square_of, square_to_frame
from mtclar.engine.face.detector import LEFT_EYE_KEYPOINT, RIGHT_EYE_KEYPOINT, Detection
from mtclar.engine.spans import spanned

SIDE = 192  # pixels that the network sees
POINTS = 468
ROI_MARGIN = 1.5  # side of the region over that of the face's box, as the network was trained
INPUT, COORDINATES, FLAG = "input_1", "conv2d_21", "conv2d_31"


@dataclass(frozen=True, slots=True)
class Roi:
    """A square of the frame, turned so that the eyes are level."""

    center: tuple[float, float]  # pixels of the frame
    side: float  # pixels of the frame
    angle: float  # radians, clockwise on the screen


@dataclass(frozen=True, slots=True, eq=False)
class Mesh:
    """The landmarks of one face."""

    points: NDArray[np.float32]  # [468, 3] x, y in pixels of the frame, z in the same unit
    score: float  # 0..1: that the region shows a face
    blendshapes: NDArray[np.float32] | None = None  # [52] of a landmarker that computes them too


def roi_of_detection(detection: Detection) -> Roi:
    """The region that the detector's box and eyes give."""
    x0, y0, x1, y1 = detection.box
    right, left = detection.keypoints[RIGHT_EYE_KEYPOINT], detection.keypoints[LEFT_EYE_KEYPOINT]
    angle = math.atan2(float(left[1] - right[1]), float(left[0] - right[0]))
    return Roi(((x0 + x1) / 2, (y0 + y1) / 2), ROI_MARGIN * max(x1 - x0, y1 - y0), angle)


def roi_of_points(points: NDArray[np.float32]) -> Roi:
    """The region for the next frame: around this frame's landmarks with the eyes level."""
    square = square_of(points, Framing(SIDE, ROI_MARGIN, shift_up=0))
    return Roi(square.center, square.side, square.angle)


class FaceMesh:
    """Runs the landmark network on a region of a frame; for one thread at a time."""

    def __init__(self, session: InferenceSession) -> None:
        self._session = session
        self._picture = np.empty((1, SIDE, SIDE, 3), np.float32)  # filled anew for each face

    @spanned("landmarks")
    def __call__(self, image: NDArray[np.uint8], roi: Roi) -> Mesh:
        """`image` is [H, W, 3] BGR or [H, W] grey."""
        to_frame = square_to_frame(np.array(roi.center), roi.side, roi.angle, SIDE)
        view = cv2.warpAffine(
            image,
            to_frame,
            (SIDE, SIDE),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
        rgb = cv2.cvtColor(view, cv2.COLOR_GRAY2RGB if view.ndim == 2 else cv2.COLOR_BGR2RGB)
        np.divide(rgb, 255, out=self._picture[0], dtype=np.float32)
        outputs = self._session.run({INPUT: self._picture})
        local = outputs[COORDINATES].reshape(POINTS, 3).astype(np.float64)
        points = np.empty((POINTS, 3), np.float32)
        points[:, :2] = local[:, :2] @ to_frame[:, :2].T + to_frame[:, 2]
        points[:, 2] = local[:, 2] * (roi.side / SIDE)
        logit = float(outputs[FLAG].ravel()[0])
        return Mesh(points, 1 / (1 + math.exp(-max(-60.0, min(60.0, logit)))))
