"""Blendshapes: how far each of 52 movements of the face is made, 0..1, from its landmarks (Google's Blendshape V2)."""

import numpy as np
from numpy.typing import NDArray

from mtclar.engine.backends.session import InferenceSession
from mtclar.engine.data_types import BLENDSHAPES as BLENDSHAPES
from mtclar.engine.face.crop import LEFT_EYE, RIGHT_EYE, Points
from mtclar.engine.face.landmarks import POINTS

# The landmarks that the network reads, as MediaPipe's face_blendshapes_graph.cc lists them; those from 468 on are
# irises: centre, right, top, left and bottom of the right eye's, then of the left eye's.
# fmt: off
LANDMARKS = (
    0, 1, 4, 5, 6, 7, 8, 10, 13, 14, 17, 21, 33, 37, 39, 40, 46, 52, 53, 54, 55, 58, 61, 63, 65, 66, 67, 70, 78, 80,
    81, 82, 84, 87, 88, 91, 93, 95, 103, 105, 107, 109, 127, 132, 133, 136, 144, 145, 146, 148, 149, 150, 152, 153,
    154, 155, 157, 158, 159, 160, 161, 162, 163, 168, 172, 173, 176, 178, 181, 185, 191, 195, 197, 234, 246, 249, 251,
    263, 267, 269, 270, 276, 282, 283, 284, 285, 288, 291, 293, 295, 296, 297, 300, 308, 310, 311, 312, 314, 317, 318,
    321, 323, 324, 332, 334, 336, 338, 356, 361, 362, 365, 373, 374, 375, 377, 378, 379, 380, 381, 382, 384, 385, 386,
    387, 388, 389, 390, 397, 398, 400, 402, 405, 409, 415, 454, 466, 468, 469, 470, 471, 472, 473, 474, 475, 476, 477,
)
# fmt: on
IRIS_RADIUS = 0.21  # of the distance between an eye's corners
INPUT, OUTPUT = "points", "blendshapes"


class BlendshapeNetwork:
    """Runs Blendshape V2 on landmarks of Face Mesh."""

    def __init__(self, session: InferenceSession) -> None:
        self._session = session

    def __call__(self, points: Points) -> NDArray[np.float32]:
        """Landmarks [468 or, with irises, 478; 2 or 3] in pixels -> coefficients [52] in the order of BLENDSHAPES.

        Without irises the gaze is unknown: the eyes count as looking straight ahead, and `eyeLook...` says little.
        """
        xy = np.asarray(points[:, :2], np.float32)
        if len(xy) == POINTS:
            xy = np.concatenate([xy, *(_iris(xy, eye) for eye in (RIGHT_EYE, LEFT_EYE))])
        return np.asarray(self._session.run({INPUT: xy[None, LANDMARKS]})[OUTPUT], np.float32)


def _iris(points: NDArray[np.float32], eye: tuple[int, int, int, int]) -> NDArray[np.float32]:
    """Five points of an iris that looks straight ahead [5, 2], from the corners and lids of the eye."""
    corners = points[eye[1]] - points[eye[0]]
    across = IRIS_RADIUS * corners
    down = np.array([-across[1], across[0]], np.float32)
    centre = points[list(eye)].mean(0)
    return np.stack([centre, centre + across, centre - down, centre - across, centre + down])
