"""Random changes of a face crop that keep the expression, in the order of a camera's processing.

    crop -> framing -> occlusion -> light -> resolution -> blur -> sensor noise -> sharpening -> JPEG -> encoder's input

Press photos, web pictures, webcams and films differ in all of these more than a few support frames can correct (in a
simulation, a fixed shift for a whole session reduced V CCC from .90 to .46), so training applies all of them. Every
step works on grey levels 0..255; lengths are shares of the side of the encoder's view unless given in pixels.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np
import torch.nn.functional as F
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor

Grey = NDArray[np.float32]


@dataclass(frozen=True)
class CameraConfig:
    """Ranges of the random changes; `*_share` is the share of pictures that are changed."""

    rotate_deg: float = 12.0
    scale: float = 0.12  # side of the view, +-
    stretch: float = 0.05  # width against height, +-
    shift: float = 0.05  # +-
    occlusion_share: float = 0.15
    gamma: float = 0.4  # natural logarithm of the exponent, +-
    side_light: float = 0.25  # relative change of the grey level at the border by a light from one side, +-
    contrast: float = 0.35  # natural logarithm of the gain around mid-grey, +-: levels are clipped to 0..255
    resolution_share: float = 0.45
    resolution: tuple[int, int] = (18, 200)  # side of the face in the camera's picture in pixels, log-uniform
    blur_share: float = 0.3
    blur: float = 0.024  # largest standard deviation of a Gaussian blur
    motion_share: float = 0.08
    motion: float = 0.12  # longest path of motion blur
    noise: float = 12.0  # grey levels: largest standard deviation of sensor noise
    sharpen_share: float = 0.15
    jpeg_share: float = 0.35
    jpeg_quality: tuple[int, int] = (12, 90)


UNCHANGED = CameraConfig(
    rotate_deg=0.0,
    scale=0.0,
    stretch=0.0,
    shift=0.0,
    occlusion_share=0.0,
    gamma=0.0,
    side_light=0.0,
    contrast=0.0,
    resolution_share=0.0,
    blur_share=0.0,
    motion_share=0.0,
    noise=0.0,
    sharpen_share=0.0,
    jpeg_share=0.0,
)
"""Only mirroring."""


def photograph(
    crops: NDArray[np.uint8], size: int, core: float, config: CameraConfig, random: Generator
) -> Grey:
    """crops uint8 [B, S, S] -> float32 [B, size, size], grey levels 0..255, each changed at random.

    `core` is the side of the run-time view as a share of S: 1 for pictures framed as at run time, less for wider
    crops, whose border becomes visible when the framing changes. Deterministic given `random`.
    """
    views = [_photograph(crop, size, core, config, random) for crop in crops]
    return np.stack(views) if views else np.zeros((0, size, size), np.float32)


def centre(images: Tensor, size: int, core: float) -> Tensor:
    """images uint8 [B, S, S] -> float32 [B, size, size]: the run-time view, unchanged; for evaluation."""
    if core == 1 and images.shape[-1] == size:
        return images.float()
    margin = round(images.shape[-1] * (1 - core) / 2)
    view = images[:, margin : images.shape[-1] - margin, margin : images.shape[-1] - margin].float()
    if view.shape[-1] != size:
        view = F.interpolate(view.unsqueeze(1), size=size, mode="bilinear", antialias=True).squeeze(1)
    return view


def _photograph(
    crop: NDArray[np.uint8], size: int, core: float, config: CameraConfig, random: Generator
) -> Grey:
    x = _framed(crop, core, config, random)
    native = x.shape[0]
    if random.random() < config.occlusion_share:
        x = occluded(x, random)
    x = _lit(x, config, random)
    side = max(min(native, 2 * size), size)
    if random.random() < config.resolution_share:
        low, high = np.log(config.resolution)
        side = round(math.exp(random.uniform(low, high)))
    x = _resized(x, side)
    if random.random() < config.blur_share:
        x = _gaussian(x, random.uniform(0, config.blur) * side)
    if random.random() < config.motion_share:
        x = _moved(x, random.uniform(0, config.motion) * side, random.uniform(0, math.pi))
    if config.noise:
        deviation = config.noise * random.random() ** 2  # small in most pictures
        x = x + random.standard_normal(x.shape, np.float32) * np.float32(deviation)
    if random.random() < config.sharpen_share:
        x = x + np.float32(random.uniform(0.3, 1.2)) * (x - _gaussian(x, max(side / 60, 0.6)))
    x = np.clip(x, 0, 255)
    if random.random() < config.jpeg_share:
        x = _compressed(x, int(random.integers(*config.jpeg_quality)))
    return np.clip(_resized(x, size), 0, 255)


def _framed(crop: NDArray[np.uint8], core: float, config: CameraConfig, random: Generator) -> Grey:
    """Rotates, scales, stretches, shifts and mirrors in one resampling, at the resolution of the crop."""
    whole = crop.shape[0]
    side = round(whole * core)
    angle = math.radians(config.rotate_deg) * random.uniform(-1, 1)
    height = 1 + config.scale * random.uniform(-1, 1)
    width = height * (1 + config.stretch * random.uniform(-1, 1)) * random.choice((-1.0, 1.0))
    cos, sin = math.cos(angle), math.sin(angle)
    to_crop = np.array([[width * cos, -height * sin], [width * sin, height * cos]])
    middle = (whole - 1) / 2 + config.shift * side * random.uniform(-1, 1, 2)
    offset = middle - to_crop @ np.full(2, (side - 1) / 2)
    return np.asarray(
        cv2.warpAffine(
            crop.astype(np.float32),
            np.column_stack([to_crop, offset]),
            (side, side),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        ),
        np.float32,
    )


def occluded(x: Grey, random: Generator) -> Grey:
    """x [S, S] behind one object: a rectangle, a hand, a mask, glasses, or hair from one side."""
    side = x.shape[0]
    covered = np.zeros(x.shape, np.uint8)
    level = float(random.uniform(0, 255))
    kind = random.choice(("rectangle", "hand", "mask", "glasses", "side"), p=(0.3, 0.25, 0.1, 0.2, 0.15))
    if kind == "rectangle":
        w, h = random.uniform(0.1, 0.35, 2) * side
        x0, y0 = random.uniform(0, 1, 2) * (side - np.array([w, h]))
        cv2.rectangle(covered, _point(x0, y0), _point(x0 + w, y0 + h), 1, -1)
    elif kind == "hand":
        # A palm from the lower half of the border, and four fingers side by side.
        level = float(np.median(x) * random.uniform(0.8, 1.2))
        start = np.array([random.choice((0.0, 1.0)), random.uniform(0.4, 1.0)]) * side
        aim = random.uniform((0.25, 0.3), (0.75, 0.9)) * side
        along = (aim - start) / (np.linalg.norm(aim - start) + 1e-6)
        across = np.array([-along[1], along[0]])
        degrees = math.degrees(math.atan2(along[1], along[0]))
        palm = start + 0.15 * side * along
        cv2.ellipse(covered, _point(*palm), _point(0.2 * side, 0.15 * side), degrees, 0, 360, 1, -1)
        for finger in (-1.5, -0.5, 0.5, 1.5):
            tip = palm + along * 0.27 * side + across * finger * 0.075 * side
            cv2.ellipse(covered, _point(*tip), _point(0.17 * side, 0.036 * side), degrees, 0, 360, 1, -1)
    elif kind == "mask":
        top = random.uniform(0.55, 0.68) * side
        outline = [(0.08 * side, top), (0.5 * side, top - 0.08 * side), (0.92 * side, top)]
        outline += [(0.85 * side, 0.9 * side), (0.5 * side, side), (0.15 * side, 0.9 * side)]
        cv2.fillPoly(covered, [np.array(outline, np.int32)], 1)
    elif kind == "glasses":
        y = random.uniform(0.33, 0.42) * side
        axes = _point(random.uniform(0.1, 0.16) * side, random.uniform(0.07, 0.12) * side)
        dark = random.random() < 0.5
        thickness = -1 if dark else max(round(0.025 * side), 1)
        level = float(random.uniform(0, 90))
        for eye in (0.3, 0.7):
            cv2.ellipse(covered, _point(eye * side, y), axes, 0, 0, 360, 1, thickness)
        cv2.line(covered, _point(0.42 * side, y), _point(0.58 * side, y), 1, max(round(0.025 * side), 1))
    else:
        edge = random.uniform(0.1, 0.3) * side
        slant = random.uniform(-0.15, 0.15) * side
        left = np.array([(0, 0), (edge + slant, 0), (edge - slant, side), (0, side)])
        if random.random() < 0.5:
            left[:, 0] = side - left[:, 0]
        cv2.fillPoly(covered, [left.astype(np.int32)], 1)
    texture = random.standard_normal(x.shape, np.float32) * np.float32(random.uniform(0, 12))
    return np.where(covered > 0, np.float32(level) + texture, x)


def _lit(x: Grey, config: CameraConfig, random: Generator) -> Grey:
    """Exposure (gamma), a light from one side, and contrast that may saturate."""
    gamma = math.exp(config.gamma * random.uniform(-1, 1))
    direction = random.uniform(0, 2 * math.pi)
    strength = config.side_light * random.uniform(-1, 1)
    gain = math.exp(config.contrast * random.uniform(-1, 1))
    across = np.linspace(-1, 1, x.shape[0], dtype=np.float32)
    light = 1 + strength * (math.cos(direction) * across[None] + math.sin(direction) * across[:, None])
    lit = 255 * (np.clip(x, 0, 255) / 255) ** gamma * light
    return np.clip((lit - 127.5) * gain + 127.5, 0, 255).astype(np.float32)


def _resized(x: Grey, side: int) -> Grey:
    """[S, S] -> [side, side], without aliasing."""
    if side == x.shape[0]:
        return x
    how = cv2.INTER_AREA if side < x.shape[0] else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(x, (side, side), interpolation=how), np.float32)


def _gaussian(x: Grey, deviation_px: float) -> Grey:
    if deviation_px < 0.2:  # not visible
        return x
    return np.asarray(cv2.GaussianBlur(x, (0, 0), deviation_px), np.float32)


def _moved(x: Grey, path_px: float, direction: float) -> Grey:
    """Motion blur along a straight path."""
    reach = round(path_px / 2)
    if reach < 1:
        return x
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1), np.float32)
    end = reach * np.array([math.cos(direction), math.sin(direction)])
    cv2.line(kernel, _point(*(reach - end)), _point(*(reach + end)), 1.0)
    return np.asarray(cv2.filter2D(x, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REPLICATE), np.float32)


def _compressed(x: Grey, quality: int) -> Grey:
    """Compresses and decompresses as JPEG."""
    _, code = cv2.imencode(".jpg", x.astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(code, cv2.IMREAD_GRAYSCALE), np.float32)


def _point(x: float, y: float) -> tuple[int, int]:
    return round(x), round(y)
