"""Compares encoded faces with a support set and corrects their valence and arousal: the rules by name.

`gp` is the default and the only rule meant for use; the others are baselines, which reports show for comparison.
docs/results/few-shot.md has the measurement.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from mtclar.engine import models
from mtclar.engine.backends.session import Closeable, InferenceSession, bind
from mtclar.engine.data_types import Encoded, Estimate
from mtclar.engine.errors import ModelError, UsageError
from mtclar.engine.estimate.residual_gp import (
    KernelParams,
    LabelledFaces,
    MixtureComponent,
    ResidualGp,
    ResidualPrior,
    cross_kernel,
    unit,
)
from mtclar.engine.files.writing import write_whole
from mtclar.engine.spans import spanned
from mtclar.engine.support_set import SupportSet

Array = NDArray[np.float64]

PAIR_INPUTS = ("embedding", "support")
PAIR_OUTPUTS = ("similarity", "delta")

LABEL_SHARE = 0.5  # how far a reading follows the label, with many labels: docs/results/few-shot.md


@dataclass(frozen=True, slots=True)
class CompareParams:
    """Constants of the comparison. They belong to one encoder: tools/fit/fit_fewshot.py makes them."""

    encoder_sha256: str  # whose residuals they were fitted to
    kernel: KernelParams
    valence: ResidualPrior
    arousal: ResidualPrior
    same_cosine: float  # frames with one label whose embeddings are as near as this count as one label
    covered_jitter: float
    covered_share: float  # coverage from which a face is in support

    @property
    def priors(self) -> tuple[ResidualPrior, ResidualPrior]:
        """The priors of valence and of arousal."""
        return self.valence, self.arousal

    def prior_sd(self, encoded: Encoded) -> Array:
        """Sd [B, 2] of a new person's labels around the absolute values of B crops."""
        length = np.linalg.norm(encoded.embedding.astype(np.float64), axis=1)
        absolute = encoded.absolute.astype(np.float64)
        return np.stack(
            [prior.sd(length, absolute, self.kernel, i) for i, prior in enumerate(self.priors)], 1
        )

    def write(self, path: Path) -> None:
        """As JSON, with the file format's keys (likeness, explanations). Raises WriteError when the disk refuses."""
        fields = {"likeness" if name == "kernel" else name: value for name, value in asdict(self).items()}
        for name in ("valence", "arousal"):
            fields[name] = {"explanations": fields[name].pop("components"), **fields[name]}
        content = json.dumps(fields, indent=1) + "\n"
        write_whole(path, lambda file: file.write(content.encode()), private=False)

    @classmethod
    def read(cls, path: Path, hint: str = models.REINSTALL) -> Self:
        """Raises ModelError with that hint when the file is missing or holds something else."""
        try:
            fields = json.loads(path.read_text(encoding="utf-8"))
            fields["kernel"] = KernelParams(**fields.pop("likeness"))
            for name in ("valence", "arousal"):
                components = tuple(MixtureComponent(**c) for c in fields[name].pop("explanations"))
                fields[name] = ResidualPrior(components, **fields[name])
            return cls(**fields)
        except FileNotFoundError as error:
            raise ModelError(f"{path}: the constants of the comparison are missing", hint) from error
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise ModelError(
                f"{path} does not hold the constants of the comparison: {error}", hint
            ) from error


def params_for(encoder_sha256: str, folder: Path) -> CompareParams:
    """The constants in `folder` if they are of that encoder, otherwise the bundled ones.

    Their own `encoder_sha256` says which they are. Raises ModelError when the file there holds something else.
    """
    path = models.compare_path(folder)
    if path.is_file():
        params = CompareParams.read(path, "fit them again (docs/results/few-shot.md), or remove the file")
        if params.encoder_sha256 == encoder_sha256:
            return params
    return bundled_params()


@cache
def bundled_params() -> CompareParams:
    """The constants that were fitted to the bundled encoder; docs/results/few-shot.md has the measurement."""
    return CompareParams.read(models.compare_path())


@dataclass(frozen=True, slots=True, eq=False)
class Query:
    """B encoded crops, compared with N support frames."""

    encoded: Encoded
    absolute: Array  # [B, 2] of them
    cosine: Array  # [B, N] between embeddings
    similarity: NDArray[np.float32]  # [B, N] in [0, 1]
    delta: Array  # [B, N, 2] V/A of the crop less V/A of the support frame


class ComparisonRule(Protocol):
    """One way to use the labels of a support set. To add one: a class here and an entry in RULES, or pass a factory."""

    def __call__(self, query: Query) -> tuple[Array, Array]:
        """V/A [B, 2], not clipped, and the standard deviation [B, 2] of the label that the person would give."""


RuleFactory = Callable[[SupportSet, CompareParams], ComparisonRule]
"""Makes the rule of one support set: a class of rules, or a function."""


