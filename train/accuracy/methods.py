"""The ways to use K labelled faces of a person that every table compares: the engine's own rules and simple baselines.

`mtclar` is what the tracker does. `absolute` uses no label at all. `nearest`, `kernel-weighted` and `mean-residual` are
what one would try without a pair network; `paper` is the mean of label + predicted difference, as MT-CLAR was
published.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mtclar.engine.compare import Comparer
from mtclar.engine.handover import Encoded
from mtclar.engine.residual_gp import unit
from mtclar.engine.session import Session
from mtclar.engine.support import SupportSet

Array = NDArray[np.float64]

MTCLAR, ABSOLUTE, NEAREST, PAPER = "mtclar", "absolute", "nearest", "paper"
MEAN_RESIDUAL, KERNEL = "mean-residual", "kernel-weighted"

KERNEL_WIDTH = 0.15
"""Labels are weighted by exp((cosine - 1) / width)."""


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """V/A of n faces and, from methods that have one, the standard deviation of the label that a person would give."""

    value: Array  # [n, 2] in [-1, 1]
    sd: Array | None = None  # [n, 2]


Method = Callable[[Session | None, SupportSet, Encoded], Prediction]


def without_support(pair: Session | None, faces: Encoded) -> Prediction:
    """What the tracker says of somebody without a support set."""
    return _compared(Comparer(pair, None), faces)


def _rule(name: str | None) -> Method:
    """A rule of the engine by name; None: its default."""

    def method(pair: Session | None, support: SupportSet, faces: Encoded) -> Prediction:
        if name is None:
            return _compared(Comparer(pair, support), faces)
        return Prediction(_compared(Comparer(pair, support, name), faces).value)

    return method


def _absolute(pair: Session | None, support: SupportSet, faces: Encoded) -> Prediction:  # noqa: ARG001
    return without_support(pair, faces)


def _mean_residual(pair: Session | None, support: SupportSet, faces: Encoded) -> Prediction:  # noqa: ARG001
    residual = (support.labels.astype(np.float64) - support.absolute).mean(0)
    return Prediction(np.clip(faces.absolute + residual, -1.0, 1.0))


def _kernel_weighted(pair: Session | None, support: SupportSet, faces: Encoded) -> Prediction:  # noqa: ARG001
    cosine = unit(faces.embedding) @ unit(support.embeddings).T  # [n, K]
    weight = np.exp((cosine - cosine.max(1, keepdims=True)) / KERNEL_WIDTH)
    return Prediction(weight @ support.labels.astype(np.float64) / weight.sum(1, keepdims=True))


METHODS: Mapping[str, Method] = {
    MTCLAR: _rule(None),
    ABSOLUTE: _absolute,
    PAPER: _rule("paper"),
    MEAN_RESIDUAL: _mean_residual,
    NEAREST: _rule("nearest"),
    KERNEL: _kernel_weighted,
}


def _compared(comparer: Comparer, faces: Encoded) -> Prediction:
    estimates = comparer(faces)
    value = np.array([(e.valence, e.arousal) for e in estimates], np.float64).reshape(-1, 2)
    sd = np.array([(e.valence_sd, e.arousal_sd) for e in estimates], np.float64).reshape(-1, 2)
    return Prediction(value, sd)
