"""Accuracy of label propagation on clips with a label in every frame: the protocol of MT-CLAR and variants of it.

A labelling plan selects the labelled frames of a clip; they are excluded from the score, and every method is scored on
all other frames. Plans by name, for a clip of n frames:

- `every-20`: frame 0 and every 20th after it, as published;
- `first-3`, `random-3`: three frames, the first ones or drawn at random;
- `spread-3`: three frames, evenly from frame 0 on;
- `share-6`: six percent of the frames, evenly from frame 0 on, at least one.

If a selected frame has no face or no label, the next frame that has both replaces it. `hold_last` and `paper` are
causal and use the first label for frames before it; all other methods also use later labels. Every method that uses
the face is smoothed in the same way, so smoothing favours none of them.
"""

import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mtclar.engine.data_types import Encoded
from mtclar.engine.errors import UsageError
from mtclar.engine.estimate.comparer import make_query
from mtclar.engine.estimate.metrics import Z_90
from mtclar.label.labelling import smooth_zero_phase
from mtclar.label.values.modes import (
    BEST,
    DEFAULT,
    MODES,
    LabelledFrames,
    ModeContext,
    by_nearest,
    propagate,
)

Array = NDArray[np.float64]
Rows = NDArray[np.int64]

MTCLAR, HOLD, INTERPOLATE, ABSOLUTE, PAPER = "mtclar", "hold_last", "interpolate", "absolute", "paper"
PAPER_ALL, NEAREST, SIMILARITY, BEST_MODE = "paper_all", "nearest", "similarity", "best"

PLAN = re.compile(r"(every|first|random|spread|share)-(\d{1,4})")
PLANS = "every-20, first-3, random-3, spread-3 or share-6"
BUDGETS = (1, 2, 3, 4, 6, 8, 10, 15, 20)  # percent
FIELDS = ("ccc", "pcc", "rmse", "sagr")
RESAMPLES = 1000
INTERVAL = (2.5, 97.5)  # percentiles over resampled clips


@dataclass(frozen=True, slots=True, eq=False)
class LabelledClip:
    """n frames with a face and a label, in order of time."""

    name: str
    encoded: Encoded  # n faces
    labels: Array  # [n, 2]
    frames: Rows  # [n] frame numbers
    times_s: Array  # [n]


@dataclass(frozen=True, slots=True, eq=False)
class PredictedFrames:
    """Predicted V/A [m, 2] of the scored frames of a clip; sd [m, 2], or None for a method without one."""

    values: Array
    sds: Array | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """One clip under one labelling plan."""

    clip: LabelledClip
    is_label: NDArray[np.bool_]  # [n]
    known: LabelledFrames
    context: ModeContext

    def prediction(self, values: Array, sds: Array | None = None) -> PredictedFrames:
        """Select the scored frames from values and sds of all frames [n, 2]."""
        scored = ~self.is_label
        return PredictedFrames(values[scored], None if sds is None else sds[scored])

    def smooth(self, values: Array) -> Array:
        return smooth_zero_phase(self.clip.times_s, values, self.context.constants.smooth_hz)


def _by_mode(mode: str) -> Callable[[Trial], PredictedFrames]:
    def method(trial: Trial) -> PredictedFrames:
        clip = trial.clip
        result = propagate(mode, trial.known, clip.encoded, clip.times_s, trial.context)
        return trial.prediction(trial.smooth(result.values), result.sds)

    return method


def _hold(trial: Trial) -> PredictedFrames:
    return trial.prediction(trial.known.labels[_latest_label(trial)])


def _interpolate(trial: Trial) -> PredictedFrames:
    known, t_s = trial.known, trial.clip.times_s
    return trial.prediction(
        np.stack([np.interp(t_s, known.times_s, known.labels[:, i]) for i in range(2)], 1)
    )


def _absolute(trial: Trial) -> PredictedFrames:
    return trial.prediction(trial.smooth(trial.clip.encoded.absolute.astype(np.float64)))


