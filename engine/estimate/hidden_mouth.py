"""Whether a mouth is hidden by a hand, a mask, a cup or a scarf, from the encoder's embedding of the face."""

import json
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from mtclar.engine import models
from mtclar.engine.errors import ModelError
from mtclar.engine.files.writing import write_whole

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class HiddenMouth:
    """A linear probe. It belongs to one encoder: tools/fit/fit_hidden_mouth.py makes it."""

    encoder_sha256: str
    weight: Array  # [D]
    bias: float

    def __call__(self, embedding: NDArray[Any]) -> Array:
        """embedding [B, D] -> [B] log odds, above 0 for a hidden mouth."""
        return np.asarray(embedding.astype(np.float64) @ self.weight + self.bias)

    def write(self, path: Path) -> None:
        """Writes it as JSON, whole or not at all. Raises WriteError."""
        content = asdict(self) | {"weight": self.weight.tolist()}
        write_whole(path, (json.dumps(content) + "\n").encode(), private=False)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Raises ModelError when the file is missing or damaged."""
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            weight = np.array(content["weight"], np.float64)
            return cls(str(content["encoder_sha256"]), weight.reshape(-1), float(content["bias"]))
        except OSError as error:
            raise ModelError(f"{path} cannot be read: {error.strerror or error}", models.REINSTALL) from error
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise ModelError(f"{path} is not a probe of hidden mouths: {error}", models.REINSTALL) from error


def probe_of(encoder_sha256: str) -> HiddenMouth | None:
    """The bundled probe; None for another encoder than it was fitted to. Raises ModelError."""
    probe = _bundled()
    return probe if probe.encoder_sha256 == encoder_sha256 else None


@cache
def _bundled() -> HiddenMouth:
    return HiddenMouth.read(models.hidden_mouth_path())
