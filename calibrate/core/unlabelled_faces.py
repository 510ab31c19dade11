"""Faces that were shown while calibrating, between the labels, as numbers: what is still to come looks like them."""

import numpy as np

from mtclar.engine.data_types import Encoded

SHOWN_EVERY_S = 0.5  # of source time: how often a face is kept in mind
MAX_SHOWN = 240


class Shown:
    """The faces since the page was opened."""

    def __init__(self) -> None:
        self._rows: list[Encoded] = []
        self._last_s = -np.inf
        self._random = np.random.default_rng(0)

    @property
    def faces(self) -> Encoded | None:
        return Encoded.concatenate(self._rows) if self._rows else None

    def due(self, t_s: float) -> bool:
        return not 0 <= t_s - self._last_s < SHOWN_EVERY_S

    def note(self, t_s: float, face: Encoded) -> None:
        """Keeps one; when there are too many, in the place of one that is drawn."""
        self._last_s = t_s
        if len(self._rows) < MAX_SHOWN:
            self._rows.append(face)
        else:
            self._rows[int(self._random.integers(MAX_SHOWN))] = face
