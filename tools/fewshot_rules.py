"""The simple ways to use K labelled faces that the engine's rule has to beat, as tools/measure_fewshot.py prints them.

A rule takes the pair graph's session, the support set and B encoded faces and gives V/A [B, 2].
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtclar.engine.compare import Comparer
from mtclar.engine.handover import Encoded, Estimate
from mtclar.engine.residual_gp import unit
from mtclar.engine.session import Session
from mtclar.engine.support import SupportSet

Array = NDArray[Any]
Rule = Callable[[Session, SupportSet, Encoded], Array]

TAU = 0.15  # of every kernel here: exp((cosine - 1) / tau)
SHRINK = 5.0  # labels that the prior is worth
RIDGE = 0.3  # noise variance over that of a label, embeddings of length one
GP_NOISE = 0.3


def values(estimates: list[Estimate]) -> Array:
    return np.array([(estimate.valence, estimate.arousal) for estimate in estimates]).reshape(-1, 2)


def engine_rule(name: str, *, with_pair: bool = True) -> Rule:
    def rule(pair: Session, support: SupportSet, faces: Encoded) -> Array:
        return values(Comparer(pair if with_pair else None, support, name)(faces))

    return rule


def kernel_labels(pair: Session, support: SupportSet, faces: Encoded) -> Array:  # noqa: ARG001
    weight = _kernel(faces.embedding, support.embeddings)
    return weight @ support.labels / weight.sum(1, keepdims=True)


def mean_residual(pair: Session, support: SupportSet, faces: Encoded) -> Array:  # noqa: ARG001
    return np.clip(faces.absolute + (support.labels - support.absolute).mean(0), -1, 1)


def shrunk_residual(pair: Session, support: SupportSet, faces: Encoded) -> Array:  # noqa: ARG001
    share = len(support) / (len(support) + SHRINK)
    return np.clip(faces.absolute + share * (support.labels - support.absolute).mean(0), -1, 1)


def ridge(pair: Session, support: SupportSet, faces: Encoded) -> Array:  # noqa: ARG001
    """Labels by ridge regression on embeddings, in its dual form, about their mean."""
    known, asked, mean = unit(support.embeddings), unit(faces.embedding), support.labels.mean(0)
    middle = known.mean(0)
    gram = (known - middle) @ (known - middle).T + RIDGE * np.eye(len(known))
    return np.clip(
        mean + (asked - middle) @ (known - middle).T @ np.linalg.solve(gram, support.labels - mean), -1, 1
    )


def gp_labels(pair: Session, support: SupportSet, faces: Encoded) -> Array:  # noqa: ARG001
    """Labels by a Gaussian process on embeddings, about their mean."""
    mean = support.labels.mean(0)
    kernel = _kernel(support.embeddings, support.embeddings) + GP_NOISE * np.eye(len(support))
    return mean + _kernel(faces.embedding, support.embeddings) @ np.linalg.solve(
        kernel, support.labels - mean
    )


def _kernel(one: Array, other: Array) -> Array:
    return np.exp((unit(one) @ unit(other).T - 1.0) / TAU)


RULES: Mapping[str, Rule] = {
    "absolute head": engine_rule("absolute"),
    "nearest label": engine_rule("nearest"),
    "kernel-weighted labels": kernel_labels,
    "ridge on embeddings": ridge,
    "GP on embeddings": gp_labels,
    "paper": engine_rule("paper"),
    "absolute + mean residual": mean_residual,
    "absolute + shrunk residual": shrunk_residual,
    "gp without the pair graph": engine_rule("gp", with_pair=False),
    "gp": engine_rule("gp"),
}
