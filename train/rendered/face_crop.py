"""Cuts the training crop from a picture with the engine's own detector, landmarks and framing."""

from contextlib import ExitStack
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mtclar.engine import models
from mtclar.engine.backends.session import Closeable, open_session
from mtclar.engine.face.crop import FRAMING, cut
from mtclar.engine.face.detector import Detector
from mtclar.engine.face.landmarks import FaceMesh, roi_of_detection

MARGIN = 4  # pixels of a training crop on every side of the encoder's view
CROP_SIDE = FRAMING.size + 2 * MARGIN
WIDE_FRAMING = replace(FRAMING, size=CROP_SIDE, scale=FRAMING.scale * CROP_SIDE / FRAMING.size)
MIN_FACE_SCORE = 0.5


class FaceCropper(Closeable):
    """Finds the largest face of a picture and cuts it out; a context manager that holds two sessions."""

    def __init__(self) -> None:
        with ExitStack() as sessions:
            detector, mesh = (
                sessions.enter_context(open_session(models.path(name)))
                for name in ("face_detector", "face_mesh")
            )
            self._detect, self._mesh = Detector(detector), FaceMesh(mesh)
            self._sessions = sessions.pop_all()

    def close(self) -> None:
        self._sessions.close()

    def __call__(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
        """Grey crop [CROP_SIDE, CROP_SIDE] of a BGR picture [H, W, 3]; its middle is FRAMING's view. None: no face."""
        points = self.points(picture)
        return None if points is None else cut(picture, points, WIDE_FRAMING)

    def points(self, picture: NDArray[np.uint8]) -> NDArray[np.float32] | None:
        """The landmarks [468, 3] of the largest face of a BGR picture [H, W, 3]. None: no face."""
        for candidate in self._detect(picture):
            mesh = self._mesh(picture, roi_of_detection(candidate))
            if mesh.score >= MIN_FACE_SCORE:
                return mesh.points
        return None
