"""Evaluation on whole clips, as published: frame 0 and every 20th frame after it are the support of their clip.

When such a frame has no face or no label, the next frame with both replaces it. All labelled frames of a clip are its
support set, including those after a query: this measures label propagation, not live tracking. Two methods use only
earlier frames: `paper-latest`, the published anchor (label of the latest labelled frame + predicted difference), and
`hold-last`, the latest label itself, which is strong on slow clips. Every other frame is a query; all clips are pooled.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mtclar.train.accuracy.answers import Answers
from mtclar.train.accuracy.few_shot import Rows, joined, support_of
from mtclar.train.accuracy.figures import Figures, figures_of
from mtclar.train.accuracy.methods import METHODS, PAPER, Engine, Prediction
from mtclar.train.progress import Progress, silent

EVERY = 20  # frames
PAPER_LATEST, HOLD_LAST = "paper-latest", "hold-last"


@dataclass(frozen=True, slots=True)
class WholeClips:
    """The figures of clips whose every `every`th frame is labelled."""

    every: int
    clips: int  # with at least one query
    labelled: int  # frames in the support sets
    queries: int
    figures: Mapping[str, tuple[Figures, Figures]]  # method -> valence, arousal


def score(
    answers: Answers, engine: Engine, every: int = EVERY, progress: Progress = silent
) -> WholeClips | None:
    """Scores all clips; None when the answers have no clips, or no clip has a query."""
    if answers.clip is None or answers.frame is None:
        return None
    parts: dict[str, list[Prediction]] = {name: [] for name in (*METHODS, PAPER_LATEST, HOLD_LAST)}
    truths, labelled = [], 0
    numbers = np.unique(answers.clip)
    done = progress("whole clips", len(numbers))
    for number in numbers:
        rows = np.flatnonzero(answers.clip == number)
        chosen, queries, latest = split(rows, answers.frame[rows], every)
        if len(queries):
            support, faces = support_of(answers, chosen), answers.encoded[queries]
            for name, method in METHODS.items():
                parts[name].append(method(engine, support, faces))
            parts[HOLD_LAST].append(Prediction(answers.va[latest].astype(np.float64)))
            parts[PAPER_LATEST].append(_from_latest(answers, engine, queries, latest))
            truths.append(answers.va[queries])
            labelled += len(chosen)
        done(1)
    if not truths:
        return None
    truth = np.concatenate(truths)
    figures = {name: figures_of([joined(predictions)], [truth]) for name, predictions in parts.items()}
    return WholeClips(every, len(truths), labelled, len(truth), figures)


def split(rows: Rows, frames: Rows, every: int) -> tuple[Rows, Rows, Rows]:
    """Rows of one clip and their frame numbers, in order -> support, queries, and the latest support of each query."""
    _, first = np.unique(frames // every, return_index=True)
    is_support = np.zeros(len(rows), bool)
    is_support[first] = True
    latest = rows[first][np.cumsum(is_support) - 1]
    return rows[is_support], rows[~is_support], latest[~is_support]


def _from_latest(answers: Answers, engine: Engine, queries: Rows, latest: Rows) -> Prediction:
    """Estimates each query with the published rule from the latest support frame."""
    parts = [
        METHODS[PAPER](engine, support_of(answers, anchor[None]), answers.encoded[queries[latest == anchor]])
        for anchor in np.unique(latest)
    ]
    return joined(parts)
