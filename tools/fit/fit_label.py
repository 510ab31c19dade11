"""Fits the time kernel, the smoothing and the sd of `label` to the bundled encoder: label/values/constants.json.

    python -m mtclar.train.rendered.clip_set label_clips --people 950:966 --seconds 8
    python -m tools.fit.fit_label --clips label_clips [--write]

Rerun it whenever the encoder or engine/models/compare.json changes; it takes some minutes. The people are from the
train split, but the encoder must not have been trained on them. Variance and length of the kernel, then the cut-off of
the smoothing, minimise the error over the plans below (the sum of log RMSE). A few clips do not distinguish kernels
whose errors are ALIKE: of these, and of the scales of the sd, those are chosen with which the coverage of the 90 %
interval lies inside BAND with the largest margin, for every plan. None of its output is a test figure: see
experiments/label/modes.py.
"""

import argparse
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from mtclar.engine.estimate.comparer import bundled_params
from mtclar.label.evaluation_protocol import BUDGETS, LabelledClip, PredictedFrames, Trial, score
from mtclar.label.labelling import smooth_zero_phase
from mtclar.label.values.modes import DEFAULT, MODES, ModeContext
from mtclar.label.values.temporal_gp import CONSTANTS, LabellingConstants, TimeKernel
from mtclar.train.accuracy.answers import Networks
from tools.fit.fit_fewshot import BAND
from tools.fit.label_clips import encoded_clips, folder_clips

Method = Callable[[Trial], PredictedFrames]

PLANS = (
    *(f"share-{percent}" for percent in BUDGETS),
    *("every-20", "spread-1", "spread-3", "spread-5", "first-3", "random-3"),
)
STARTS = (0, 10)  # a clip is taken from each of these frames on: other frames are labelled then
VARIANCES = (0.003, 0.01, 0.03)
LENGTHS_S = (0.8, 1.1, 1.6, 2.3)
CUTOFFS_HZ = (1.5, 2.0, 3.0, 4.0)
SCALES = (0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75)
WORTH_LABELS = 10.0  # not more: real recordings are less consistent, and their labels must keep an influence
ALIKE = 0.01  # smaller relative differences of errors are ignored


def from_frame(clip: LabelledClip, start: int) -> LabelledClip:
    """The clip without its first frames."""
    rows = np.arange(start, len(clip.frames))
    return LabelledClip(
        clip.name, clip.encoded[rows], clip.labels[rows], clip.frames[rows] - start, clip.times_s[rows]
    )


@lru_cache(maxsize=1)
def raw(trial: Trial) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Values of all frames [n, 2], not smoothed, and their variances with a usual scale of 0 and of 1."""
    known, clip, context = trial.known, trial.clip, trial.context
    narrow, wide = (
        MODES[DEFAULT](
            known,
            clip.encoded,
            clip.times_s,
            replace(context, constants=replace(context.constants, usual_scale=scale)),
        )
        for scale in (0.0, 1.0)
    )
    return narrow[0], narrow[1] ** 2, wide[1] ** 2


def at(smooth_hz: float, scale: float) -> Method:
    """The default mode with these constants; the variance is linear in the square of the scale."""

    def method(trial: Trial) -> PredictedFrames:
        values, narrow, wide = raw(trial)
        smooth = smooth_zero_phase(trial.clip.times_s, values, smooth_hz)
        return trial.prediction(smooth, np.sqrt(narrow + scale**2 * (wide - narrow)))

    return method


def figures(
    clips: Sequence[LabelledClip],
    kernel: TimeKernel,
    context: ModeContext,
    methods: Mapping[str, Method],
) -> dict[str, np.ndarray]:
    """RMSE and coverage of each method and plan for valence and arousal, both with this kernel [methods, plans, 2]."""
    constants = replace(context.constants, valence=kernel, arousal=kernel)
    scores = [score(clips, plan, replace(context, constants=constants), methods) for plan in PLANS]
    return {
        field: np.array([[of.pooled(name)[field] for of in scores] for name in methods])
        for field in ("rmse", "coverage")
    }


def fit(clips: Sequence[LabelledClip], context: ModeContext) -> LabellingConstants:
    begin = context.constants
    by_cutoff = {f"{hz}": at(hz, begin.usual_scale) for hz in CUTOFFS_HZ}
    smoothed = np.log(figures(clips, begin.valence, context, by_cutoff)["rmse"]).sum((1, 2))  # [cut-offs]
    smooth_hz = CUTOFFS_HZ[int(smoothed.argmin())]
    print(f"smoothed at {smooth_hz} Hz", flush=True)
    by_scale = {f"{scale}": at(smooth_hz, scale) for scale in SCALES}
    kernels = [TimeKernel(*of) for of in itertools.product(VARIANCES, LENGTHS_S)]
    errors, covered = [], []
    for kernel in kernels:
        found = figures(clips, kernel, context, by_scale)
        errors.append(np.log(found["rmse"][0]).mean(0))
        covered.append(found["coverage"])
        print(f"{kernel}: {np.exp(errors[-1]).round(4)}", flush=True)
    shares = np.array(covered)  # [kernels, scales, plans, 2]
    margin = np.minimum(shares.min(2) - BAND[0], BAND[1] - shares.max(2))  # [kernels, scales, 2]
    alike = np.array(errors) <= np.min(errors, axis=0) + np.log1p(ALIKE)  # [kernels, 2]
    margin = np.where(alike[:, None], margin, -1.0)
    scale = int(margin.max(0).min(1).argmax())
    chosen = margin[:, scale].argmax(0)  # kernel of valence and of arousal
    for number, plan in enumerate(PLANS):
        both = [shares[chosen[axis], scale, number, axis] for axis in range(2)]
        print(f"{plan}: within the interval {np.round(both, 3)}")
    valence, arousal = (kernels[index] for index in chosen)
    return replace(begin, valence=valence, arousal=arousal, usual_scale=SCALES[scale], smooth_hz=smooth_hz)


def main() -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clips", type=Path, required=True, help="folder that clip_set filled")
    parser.add_argument("--write", action="store_true", help=f"into {CONSTANTS.name}")
    given = parser.parse_args()
    with Networks() as networks:
        whole = encoded_clips(networks, folder_clips(given.clips))
        clips = [from_frame(clip, start) for start in STARTS for clip in whole]
        # Initial values; the fit replaces all of them.
        kernel = TimeKernel(0.01, 1.6)
        begin = LabellingConstants(networks.card.sha256, kernel, kernel, 0.55, WORTH_LABELS, smooth_hz=2.0)
        found = fit(clips, ModeContext(networks.pair, bundled_params(), begin))
    print(found)
    if given.write:
        found.write(CONSTANTS)


if __name__ == "__main__":
    main()
