"""Labels of some frames spread over all frames of a recording: the modes by name, and which of them fits it best.

Every mode takes the labelled frames and B other faces with their times, and gives V/A [B, 2] in [-1, 1] and its sd
[B, 2]. nan: there is no honest value. `default` is the engine's rule with time as a second kernel; `causal` is MT-CLAR
as published (the label of the latest labelled frame at or before + the predicted difference).
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mtclar.engine.backends.session import InferenceSession
from mtclar.engine.data_types import Encoded
from mtclar.engine.errors import UsageError
from mtclar.engine.estimate.comparer import CompareParams, bundled_params, make_query
from mtclar.engine.estimate.residual_gp import Labelled
from mtclar.engine.face.crop import FRAMING
from mtclar.engine.support_set import SupportSet
from mtclar.label.temporal_gp import Constants, VideoProcess, bundled_constants

Array = NDArray[np.float64]
Rows = NDArray[np.int64]

MOST_LABELS = 160  # that a process holds: a span of a long recording has those nearest to it in time
SPAN = 2048  # faces that share them
BLOCK_S = 0.5  # labels nearer than this to the one left out are left out with it: they show the same moment
ENOUGH = 4  # labels from which a mode's error can be told
EXAMINED = 40  # labels that are left out in turn; of more, evenly chosen ones
BEST, DEFAULT = "best", "default"


@dataclass(frozen=True, slots=True, eq=False)
class LabelledFrames:
    """M labelled frames of a recording, in order of time."""

    encoded: Encoded  # of M
    labels: Array  # [M, 2]
    times_s: Array  # [M]

    def __len__(self) -> int:
        return len(self.times_s)

    def some(self, rows: Rows) -> "LabelledFrames":
        """Those of them, in that order."""
        return LabelledFrames(rows_of(self.encoded, rows), self.labels[rows], self.times_s[rows])

    def support(self) -> SupportSet:
        """As the engine's rules take it."""
        return SupportSet.from_encoded(
            self.encoded, self.labels, subject="", model_name="", model_sha256="", framing=FRAMING
        )


@dataclass(frozen=True, slots=True)
class Tools:
    """What the modes need beside the labels."""

    pair: InferenceSession | None  # session of the pair graph; None: the difference of two absolute values
    params: CompareParams
    constants: Constants

    @classmethod
    def bundled(cls, pair: InferenceSession | None) -> "Tools":
        """With the constants of the bundled encoder."""
        return cls(pair, bundled_params(), bundled_constants())


Result = tuple[Array, Array]
Mode = Callable[[LabelledFrames, Encoded, Array, Tools], Result]


def rows_of(encoded: Encoded, rows: Rows | NDArray[np.bool_] | slice) -> Encoded:
    """What the encoder says of some of the crops."""
    return Encoded(encoded.embedding[rows], encoded.absolute[rows], encoded.expression[rows])


def by_process(known: LabelledFrames, faces: Encoded, times_s: Array, tools: Tools) -> Result:
    """The absolute head plus a process on its residuals, over faces and time."""
    values, sds = np.empty((len(times_s), 2)), np.empty((len(times_s), 2))
    for span in _spans(known.times_s, times_s):
        here = known.some(_nearest_labels(known.times_s, times_s[span]))
        some, t_s = rows_of(faces, span), times_s[span]
        query = make_query(tools.pair, some, here.support())
        residuals = here.labels + query.delta - query.absolute[:, None, :]  # [B, M, 2]
        labelled = Labelled.of(here.encoded.embedding, here.encoded.absolute, here.labels)
        for axis in range(2):
            process = VideoProcess(labelled, here.times_s, tools.params, tools.constants, axis)
            mean, sd = process(some, t_s, residuals[:, :, axis])
            values[span, axis] = query.absolute[:, axis] + mean
            sds[span, axis] = sd
    return np.clip(values, -1.0, 1.0), sds


def by_latest(known: LabelledFrames, faces: Encoded, times_s: Array, tools: Tools) -> Result:
    """Label of the latest labelled frame at or before + predicted difference; nan before the first one."""
    return _by_anchor(known, faces, np.searchsorted(known.times_s, times_s, side="right") - 1, tools)


def by_nearest(known: LabelledFrames, faces: Encoded, times_s: Array, tools: Tools) -> Result:
    """Label of the labelled frame nearest in time + predicted difference."""
    middles = (known.times_s[1:] + known.times_s[:-1]) / 2
    return _by_anchor(known, faces, np.searchsorted(middles, times_s), tools)


