"""Propagate the labels of some frames to all frames of a recording: the modes by name, and the selection of the best.

A mode takes the labelled frames and B faces with their times. It returns V/A [B, 2] in [-1, 1] and its sd [B, 2]; nan
means no value. `default` is the engine's Gaussian process with an additional kernel over time; `causal` is MT-CLAR as
published: label of the latest labelled frame + predicted difference.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mtclar.engine.backends.session import InferenceSession
from mtclar.engine.data_types import Encoded
from mtclar.engine.errors import UsageError
from mtclar.engine.estimate.comparer import CompareParams, bundled_params, make_query, mean_reading
from mtclar.engine.estimate.residual_gp import LabelledFaces
from mtclar.engine.support_set import SupportSet
from mtclar.label.values.temporal_gp import LabellingConstants, TemporalGp, bundled_constants

Array = NDArray[np.float64]
Rows = NDArray[np.int64]

MAX_LABELS = 160  # per Gaussian process: a time span of a long recording uses the nearest ones
MAX_SPAN_FACES = 2048  # faces that share these labels
EXCLUSION_S = 0.5  # labels this close to a left-out label are left out too: they show the same moment
MIN_LABELS = 4  # fewest labels for leave-one-out errors
MAX_LEFT_OUT = 40  # labels left out in turn; evenly selected if there are more
BEST, DEFAULT = "best", "default"


@dataclass(frozen=True, slots=True, eq=False)
class LabelledFrames:
    """M labelled frames of a recording, in order of time."""

    encoded: Encoded  # M faces
    labels: Array  # [M, 2]
    times_s: Array  # [M]

    def __len__(self) -> int:
        return len(self.times_s)

    def subset(self, rows: Rows) -> "LabelledFrames":
        """The frames at these rows, in that order."""
        return LabelledFrames(self.encoded[rows], self.labels[rows], self.times_s[rows])

    def support(self) -> SupportSet:
        """The same frames as a support set of the engine."""
        return SupportSet.from_encoded(self.encoded, self.labels)


@dataclass(frozen=True, slots=True)
class ModeContext:
    """The pair graph and the constants that the modes use."""

    pair: InferenceSession | None  # None: use the difference of the two absolute values
    params: CompareParams
    constants: LabellingConstants

    @classmethod
    def bundled(cls, pair: InferenceSession | None) -> "ModeContext":
        """The constants of the bundled encoder."""
        return cls(pair, bundled_params(), bundled_constants())


Result = tuple[Array, Array]
Mode = Callable[[LabelledFrames, Encoded, Array, ModeContext], Result]


def by_gaussian_process(
    known: LabelledFrames, faces: Encoded, times_s: Array, context: ModeContext
) -> Result:
    """The engine's mean reading + a Gaussian process on residuals, over similarity of faces and time."""
    values, sds = np.empty((len(times_s), 2)), np.empty((len(times_s), 2))
    for span in _time_spans(known.times_s, times_s):
        near = known.subset(_nearest_labels(known.times_s, times_s[span]))
        some, t_s = faces[span], times_s[span]
        query = make_query(context.pair, some, near.support())
        labelled = LabelledFaces.of(near.encoded.embedding, near.encoded.absolute, near.labels)
        reading = mean_reading(query.absolute, labelled, query.delta)
        residuals = near.labels + query.delta - reading[:, None, :]  # [B, M, 2]
        for axis in range(2):
            process = TemporalGp(labelled, near.times_s, context.params, context.constants, axis)
            mean, sd = process(some, t_s, residuals[:, :, axis])
            values[span, axis] = reading[:, axis] + mean
            sds[span, axis] = sd
    return np.clip(values, -1.0, 1.0), sds


def by_latest(known: LabelledFrames, faces: Encoded, times_s: Array, context: ModeContext) -> Result:
    """Label of the latest labelled frame at or before + predicted difference; nan before the first one."""
    return _by_anchor(known, faces, np.searchsorted(known.times_s, times_s, side="right") - 1, context)


def by_nearest(known: LabelledFrames, faces: Encoded, times_s: Array, context: ModeContext) -> Result:
    """Label of the labelled frame nearest in time + predicted difference."""
    middles = (known.times_s[1:] + known.times_s[:-1]) / 2
    return _by_anchor(known, faces, np.searchsorted(middles, times_s), context)


def by_similarity(known: LabelledFrames, faces: Encoded, times_s: Array, context: ModeContext) -> Result:
    """Mean of label + predicted difference over all labelled frames, weighted by cosine similarity."""
    values = np.empty((len(times_s), 2))
    support = known.support()
    for start in range(0, len(times_s), MAX_SPAN_FACES):
        span = slice(start, start + MAX_SPAN_FACES)
        query = make_query(context.pair, faces[span], support)
        weight = np.exp((query.cosine - query.cosine.max(1, keepdims=True)) / context.params.kernel.tau)
        weight /= weight.sum(1, keepdims=True)
        values[span] = np.einsum("bm,bmk->bk", weight, known.labels + query.delta)
    return np.clip(values, -1.0, 1.0), np.full(values.shape, np.nan)


