"""Few-shot evaluation: K labelled faces of a person are the support, the other faces are queries; repeated draws.

The protocol:

- For every person and every seed the faces are shuffled once; the first K are the support and the rest the queries, so
  no query is ever in the support, all methods answer the same queries, and a larger K contains the smaller one.
- A person with fewer than K + 1 faces is left out at that K, and counted. Different K may therefore have different
  people: compare methods within a K, and check the number of people before comparing across K.
- When persons are unknown, support and queries are drawn from all faces: the support shows strangers. This is a
  control, in which labels can help little and must do no harm.
- At most 20,000 queries are scored per seed, the same number for each person, drawn at random: for long videos.
- Predictions of all people and all seeds are pooled, and each figure is computed once over the pool, as published
  figures are over all frames of a test set. A person with many faces therefore has more weight. `rmse_sd` says how much
  the RMSE differs between seeds.
- K = 0 scores every face once, without draws.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mtclar.engine.support_set import SupportSet
from mtclar.train.accuracy.answers import Answers
from mtclar.train.accuracy.figures import Figures, figures_of
from mtclar.train.accuracy.methods import ABSOLUTE, METHODS, MTCLAR, Engine, Prediction
from mtclar.train.progress import Advance, Progress, silent

MAX_QUERIES = 20_000  # of a seed

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Shots:
    """The figures with K labelled faces of each person."""

    k: int
    subjects: int | None  # people scored; None when persons are unknown
    left_out: int  # people with too few faces
    queries: int  # scored, over all seeds
    # method -> valence, arousal; empty when no person has enough faces
    figures: Mapping[str, tuple[Figures, Figures]]


def score(
    answers: Answers,
    engine: Engine,
    shots: Sequence[int],
    seeds: int,
    progress: Progress = silent,
) -> list[Shots]:
    """Figures for every K of `shots`; empty for a K for which no person has enough faces.

    Progress advances by one per draw.
    """
    done = progress("few labels", len(shots) * seeds)
    people = subjects_of(answers)
    results = []
    for k in shots:
        enough = {number: rows for number, rows in enumerate(people) if len(rows) > k}
        by_method: dict[str, tuple[Figures, Figures]] = {}
        queries = 0
        if k == 0 and len(answers):
            prediction = engine(None, answers.encoded)
            by_method[MTCLAR] = by_method[ABSOLUTE] = figures_of([prediction], [answers.va])
            queries = len(answers)
        elif enough and k > 0:
            by_method, queries = _score_k(answers, engine, enough, k, seeds, done)
        if k == 0 or not enough:
            done(seeds)
        known = answers.subject is not None
        left_out = len(people) - len(enough) if known else 0
        results.append(Shots(k, len(enough) if known else None, left_out, queries, by_method))
    return results


def subjects_of(answers: Answers) -> list[Rows]:
    """Rows of each person by name, without faces of unknown people; all rows together when persons are unknown."""
    if answers.subject is None:
        return [np.arange(len(answers), dtype=np.int64)]
    names = [name for name in np.unique(answers.subject) if name]
    return [np.flatnonzero(answers.subject == name) for name in names]


def draw(rows: Rows, k: int, most: int, seed: int, person: int) -> tuple[Rows, Rows]:
    """Support [K] and at most `most` queries of one person (a number) for one seed; deterministic."""
    shuffled = np.random.default_rng((seed, person)).permutation(rows)
    return shuffled[:k], shuffled[k : k + most]


def support_of(answers: Answers, rows: Rows) -> SupportSet:
    """The support set of these labelled faces."""
    return SupportSet.from_encoded(answers.encoded[rows], answers.va[rows])


def _score_k(
    answers: Answers,
    engine: Engine,
    people: Mapping[int, Rows],
    k: int,
    seeds: int,
    done: Advance,
) -> tuple[dict[str, tuple[Figures, Figures]], int]:
    predictions: dict[str, list[Prediction]] = {name: [] for name in METHODS}
    truths: list[NDArray[np.float32]] = []
    for seed in range(seeds):
        parts = list(_of_seed(answers, engine, people, k, seed))
        truths.append(np.concatenate([truth for _, truth in parts]))
        for name in METHODS:
            predictions[name].append(joined([by_method[name] for by_method, _ in parts]))
        done(1)
    figures = {name: figures_of(draws, truths) for name, draws in predictions.items()}
    return figures, sum(map(len, truths))


def _of_seed(
    answers: Answers, engine: Engine, people: Mapping[int, Rows], k: int, seed: int
) -> Iterator[tuple[dict[str, Prediction], NDArray[np.float32]]]:
    """Each person's queries by every method, and their labels."""
    most = MAX_QUERIES // len(people) + 1
    for person, rows in people.items():
        chosen, queries = draw(rows, k, most, seed, person)
        support, faces = support_of(answers, chosen), answers.encoded[queries]
        yield {name: method(engine, support, faces) for name, method in METHODS.items()}, answers.va[queries]


def joined(parts: Sequence[Prediction]) -> Prediction:
    """Concatenates predictions."""
    sds = [part.sd for part in parts if part.sd is not None]
    return Prediction(
        np.concatenate([part.value for part in parts]),
        np.concatenate(sds) if len(sds) == len(parts) else None,
    )
