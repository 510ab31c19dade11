"""Encoded faces seen between the labels: a sample of the faces that the support set will be used on."""

import numpy as np

from mtclar.engine.data_types import Encoded

INTERVAL_S = 0.5  # of source time, between two stored faces
MAX_FACES = 240


class UnlabelledFaces:
    """A random sample of the faces since the page was opened."""

    def __init__(self) -> None:
        self._rows: list[Encoded] = []
        self._last_s = -np.inf
        self._random = np.random.default_rng(0)

    @property
    def encoded(self) -> Encoded | None:
        """All faces; None without any."""
        return Encoded.concatenate(self._rows) if self._rows else None

    def due(self, t_s: float) -> bool:
        """Whether INTERVAL_S has passed since the last stored face."""
        return not 0 <= t_s - self._last_s < INTERVAL_S

    def add(self, t_s: float, face: Encoded) -> None:
        """Stores one face [1]; beyond MAX_FACES it replaces a random one."""
        self._last_s = t_s
        if len(self._rows) < MAX_FACES:
            self._rows.append(face)
        else:
            self._rows[int(self._random.integers(MAX_FACES))] = face
