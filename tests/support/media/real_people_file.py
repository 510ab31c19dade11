"""Crops of real people in miniature: random pictures of people in every split, eight expressions each."""

from pathlib import Path

import numpy as np

from mtclar.train.data.real_people import CROP_SIDE, RealPeople

PEOPLE, PICTURES = 30, 8


def write(path: Path) -> Path:
    """Writes the file that `python -m mtclar.train.data.real_people` makes."""
    count = PEOPLE * PICTURES
    random = np.random.default_rng(0)
    RealPeople(
        random.integers(0, 256, (count, CROP_SIDE, CROP_SIDE), dtype=np.uint8),
        np.tile(np.arange(PICTURES), PEOPLE),
        np.repeat([f"p{number:04d}" for number in range(PEOPLE)], PICTURES),
    ).save(path)
    return path
