"""Pictures of a real face: the astronaut of scikit-image in a larger scene, and as a tight crop."""

import cv2
import numpy as np


def astronaut() -> np.ndarray:
    """Eileen Collins smiling, [512, 512, 3] BGR (NASA, public domain)."""
    from skimage import data

    return np.ascontiguousarray(data.astronaut()[:, :, ::-1])


def in_scene(width: int = 640, height: int = 480, x: int = 200, y: int = 60, side: int = 300) -> np.ndarray:
    """Head and shoulders in front of a grey ramp."""
    ramp = np.broadcast_to(np.linspace(60, 160, width, dtype=np.uint8)[None, :, None], (height, width, 3))
    scene = np.ascontiguousarray(ramp)
    scene[y : y + side, x : x + side] = cv2.resize(astronaut()[0:300, 80:380], (side, side))
    return scene


def tight() -> np.ndarray:
    """A tight crop without chin and hair: the detector finds the face only with a border."""
    return np.ascontiguousarray(astronaut()[101:211, 213:274])
