"""The few-shot methods that every table compares: the engine's rules and simple baselines.

`mtclar` is the method of the tracker. `absolute` uses no label. `nearest`, `kernel-weighted` and `mean-residual` are
baselines without a pair network; `paper` is the mean of label + predicted difference, as MT-CLAR was
published.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mtclar.engine.backends.session import InferenceSession
from mtclar.engine.data_types import Encoded
from mtclar.engine.estimate.comparer import DEFAULT_RULE, CompareParams, Comparer
from mtclar.engine.estimate.residual_gp import unit
from mtclar.engine.support_set import SupportSet

Array = NDArray[np.float64]

MTCLAR, ABSOLUTE, NEAREST, PAPER = "mtclar", "absolute", "nearest", "paper"
MEAN_RESIDUAL, KERNEL = "mean-residual", "kernel-weighted"

KERNEL_WIDTH = 0.15
"""Labels are weighted by exp((cosine - 1) / width)."""


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """V/A of n faces and, from methods that predict it, the standard deviation of a new label."""

    value: Array  # [n, 2] in [-1, 1]
    sd: Array | None = None  # [n, 2]


@dataclass(frozen=True, slots=True)
class Engine:
    """The engine's comparison with one pair of networks."""

    pair: InferenceSession | None = (
        None  # of the pair graph; None: similarity and difference from the embeddings alone
    )
    params: CompareParams | None = None  # None: the constants of the bundled encoder

    def __call__(self, support: SupportSet | None, faces: Encoded, rule: str = DEFAULT_RULE) -> Prediction:
        """The tracker's estimates of n faces with a support set, or without one."""
        with Comparer(self.pair, support, rule, self.params) as comparer:
            estimates = comparer(faces)
        value = np.array([(e.valence, e.arousal) for e in estimates], np.float64).reshape(-1, 2)
        sd = np.array([(e.valence_sd, e.arousal_sd) for e in estimates], np.float64).reshape(-1, 2)
        return Prediction(value, sd)


Method = Callable[[Engine, SupportSet, Encoded], Prediction]


def _mtclar(engine: Engine, support: SupportSet, faces: Encoded) -> Prediction:
    return engine(support, faces)


def _rule(name: str) -> Method:
    """A baseline among the engine's rules, by name, without an interval."""
    return lambda engine, support, faces: Prediction(engine(support, faces, name).value)


def _absolute(engine: Engine, support: SupportSet, faces: Encoded) -> Prediction:  # noqa: ARG001
    return engine(None, faces)


def _mean_residual(engine: Engine, support: SupportSet, faces: Encoded) -> Prediction:  # noqa: ARG001
    residual = (support.labels.astype(np.float64) - support.absolute).mean(0)
    return Prediction(np.clip(faces.absolute + residual, -1.0, 1.0))


def _kernel_weighted(engine: Engine, support: SupportSet, faces: Encoded) -> Prediction:  # noqa: ARG001
    cosine = unit(faces.embedding) @ unit(support.embeddings).T  # [n, K]
    weight = np.exp((cosine - cosine.max(1, keepdims=True)) / KERNEL_WIDTH)
    return Prediction(weight @ support.labels.astype(np.float64) / weight.sum(1, keepdims=True))


METHODS: Mapping[str, Method] = {
    MTCLAR: _mtclar,
    ABSOLUTE: _absolute,
    PAPER: _rule("paper"),
    MEAN_RESIDUAL: _mean_residual,
    NEAREST: _rule("nearest"),
    KERNEL: _kernel_weighted,
}