MODES: Mapping[str, Mode] = {
    DEFAULT: by_gaussian_process,
    "causal": by_latest,
    "nearest": by_nearest,
    "similarity": by_similarity,
}


@dataclass(frozen=True, slots=True)
class Propagation:
    """The result of a mode."""

    mode: str  # the applied mode, also for `best`
    values: Array  # [B, 2] in [-1, 1]; nan: no value
    sds: Array  # [B, 2]; nan: unknown
    rmse: Mapping[str, tuple[float, float]]  # leave-one-out RMSE by mode; empty: too few labels


def propagate(
    name: str, known: LabelledFrames, faces: Encoded, times_s: Array, context: ModeContext
) -> Propagation:
    """V/A of B faces at `times_s` by the named mode; `best` selects the mode with the lowest leave-one-out error.

    A mode without an sd of its own gets its leave-one-out RMSE. Raises UsageError for an unknown mode.
    """
    require_mode(name)
    candidates = [name] if name != BEST else list(MODES)
    errors = (
        {mode: leave_one_out_errors(mode, known, context) for mode in candidates}
        if len(known) >= MIN_LABELS
        else {}
    )
    rmse = {mode: _rmse(residuals) for mode, residuals in errors.items()}
    chosen = name
    if name == BEST:
        chosen = min(rmse, key=lambda mode: np.hypot(*rmse[mode])) if rmse else DEFAULT
    values, sds = MODES[chosen](known, faces, times_s, context)
    if chosen != DEFAULT and chosen in rmse:
        sds = np.where(np.isnan(values), np.nan, rmse[chosen])
    return Propagation(chosen, values, sds, rmse)


def require_mode(name: str) -> None:
    """Raise UsageError for an unknown mode."""
    if name not in (*MODES, BEST):
        raise UsageError(f"unknown mode '{name}'", f"choose one of: {', '.join((*MODES, BEST))}")


def leave_one_out_errors(mode: str, known: LabelledFrames, context: ModeContext) -> Array:
    """Leave-one-out errors [n, 2] of a mode; labels within EXCLUSION_S of the left-out label are left out too.

    nan where the mode has no value, such as `causal` on the first label.
    """
    chosen = np.unique(np.linspace(0, len(known) - 1, min(len(known), MAX_LEFT_OUT)).astype(np.int64))
    errors = np.full((len(chosen), 2), np.nan)
    for n, i in enumerate(chosen):
        t_s = known.times_s[i]
        others = np.flatnonzero(np.abs(known.times_s - t_s) > EXCLUSION_S)
        if len(others):
            face = known.encoded[i]
            value, _ = MODES[mode](known.subset(others), face, known.times_s[i : i + 1], context)
            errors[n] = value[0] - known.labels[i]
    return errors


def _rmse(errors: Array) -> tuple[float, float]:
    """RMSE of valence and arousal, ignoring nan."""
    if np.isnan(errors).all():
        return float("inf"), float("inf")
    valence, arousal = np.sqrt(np.nanmean(errors**2, axis=0))
    return float(valence), float(arousal)


def _time_spans(known_s: Array, times_s: Array) -> Iterator[slice]:
    """Spans of faces in order of time, each containing at most half of MAX_LABELS labels."""
    before = np.searchsorted(known_s, times_s)
    start = 0
    while start < len(times_s):
        end = int(np.searchsorted(before, before[start] + MAX_LABELS // 2, side="right"))
        end = max(min(end, start + MAX_SPAN_FACES), start + 1)
        yield slice(start, end)
        start = end


def _nearest_labels(known_s: Array, times_s: Array) -> Rows:
    """Rows of the MAX_LABELS labels nearest to a time span, in order of time."""
    outside = np.maximum(np.maximum(times_s[0] - known_s, known_s - times_s[-1]), 0.0)
    return np.sort(np.argsort(outside, kind="stable")[:MAX_LABELS])


def _by_anchor(known: LabelledFrames, faces: Encoded, anchor: Rows, context: ModeContext) -> Result:
    """Label + predicted difference of one labelled frame (`anchor`) for each face; -1: no anchor."""
    values = np.full((len(anchor), 2), np.nan)
    for index in np.unique(anchor[anchor >= 0]):
        rows = np.flatnonzero(anchor == index)
        query = make_query(context.pair, faces[rows], known.subset(np.array([index])).support())
        values[rows] = known.labels[index] + query.delta[:, 0]
    return np.clip(values, -1.0, 1.0), np.full(values.shape, np.nan)
