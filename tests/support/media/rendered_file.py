"""A file of rendered people in miniature: random pictures and labels."""

from pathlib import Path

import numpy as np


def write(path: Path, people: list[int], pictures: int) -> Path:
    """So many pictures of each of these people, by number."""
    person = np.repeat(people, pictures).astype(np.int32)
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (len(person), 56, 56), dtype=np.uint8)
    va = random.uniform(-1, 1, (len(person), 2)).astype(np.float32)
    np.savez(path, images=images, va=va, person=person)
    return path
