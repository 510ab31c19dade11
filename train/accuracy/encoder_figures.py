"""Accuracy of an encoder's outputs: expression and V/A on FER+, V/A on people, and the figures of a model card.

The outputs may come from torch or from an exported graph. Each picture is scored once, without averaging over its
mirror image.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mtclar.engine.data_types import Encoded
from mtclar.engine.estimate.metrics import ccc, rmse
from mtclar.train.data.ferplus import CROWD_SHARES, Photos


@dataclass(frozen=True, slots=True)
class VaFigures:
    """Errors of valence and arousal against the true labels, or against the proxy for FER+."""

    ccc: tuple[float, float]
    rmse: tuple[float, float]

    @classmethod
    def of(cls, predicted: NDArray[np.float32], truth: NDArray[np.float32]) -> "VaFigures":
        """Scores predictions [n, 2] against labels [n, 2]."""
        v, a = 0, 1
        return cls(
            ccc=(ccc(predicted[:, v], truth[:, v]), ccc(predicted[:, a], truth[:, a])),
            rmse=(rmse(predicted[:, v], truth[:, v]), rmse(predicted[:, a], truth[:, a])),
        )

    def __str__(self) -> str:
        return f"CCC {self.ccc[0]:.3f}/{self.ccc[1]:.3f} RMSE {self.rmse[0]:.3f}/{self.rmse[1]:.3f}"


@dataclass(frozen=True, slots=True)
class PhotoFigures:
    """FER+: eight-class accuracy on all usable pictures and on the `majority` subset that papers report."""

    count: int
    accuracy: float
    majority_count: int
    majority_accuracy: float
    proxy_va: VaFigures  # FER+ has no V/A: scored against the vote-weighted class centres

    def __str__(self) -> str:
        return (
            f"accuracy {self.majority_accuracy:.4f} (majority, n={self.majority_count}), {self.accuracy:.4f} "
            f"(all, n={self.count}), proxy V/A {self.proxy_va}"
        )


def photo_figures(encoded: Encoded, photos: Photos, *, prior_free: bool = False) -> PhotoFigures:
    """Scores an encoder's outputs for the photos; the crowd's prior is added to logits that are `prior_free`."""
    logits = encoded.expression + np.log(CROWD_SHARES) if prior_free else encoded.expression
    right = logits.argmax(axis=1) == photos.label
    return PhotoFigures(
        count=len(photos),
        accuracy=float(right.mean()),
        majority_count=int(photos.majority.sum()),
        majority_accuracy=float(right[photos.majority].mean()) if photos.majority.any() else float("nan"),
        proxy_va=VaFigures.of(encoded.absolute, photos.va),
    )


def card_figures(
    photos: PhotoFigures | None, rendered: VaFigures | None, people: VaFigures | None = None
) -> dict[str, float]:
    """The accuracy figures of a model card, rounded to the digits that are reproducible.

    `rendered` and real `people` are scored on single pictures without a support set.
    """
    figures: dict[str, float] = {}
    if photos is not None:
        figures["ferplus_test_accuracy_majority"] = photos.majority_accuracy
        figures["ferplus_test_accuracy_all"] = photos.accuracy
        figures |= _named("ferplus_test_proxy", photos.proxy_va)
    if people is not None:
        figures |= _named("people_test_proxy", people)
    if rendered is not None:
        figures |= _named("rendered_test", rendered)
    return {name: round(value, 4) for name, value in figures.items()}


def _named(prefix: str, va: VaFigures) -> dict[str, float]:
    return {
        f"{prefix}_{axis}_{measure}": getattr(va, measure)[i]
        for i, axis in enumerate(("valence", "arousal"))
        for measure in ("ccc", "rmse")
    }
