"""Embeddings in, valence/arousal corrected by the support set out: the rules by name, and each left-one-out.

`gp` is the default and the only rule meant for use; the others are the baselines that it has to beat, and stay here so
that every report can print them beside it. docs/few-shot.md has the measurement.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mtclar.engine.errors import ModelError, UsageError
from mtclar.engine.handover import EXPRESSIONS, Encoded, Estimate
from mtclar.engine.residual_gp import Kernel, ResidualGp, ResidualPrior, Variance, unit
from mtclar.engine.session import Runs, Session
from mtclar.engine.support import SupportSet

Array = NDArray[np.float64]

PAIR_INPUTS = ("embedding", "support")
PAIR_OUTPUTS = ("similarity", "delta")


@dataclass(frozen=True, slots=True)
class CompareParams:
    """Constants of the comparison."""

    tau: float  # how fast the kernel falls with 1 - cosine
    valence: ResidualPrior
    arousal: ResidualPrior
    covered_jitter: float
    covered_share: (
        float  # a face is in support when noise-free labels would settle this share of its residual
    )

    @property
    def priors(self) -> tuple[ResidualPrior, ResidualPrior]:
        """Of valence and of arousal."""
        return self.valence, self.arousal

    @property
    def prior_sd(self) -> tuple[float, float]:
        """The typical error of the absolute head on a new person, valence and arousal."""
        return self.valence.sd, self.arousal.sd


# Measured by tools/measure_fewshot.py; docs/few-shot.md has the table.
DEFAULT_PARAMS = CompareParams(
    tau=0.15,
    valence=ResidualPrior(Variance(0.02, 1.0), Variance(0.003, 2.5), Variance(0.035, 1.3)),
    arousal=ResidualPrior(Variance(0.02, 1.0), Variance(0.004, 2.7), Variance(0.02, 1.6)),
    covered_jitter=0.1,
    covered_share=0.5,
)


@dataclass(frozen=True, slots=True, eq=False)
class Query:
    """B encoded crops beside N support frames."""

    embedding: NDArray[np.float32]  # [B, D]
    absolute: Array  # [B, 2]
    cosine: Array  # [B, N] between embeddings
    similarity: NDArray[np.float32]  # [B, N] in [0, 1]
    delta: Array  # [B, N, 2] V/A of the crop less V/A of the support frame


class Rule(Protocol):
    """One way to use the labels of a support set."""

    def __init__(self, support: SupportSet, params: CompareParams) -> None: ...

    def __call__(self, query: Query) -> tuple[Array, Array]:
        """V/A [B, 2], not clipped, and the standard deviation [B, 2] of the label that the person would give."""

    def leave_one_out(self, among: Query) -> Array:
        """`among` is the support set queried with itself -> V/A [N, 2] of each frame by the others alone."""


class GpRule:
    """The absolute head plus a Gaussian process on its residuals (mtclar.engine.residual_gp).

    Support frame i says label_i + delta_i, which is off the absolute value by the residual that is weighed here. How
    much to believe it was learnt from the residuals among the support set itself, label_i - absolute_i.
    """

    def __init__(self, support: SupportSet, params: CompareParams) -> None:
        self._labels = support.labels.astype(np.float64)
        residuals = self._labels - support.absolute
        self._kernel = Kernel(support.embeddings, params.tau)
        self._gps = [
            ResidualGp(self._kernel, residuals[:, i], prior) for i, prior in enumerate(params.priors)
        ]

    def __call__(self, query: Query) -> tuple[Array, Array]:
        rows, residuals = self._kernel(query.embedding), self._residuals(query)
        mean, variance = zip(*(gp(rows, residuals[:, :, i]) for i, gp in enumerate(self._gps)), strict=True)
        return query.absolute + np.stack(mean, 1), np.sqrt(np.stack(variance, 1))

    def leave_one_out(self, among: Query) -> Array:
        residuals = self._residuals(among)
        left_out = [gp.leave_one_out(residuals[:, :, i])[0] for i, gp in enumerate(self._gps)]
        return among.absolute + np.stack(left_out, 1)

    def _residuals(self, query: Query) -> Array:
        """[B, N, 2] how far what each support frame says of each crop is off the crop's absolute value."""
        return self._labels + query.delta - query.absolute[:, None, :]


class AbsoluteRule:
    """The absolute head alone. Its sd is the prior's, and so is that of the baselines below, which build on it."""

    def __init__(self, support: SupportSet, params: CompareParams) -> None:
        self._labels = support.labels.astype(np.float64)
        self._sd = params.prior_sd

    def __call__(self, query: Query) -> tuple[Array, Array]:
        value = self._values(query, np.ones(query.similarity.shape, bool))
        return value, np.broadcast_to(self._sd, value.shape)

    def leave_one_out(self, among: Query) -> Array:
        if len(self._labels) == 1:
            return among.absolute
        return self._values(among, ~np.eye(len(self._labels), dtype=bool))

    def _values(self, query: Query, kept: NDArray[np.bool_]) -> Array:  # noqa: ARG002  # for those who override it
        """V/A [B, 2] from the support frames that `kept` [B, N] lets each crop see; at least one each."""
        return query.absolute