class GpRule:
    """The mean of K + 1 readings of a face, plus a Gaussian process on what the labels say beyond it.

    With s = LABEL_SHARE (1 - 1 / K),

        reading_i = absolute_i + s (label_i - absolute_i) + delta_i    by each of K labelled faces
        mean = (absolute + sum reading_i) / (K + 1)
        value = mean + sum weight_i (label_i + delta_i - mean)

    The weights are those of the process (mtclar.engine.estimate.residual_gp), which is conditioned on the residuals of
    the support set itself, label_i - absolute_i. Near a label they sum to nearly 1, so the mean vanishes there.
    """

    def __init__(self, support: SupportSet, params: CompareParams) -> None:
        self._kernel = params.kernel
        self._merge = merging(support, params.same_cosine)  # [M, N]
        self._labelled = merged(support, self._merge)
        self._labels = self._labelled.absolute + self._labelled.residual  # [M, 2]
        self._gps = [
            ResidualGp(self._labelled, prior, params.kernel, axis) for axis, prior in enumerate(params.priors)
        ]

    def __call__(self, query: Query) -> tuple[Array, Array]:
        faces = cross_kernel(query.encoded.embedding, query.absolute, self._labelled, self._kernel)
        delta = self._merge @ query.delta  # [B, M, 2]
        reading = self.mean_reading(query.absolute, delta)
        residuals = self._labels + delta - reading[:, None, :]  # [B, M, 2]
        mean, variance = zip(
            *(gp(faces, residuals[:, :, axis]) for axis, gp in enumerate(self._gps)), strict=True
        )
        return reading + np.stack(mean, 1), np.sqrt(np.stack(variance, 1))

    def mean_reading(self, absolute: Array, delta: Array) -> Array:
        """V/A [B, 2] without the process, from the absolute values [B, 2] and the differences [B, M, 2]."""
        return mean_reading(absolute, self._labelled, delta)


def mean_reading(absolute: Array, labelled: LabelledFaces, delta: Array) -> Array:
    """Mean [B, 2] of K + 1 readings of B faces, as GpRule says.

    From their absolute values [B, 2] and the predicted differences from K labelled faces [B, K, 2].
    """
    count = len(labelled)
    share = LABEL_SHARE * (1.0 - 1.0 / count)
    readings = labelled.absolute + share * labelled.residual + delta
    return np.asarray((absolute + readings.sum(1)) / (count + 1))


class AbsoluteRule:
    """The absolute head alone. Its sd is the prior's, and so is that of the baselines below, which build on it."""

    def __init__(self, support: SupportSet, params: CompareParams) -> None:
        self._labels = support.labels.astype(np.float64)
        self._params = params

    def __call__(self, query: Query) -> tuple[Array, Array]:
        return self._values(query), self._params.prior_sd(query.encoded)

    def _values(self, query: Query) -> Array:
        """V/A [B, 2]."""
        return query.absolute


class NearestRule(AbsoluteRule):
    """The label of the support frame with the nearest embedding, by cosine.

    The pair graph's similarity is not used: it predicts whether two expressions are the same, and is nearly equal for
    too many frames; docs/results/few-shot.md.
    """

    def _values(self, query: Query) -> Array:
        return self._labels[query.cosine.argmax(1)]


class PaperRule(AbsoluteRule):
    """Label plus predicted difference, averaged over the support set, as MT-CLAR was published."""

    def _values(self, query: Query) -> Array:
        return np.asarray((self._labels + query.delta).mean(1))


RULES: Mapping[str, RuleFactory] = {
    "gp": GpRule,
    "absolute": AbsoluteRule,
    "nearest": NearestRule,
    "paper": PaperRule,
}
DEFAULT_RULE = "gp"


class Comparer(Closeable):
    """Compares encoded crops with one support set; without one (None) every value is the absolute head's.

    `pair` is the session of the `pair` graph. Without it similarity is (1 + cosine) / 2, and the predicted difference
    that of two absolute outputs. `params` are those of the bundled encoder unless given. Close it to free the device
    memory that the bound support set takes. Raises UsageError for an unknown rule, ModelError when the graph is not a
    pair graph.
    """

    def __init__(
        self,
        pair: InferenceSession | None,
        support: SupportSet | None,
        rule: str | RuleFactory = DEFAULT_RULE,
        params: CompareParams | None = None,
    ) -> None:
        make_rule = rule_factory(rule)
        if pair is not None and not (
            set(PAIR_INPUTS) <= set(pair.inputs) and set(PAIR_OUTPUTS) <= set(pair.outputs)
        ):
            raise ModelError(
                f"the network is not a pair graph: inputs {sorted(pair.inputs)}, outputs {sorted(pair.outputs)}",
                f"it takes {', '.join(PAIR_INPUTS)} and gives {', '.join(PAIR_OUTPUTS)}",
            )
        self._support = support
        self._params = params or bundled_params()
        self._bound: InferenceSession | None = None
        if pair is not None and support is not None:
            self._bound = bind(pair, {"support": support.embeddings})
        if support is not None:
            self._known = unit(support.embeddings)  # [N, D]
            self._rule = make_rule(support, self._params)
            self._coverage = Coverage(support, self._params)

    def close(self) -> None:
        """Unbinds the support set, which frees its memory on a card; the pair session stays open."""
        if self._bound is not None:
            self._bound.close()

    @spanned("compare")
    def __call__(self, encoded: Encoded) -> list[Estimate]:
        """One estimate for each of the B encoded crops, V/A clipped to [-1, 1]."""
        if not len(encoded):
            return []
        if self._support is None:
            value = encoded.absolute.astype(np.float64)
            sd = self._params.prior_sd(encoded)
            similarity, in_support = np.zeros((len(value), 0), np.float32), np.zeros(len(value), bool)
            nearest: list[int | None] = [None] * len(value)
        else:
            query = make_query(self._bound, encoded, self._support, self._known)
            value, sd = self._rule(query)
            similarity = query.similarity
            nearest = query.cosine.argmax(1).tolist()
            in_support = self._coverage(query) >= self._params.covered_share
        return [
            Estimate(
                valence=float(v),
                arousal=float(a),
                valence_sd=float(v_sd),
                arousal_sd=float(a_sd),
                similarity=row,
                nearest=index,
                in_support=bool(inside),
                absolute=(absolute_v, absolute_a),
            )
            for (v, a), (v_sd, a_sd), row, index, inside, (absolute_v, absolute_a) in zip(
                np.clip(value, -1.0, 1.0),
                sd,
                similarity,
                nearest,
                in_support,
                encoded.absolute.tolist(),
                strict=True,
            )
        ]