def _paper(trial: Trial) -> PredictedFrames:
    """Label of the latest labelled frame + predicted difference, as published."""
    late = np.maximum(trial.clip.times_s, trial.known.times_s[0])
    values, _ = MODES["causal"](trial.known, trial.clip.encoded, late, trial.context)
    return trial.prediction(trial.smooth(values))


def _paper_all(trial: Trial) -> PredictedFrames:
    """Mean over all labelled frames of label + predicted difference."""
    query = make_query(trial.context.pair, trial.clip.encoded, trial.known.support())
    values = np.clip((trial.known.labels + query.delta).mean(1), -1.0, 1.0)
    return trial.prediction(trial.smooth(values))


def _nearest(trial: Trial) -> PredictedFrames:
    values, _ = by_nearest(trial.known, trial.clip.encoded, trial.clip.times_s, trial.context)
    return trial.prediction(trial.smooth(values))


METHODS: Mapping[str, Callable[[Trial], PredictedFrames]] = {
    MTCLAR: _by_mode(DEFAULT),
    HOLD: _hold,
    INTERPOLATE: _interpolate,
    ABSOLUTE: _absolute,
    PAPER: _paper,
    PAPER_ALL: _paper_all,
    NEAREST: _nearest,
    SIMILARITY: _by_mode("similarity"),
}
WITH_BEST: Mapping[str, Callable[[Trial], PredictedFrames]] = {**METHODS, BEST_MODE: _by_mode(BEST)}
"""`best` needs leave-one-out errors of every mode, so it takes longer than all other methods together."""


# --- figures ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class ScoreSums:
    """Sufficient statistics of all scores; they add up over clips."""

    values: Array  # [..., 2, 8] for valence and arousal

    @classmethod
    def of(cls, prediction: PredictedFrames, truth: Array) -> "ScoreSums":
        p, t = prediction.values, truth
        agree = np.sign(p) == np.sign(t)
        inside = np.zeros_like(p) if prediction.sds is None else np.abs(p - t) <= Z_90 * prediction.sds
        columns = (np.ones_like(p), p, t, p * p, t * t, p * t, agree, inside)
        return cls(np.stack([column.sum(0) for column in columns], -1))

    def figures(self) -> dict[str, Array]:
        """FIELDS and `coverage`, each [..., 2]; nan: undefined. CCC uses population variances (Lin 1989)."""
        n, p, t, pp, tt, pt, agree, inside = np.moveaxis(self.values, -1, 0)
        with np.errstate(all="ignore"):
            mean_p, mean_t = p / n, t / n
            var_p, var_t = pp / n - mean_p**2, tt / n - mean_t**2
            cov = pt / n - mean_p * mean_t
            denominator = var_p + var_t + (mean_p - mean_t) ** 2
            flat = np.minimum(var_p, var_t) < 1e-12
            return {
                "ccc": np.where(denominator < 1e-12, np.nan, 2 * cov / denominator),
                "pcc": np.where(flat, np.nan, cov / np.sqrt(np.maximum(var_p * var_t, 1e-24))),
                "rmse": np.sqrt(np.maximum((pp - 2 * pt + tt) / n, 0.0)),
                "sagr": agree / n,
                "coverage": inside / n,
            }


