"""Degradations of a picture of a face, at several levels.

Each is of a picture in which the face is `face` pixels wide, so that a level means the same for crops and frames.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Degrade = Callable[[NDArray[np.uint8], np.random.Generator], NDArray[np.uint8]]


def blur(sigma: float, face: float) -> Degrade:
    """Gaussian; sigma in 48ths of the face, which are about the pixels that the encoder sees."""

    def degrade(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:  # noqa: ARG001
        return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma * face / 48), np.uint8)

    return degrade


def noise(sd: float, face: float) -> Degrade:
    """Sensor noise in grey levels, as coarse as the encoder's pixels."""

    def degrade(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
        step = max(face / 48, 1.0)
        small = [max(1, round(length / step)) for length in image.shape[:2]]
        coarse = rng.normal(0, sd, small).astype(np.float32)
        grain = cv2.resize(coarse, (image.shape[1], image.shape[0]), interpolation=cv2.INTER_NEAREST)
        return clipped(image + (grain if image.ndim == 2 else grain[..., None]))

    return degrade


def jpeg(quality: int, face: float) -> Degrade:  # noqa: ARG001
    def degrade(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:  # noqa: ARG001
        _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
        flag = cv2.IMREAD_GRAYSCALE if image.ndim == 2 else cv2.IMREAD_COLOR
        return np.asarray(cv2.imdecode(data, flag), np.uint8)

    return degrade


def dark(light: float, face: float) -> Degrade:  # noqa: ARG001
    """A share of the light, and the noise of a sensor that has too little."""
    return lambda image, rng: clipped(image * light + rng.normal(0, 2.0, image.shape))


def small(pixels: float, face: float) -> Degrade:
    """A face so many pixels wide."""

    def degrade(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:  # noqa: ARG001
        shrunk = [max(4, round(length * pixels / face)) for length in image.shape[1::-1]]
        little = cv2.resize(image, shrunk, interpolation=cv2.INTER_AREA)
        if image.ndim == 2:
            return np.asarray(
                cv2.resize(little, image.shape[1::-1], interpolation=cv2.INTER_LINEAR), np.uint8
            )
        return np.asarray(little, np.uint8)

    return degrade


def covered(part: str, face: float) -> Degrade:  # noqa: ARG001
    """A grey bar over a part of the face: shares of its box, top to bottom and left to right."""
    spans = {
        "mouth": (0.62, 0.95, 0.15, 0.85),
        "eyes": (0.22, 0.48, 0.05, 0.95),
        "left half": (0.0, 1.0, 0.5, 1.0),
    }[part]

    def degrade(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:  # noqa: ARG001
        out, (height, width) = image.copy(), image.shape[:2]
        y0, y1, x0, x1 = spans
        out[int(y0 * height) : int(y1 * height), int(x0 * width) : int(x1 * width)] = 110
        return out

    return degrade


def clipped(image: Array) -> NDArray[np.uint8]:
    return np.asarray(np.clip(image, 0, 255), np.uint8)


KINDS: Mapping[str, tuple[Callable[[Any, float], Degrade], Sequence[Any], str]] = {
    "blur": (blur, (0.5, 1.0, 1.5, 2.0, 3.0), "sigma, 48ths of the face"),
    "noise": (noise, (5, 10, 20, 40), "sd, grey levels"),
    "JPEG": (jpeg, (50, 20, 10, 5), "quality"),
    "darkness": (dark, (0.5, 0.25, 0.12, 0.06), "share of the light"),
    "small face": (small, (48, 32, 24, 16, 12), "pixels wide"),
    "covered": (covered, ("mouth", "eyes", "left half"), "part"),
}
