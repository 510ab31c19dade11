"""What the tests of the calibration page's parts share: taken frames and what an encoder says of them."""

from collections.abc import Callable

import numpy as np
import pytest

from mtclar.calibrate.core.frame_check import AcceptedFrame
from mtclar.engine.data_types import Encoded, FaceCrop

DIM = 8


def crop(level: int = 120) -> FaceCrop:
    image = np.full((16, 16), level, np.uint8)
    return FaceCrop(
        image, (0, 0, 90, 100), np.zeros((468, 3), np.float32), (1.0, 2.0, 0.0), 90.0, 120.0, 0, 0.9
    )


@pytest.fixture
def taken() -> Callable[..., tuple[list[AcceptedFrame], Encoded]]:
    """`count` frames and their encoding, different for every `seed`."""

    def make(seed: int = 0, count: int = 2) -> tuple[list[AcceptedFrame], Encoded]:
        rng = np.random.default_rng(seed)
        frames = [AcceptedFrame(crop(100 + seed), 0.0, 0.0, seed + 0.1 * i, "label") for i in range(count)]
        encoded = Encoded(
            rng.normal(size=(count, DIM)).astype(np.float32),
            rng.uniform(-0.5, 0.5, (count, 2)).astype(np.float32),
            np.zeros((count, 8), np.float32),
        )
        return frames, encoded

    return make
