"""The simple ways to use K labelled faces that the engine's rule has to beat, as measure.py prints them.

A rule takes the pair graph's session, the support set and B encoded faces and gives V/A [B, 2].
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtclar.engine.backends.session import InferenceSession
from mtclar.engine.data_types import Encoded, Estimate
from mtclar.engine.estimate.comparer import Comparer, GpRule
from mtclar.engine.estimate.residual_gp import unit
from mtclar.engine.support_set import SupportSet
from mtclar.train.accuracy import methods

Array = NDArray[Any]
Rule = Callable[[InferenceSession, SupportSet, Encoded], Array]

SHRINK = 5.0  # labels that the prior is worth
RIDGE = 0.3  # noise variance over that of a label, embeddings of length one
GP_NOISE = 0.3


def values(estimates: list[Estimate]) -> Array:
    return np.array([(estimate.valence, estimate.arousal) for estimate in estimates]).reshape(-1, 2)


def method(name: str, *, with_pair: bool = True) -> Rule:
    """As `mtclar-stream evaluate` has it."""

    def rule(pair: InferenceSession, support: SupportSet, faces: Encoded) -> Array:
        return methods.METHODS[name](methods.Engine(pair if with_pair else None), support, faces).value

    return rule


class AboutAbsolute(GpRule):
    """The process about the absolute value, as `gp` was before it took the mean of all readings."""

    def mean_reading(self, absolute: Array, delta: Array) -> Array:  # noqa: ARG002
        return absolute


def gp_about_absolute(pair: InferenceSession, support: SupportSet, faces: Encoded) -> Array:
    with Comparer(pair, support, AboutAbsolute) as comparer:
        return values(comparer(faces))


def half_paper(pair: InferenceSession, support: SupportSet, faces: Encoded) -> Array:
    """The mean of that and the paper's rule: it does not give a labelled face its label."""
    return (gp_about_absolute(pair, support, faces) + RULES["paper"](pair, support, faces)) / 2


def shrunk_residual(pair: InferenceSession, support: SupportSet, faces: Encoded) -> Array:  # noqa: ARG001
    share = len(support) / (len(support) + SHRINK)
    return np.clip(faces.absolute + share * (support.labels - support.absolute).mean(0), -1, 1)


def ridge(pair: InferenceSession, support: SupportSet, faces: Encoded) -> Array:  # noqa: ARG001
    """Labels by ridge regression on embeddings, in its dual form, about their mean."""
    known, asked, mean = unit(support.embeddings), unit(faces.embedding), support.labels.mean(0)
    middle = known.mean(0)
    gram = (known - middle) @ (known - middle).T + RIDGE * np.eye(len(known))
    return np.clip(
        mean + (asked - middle) @ (known - middle).T @ np.linalg.solve(gram, support.labels - mean), -1, 1
    )


def gp_labels(pair: InferenceSession, support: SupportSet, faces: Encoded) -> Array:  # noqa: ARG001
    """Labels by a Gaussian process on embeddings, about their mean."""
    mean = support.labels.mean(0)
    kernel = _kernel(support.embeddings, support.embeddings) + GP_NOISE * np.eye(len(support))
    return mean + _kernel(faces.embedding, support.embeddings) @ np.linalg.solve(
        kernel, support.labels - mean
    )


def _kernel(one: Array, other: Array) -> Array:
    return np.exp((unit(one) @ unit(other).T - 1.0) / methods.KERNEL_WIDTH)


RULES: Mapping[str, Rule] = {
    "absolute head": method(methods.ABSOLUTE),
    "nearest label": method(methods.NEAREST),
    "kernel-weighted labels": method(methods.KERNEL),
    "ridge on embeddings": ridge,
    "GP on embeddings": gp_labels,
    "paper": method(methods.PAPER),
    "absolute + mean residual": method(methods.MEAN_RESIDUAL),
    "absolute + shrunk residual": shrunk_residual,
    "gp about the absolute value": gp_about_absolute,
    "its mean with paper": half_paper,
    "gp without the pair graph": method(methods.MTCLAR, with_pair=False),
    "gp": method(methods.MTCLAR),
}
