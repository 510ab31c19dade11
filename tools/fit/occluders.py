"""Objects before a mouth that training does not know: a cup, a scarf, a fist, a microphone, of random textures."""

from typing import Any

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Array = NDArray[Any]
Grey = NDArray[np.uint8]

OCCLUDERS = ("cup", "fist", "microphone", "scarf")
LIPS = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185)  # outline
OUTER_EYES = (33, 263)
BROWS, FOREHEAD, CHIN, CHEEKS = 9, 10, 152, (50, 280)
SOFT = 1.2  # pixels of a border


def mouth_mask(shape: tuple[int, ...], points: Array, grown: float = 1.0) -> NDArray[np.bool_]:
    """[H, W] the pixels of the lips and between them, of landmarks [468, 3]."""
    outline = points[list(LIPS), :2]
    middle = outline.mean(0)
    mask = np.zeros(shape, np.uint8)
    cv2.fillPoly(mask, [np.round((outline - middle) * grown + middle).astype(np.int32)], 1)
    return mask > 0


def draw(
    name: str, picture: Grey, points: Array, donor: Grey, random: Generator
) -> tuple[Grey, NDArray[np.bool_]]:
    """The picture with this object before the mouth, and its pixels; `donor` is another picture, for its texture."""
    height, width = picture.shape
    eyes = _eye_distance(points)
    x, y = points[list(LIPS), :2].mean(0) + random.normal(0, 0.06, 2) * eyes
    mask = np.zeros(picture.shape, np.uint8)
    texture = _texture(picture.shape, donor, random)
    if name == "cup":
        half, top = random.uniform(0.42, 0.6) * eyes, y - random.uniform(0.3, 0.4) * eyes
        bottom = top + random.uniform(1.0, 1.5) * eyes
        outline = [(x - half, top), (x + half, top), (x + 0.8 * half, bottom), (x - 0.8 * half, bottom)]
        cv2.fillPoly(mask, [np.array(outline, np.int32)], 1)
        cv2.ellipse(mask, _point(x, top), _point(half, 0.14 * eyes), 0, 0, 360, 1, -1)
    elif name == "scarf":
        across = np.linspace(0, width, 9)
        edge = y - random.uniform(0.3, 0.45) * eyes + 0.15 * eyes * np.abs(across - x) / width
        edge += random.normal(0, 0.03, 9) * eyes
        outline = [*zip(across, edge, strict=True), (width, height), (0, height)]
        cv2.fillPoly(mask, [np.array(outline, np.int32)], 1)
    elif name == "fist":
        for _ in range(5):
            middle = np.array([x, y]) + random.normal(0, 0.12, 2) * eyes
            axes = _point(random.uniform(0.3, 0.42) * eyes, random.uniform(0.26, 0.36) * eyes)
            cv2.ellipse(mask, _point(*middle), axes, float(random.uniform(0, 180)), 0, 360, 1, -1)
        arm = _point(x + random.uniform(-1, 1) * eyes, height)
        cv2.line(mask, _point(x, y), arm, 1, max(1, round(0.5 * eyes)))
        texture = _skin(picture, points, random)
    else:
        cv2.circle(mask, _point(x, y + 0.05 * eyes), round(random.uniform(0.36, 0.46) * eyes), 1, -1)
        end = _point(x + random.uniform(-0.8, 0.8) * eyes, height)
        cv2.line(mask, _point(x, y), end, 1, max(1, round(0.28 * eyes)))
    return _blended(picture, texture, mask), mask > 0


def draw_elsewhere(picture: Grey, points: Array, donor: Grey, random: Generator) -> Grey:
    """The picture with an object that leaves the mouth in view: on the forehead, an eye, a cheek or the chin."""
    eyes = _eye_distance(points)
    middle = points[random.choice([FOREHEAD, *OUTER_EYES, *CHEEKS, CHIN]), :2]
    mask = np.zeros(picture.shape, np.uint8)
    axes = _point(random.uniform(0.25, 0.45) * eyes, random.uniform(0.2, 0.35) * eyes)
    cv2.ellipse(mask, _point(*middle), axes, float(random.uniform(0, 180)), 0, 360, 1, -1)
    mask[mouth_mask(picture.shape, points, 1.3)] = 0
    return _blended(picture, _texture(picture.shape, donor, random), mask)


def _eye_distance(points: Array) -> float:
    return float(np.linalg.norm(points[OUTER_EYES[0], :2] - points[OUTER_EYES[1], :2]))


def _blended(picture: Grey, texture: Array, mask: Array) -> Grey:
    share = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), SOFT)
    return np.clip(picture * (1 - share) + texture * share, 0, 255).astype(np.uint8)


def _texture(shape: tuple[int, ...], donor: Grey, random: Generator) -> Array:
    """[H, W] a piece of another picture, an even surface with a gradient, or stripes."""
    height, width = shape
    across, down = np.arange(width)[None], np.arange(height)[:, None]
    kind = random.integers(3)
    if kind == 0:
        side = min(48, *donor.shape)
        y, x = (int(random.integers(0, size - side + 1)) for size in donor.shape)
        return np.asarray(cv2.resize(donor[y : y + side, x : x + side], (width, height)), np.float32)
    if kind == 1:
        gradient = random.uniform(-40, 40) * (2 * across / width - 1) + random.uniform(-30, 30) * (
            2 * down / height - 1
        )
        grain = random.normal(0, random.uniform(0, 8), shape)
        return np.asarray(random.uniform(20, 235) + gradient + grain)
    waves = np.sin((down * random.uniform(-1, 1) + across * random.uniform(-1, 1)) * random.uniform(0.1, 0.6))
    dark, light = random.uniform(10, 245, 2)
    return np.asarray(np.where(waves > 0, light, dark) + random.normal(0, 4, shape))


def _skin(picture: Grey, points: Array, random: Generator) -> Array:
    """[H, W] skin of the same face, from between the brows."""
    reach = max(4, round(0.2 * _eye_distance(points)))
    x, y = (max(0, round(float(c)) - reach) for c in points[BROWS, :2])
    patch = picture[y : y + 2 * reach, x : x + 2 * reach]
    size = picture.shape[1::-1]
    return np.asarray(cv2.resize(patch, size) * random.uniform(0.8, 1.1) + random.normal(0, 4, picture.shape))


def _point(x: float, y: float) -> tuple[int, int]:
    return round(float(x)), round(float(y))
