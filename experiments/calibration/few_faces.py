"""The stopping rule of calibration by few faces seen between the labels: the minimum MIN_FACES in coverage.py.

    python -m experiments.calibration.few_faces

One person, the bundled clip, labels faces of its first half (sessions.py: as they are, styled, styled and unsure). The
rule is applied to a few of those faces at random in place of all. Counted by how many of the few differ for the
encoder: how often *enough* comes at the first label at which it can, and how often while the estimates of all faces
still changed by more than CHANGING.
"""

from collections import defaultdict

import numpy as np
from numpy.typing import NDArray

from experiments.calibration.sessions import MOST, Task, shown_next, tasks_of
from mtclar.calibrate.core.evaluation.coverage import STOPPING_RULE, covered_regions
from mtclar.calibrate.core.evaluation.unlabelled_faces import UnlabelledFaces
from mtclar.engine.estimate.label_convergence import estimate_faces
from mtclar.engine.tracker import Tracker
from mtclar.stream import demo_clip
from mtclar.stream.label_formats.label_file import read_labels
from mtclar.stream.sources import open_source
from tools.arguments import parser_of
from tools.fit.fewshot_people import People

EVERY = 5  # frames of the clip
MOST_FACES = 13
DRAWS = 600
CHANGING = 0.10


def clip() -> tuple[People, NDArray[np.bool_]]:
    """Faces of the clip, and which are in its first half."""
    script = np.array([(label.valence, label.arousal) for label in read_labels(demo_clip.script_path())])
    crops, frames = [], []
    with Tracker.open(max_faces=1) as tracker:
        for frame in open_source("demo").frames():
            if frame.seq % EVERY == 0 and (found := tracker.find(frame).crops):
                crops.append(found[0])
                frames.append(frame.seq)
        encoded = tracker.encode(crops)
    va = script[frames].astype(np.float32)
    person = np.zeros(len(va), np.int64)
    return People("clip", encoded.embedding, encoded.absolute, va, person), np.array(frames) < len(
        script
    ) // 2


def changes(task: Task, pool: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """After `window` .. MOST - 1 labels: squared changes [K, window, faces] by the latest labels; regions [K]."""
    window, labelled, passed = STOPPING_RULE.window, list[int](), list[str]()
    said, regions = [], []
    for _ in range(MOST):
        labels = [(float(v), float(a)) for v, a in task.said[labelled]]
        support = task.people.support(np.array(labelled), task.said[labelled]) if labelled else None
        said.append(estimate_faces(support, task.people.encoded(pool)))
        regions.append(len(covered_regions(labels)))
        labelled.append(shown_next(task, labels, passed, np.setdiff1d(pool, labelled)))
    estimates = np.array(said)
    squares = [((estimates[k] - estimates[k - window : k]) ** 2).sum(2) for k in range(window, MOST)]
    return np.array(squares), np.array(regions[window:])


def main() -> None:
    parser_of(__doc__).parse_args()
    people, may = clip()
    rng = np.random.default_rng(0)
    for task in tasks_of(people, may):
        pool = np.flatnonzero(may)
        squares, regions = changes(task, pool)
        of_all = np.sqrt(squares.mean(2)).max(1)
        at_first, too_early = defaultdict(list), defaultdict(list)
        for _ in range(DRAWS):
            few = rng.choice(len(pool), rng.integers(1, MOST_FACES + 1))
            seen = UnlabelledFaces()
            for row in pool[few]:
                seen.add(0.0, people.encoded(np.array([row])))
            change = np.sqrt(squares[:, :, few].mean(2)).max(1)
            met = [STOPPING_RULE.met(*now) for now in zip(regions.tolist(), change.tolist(), strict=True)]
            end = met.index(True) if any(met) else None
            at_first[seen.different].append(end == 0)
            too_early[seen.different].append(end is not None and of_all[end] > CHANGING)
        print(f"{task.name}: different faces, draws, enough after {STOPPING_RULE.window} labels, too early")
        for count in sorted(at_first):
            first, early = at_first[count], too_early[count]
            print(f"  {count:2d} {len(first):4d} {100 * np.mean(first):5.1f} % {100 * np.mean(early):5.1f} %")


if __name__ == "__main__":
    main()