class NearestRule(AbsoluteRule):
    """The label of the support frame that looks most alike to the encoder.

    By the cosine of the embeddings: the pair graph's similarity answers another question (the same expression or not)
    and is nearly equal for too many frames; docs/few-shot.md.
    """

    def _values(self, query: Query, kept: NDArray[np.bool_]) -> Array:
        return self._labels[np.where(kept, query.cosine, -2.0).argmax(1)]


class PaperRule(AbsoluteRule):
    """Label plus predicted difference, averaged over the support set, as MT-CLAR was published."""

    def _values(self, query: Query, kept: NDArray[np.bool_]) -> Array:
        weight = kept / kept.sum(1, keepdims=True)  # [B, N]
        return np.einsum("bn,bnd->bd", weight, self._labels + query.delta)


RULES: Mapping[str, type[Rule]] = {
    "gp": GpRule,
    "absolute": AbsoluteRule,
    "nearest": NearestRule,
    "paper": PaperRule,
}
DEFAULT_RULE = "gp"


class Comparer:
    """Compares encoded crops with one support set; without one (None) every value is the absolute head's.

    `pair` is the session of the `pair` graph. Without it similarity is (1 + cosine) / 2, and the predicted difference
    that of two absolute outputs. Raises UsageError for an unknown rule, ModelError when the graph is not a pair graph.
    """

    def __init__(
        self,
        pair: Session | None,
        support: SupportSet | None,
        rule: str = DEFAULT_RULE,
        params: CompareParams = DEFAULT_PARAMS,
    ) -> None:
        chosen = rule_named(rule)
        if pair is not None and not (
            set(PAIR_INPUTS) <= set(pair.inputs) and set(PAIR_OUTPUTS) <= set(pair.outputs)
        ):
            raise ModelError(
                f"the network is not a pair graph: inputs {sorted(pair.inputs)}, outputs {sorted(pair.outputs)}",
                f"it takes {', '.join(PAIR_INPUTS)} and gives {', '.join(PAIR_OUTPUTS)}",
            )
        self._pair: Runs | None = pair
        self._support = support
        self._params = params
        if pair is not None and support is not None:
            self._pair = pair.holding({"support": support.embeddings})
        if support is not None:
            self._rule = chosen(support, params)
            self._kernel = Kernel(support.embeddings, params.tau)

    def __call__(self, encoded: Encoded) -> list[Estimate]:
        """One estimate for each of the B encoded crops, V/A clipped to [-1, 1]."""
        if not len(encoded.embedding):
            return []
        if self._support is None:
            value = encoded.absolute.astype(np.float64)
            sd: Array = np.broadcast_to(self._params.prior_sd, value.shape)
            similarity, in_support = np.zeros((len(value), 0), np.float32), np.zeros(len(value), bool)
            nearest: list[int | None] = [None] * len(value)
        else:
            query = make_query(self._pair, encoded, self._support)
            value, sd = self._rule(query)
            similarity = query.similarity
            nearest = query.cosine.argmax(1).tolist()
            covered = self._kernel.covered(query.embedding, self._params.covered_jitter)
            in_support = covered >= self._params.covered_share
        return [
            Estimate(
                valence=float(v),
                arousal=float(a),
                valence_sd=float(v_sd),
                arousal_sd=float(a_sd),
                similarity=row,
                nearest=index,
                in_support=bool(inside),
            )
            for (v, a), (v_sd, a_sd), row, index, inside in zip(
                np.clip(value, -1.0, 1.0), sd, similarity, nearest, in_support, strict=True
            )
        ]


def leave_one_out(
    support: SupportSet,
    rule: str = DEFAULT_RULE,
    pair: Session | None = None,
    params: CompareParams = DEFAULT_PARAMS,
) -> NDArray[np.float32]:
    """V/A [N, 2] that each support frame gets from the others alone, clipped; the absolute head's when N is 1."""
    itself = Encoded(
        embedding=support.embeddings,
        absolute=support.absolute,
        expression=np.zeros((len(support), len(EXPRESSIONS)), np.float32),
    )
    predicted = rule_named(rule)(support, params).leave_one_out(make_query(pair, itself, support))
    return np.clip(predicted, -1.0, 1.0).astype(np.float32)


def rule_named(name: str) -> type[Rule]:
    """The rule of that name; raises UsageError that lists the names."""
    if name not in RULES:
        raise UsageError(f"there is no comparison rule '{name}'", f"one of: {', '.join(RULES)}")
    return RULES[name]


def make_query(pair: Runs | None, encoded: Encoded, support: SupportSet) -> Query:
    """B encoded crops beside the support set: similarity and delta by the pair graph, or without one by geometry.

    `pair` may hold the support frames already.
    """
    absolute = encoded.absolute.astype(np.float64)
    cosine = unit(encoded.embedding) @ unit(support.embeddings).T
    if pair is not None:
        feeds = {"embedding": encoded.embedding, "support": support.embeddings}
        outputs = pair.run({name: feeds[name] for name in pair.inputs})
        similarity = outputs["similarity"].astype(np.float32, copy=False)
        delta = outputs["delta"].astype(np.float64)
    else:
        similarity = np.clip((1.0 + cosine) / 2.0, 0.0, 1.0).astype(np.float32)
        delta = absolute[:, None, :] - support.absolute.astype(np.float64)
    return Query(encoded.embedding, absolute, cosine, similarity, delta)
