"""BlazeFace, short range: the faces of a frame with six key points each (Bazarevsky et al. 2019, arXiv:1907.05047)."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from mtclar.engine.backends.session import InferenceSession
from mtclar.engine.data_types import Box
from mtclar.engine.face.boxes import SAME_FACE_IOU, area, overlap
from mtclar.engine.spans import spanned

SIDE = 128  # pixels of the network's input
GRIDS = ((16, 2), (8, 6))  # cells a side, anchors a cell
MIN_SCORE = 0.25  # of a candidate; the landmark network has the last word (see Detector)
LOGIT_LIMIT = 100.0
# Of the longer side: a face that fills the picture is found only with a border around it.
PORTRAIT_BORDER = 0.25
SMALL = 0.12  # of the longer side: smaller faces may be missed in the whole frame
TILE, TILE_OVERLAP = 0.5, 0.25  # side of a tile over the shorter side of the frame; shared with the next tile
MAX_IN_TILES = 8  # candidates: each costs a run of the landmark network
MIN_SCORE_IN_TILES = 0.5  # many tiles have many false candidates
# Of six: eyes, nose, mouth, ears; right and left are the person's own.
RIGHT_EYE_KEYPOINT, LEFT_EYE_KEYPOINT = 0, 1
INPUT, BOXES, SCORES = "input", "regressors", "classificators"


@dataclass(frozen=True, slots=True, eq=False)
class Detection:
    """One detected face."""

    box: Box  # pixels of the frame
    keypoints: NDArray[np.float32]  # [6, 2] pixels: right eye, left eye, nose, mouth, right ear, left ear
    score: float  # 0..1


class Detector:
    """Finds candidates for faces in a whole frame, largest first.

    Candidates are accepted from a low score on, because the landmark network rejects false ones far better. Of 30
    placements of five real faces, all of those of 10 % of the frame's longer side were found with 0.25 and 23 with 0.5;
    of 8 % 17 and 8. The candidates on eleven photographs without a face all had a face flag below 0.02.
    """

    def __init__(self, session: InferenceSession, *, retry_with_border: bool = False) -> None:
        """`retry_with_border`: detect again with a border when nothing was found, for stills with tight portraits."""
        self._session = session
        self._retry = retry_with_border

    def __call__(self, image: NDArray[np.uint8]) -> list[Detection]:
        """`image` is [H, W, 3] BGR or [H, W] grey, of any size."""
        found = self._detect(image, border=0.0)
        return self.with_border(image) if not found and self._retry else found

    def with_border(self, image: NDArray[np.uint8]) -> list[Detection]:
        """Detects with a border around the image: finds a face that fills it, and no small ones."""
        return self._detect(image, border=PORTRAIT_BORDER)

    def in_tiles(self, image: NDArray[np.uint8]) -> list[Detection]:
        """Detects in overlapping square tiles: finds faces that are too small in the whole frame, and no large ones.

        The best MAX_IN_TILES candidates, largest first.
        """
        found = []
        for x, y, tile in _tiles(image):
            for face in self._detect(tile, border=0.0):
                x0, y0, x1, y1 = face.box
                box = (x0 + x, y0 + y, x1 + x, y1 + y)
                if face.score >= MIN_SCORE_IN_TILES:
                    found.append(Detection(box, face.keypoints + np.array([x, y], np.float32), face.score))
        if not found:
            return []
        merged = merge(
            np.array([face.box for face in found]),
            np.array([face.keypoints for face in found]),
            np.array([face.score for face in found]),
        )
        best = [
            Detection(tuple(map(float, box)), points.astype(np.float32), float(score))  # type: ignore[arg-type]
            for box, points, score in zip(*merged, strict=True)
        ][:MAX_IN_TILES]
        return sorted(best, key=lambda face: area(face.box), reverse=True)

    @spanned("detect")
    def _detect(self, image: NDArray[np.uint8], border: float) -> list[Detection]:
        height, width = image.shape[:2]
        scale = SIDE / (max(height, width) * (1 + 2 * border))
        small = (max(1, round(width * scale)), max(1, round(height * scale)))
        left, top = (SIDE - small[0]) // 2, (SIDE - small[1]) // 2
        shrunk = cv2.resize(image, small, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
        rgb = cv2.cvtColor(shrunk, cv2.COLOR_GRAY2RGB if shrunk.ndim == 2 else cv2.COLOR_BGR2RGB)
        picture = np.full((1, SIDE, SIDE, 3), -1, np.float32)
        picture[0, top : top + small[1], left : left + small[0]] = rgb.astype(np.float32) / 127.5 - 1
        outputs = self._session.run({INPUT: picture})
        boxes, keypoints, scores = _decode(outputs[BOXES][0], outputs[SCORES][0, :, 0])
        to_frame, offset = np.array([width / small[0], height / small[1]]), np.array([left, top])
        found = [
            Detection(
                tuple(float(v) for v in ((box.reshape(2, 2) - offset) * to_frame).ravel()),  # type: ignore[arg-type]
                ((points - offset) * to_frame).astype(np.float32),
                float(score),
            )
            for box, points, score in zip(*merge(boxes, keypoints, scores), strict=True)
        ]
        return sorted(found, key=lambda face: area(face.box), reverse=True)


def _tiles(image: NDArray[np.uint8]) -> Iterator[tuple[int, int, NDArray[np.uint8]]]:
    """Left, top and pixels of the tiles, evenly spaced."""
    height, width = image.shape[:2]
    side = max(1, round(TILE * min(height, width)))
    step = side * (1 - TILE_OVERLAP)

    def starts(length: int) -> list[int]:
        count = math.ceil(max(0, length - side) / step) + 1
        return np.linspace(0, max(0, length - side), count).round().astype(int).tolist()

    for y in starts(height):
        for x in starts(width):
            yield x, y, image[y : y + side, x : x + side]


def merge(
    boxes: NDArray[np.floating], keypoints: NDArray[np.floating], scores: NDArray[np.floating]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Weighted non-maximum suppression: overlapping candidates become their score-weighted mean, as MediaPipe does.

    boxes [n, 4], keypoints [n, 6, 2], scores [n] -> the same of the merged faces, best first.
    """
    order = np.argsort(-scores, kind="stable")
    merged: list[tuple[NDArray[np.float64], NDArray[np.float64], float]] = []
    while len(order):
        same = overlap(boxes[order[0]], boxes[order]) > SAME_FACE_IOU
        same[0] = True  # also when its own box is empty
        group = order[same]
        weight = scores[group] / scores[group].sum()
        merged.append(
            (
                np.asarray(weight @ boxes[group], np.float64),
                np.tensordot(weight, keypoints[group], 1).astype(np.float64),
                float(scores[order[0]]),
            )
        )
        order = order[~same]
    if not merged:
        return np.empty((0, 4)), np.empty((0, 6, 2)), np.empty(0)
    return (
        np.array([box for box, _, _ in merged]),
        np.array([points for _, points, _ in merged]),
        np.array([score for _, _, score in merged]),
    )


def _decode(
    raw: NDArray[np.generic], logits: NDArray[np.generic]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """raw [896, 16], logits [896] -> boxes [n, 4], keypoints [n, 6, 2], scores [n]; pixels of the network's input."""
    scores = 1 / (1 + np.exp(-np.clip(np.asarray(logits, np.float64), -LOGIT_LIMIT, LOGIT_LIMIT)))
    kept = np.flatnonzero(scores >= MIN_SCORE)
    anchors = SIDE * _anchors()[kept]
    values = np.asarray(raw, np.float64)[kept]
    center, size = values[:, :2] + anchors, values[:, 2:4]
    keypoints = values[:, 4:].reshape(-1, 6, 2) + anchors[:, None]
    return np.hstack([center - size / 2, center + size / 2]), keypoints, scores[kept]


@cache
def _anchors() -> NDArray[np.float64]:
    """Centres of the 896 anchors [896, 2] as shares of the picture, row by row."""
    centers = []
    for cells, per_cell in GRIDS:
        y, x = np.mgrid[0:cells, 0:cells]
        grid = (np.stack([x, y], -1).reshape(-1, 2) + 0.5) / cells
        centers.append(np.repeat(grid, per_cell, axis=0))
    return np.concatenate(centers)
