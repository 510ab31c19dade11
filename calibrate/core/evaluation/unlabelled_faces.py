"""Encoded faces seen between the labels: a sample of the faces that the support set will be used on."""

import numpy as np

from mtclar.engine.data_types import Encoded
from mtclar.engine.estimate.comparer import bundled_params, merging
from mtclar.engine.support_set import SupportSet

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

    @property
    def different(self) -> int:
        """How many of them are not the same to the encoder: a face that is held counts once."""
        if (faces := self.encoded) is None:
            return 0
        of_one_label = SupportSet.from_encoded(faces, np.zeros_like(faces.absolute))
        return len(merging(of_one_label, bundled_params().same_cosine))

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
