"""Fits the constants of mtclar.engine.estimate.comparer to an encoder and writes compare.json beside it.

    python -m mtclar.train.rendered tune.npz --people 900:940 --pictures 40
    python -m mtclar.train.rendered.clip_set tune_clips --people 950:958 --seconds 8
    python -m tools.fit_fewshot --people tune.npz --clips tune_clips --ferplus FERPLUS

Without --models it is the bundled encoder, and engine/models/compare.json; run it again whenever that one changes. The
constants of a network of your own lie in the folder into which it was exported, where `evaluate --models` takes them.

The people are of the train split, but must not be those whom the encoder
was trained on; of FER+ it takes PublicTest. Nothing here is a test figure: experiments/few_shot/measure.py has those.

The prior weight of every explanation of a person's residuals (offset, gain, local, noise on a grid) is found by
expectation maximisation over many small sets of labelled faces: how often does it explain what a person's labels and
the encoder differ by? Half of the sets are real faces, half rendered; STYLED of each with a labelling style of its own,
which is not measured but a choice: how likely a person is to mean something else than the encoder does. The other
constants are those with the highest likelihood; `sd_scale` makes the 90 % interval hold, on people left out of the fit.
"""

import argparse
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mtclar.engine import models
from mtclar.engine.backends.session import InferenceSession
from mtclar.engine.estimate.comparer import CompareParams, Comparer
from mtclar.engine.estimate.metrics import Z_90
from mtclar.engine.estimate.residual_gp import (
    KernelParams,
    LabelledFaces,
    MixtureComponent,
    ResidualPrior,
    covariances,
    log_evidence,
)
from mtclar.train.accuracy.answers import Networks
from tools.fewshot_people import People, clips, rendered, strangers

Array = NDArray[np.float64]

OFFSETS = (0.0003, 0.003, 0.02, 0.1)
GAINS = (0.0, 0.02, 0.1)
LOCALS = (0.002, 0.008, 0.03, 0.1)
NOISES = (0.0007, 0.002, 0.005, 0.012, 0.025, 0.05, 0.1)
RARE = 0.002  # an explanation with a smaller weight is dropped

TAUS = (0.12, 0.18)
POWERS = (0.0, 0.3, 0.6, 0.9)
NEAR_TAU, NEAR_SHARE = 0.05, 0.95  # by the error on clips of rendered people 950 to 957
TAIL = 4.0
SAME_COSINE = 0.95
COVERED_JITTER, COVERED_SHARE = 0.1, 0.3

STYLED = 0.10  # of the sets
CLIPS = 0.15  # weight of the clips, whose labels are exact, beside 1 for the rest
SIZES = (1, 2, 3, 5, 10, 30)  # labels in a set
SEARCH_SIZES = (10, 30)  # the same while searching tau and powers
SETS = 4  # of each size and person
LABEL_EVERY = 20  # frames of a clip
CALIBRATION_KS = (1, 3, 5, 10)