def by_likeness(known: LabelledFrames, faces: Encoded, times_s: Array, tools: Tools) -> Result:
    """label + predicted difference of all labelled frames, those that look alike to the encoder counting more."""
    values = np.empty((len(times_s), 2))
    support = known.support()
    for start in range(0, len(times_s), SPAN):
        span = slice(start, start + SPAN)
        query = make_query(tools.pair, rows_of(faces, span), support)
        weight = np.exp((query.cosine - query.cosine.max(1, keepdims=True)) / tools.params.likeness.tau)
        weight /= weight.sum(1, keepdims=True)
        values[span] = np.einsum("bm,bmk->bk", weight, known.labels + query.delta)
    return np.clip(values, -1.0, 1.0), np.full(values.shape, np.nan)


MODES: Mapping[str, Mode] = {
    DEFAULT: by_process,
    "causal": by_latest,
    "nearest": by_nearest,
    "similarity": by_likeness,
}


@dataclass(frozen=True, slots=True)
class Spread:
    """The outcome of a mode."""

    mode: str  # the one taken, where `best` was asked for
    values: Array  # [B, 2] in [-1, 1]; nan: no honest value
    sds: Array  # [B, 2]; nan: unknown
    rmse: Mapping[str, tuple[float, float]]  # of each mode tried, on labels left out; empty: too few labels


def spread(name: str, known: LabelledFrames, faces: Encoded, times_s: Array, tools: Tools) -> Spread:
    """V/A of B faces at `times_s` by the mode of that name, or by the one that predicts left-out labels best.

    The sd of modes that have none of their own is their error on labels left out. Raises UsageError for an unknown
    mode.
    """
    require_mode(name)
    tried = [name] if name != BEST else list(MODES)
    errors = {mode: left_out_errors(mode, known, tools) for mode in tried} if len(known) >= ENOUGH else {}
    rmse = {mode: _rmse(of_mode) for mode, of_mode in errors.items()}
    chosen = name
    if name == BEST:
        chosen = min(rmse, key=lambda mode: np.hypot(*rmse[mode])) if rmse else DEFAULT
    values, sds = MODES[chosen](known, faces, times_s, tools)
    if chosen != DEFAULT and chosen in rmse:
        sds = np.where(np.isnan(values), np.nan, rmse[chosen])
    return Spread(chosen, values, sds, rmse)


def require_mode(name: str) -> None:
    """Raises UsageError that lists the modes."""
    if name not in (*MODES, BEST):
        raise UsageError(f"there is no mode '{name}'", f"one of: {', '.join((*MODES, BEST))}")


def left_out_errors(mode: str, known: LabelledFrames, tools: Tools) -> Array:
    """[n, 2] what the mode gets wrong of a labelled frame from the others, its neighbours in time left out too.

    nan where it has no value, as `causal` of the first one.
    """
    chosen = np.unique(np.linspace(0, len(known) - 1, min(len(known), EXAMINED)).astype(np.int64))
    errors = np.full((len(chosen), 2), np.nan)
    for n, i in enumerate(chosen):
        t_s = known.times_s[i]
        others = np.flatnonzero(np.abs(known.times_s - t_s) > BLOCK_S)
        if len(others):
            face = rows_of(known.encoded, slice(i, i + 1))
            value, _ = MODES[mode](known.some(others), face, known.times_s[i : i + 1], tools)
            errors[n] = value[0] - known.labels[i]
    return errors


def _rmse(errors: Array) -> tuple[float, float]:
    """Of valence and arousal, where there is a value."""
    if np.isnan(errors).all():
        return float("inf"), float("inf")
    valence, arousal = np.sqrt(np.nanmean(errors**2, axis=0))
    return float(valence), float(arousal)


def _spans(known_s: Array, times_s: Array) -> Iterator[slice]:
    """Stretches of faces in order of time, each with at most half as many labels inside as a process holds."""
    before = np.searchsorted(known_s, times_s)
    start = 0
    while start < len(times_s):
        end = int(np.searchsorted(before, before[start] + MOST_LABELS // 2, side="right"))
        end = max(min(end, start + SPAN), start + 1)
        yield slice(start, end)
        start = end


def _nearest_labels(known_s: Array, times_s: Array) -> Rows:
    """Rows of the MOST_LABELS labels nearest to a stretch of time, in order of time."""
    outside = np.maximum(np.maximum(times_s[0] - known_s, known_s - times_s[-1]), 0.0)
    return np.sort(np.argsort(outside, kind="stable")[:MOST_LABELS])


def _by_anchor(known: LabelledFrames, faces: Encoded, anchor: Rows, tools: Tools) -> Result:
    """Label + predicted difference of one labelled frame for each face; -1: none."""
    values = np.full((len(anchor), 2), np.nan)
    for one in np.unique(anchor[anchor >= 0]):
        rows = np.flatnonzero(anchor == one)
        query = make_query(tools.pair, rows_of(faces, rows), known.some(np.array([one])).support())
        values[rows] = known.labels[one] + query.delta[:, 0]
    return np.clip(values, -1.0, 1.0), np.full(values.shape, np.nan)
