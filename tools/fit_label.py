"""Fits the time kernel, the smoothing and the sd of `label` to the bundled encoder and writes label/constants.json.

    python -m mtclar.train.rendered.clip_set tune_clips --people 950:958 --seconds 8
    python -m tools.fit_label --clips tune_clips [--write]

Run it again whenever the encoder or engine/models/compare.json changes; it takes a minute. The people are of the train
split, but must not be those whom the encoder was trained on. Variance and length of the kernel have the lowest error
over the plans below (the sum of log RMSE), then the cut-off of the smoothing; with the scale of the sd, and how many
labels it is worth, the share of labels within the 90 % interval is nearest to that. Where a few clips cannot tell, the
more cautious constants are taken. Nothing here is a test figure: experiments/label/modes.py has those.
"""

import argparse
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from mtclar.engine.estimate.comparer import bundled_params
from mtclar.label.evaluation_protocol import METHODS, MTCLAR, LabelledClip, score
from mtclar.label.modes import ModeContext
from mtclar.label.temporal_gp import CONSTANTS, LabellingConstants, TimeKernel
from mtclar.train.accuracy.answers import Networks
from tools.label_clips import encoded_clips, folder_clips

PLANS = ("every-20", "every-50", "spread-3", "spread-5", "share-3", "share-6")
VARIANCES = (0.001, 0.003, 0.01, 0.03)
LENGTHS_S = (0.8, 1.6, 3.2)
CUTOFFS_HZ = (1.5, 2.0, 3.0, 4.0)
SCALES = (0.4, 0.55, 0.7, 0.85)
WORTHS = (
    1.0,
    3.0,
    10.0,
)  # no more: real recordings agree with themselves less, and their labels must be heard
CLAIMED = 0.90
ALIKE = 0.01  # errors that differ by a smaller share are the same, and so are shares of labels within the interval


def figures(clips: Sequence[LabelledClip], context: ModeContext, field: str) -> np.ndarray:
    """[plans, 2]"""
    ours = {MTCLAR: METHODS[MTCLAR]}
    return np.array([score(clips, plan, context, ours).pooled(MTCLAR)[field] for plan in PLANS])


def shortest_of_the_best(errors: Mapping[TimeKernel, float]) -> TimeKernel:
    """Of the kernels whose error (sum of logarithms over the plans) is within ALIKE of the lowest, the most cautious.

    A few clips cannot tell those apart, and the longer one label is believed to hold, the narrower every interval is.
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
    # The more the usual scale is worth, the less an interval narrows because a recording's few labels happen to agree.
    found = max(
        (tried for tried in off if off[tried] <= min(off.values()) + ALIKE),
        key=lambda tried: (tried.worth_labels, -off[tried]),
    )
    final = replace(context, constants=found)
    for plan, covered in zip(PLANS, figures(clips, final, "coverage"), strict=True):
        print(f"{plan}: within the interval {covered.round(3)}")
    return found


def main() -> None:
    """Fits, prints and perhaps writes."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clips", type=Path, required=True, help="folder that clip_set filled")
    parser.add_argument("--write", action="store_true", help=f"into {CONSTANTS.name}")
    given = parser.parse_args()
    with Networks() as networks:
        clips = encoded_clips(networks, folder_clips(given.clips))
        # Where to begin: nothing of it is left in the result.
        start = LabellingConstants(
            networks.card.sha256, TimeKernel(0.01, 1.6), TimeKernel(0.01, 1.6), 1.0, 5.0, smooth_hz=2.0
        )
        found = fit(clips, ModeContext(networks.pair, bundled_params(), start))
    print(found)
    if given.write:
        found.write(CONSTANTS)


if __name__ == "__main__":
    main()