@dataclass(frozen=True)
class Sets:
    """Small sets of labelled faces, each with its weight in the fit."""

    labelled: list[LabelledFaces]
    weight: list[float]

    def add(self, people: People, weight: float, sizes: Sequence[int]) -> None:
        """`sizes` faces of each person at a time."""
        for size in sizes:
            chosen = [
                rows[start * size : (start + 1) * size]
                for rows in people.rows_of()
                for start in range(min(len(rows) // size, SETS))
            ]
            for rows in chosen:
                self.labelled.append(
                    LabelledFaces.of(people.embeddings[rows], people.absolute[rows], people.va[rows])
                )
                self.weight.append(weight / len(sizes) / len(chosen))


def sets_of(plain: Sequence[People], films: People, sizes: Sequence[int] = SIZES) -> Sets:
    """The population that the weights are fitted to."""
    sets = Sets([], [])
    for people in plain:
        share = 1.0 / len(plain)
        sets.add(people, share * (1 - STYLED), sizes)
        sets.add(people.styled(seed=1), share * STYLED, sizes)
    assert films.frame is not None
    for first in (0, 7, 13):
        labelled = films.frame % LABEL_EVERY == first
        for rows in films.rows_of():
            picked = rows[labelled[rows]]
            sets.labelled.append(
                LabelledFaces.of(films.embeddings[picked], films.absolute[picked], films.va[picked])
            )
            sets.weight.append(CLIPS / 3 / len(films.rows_of()))
    return sets


def fit_weights(
    sets: Sets, prior: ResidualPrior, kernel: KernelParams, axis: int
) -> tuple[ResidualPrior, float]:
    """The prior with the weights that make the sets most likely, and their mean log likelihood."""
    evidence = np.array(
        [
            log_evidence(covariances(labelled, prior, kernel, axis), labelled.residual[:, axis])
            for labelled in sets.labelled
        ]
    )
    share = np.array(sets.weight) / np.sum(sets.weight)
    best = evidence.max(1, keepdims=True)
    likelihood = np.exp(evidence - best)
    weight = np.full(evidence.shape[1], 1.0 / evidence.shape[1])
    for _ in range(300):
        posterior = likelihood * weight
        posterior /= posterior.sum(1, keepdims=True)
        weight = share @ posterior
    mean = float(share @ (best[:, 0] + np.log(likelihood @ weight)))
    kept = [
        replace(explanation, weight=float(f"{w:.4g}"))
        for explanation, w in zip(prior.components, weight, strict=True)
        if w >= RARE
    ]
    kept.sort(key=lambda explanation: -explanation.weight)
    return replace(prior, components=tuple(kept)), mean


def empty_prior(plain: Sequence[People], power: float, kernel: KernelParams, axis: int) -> ResidualPrior:
    """All components of the grid, equally likely."""
    grid = itertools.product(OFFSETS, GAINS, LOCALS, NOISES)
    prior = ResidualPrior(
        tuple(MixtureComponent(*variances, weight=1.0) for variances in grid), power, 1.0, TAIL, 1.0
    )
    scaled = []
    for people in plain:
        residual = people.va[:, axis] - people.absolute[:, axis].astype(np.float64)
        length = np.linalg.norm(people.embeddings.astype(np.float64), axis=1)
        scaled.append(float(np.mean((residual / prior.noise_scale(length, kernel)) ** 2)))
    return replace(prior, typical_variance=float(f"{np.mean(scaled):.3g}"))


def fit_axis(
    sets: Sets, plain: Sequence[People], kernel: KernelParams, axis: int, powers: Sequence[float]
) -> tuple[ResidualPrior, float]:
    """The best prior of one dimension."""
    tried = [fit_weights(sets, empty_prior(plain, power, kernel, axis), kernel, axis) for power in powers]
    return max(tried, key=lambda result: result[1])


def fit(plain: Sequence[People], films: People, sha256: str) -> CompareParams:
    """All constants but sd_scale."""
    lengths = [float(np.median(np.linalg.norm(people.embeddings, axis=1))) for people in plain]
    kernel = KernelParams(TAUS[0], NEAR_TAU, NEAR_SHARE, float(f"{np.mean(lengths):.3g}"))
    sets = sets_of(plain, films, SEARCH_SIZES)
    tried: list[tuple[float, KernelParams, list[ResidualPrior]]] = []
    for tau in TAUS:
        other = replace(kernel, tau=tau)
        powers = POWERS if not tried else [prior.length_power for prior in tried[0][2]]
        fitted = [fit_axis(sets, plain, other, axis, powers) for axis in (0, 1)]
        print(f"tau {tau}: mean log likelihood {fitted[0][1]:.3f} / {fitted[1][1]:.3f}", flush=True)
        tried.append((fitted[0][1] + fitted[1][1], other, [prior for prior, _ in fitted]))
    _, kernel, (valence, arousal) = max(tried, key=lambda result: result[0])
    params = CompareParams(sha256, kernel, valence, arousal, SAME_COSINE, COVERED_JITTER, COVERED_SHARE)
    return refit(params, plain, films)


def refit(params: CompareParams, plain: Sequence[People], films: People) -> CompareParams:
    """The same shape constants with weights of other people."""
    sets = sets_of(plain, films)
    priors = [
        fit_axis(sets, plain, params.kernel, axis, [prior.length_power])[0]
        for axis, prior in enumerate(params.priors)
    ]
    return replace(params, valence=priors[0], arousal=priors[1])


def sd_scales(params: CompareParams, plain: Sequence[People], pair: InferenceSession) -> Array:
    """[2] what the sd must be multiplied with for 90 % of labels to lie in the 90 % interval, mean over populations."""
    scales = []
    for people in plain:
        for k in CALIBRATION_KS:
            ratios = []
            for support, queries in people.draws(k, max(CALIBRATION_KS), draws=2):
                estimates = Comparer(pair, people.support(support), params=params)(people.encoded(queries))
                value = np.array([(e.valence, e.arousal) for e in estimates])
                sd = np.array([(e.valence_sd, e.arousal_sd) for e in estimates])
                ratios.append(np.abs(value - people.va[queries]) / sd)
            scales.append(np.quantile(np.concatenate(ratios), 0.9, axis=0) / Z_90)
            print(f"{people.name}, K = {k}: sd to be multiplied by {scales[-1].round(2)}", flush=True)
    return np.asarray(np.mean(scales, axis=0))


def main() -> None:
    """Fits and writes."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--people", type=Path, required=True, help="picture set of rendered people")
    parser.add_argument("--clips", type=Path, required=True, help="folder of clips of rendered people")
    parser.add_argument("--ferplus", type=Path, required=True, help="FER+ folder (PublicTest is used)")
    parser.add_argument(
        "--models", type=Path, help="folder of exported networks; the bundled ones by default"
    )
    parser.add_argument(
        "--out", type=Path, help="where to write; compare.json beside the networks by default"
    )
    options = parser.parse_args()
    with Networks(options.models) as networks:
        encoder, pair = networks.encoder, networks.pair
        plain = [
            rendered(options.people, encoder),
            strangers(options.ferplus, "PublicTest", encoder),
        ]
        films = clips(options.clips, encoder=encoder)
        params = fit(plain, films, networks.card.sha256)
        halves = [
            [people.some(np.flatnonzero(np.arange(people.person.max() + 1) % 2 == odd)) for people in plain]
            for odd in (0, 1)
        ]
        scale = np.mean(
            [sd_scales(refit(params, halves[1 - odd], films), halves[odd], pair) for odd in (0, 1)], axis=0
        )
    params = replace(
        params,
        valence=replace(params.valence, sd_scale=float(f"{scale[0]:.3f}")),
        arousal=replace(params.arousal, sd_scale=float(f"{scale[1]:.3f}")),
    )
    out = options.out or models.compare_path(options.models)
    params.write(out)
    print(f"{out}: {[len(prior.components) for prior in params.priors]} components")
    for prior in params.priors:
        print(replace(prior, components=prior.components[:6]))


if __name__ == "__main__":
    main()
