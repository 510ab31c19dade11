"""Accepted frames for calibration, their encoding, and a support set with known content."""

from collections.abc import Callable

import numpy as np
import pytest

from mtclar.calibrate.core.frame_check import AcceptedFrame
from mtclar.engine.data_types import Encoded, FaceCrop
from mtclar.engine.face.crop import FRAMING
from mtclar.engine.models import EncoderIdentity
from mtclar.engine.support_set import SupportSet

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


def make_set(count: int, seed: int, subject: str = "anna", *, crops: bool = True) -> SupportSet:
    """`count` labelled frames of a subject, different for every `seed`."""
    rng = np.random.default_rng(seed)
    labels = rng.uniform(-0.9, 0.9, (count, 2)).astype(np.float32)
    return SupportSet(
        embeddings=rng.normal(size=(count, 16)).astype(np.float32),
        absolute=np.clip(labels + 0.1, -1, 1),
        labels=labels,
        quality=np.ones(count, np.float32),
        times_s=np.arange(count, dtype=np.float64),
        subject=subject,
        source=f"camera {seed}",
        created=f"2026-01-0{seed % 9 + 1}T00:00:00+00:00",
        encoder=EncoderIdentity("test", "0" * 64, FRAMING),
        conditions=rng.uniform(0, 200, (count, 4)).astype(np.float32),
        crops=rng.integers(0, 255, (count, FRAMING.size, FRAMING.size), np.uint8) if crops else None,
    )
