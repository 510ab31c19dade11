"""A clip labelled from a few of its own frames, as MT-CLAR was published: frame 0 and every 20th after it is labelled.

Where such a frame has no face or no label, the next one that has both stands in for it. All labelled frames of a clip
are its support set, those after a query included: that is labelling a recording, not tracking live. Two methods look
only backwards: `paper-latest`, the published anchor (label of the latest labelled frame + predicted difference), and
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
    """None when the answers are not of clips, or no clip has a query."""
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
    figures = {name: figures_of([joined(of_clips)], [truth]) for name, of_clips in parts.items()}
    return WholeClips(every, len(truths), labelled, len(truth), figures)


def split(rows: Rows, frames: Rows, every: int) -> tuple[Rows, Rows, Rows]:
    """Rows of one clip in order, and their frame numbers -> support, queries, and for each query the latest support."""
    _, first = np.unique(frames // every, return_index=True)
    is_support = np.zeros(len(rows), bool)
    is_support[first] = True
    latest = rows[first][np.cumsum(is_support) - 1]
    return rows[is_support], rows[~is_support], latest[~is_support]


def _from_latest(answers: Answers, engine: Engine, queries: Rows, latest: Rows) -> Prediction:
    """Each query by the published rule with one support frame."""
    parts = [
        METHODS[PAPER](engine, support_of(answers, anchor[None]), answers.encoded[queries[latest == anchor]])
        for anchor in np.unique(latest)
    ]
    return joined(parts)
