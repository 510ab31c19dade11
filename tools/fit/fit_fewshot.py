"""Fits the constants of mtclar.engine.estimate.comparer to an encoder and writes compare.json beside it.

    python -m mtclar.train.rendered tune.npz --people 900:940 --pictures 40
    python -m mtclar.train.rendered.clip_set tune_clips --people 950:958 --seconds 8
    python -m tools.fit.fit_fewshot --people tune.npz --clips tune_clips --real-people people_crops.npz \
        --ferplus FERPLUS

Without --models it fits the bundled encoder and writes engine/models/compare.json; rerun it whenever that encoder
changes. For another network it writes into the folder of the exported network, where `evaluate --models` reads it.

The rendered people are from the train split, but the encoder must not have been trained on them. The real people are
from the calibration split, on which the encoder was not trained. From FER+ it uses PublicTest, with the crowd's votes
and with FER2013's own labels. None of its output is a test figure: see experiments/few_shot/measure.py.

The prior weight of every component of a person's residuals (offset, gain, local, noise on a grid) is found by
expectation maximisation over many small sets of labelled faces. All sources have the same weight. A share STYLED of the
sets has a random labelling style per person; this share is a design choice, not a measurement. The other constants are
those with the highest likelihood. `sd_scale` maximises the margin with which the coverage of the 90 % interval, for
every source and number of labels, is inside BAND; it is fitted on people left out of the fit.
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
from tools.fit.fewshot_people import People, clips, collected, real, rendered, strangers

Array = NDArray[np.float64]

OFFSETS = (0.0003, 0.003, 0.02, 0.1)
GAINS = (0.0, 0.02, 0.1)
LOCALS = (0.002, 0.008, 0.03, 0.1)
NOISES = (0.0007, 0.002, 0.005, 0.012, 0.025, 0.05, 0.1)
RARE = 0.002  # a component with a smaller weight is dropped

TAUS = (0.12, 0.18)
POWERS = (0.0, 0.3, 0.6)
SPREADS = (0.0, 20.0, 60.0, 150.0)
NEAR_TAU, NEAR_SHARE = 0.05, 0.95  # by the error on clips of rendered people 950 to 957
TAIL = 4.0
SAME_COSINE = 0.95
COVERED_JITTER, COVERED_SHARE = 0.1, 0.3

STYLED = 0.15  # of the sets
CLIPS = 0.15  # weight of the clips, whose labels are exact; 1 for all other sources
SIZES = (1, 2, 3, 5, 10, 30)  # labels in a set
SEARCH_SIZES = (4, 12)  # labels in a set during the search of tau, powers and spreads
SETS = 2  # of each size and person
PERSONS = 40  # of each source
LABEL_EVERY = 20  # frames of a clip
CALIBRATION_KS = (0, 1, 3, 5, 10)
FEW_KS = (0, 1, 3)  # of real people, who have few pictures each
BAND = (0.85, 0.97)  # target range of the coverage of the 90 % interval
SCALES = np.geomspace(0.4, 4.0, 200)


@dataclass(frozen=True)
class Sets:
    """Small sets of labelled faces, each with its weight in the fit."""

    labelled: list[LabelledFaces]
    weight: list[float]

    def add(self, people: People, weight: float, sizes: Sequence[int]) -> None:
        """Adds sets of `sizes` faces of the persons with most faces; `weight` is the weight of the source."""
        persons = [rows for rows in people.rows_of() if len(rows) >= 3]
        persons = sorted(persons, key=lambda rows: -len(rows))[:PERSONS]
        for size in sizes:
            chosen = [
                rows[start * size : (start + 1) * size]
                for rows in persons
                for start in range(min(len(rows) // size, SETS))
            ]
            for rows in chosen:
                self.labelled.append(
                    LabelledFaces.of(people.embeddings[rows], people.absolute[rows], people.va[rows])
                )
                self.weight.append(weight / len(sizes) / len(chosen))


def sets_of(plain: Sequence[People], films: People, sizes: Sequence[int] = SIZES) -> Sets:
    """The sets on which the weights are fitted."""
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
    """The prior with the maximum-likelihood weights, and the mean log likelihood."""
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
        replace(component, weight=float(f"{w:.4g}"))
        for component, w in zip(prior.components, weight, strict=True)
        if w >= RARE
    ]
    kept.sort(key=lambda component: -component.weight)
    return replace(prior, components=tuple(kept)), mean


def empty_prior(
    plain: Sequence[People], power: float, spread: float, kernel: KernelParams, axis: int
) -> ResidualPrior:
    """A prior with all components of the grid and equal weights."""
    grid = itertools.product(OFFSETS, GAINS, LOCALS, NOISES)
    prior = ResidualPrior(
        tuple(MixtureComponent(*variances, weight=1.0) for variances in grid), power, spread, 1.0, TAIL, 1.0
    )
    scaled = []
    for people in plain:
        residual = people.va[:, axis] - people.absolute[:, axis].astype(np.float64)
        length = np.linalg.norm(people.embeddings.astype(np.float64), axis=1)
        h = prior.noise_scale(length, people.absolute.astype(np.float64), kernel, axis)
        scaled.append(float(np.mean((residual / h) ** 2)))
    return replace(prior, typical_variance=float(f"{np.mean(scaled):.3g}"))


def fit_axis(
    sets: Sets,
    plain: Sequence[People],
    kernel: KernelParams,
    axis: int,
    shapes: Sequence[tuple[float, float]],
) -> tuple[ResidualPrior, float]:
    """The best prior of one dimension; `shapes`: powers of the length with spreads over the classes."""
    tried = [
        fit_weights(sets, empty_prior(plain, power, spread, kernel, axis), kernel, axis)
        for power, spread in shapes
    ]
    return max(tried, key=lambda result: result[1])


def fit(plain: Sequence[People], films: People, sha256: str) -> CompareParams:
    """Fits all constants except sd_scale."""
    lengths = [float(np.median(np.linalg.norm(people.embeddings, axis=1))) for people in plain]
    kernel = KernelParams(TAUS[0], NEAR_TAU, NEAR_SHARE, float(f"{np.mean(lengths):.3g}"))
    sets = sets_of(plain, films, SEARCH_SIZES)
    tried: list[tuple[float, KernelParams, list[ResidualPrior]]] = []
    for tau in TAUS:
        other = replace(kernel, tau=tau)
        shapes = list(itertools.product(POWERS, SPREADS))
        fitted = [
            fit_axis(sets, plain, other, axis, shapes if not tried else [shape_of(tried[0][2][axis])])
            for axis in (0, 1)
        ]
        print(f"tau {tau}: mean log likelihood {fitted[0][1]:.3f} / {fitted[1][1]:.3f}", flush=True)
        tried.append((fitted[0][1] + fitted[1][1], other, [prior for prior, _ in fitted]))
    _, kernel, (valence, arousal) = max(tried, key=lambda result: result[0])
    params = CompareParams(sha256, kernel, valence, arousal, SAME_COSINE, COVERED_JITTER, COVERED_SHARE)
    return refit(params, plain, films)


def shape_of(prior: ResidualPrior) -> tuple[float, float]:
    """Power of the length and spread over the classes."""
    return prior.length_power, prior.class_spread


def refit(params: CompareParams, plain: Sequence[People], films: People) -> CompareParams:
    """Fits the weights on other people with the same shape constants."""
    sets = sets_of(plain, films)
    priors = [
        fit_axis(sets, plain, params.kernel, axis, [shape_of(prior)])[0]
        for axis, prior in enumerate(params.priors)
    ]
    return replace(params, valence=priors[0], arousal=priors[1])


def coverages(
    params: CompareParams, plain: Sequence[People], pair: InferenceSession
) -> dict[tuple[str, int], Array]:
    """Source and number of labels -> [SCALES, 2] coverage of the 90 % interval with the sd times each scale."""
    shares = {}
    for people in plain:
        few = np.median([len(rows) for rows in people.rows_of()]) < max(CALIBRATION_KS)
        for k in FEW_KS if few else CALIBRATION_KS:
            ratios = []
            after, least = (max(FEW_KS), 1) if few else (max(CALIBRATION_KS), 5)
            for support, queries in people.draws(k, after, draws=2, least=least):
                comparer = Comparer(pair, people.support(support) if k else None, params=params)
                estimates = comparer(people.encoded(queries))
                value = np.array([(e.valence, e.arousal) for e in estimates])
                sd = np.array([(e.valence_sd, e.arousal_sd) for e in estimates])
                ratios.append(np.abs(value - people.va[queries]) / sd)
            off = np.concatenate(ratios) / Z_90  # [n, 2]
            shares[people.name, k] = (off[None] <= SCALES[:, None, None]).mean(1)
    return shares


def best_scale(shares: Sequence[Array]) -> NDArray[np.int64]:
    """[2] index in SCALES that maximises the margin of all shares [SCALES, 2] inside BAND."""
    stacked = np.stack(shares)  # [source and K, SCALES, 2]
    margin = np.minimum(stacked.min(0) - BAND[0], BAND[1] - stacked.max(0))
    return np.asarray(margin.argmax(0))


def fit_scale(shares: dict[tuple[str, int], Array]) -> Array:
    """Fits sd_scale [2]; prints the coverage with it, and with a scale fitted to the other sources."""
    chosen = best_scale(list(shares.values()))
    print("within the 90 % interval with this scale; with a scale fitted to the other sources")
    for (name, k), share in shares.items():
        held_out = best_scale([other for (source, _), other in shares.items() if source != name])
        cells = [
            " / ".join(f"{100 * share[index[i], i]:.0f}" for i in range(2)) for index in (chosen, held_out)
        ]
        print(f"{name}, K = {k}: {cells[0]}; {cells[1]}", flush=True)
    return np.asarray(SCALES[chosen])


def main() -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--people", type=Path, required=True, help="picture set of rendered people")
    parser.add_argument("--clips", type=Path, required=True, help="folder of clips of rendered people")
    parser.add_argument("--real-people", type=Path, required=True, help="crops of real people (.npz)")
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
            collected(options.ferplus, "PublicTest", encoder),
            real(options.real_people, "calibration", encoder),
        ]
        plain = [
            people for people in plain if len(people.va)
        ]  # FER+ without FER2013's own labels gives an empty source
        films = clips(options.clips, encoder=encoder)
        params = fit(plain, films, networks.card.sha256)
        halves = [
            [people.some(np.flatnonzero(np.arange(people.person.max() + 1) % 2 == odd)) for people in plain]
            for odd in (0, 1)
        ]
        of_halves = [coverages(refit(params, halves[1 - odd], films), halves[odd], pair) for odd in (0, 1)]
        scale = fit_scale({key: (of_halves[0][key] + of_halves[1][key]) / 2 for key in of_halves[0]})
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
