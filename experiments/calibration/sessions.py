"""Simulated calibrations, label by label, for enough.py.

People follow the page's prompts: of the faces that they have not labelled yet they show the one nearest to the region
that is asked for, and label it where they say they are; what was asked for and not met is passed on. Between two labels
the page sees a few other faces of theirs. Noted is what the page knows after each label, and what it cannot know, the
error on other pictures.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.few_shot.rules import values
from experiments.tracking.drift_scenes import CALIBRATION, UNCHANGED, load
from mtclar.calibrate.core.evaluation.coverage import (
    MOST_LABELS,
    covered_regions,
    nearest_region,
    next_region,
)
from mtclar.calibrate.core.evaluation.report import MIN_LABELS, make_report, mean_rmse
from mtclar.engine.backends.session import InferenceSession
from mtclar.engine.estimate.comparer import Comparer
from mtclar.engine.estimate.encoder import Encoder
from mtclar.engine.estimate.label_convergence import estimate_faces, rms_distance
from tools.fit.fewshot_people import People, encode

Array = NDArray[Any]
Rows = NDArray[np.int64]

MOST = MOST_LABELS  # of a session
MAX_OVER = 7  # of the latest labels, at most, whose effect is looked at
LEFT_OUT_AFTER = range(MIN_LABELS, 13)  # labels; leaving out is slow
SEEN_A_LABEL = 8  # other faces that the page sees before each label
MAY = 0.55  # of a person's single pictures may be labelled; the error is taken over the others
UNSURE_SD = 0.12  # error of a label that a person gives


@dataclass(frozen=True)
class Task:
    """People, and which of their faces may be labelled."""

    name: str
    people: People
    said: NDArray[np.float32]  # [n, 2] what they say; the error is taken against people.va
    may: NDArray[np.bool_]  # [n]

    def dealt_wrongly(self) -> "Task":
        """The same labels, each person's dealt to other faces of theirs."""
        order = np.concatenate(
            [np.random.default_rng(rows[0]).permutation(rows) for rows in self.people.rows_of()]
        )
        said = self.said.copy()
        said[np.concatenate(self.people.rows_of())] = self.said[order]
        return replace(self, said=said)


@dataclass(frozen=True)
class Course:
    """One session: entry k is what holds after k labels, 0 .. MOST."""

    regions: Array  # [MOST + 1] how many have a label
    change: Array  # [MOST + 1, MAX_OVER + 1] of the estimates of faces seen, by the latest so many labels
    left_out: Array  # [MOST + 1] leave-one-out RMSE, which the page shows; not after every number of labels
    error: Array  # [MOST + 1] RMSE of valence and arousal together on the other pictures


def sittings(folder: Path, encoder: Encoder) -> tuple[People, NDArray[np.bool_]]:
    """Scenes of tracking/drift_scenes.py in the light and pose of calibration, and which faces may be labelled.

    Those of the first two thirds; the other pictures show later expressions.
    """
    parts, may = [], []
    for path in sorted(folder.glob("*.npz")):
        scenes = load(path)
        first, then = scenes[CALIBRATION], scenes[UNCHANGED]
        parts.append((np.concatenate([first.images, then.images]), np.concatenate([first.va, then.va])))
        count = len(first) + len(then)
        may.append(np.arange(count) < len(first) + len(then) // 2)
    embeddings, absolute = encode(encoder, np.concatenate([images for images, _ in parts]))
    person = np.repeat(np.arange(len(parts)), [len(images) for images, _ in parts])
    va = np.concatenate([va for _, va in parts])
    return People("sittings", embeddings, absolute, va, person), np.concatenate(may)


def single_pictures(people: People) -> NDArray[np.bool_]:
    """Which of single pictures, all different, may be labelled."""
    may = np.zeros(len(people), bool)
    for number, rows in enumerate(people.rows_of()):
        mixed = np.random.default_rng(number).permutation(rows)
        may[mixed[: round(MAY * len(rows))]] = True
    return may


def tasks_of(people: People, may: NDArray[np.bool_], *, unsure: bool = True) -> list[Task]:
    """As they are, with a labelling style of each person's own, and with labels that are a little off."""
    styled = people.styled(seed=2)
    off = np.random.default_rng(1).normal(0, UNSURE_SD, people.va.shape)
    tasks = [Task(people.name, people, people.va, may), Task(styled.name, styled, styled.va, may)]
    if unsure:
        said = np.clip(styled.va + off, -1, 1).astype(np.float32)
        tasks.append(Task(f"{styled.name}, unsure", styled, said, may))
    return tasks


def sessions(
    task: Task, pair: InferenceSession, until: int = MOST, left_out_after: Collection[int] = LEFT_OUT_AFTER
) -> Iterator[Course]:
    """Everybody's calibration, up to so many labels, and the leave-one-out error after some numbers of them."""
    for number, rows in enumerate(task.people.rows_of()):
        pool, asked = rows[task.may[rows]], rows[~task.may[rows]]
        if len(pool) > MOST and len(asked) > 1:
            yield course(task, pool, asked, pair, np.random.default_rng(number), until, left_out_after)


def course(
    task: Task,
    pool: Rows,
    asked: Rows,
    pair: InferenceSession,
    rng: np.random.Generator,
    until: int,
    left_out_after: Collection[int],
) -> Course:
    """One person's labels, one by one."""
    labelled: list[int] = []
    passed: list[str] = []
    seen: list[int] = []
    regions, left_out, error = (np.zeros(MOST + 1) for _ in range(3))
    change = np.full((MOST + 1, MAX_OVER + 1), np.inf)
    said_then: list[Array] = []  # the estimates of the pool after 0, 1, .. labels
    for k in range(until + 1):
        labels = [(float(v), float(a)) for v, a in task.said[labelled]]
        support = task.people.support(np.array(labelled), task.said[labelled]) if labelled else None
        said_then.append(estimate_faces(support, task.people.encoded(pool)))
        regions[k] = len(covered_regions(labels))
        if k:
            rows = np.searchsorted(pool, np.setdiff1d(seen, labelled))
            since = [
                rms_distance(said_then[k][rows], then[rows]) for then in said_then[-2 : -2 - MAX_OVER : -1]
            ]
            change[k, 1 : len(since) + 1] = np.maximum.accumulate(since)
        if support is not None and k in left_out_after:
            left_out[k] = mean_rmse(make_report(support).calibrated)
        with Comparer(pair, support) as comparer:
            off = values(comparer(task.people.encoded(asked))) - task.people.va[asked]
        error[k] = np.sqrt((off**2).sum(1).mean())
        free = np.setdiff1d(pool, labelled)
        if k < until:
            labelled.append(shown_next(task, labels, passed, free))
            seen += rng.choice(pool, SEEN_A_LABEL).tolist()
    return Course(regions, change, left_out, error)


def shown_next(task: Task, labels: list[tuple[float, float]], passed: list[str], free: Rows) -> int:
    """The face that is labelled next; notes what was asked for and not met."""
    ask = next_region(labels, passed)
    off = ((task.said[free] - (ask.valence, ask.arousal)) ** 2).sum(1)
    row = int(free[off.argmin()])
    if nearest_region(*(float(x) for x in task.said[row])) is not ask:
        passed.append(ask.title)
    return row
