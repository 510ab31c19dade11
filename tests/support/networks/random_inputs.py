"""Random inputs of the bundled networks."""

import numpy as np

from mtclar.engine import models


def faces(count: int, seed: int = 0) -> np.ndarray:
    size = models.card("encoder").framing["size"]
    return np.random.default_rng(seed).integers(0, 256, (count, int(size), int(size))).astype(np.uint8)


def embeddings(count: int, seed: int = 0) -> np.ndarray:
    dim = models.card("encoder").embedding_dim
    return np.random.default_rng(seed).normal(size=(count, dim)).astype(np.float32)
