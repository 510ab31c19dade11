"""How good labels spread over clips are, where every frame has a label: the protocol of MT-CLAR and its variants.

A plan says which frames of a clip are labelled; they are left out of the score, and all others are scored by every
method. Plans by name, for a clip of n frames:

- `every-20`: frame 0 and every 20th after it, as published;
- `first-3`, `random-3`: three frames, the first ones or drawn at random;
- `spread-3`: three frames, evenly from frame 0 on;
- `share-6`: six percent of the frames, evenly from frame 0 on, at least one.

Where such a frame has no face or no label, the next one that has both stands in for it. `hold_last` and `paper` look
backwards only; frames before the first label get the first label there. `interpolate` looks ahead, as everything else.
Every method that looks at faces is smoothed forwards and backwards alike, so that smoothing favours none.
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
from mtclar.label.labelling import smoothed
from mtclar.label.modes import BEST, DEFAULT, MODES, LabelledFrames, Tools, by_nearest, rows_of, spread

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
class Clip:
    """n frames with a face and a label, in order."""

    name: str
    encoded: Encoded  # of n
    labels: Array  # [n, 2]
    frames: Rows  # [n] their numbers
    times_s: Array  # [n]


@dataclass(frozen=True, slots=True, eq=False)
class Said:
    """V/A [m, 2] of the scored frames of a clip, and the sd [m, 2] of methods that have one."""

    values: Array
    sds: Array | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """One clip under one plan."""

    clip: Clip
    is_label: NDArray[np.bool_]  # [n]
    known: LabelledFrames
    tools: Tools

    def said(self, values: Array, sds: Array | None = None) -> Said:
        """Of the scored frames alone."""
        scored = ~self.is_label
        return Said(values[scored], None if sds is None else sds[scored])

    def smooth(self, values: Array) -> Array:
        return smoothed(self.clip.times_s, values, self.tools.constants.smooth_hz)


def _by_mode(mode: str) -> Callable[[Scene], Said]:
    def method(scene: Scene) -> Said:
        clip = scene.clip
        result = spread(mode, scene.known, clip.encoded, clip.times_s, scene.tools)
        return scene.said(scene.smooth(result.values), result.sds)

    return method


def _hold(scene: Scene) -> Said:
    return scene.said(scene.known.labels[_latest(scene)])


def _interpolate(scene: Scene) -> Said:
    known, t_s = scene.known, scene.clip.times_s
    return scene.said(np.stack([np.interp(t_s, known.times_s, known.labels[:, i]) for i in range(2)], 1))


def _absolute(scene: Scene) -> Said:
    return scene.said(scene.smooth(scene.clip.encoded.absolute.astype(np.float64)))


def _paper(scene: Scene) -> Said:
    """The label of the latest labelled frame + predicted difference."""
    late = np.maximum(scene.clip.times_s, scene.known.times_s[0])
    values, _ = MODES["causal"](scene.known, scene.clip.encoded, late, scene.tools)
    return scene.said(scene.smooth(values))


def _paper_all(scene: Scene) -> Said:
    """Mean over all labelled frames of label + predicted difference."""
    query = make_query(scene.tools.pair, scene.clip.encoded, scene.known.support())
    values = np.clip((scene.known.labels + query.delta).mean(1), -1.0, 1.0)
    return scene.said(scene.smooth(values))


def _nearest(scene: Scene) -> Said:
    values, _ = by_nearest(scene.known, scene.clip.encoded, scene.clip.times_s, scene.tools)
    return scene.said(scene.smooth(values))


METHODS: Mapping[str, Callable[[Scene], Said]] = {
    MTCLAR: _by_mode(DEFAULT),
    HOLD: _hold,
    INTERPOLATE: _interpolate,
    ABSOLUTE: _absolute,
    PAPER: _paper,
    PAPER_ALL: _paper_all,
    NEAREST: _nearest,
    SIMILARITY: _by_mode("similarity"),
}
WITH_BEST: Mapping[str, Callable[[Scene], Said]] = {**METHODS, BEST_MODE: _by_mode(BEST)}
"""Choosing the best mode means leaving out every label in turn, which takes longer than all the rest."""


# --- figures ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Sums:
    """What every figure follows from, and what adds up over clips: [..., 2, 8] for valence and arousal."""

    of: Array

    @classmethod
    def count(cls, said: Said, truth: Array) -> "Sums":
        p, t = said.values, truth
        agree = np.sign(p) == np.sign(t)
        inside = np.zeros_like(p) if said.sds is None else np.abs(p - t) <= Z_90 * said.sds
        columns = (np.ones_like(p), p, t, p * p, t * t, p * t, agree, inside)
        return cls(np.stack([column.sum(0) for column in columns], -1))

    def figures(self) -> dict[str, Array]:
        """Of FIELDS and `coverage`, each [..., 2]; nan: undefined. Variances are of the population."""
        n, p, t, pp, tt, pt, agree, inside = np.moveaxis(self.of, -1, 0)
        with np.errstate(all="ignore"):
            mean_p, mean_t = p / n, t / n
            var_p, var_t = pp / n - mean_p**2, tt / n - mean_t**2
            cov = pt / n - mean_p * mean_t
            spread_of = var_p + var_t + (mean_p - mean_t) ** 2
            flat = np.minimum(var_p, var_t) < 1e-12
            return {
                "ccc": np.where(spread_of < 1e-12, np.nan, 2 * cov / spread_of),
                "pcc": np.where(flat, np.nan, cov / np.sqrt(np.maximum(var_p * var_t, 1e-24))),
                "rmse": np.sqrt(np.maximum((pp - 2 * pt + tt) / n, 0.0)),
                "sagr": agree / n,
                "coverage": inside / n,
            }


@dataclass(frozen=True, slots=True, eq=False)
class Score:
    """One plan on all clips."""

    plan: str
    clips: tuple[str, ...]  # with at least one scored frame
    labelled: int
    scored: int
    sums: Mapping[str, Array]  # method -> [C, 2, 8]
    with_sd: frozenset[str]  # methods that claim an interval

    def pooled(self, method: str) -> dict[str, Array]:
        """Each figure [2], over all frames of all clips."""
        return Sums(self.sums[method].sum(0)).figures()

    def per_clip(self, method: str) -> dict[str, Array]:
        """Each figure [C, 2]."""
        return Sums(self.sums[method]).figures()

    def intervals(self, method: str, less: str | None = None, seed: int = 0) -> dict[str, Array]:
        """95 % interval [2 ends, 2] of each pooled figure, clips drawn again; `less`: of the difference to another."""
        count = len(self.clips)
        drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), RESAMPLES)  # [R, C]

        def resampled(name: str) -> dict[str, Array]:
            return Sums(np.einsum("rc,cij->rij", drawn, self.sums[name])).figures()

        figures = resampled(method)
        if less is not None:
            other = resampled(less)
            figures = {field: figures[field] - other[field] for field in figures}
        with warnings.catch_warnings(
            action="ignore", category=RuntimeWarning
        ):  # undefined in every drawing: nan
            return {field: np.nanpercentile(figures[field], INTERVAL, axis=0) for field in FIELDS}


def score(
    clips: Sequence[Clip],
    plan: str,
    tools: Tools,
    methods: Mapping[str, Callable[[Scene], Said]] = METHODS,
    advance: Callable[[int], None] = lambda _: None,
) -> Score:
    """Every method on every clip under one plan. Raises UsageError for an unknown plan, or when nothing is scored."""
    require_plan(plan)
    sums: dict[str, list[Array]] = {name: [] for name in methods}
    with_sd: set[str] = set()
    names, labelled = [], 0
    for number, clip in enumerate(clips):
        is_label = labelled_by(plan, clip.frames, number)
        if not is_label.all():
            at = np.flatnonzero(is_label)
            known = LabelledFrames(rows_of(clip.encoded, at), clip.labels[at], clip.times_s[at])
            scene = Scene(clip, is_label, known, tools)
            for name, method in methods.items():
                said = method(scene)
                if said.sds is not None and np.isfinite(said.sds).all():
                    with_sd.add(name)
                sums[name].append(Sums.count(said, clip.labels[~is_label]).of)
            names.append(clip.name)
            labelled += len(at)
        advance(1)
    if not names:
        raise UsageError(
            f"with {plan} every frame of every clip is labelled: nothing is left to score", PLANS
        )
    stacked = {name: np.stack(of_clips) for name, of_clips in sums.items()}
    scored = int(next(iter(stacked.values()))[:, 0, 0].sum())
    return Score(plan, tuple(names), labelled, scored, stacked, frozenset(with_sd))


def require_plan(plan: str) -> None:
    """Raises UsageError for a name that is no plan."""
    match = PLAN.fullmatch(plan)
    if match is None or int(match[2]) == 0 or (match[1] == "share" and int(match[2]) >= 100):
        raise UsageError(f"there is no protocol '{plan}'", PLANS)


def labelled_by(plan: str, frames: Rows, seed: int = 0) -> NDArray[np.bool_]:
    """[n] which of the frames with these numbers, in order, a plan labels."""
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


def _latest(scene: Scene) -> Rows:
    """For each frame the number of the latest label at or before it; of the first one before that."""
    at = np.searchsorted(scene.known.times_s, scene.clip.times_s, side="right") - 1
    return np.maximum(at, 0)