class Coverage:
    """Share of a face's local error that noise-free labels of this support set would remove: from the kernel alone."""

    def __init__(self, support: SupportSet, params: CompareParams) -> None:
        self._tau = params.kernel.tau
        known = unit(support.embeddings)
        kernel = np.exp((known @ known.T - 1.0) / self._tau)
        self._inverse = np.linalg.inv(kernel + params.covered_jitter * np.eye(len(known)))

    def __call__(self, query: Query) -> Array:
        """[B] in [0, 1)."""
        rows = np.exp((query.cosine - 1.0) / self._tau)
        return np.asarray(((rows @ self._inverse) * rows).sum(1))


def merging(support: SupportSet, same_cosine: float) -> Array:
    """[M, N] weights that average N frames into M labels: frames with one label and nearly equal embeddings are one.

    Frames of one prompt are nearly the same image under one label. They repeat its error, so they must not count as
    independent labels.
    """
    known = unit(support.embeddings)
    _, label = np.unique(support.labels, axis=0, return_inverse=True)
    heads: list[int] = []
    group = np.zeros(len(support), np.int64)
    for value in np.unique(label):
        first = len(heads)
        for i in np.flatnonzero(label == value):
            near = known[heads[first:]] @ known[i] >= same_cosine
            group[i] = first + int(near.argmax()) if near.any() else len(heads)
            if group[i] == len(heads):
                heads.append(int(i))
    members = (group == np.arange(len(heads))[:, None]).astype(np.float64)
    return np.asarray(members / members.sum(1, keepdims=True))


def merged(support: SupportSet, merge: Array) -> LabelledFaces:
    """The support set's frames averaged with the weights `merge` [M, N]."""
    frames = LabelledFaces.of(support.embeddings, support.absolute, support.labels)
    return LabelledFaces(
        unit(merge @ frames.unit), merge @ frames.length, merge @ frames.absolute, merge @ frames.residual
    )


def labelled_faces(support: SupportSet | None, params: CompareParams) -> LabelledFaces:
    """The labelled faces that the rule `gp` is conditioned on; none without a support set."""
    if support is None:
        return LabelledFaces(np.zeros((0, 0)), np.zeros(0), np.zeros((0, 2)), np.zeros((0, 2)))
    return merged(support, merging(support, params.same_cosine))


def rule_factory(rule: str | RuleFactory) -> RuleFactory:
    """The rule of that name, or the factory as it is; raises UsageError that lists the names."""
    if not isinstance(rule, str):
        return rule
    if rule not in RULES:
        raise UsageError(f"there is no comparison rule '{rule}'", f"one of: {', '.join(RULES)}")
    return RULES[rule]


def make_query(
    pair: InferenceSession | None, encoded: Encoded, support: SupportSet, known: Array | None = None
) -> Query:
    """Compares B encoded crops with the support set: similarity and delta by the pair graph, or from embeddings alone.

    The support frames may be bound to `pair` already. `known` are their embeddings of length one [N, D], where a caller
    has them.
    """
    absolute = encoded.absolute.astype(np.float64)
    cosine = unit(encoded.embedding) @ (unit(support.embeddings) if known is None else known).T
    if pair is not None:
        feeds = {"embedding": encoded.embedding, "support": support.embeddings}
        outputs = pair.run({name: feeds[name] for name in pair.inputs})
        similarity = outputs["similarity"].astype(np.float32, copy=False)
        delta = outputs["delta"].astype(np.float64)
    else:
        similarity = np.clip((1.0 + cosine) / 2.0, 0.0, 1.0).astype(np.float32)
        delta = absolute[:, None, :] - support.absolute.astype(np.float64)
    return Query(encoded, absolute, cosine, similarity, delta)