@dataclass(frozen=True, slots=True, eq=False)
class Score:
    """All methods on all clips under one plan."""

    plan: str
    clips: tuple[str, ...]  # with at least one scored frame
    labelled: int
    scored: int
    sums: Mapping[str, Array]  # method -> [C, 2, 8]
    with_sd: frozenset[str]  # methods with a prediction interval

    def pooled(self, method: str) -> dict[str, Array]:
        """Each score [2] over all frames of all clips."""
        return ScoreSums(self.sums[method].sum(0)).figures()

    def per_clip(self, method: str) -> dict[str, Array]:
        """Each score [C, 2]."""
        return ScoreSums(self.sums[method]).figures()

    def intervals(self, method: str, less: str | None = None, seed: int = 0) -> dict[str, Array]:
        """95 % bootstrap interval [2 ends, 2] of each pooled score over clips.

        With `less`, the interval of the difference to that method.
        """
        count = len(self.clips)
        draws = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), RESAMPLES)  # [R, C]

        def resampled(name: str) -> dict[str, Array]:
            return ScoreSums(np.einsum("rc,cij->rij", draws, self.sums[name])).figures()

        figures = resampled(method)
        if less is not None:
            other = resampled(less)
            figures = {field: figures[field] - other[field] for field in figures}
        # A figure that is undefined in every resample is nan.
        with warnings.catch_warnings(action="ignore", category=RuntimeWarning):
            return {field: np.nanpercentile(figures[field], INTERVAL, axis=0) for field in FIELDS}


def score(
    clips: Sequence[LabelledClip],
    plan: str,
    context: ModeContext,
    methods: Mapping[str, Callable[[Trial], PredictedFrames]] = METHODS,
    advance: Callable[[int], None] = lambda _: None,
) -> Score:
    """Score every method on every clip under one plan.

    Raises UsageError for an unknown plan, or if no frame is left to score.
    """
    require_plan(plan)
    sums: dict[str, list[Array]] = {name: [] for name in methods}
    with_sd: set[str] = set()
    names, labelled = [], 0
    for number, clip in enumerate(clips):
        is_label = labelled_mask(plan, clip.frames, number)
        if not is_label.all():
            at = np.flatnonzero(is_label)
            known = LabelledFrames(clip.encoded[at], clip.labels[at], clip.times_s[at])
            trial = Trial(clip, is_label, known, context)
            for name, method in methods.items():
                prediction = method(trial)
                if prediction.sds is not None and np.isfinite(prediction.sds).all():
                    with_sd.add(name)
                sums[name].append(ScoreSums.of(prediction, clip.labels[~is_label]).values)
            names.append(clip.name)
            labelled += len(at)
        advance(1)
    if not names:
        raise UsageError(
            f"{plan} labels every frame of every clip, so no frame is left to score", f"plans: {PLANS}"
        )
    stacked = {name: np.stack(of_clips) for name, of_clips in sums.items()}
    scored = int(next(iter(stacked.values()))[:, 0, 0].sum())
    return Score(plan, tuple(names), labelled, scored, stacked, frozenset(with_sd))


def require_plan(plan: str) -> None:
    """Raise UsageError for an unknown labelling plan."""
    match = PLAN.fullmatch(plan)
    if match is None or int(match[2]) == 0 or (match[1] == "share" and int(match[2]) >= 100):
        raise UsageError(f"unknown protocol '{plan}'", f"choose {PLANS}")


def labelled_mask(plan: str, frames: Rows, seed: int = 0) -> NDArray[np.bool_]:
    """Mask [n] of the frames that a plan labels, given their frame numbers in order."""
    match = PLAN.fullmatch(plan)
    assert match is not None
    kind, size, count = match[1], int(match[2]), len(frames)
    chosen = np.zeros(count, bool)
    if kind == "every":
        chosen[np.unique(frames // size, return_index=True)[1]] = True
        return chosen
    k = max(1, round(size * count / 100)) if kind == "share" else min(size, count)
    if kind == "first":
        chosen[:k] = True
    elif kind == "random":
        chosen[np.random.default_rng((seed, size)).choice(count, k, replace=False)] = True
    else:
        chosen[np.arange(k) * count // k] = True
    return chosen


def _latest_label(trial: Trial) -> Rows:
    """Index of the latest label at or before each frame; 0 for frames before the first label."""
    at = np.searchsorted(trial.known.times_s, trial.clip.times_s, side="right") - 1
    return np.maximum(at, 0)
