"""Fits the time kernel, the smoothing and the sd of `label` to the bundled encoder: label/values/constants.json.

    python -m mtclar.train.rendered.clip_set tune_clips --people 950:958 --seconds 8
    python -m tools.fit.fit_label --clips tune_clips [--write]

Rerun it whenever the encoder or engine/models/compare.json changes; it takes a minute. The people are from the train
split, but the encoder must not have been trained on them. Variance and length of the kernel, then the cut-off of the
smoothing, minimise the error over the plans below (the sum of log RMSE). The scale of the sd, and the number of labels
that it is worth, bring the coverage of the interval closest to 90 %. Among constants that the clips do not distinguish,
the most conservative are chosen. None of its output is a test figure: see experiments/label/modes.py.
"""

import argparse
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from mtclar.engine.estimate.comparer import bundled_params
from mtclar.label.evaluation_protocol import METHODS, MTCLAR, LabelledClip, score
from mtclar.label.values.modes import ModeContext
from mtclar.label.values.temporal_gp import CONSTANTS, LabellingConstants, TimeKernel
from mtclar.train.accuracy.answers import Networks
from tools.fit.label_clips import encoded_clips, folder_clips

PLANS = ("every-20", "every-50", "spread-3", "spread-5", "share-3", "share-6")
VARIANCES = (0.001, 0.003, 0.01, 0.03)
LENGTHS_S = (0.8, 1.6, 3.2)
CUTOFFS_HZ = (1.5, 2.0, 3.0, 4.0)
SCALES = (0.4, 0.55, 0.7, 0.85)
WORTHS = (
    1.0,
    3.0,
    10.0,
)  # not more: real recordings are less consistent, and their labels must keep an influence
CLAIMED = 0.90
ALIKE = 0.01  # smaller relative differences of errors, and smaller differences of coverage, are ignored


def figures(clips: Sequence[LabelledClip], context: ModeContext, field: str) -> np.ndarray:
    """One figure of each plan for valence and arousal [plans, 2]."""
    ours = {MTCLAR: METHODS[MTCLAR]}
    return np.array([score(clips, plan, context, ours).pooled(MTCLAR)[field] for plan in PLANS])


def shortest_of_the_best(errors: Mapping[TimeKernel, float]) -> TimeKernel:
    """The shortest kernel whose error (sum of logarithms over the plans) is within ALIKE of the lowest.

    A few clips do not distinguish these kernels, and a longer kernel gives narrower intervals.
    """
    limit = min(errors.values()) + len(PLANS) * np.log1p(ALIKE)
    return min(
        (drift for drift in errors if errors[drift] <= limit),
        key=lambda drift: (drift.length_s, errors[drift]),
    )


def fit(clips: Sequence[LabelledClip], context: ModeContext) -> LabellingConstants:
    found = context.constants
    errors = {}
    for variance, length_s in itertools.product(VARIANCES, LENGTHS_S):
        drift = TimeKernel(variance, length_s)
        tried = replace(found, valence=drift, arousal=drift)
        errors[drift] = np.log(figures(clips, replace(context, constants=tried), "rmse")).sum(0)
        print(f"{drift}: {np.exp(errors[drift] / len(PLANS)).round(4)}", flush=True)
    best = [
        shortest_of_the_best({drift: error[axis] for drift, error in errors.items()}) for axis in range(2)
    ]
    found = replace(found, valence=best[0], arousal=best[1])
    by_cutoff = {
        hz: np.log(figures(clips, replace(context, constants=replace(found, smooth_hz=hz)), "rmse")).sum()
        for hz in CUTOFFS_HZ
    }
    found = replace(found, smooth_hz=min(by_cutoff, key=lambda hz: by_cutoff[hz]))
    off = {}
    for scale, worth in itertools.product(SCALES, WORTHS):
        tried = replace(found, usual_scale=scale, worth_labels=worth)
        covered = figures(clips, replace(context, constants=tried), "coverage")
        off[tried] = float(np.sqrt(((covered - CLAIMED) ** 2).mean()))
        print(f"scale {scale}, worth {worth} labels: {covered.round(2).tolist()}", flush=True)
    # A larger worth of a larger usual scale keeps intervals from narrowing when few labels agree by chance.
    found = max(
        (tried for tried in off if off[tried] <= min(off.values()) + ALIKE),
        key=lambda tried: (tried.worth_labels, tried.usual_scale),
    )
    final = replace(context, constants=found)
    for plan, covered in zip(PLANS, figures(clips, final, "coverage"), strict=True):
        print(f"{plan}: within the interval {covered.round(3)}")
    return found


def main() -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clips", type=Path, required=True, help="folder that clip_set filled")
    parser.add_argument("--write", action="store_true", help=f"into {CONSTANTS.name}")
    given = parser.parse_args()
    with Networks() as networks:
        clips = encoded_clips(networks, folder_clips(given.clips))
        # Initial values; the fit replaces all of them.
        start = LabellingConstants(
            networks.card.sha256, TimeKernel(0.01, 1.6), TimeKernel(0.01, 1.6), 1.0, 5.0, smooth_hz=2.0
        )
        found = fit(clips, ModeContext(networks.pair, bundled_params(), start))
    print(found)
    if given.write:
        found.write(CONSTANTS)


if __name__ == "__main__":
    main()
