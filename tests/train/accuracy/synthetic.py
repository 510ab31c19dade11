"""Synthetic answers with known truth: embeddings, absolute values, and labels of people with a bias."""

import numpy as np

from mtclar.engine.data_types import Encoded
from mtclar.train.accuracy.answers import Answers
from mtclar.train.data.labelled import UNKNOWN

DIM = 8


def answers(
    faces: list[int],
    *,
    offset: float = 0.0,
    noise: float = 0.02,
    known: bool = True,
    seed: int = 0,
    **more: object,
) -> Answers:
    """`faces` of each person; labels are absolute + an offset per person (alternating sign) + noise."""
    random = np.random.default_rng(seed)
    count = sum(faces)
    person = np.repeat(np.arange(len(faces)), faces)
    absolute = random.uniform(-0.5, 0.5, (count, 2)).astype(np.float32)
    habit = np.where(person % 2 == 0, offset, -offset)[:, None]
    va = np.clip(absolute + habit + random.normal(0, noise, (count, 2)), -1, 1).astype(np.float32)
    fields: dict[str, object] = {
        "encoded": Encoded(
            embedding=random.normal(0, 1, (count, DIM)).astype(np.float32),
            absolute=absolute,
            expression=np.zeros((count, 8), np.float32),
        ),
        "va": va,
        "expression": np.full(count, UNKNOWN, np.int64),
        "subject": np.array([f"p{i}" for i in person]) if known else None,
    }
    return Answers(**(fields | more))  # type: ignore[arg-type]
