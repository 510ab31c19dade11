"""Scenes with two rendered people who walk past one another, put together from a cut-out of each (people/*.png).

The cut-outs are pictures of test people 1003 and 1006 of mtclar.train.rendered at rest, [280, 240] BGR with opacity.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mtclar.engine.data_types import Faces, Frame

FOLDER = Path(__file__).parent / "people"
WIDTH, HEIGHT, FPS = 640, 360, 15
FACE_Y = 130  # of the face's middle in a cut-out of full size

Place = Callable[[float], float | None]  # source time -> x of the face's middle; None: not in the picture


@cache
def cut_out(name: str, scale: float) -> NDArray[np.float32]:
    picture = cv2.imread(str(FOLDER / f"{name}.png"), cv2.IMREAD_UNCHANGED).astype(np.float32)
    return np.asarray(cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA))


def scene(
    people: Mapping[str, Place], seconds: float, *, scales: Mapping[str, float] | None = None
) -> Iterator[Frame]:
    """Frames of people, the first one behind the others."""
    for seq in range(round(seconds * FPS)):
        t_s = seq / FPS
        image = np.full((HEIGHT, WIDTH, 3), (150, 160, 170), np.float32)
        for name, place in people.items():
            if (x := place(t_s)) is not None:
                paste(image, cut_out(name, (scales or {}).get(name, 0.8)), x)
        yield Frame(image.astype(np.uint8), seq, t_s, "file", t_s, "scene")


def paste(image: NDArray[np.float32], person: NDArray[np.float32], x: float) -> None:
    """A person, feet out of the picture, whose middle is at `x`; parts may lie outside."""
    height, width = person.shape[:2]
    left, top = round(x - width / 2), HEIGHT - height
    from_x, to_x = max(left, 0), min(left + width, image.shape[1])
    if from_x < to_x:
        part = person[:, from_x - left : to_x - left]
        opacity = part[..., 3:] / 255
        below = image[top:, from_x:to_x]
        below += opacity * (part[..., :3] - below)


def walk(start: float, end: float, seconds: float, *, wait_s: float = 1.0) -> Place:
    """From one place to another, smoothly, after a wait."""

    def place(t_s: float) -> float:
        share = np.clip((t_s - wait_s) / seconds, 0, 1)
        return float(start + (end - start) * share * share * (3 - 2 * share))

    return place


def ids_of(faces: Faces, places: Mapping[str, float | None], within: float = 60) -> dict[str, int]:
    """Which number the tracker gives the face at each person's place."""
    found = {}
    for name, x in places.items():
        near = [
            crop
            for crop in faces.crops
            if x is not None and abs((crop.box[0] + crop.box[2]) / 2 - x) < within
        ]
        if near:
            found[name] = min(near, key=lambda crop: abs((crop.box[0] + crop.box[2]) / 2 - x)).track_id
    return found
