"""Computes CCC, PCC, RMSE, SAGR and the coverage of the prediction interval from predictions and labels."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mtclar.engine.estimate import metrics
from mtclar.train.accuracy.methods import Prediction

DIMENSIONS = ("valence", "arousal")
CLAIMED = 0.90


@dataclass(frozen=True, slots=True)
class Figures:
    """Figures of one dimension. Variances are of the population; a zero label agrees in sign only with zero.

    An undefined figure is nan.
    """

    ccc: float
    pcc: float
    rmse: float
    sagr: float
    coverage: float | None  # share of labels within the 90 % interval; None: the method has none
    rmse_sd: float  # standard deviation of the RMSE from draw to draw of the support; 0 with a single draw


def figures_of(
    predictions: Sequence[Prediction], truths: Sequence[NDArray[np.float32]]
) -> tuple[Figures, Figures]:
    """Figures of valence and arousal of one method, from a prediction and its labels [n, 2] for each draw.

    The figures are over all draws concatenated; only `rmse_sd` compares single draws.
    """
    value = np.concatenate([prediction.value for prediction in predictions])
    truth = np.concatenate(truths).astype(np.float64)
    inside: NDArray[np.bool_] | None = None
    sds = [prediction.sd for prediction in predictions if prediction.sd is not None]
    if len(sds) == len(predictions):
        inside = np.abs(value - truth) <= metrics.Z_90 * np.concatenate(sds)
    rmse_by_draw = [
        [metrics.rmse(prediction.value[:, i], labels[:, i]) for i in range(2)]
        for prediction, labels in zip(predictions, truths, strict=True)
        if len(labels)
    ]
    spread = np.std(rmse_by_draw, axis=0)
    valence, arousal = (
        Figures(
            ccc=metrics.ccc(value[:, i], truth[:, i]),
            pcc=metrics.pcc(value[:, i], truth[:, i]),
            rmse=metrics.rmse(value[:, i], truth[:, i]),
            sagr=metrics.sagr(value[:, i], truth[:, i]),
            coverage=None if inside is None else float(inside[:, i].mean()),
            rmse_sd=float(spread[i]),
        )
        for i in range(2)
    )
    return valence, arousal
