"""Error by number of labels, for each way to choose the labelled frames: docs/results/active-choice.md.

    python -m mtclar.train.rendered test_people.npz --people 1000:1024 --pictures 60
    python -m mtclar.train.rendered.clip_set test_clips --people 1000:1024
    python -m mtclar.train.rendered tune_people.npz --people 950:990 --pictures 40
    python -m mtclar.train.rendered.clip_set tune_clips --people 950:958
    python -m experiments.few_shot.active_learning --people test_people.npz --clips test_clips --ferplus FERPLUS \\
        --tune-people tune_people.npz --tune-clips tune_clips [--write]

Each person's faces are split: some may be labelled, the error is taken over the others. `error` and `farthest` are told
each label before they choose the next. `styled` gives every person a labelling style of their own, `unsure` adds an
error to what they say. How well the expectation fits is seen on the tuning people (and FER+ PublicTest); the test
people (and PrivateTest) are for the other tables and the plot.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.few_shot.rules import values
from mtclar.engine import models
from mtclar.engine.backends.session import InferenceSession, open_session
from mtclar.engine.estimate.active_learning import STRATEGIES, ExpectedError, propose
from mtclar.engine.estimate.comparer import Comparer, bundled_params
from mtclar.engine.estimate.encoder import Encoder
from mtclar.engine.support_set import SupportSet
from tools.docs.figures import table
from tools.docs.generated import replace_section
from tools.fit.fewshot_people import People, clips, rendered, strangers

Array = NDArray[Any]
Rows = NDArray[np.int64]

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "results" / "active-choice.md"
PLOT = ROOT / "docs" / "results" / "plots" / "active-choice.png"
MOST = 20  # labels
COUNTS = (0, 1, 2, 3, 4, 5, 6, 8, 10, 12, 14, 16, 18, MOST)  # at which the error is taken
SHOWN = (1, 2, 3, 5, 8, 12, 16, 20)
AHEAD = 3  # labels over which the real gain of one more is averaged
TUNE_PEOPLE = 12
MAY = 0.55  # of a person's single pictures may be labelled
PHOTO_GROUPS = 20
UNSURE_SD = 0.12  # error of a label that a person gives
SEEDS = 3  # of random choices in clips, whose frames are always the same
TOLD = ("error", "farthest")  # these know each label before they choose the next
NAMES = {"error": "expected error", "farthest": "farthest point", "evenly": "every nth", "random": "random"}


@dataclass(frozen=True)
class Task:
    """One kind of faces, and what their people say of them."""

    name: str
    people: People
    said: NDArray[np.float32]  # [n, 2] the labels they give; the error is taken against people.va

    def splits(self, seeds: int) -> Iterator[tuple[int, Rows, Rows]]:
        """A seed, faces that may be labelled, and those that the error is taken over, of each person."""
        for seed in range(seeds):
            for number, rows in enumerate(self.people.rows_of()):
                if self.people.frame is not None:
                    yield seed, rows[::2], rows[1::6]
                elif len(rows) > MOST / MAY:
                    mixed = np.random.default_rng((seed, number)).permutation(rows)
                    count = round(MAY * len(rows))
                    yield seed, mixed[:count], mixed[count:]

    def support(self, rows: Rows) -> SupportSet | None:
        return self.people.support(rows, self.said[rows]) if len(rows) else None

    def error(self, pair: InferenceSession, labelled: Rows, asked: Rows) -> Array:
        """Mean squared error of valence and of arousal over the faces asked."""
        estimates = Comparer(pair, self.support(labelled))(self.people.encoded(asked))
        return np.asarray(((values(estimates) - self.people.va[asked]) ** 2).mean(0))


def tasks_of(people: People, film: People, photos: People) -> list[Task]:
    few = photos.some(np.arange(PHOTO_GROUPS))
    unsure = np.random.default_rng(1).normal(0, UNSURE_SD, film.va.shape)
    plain = [people, people.styled(seed=2), film, film.styled(seed=2), few, few.styled(seed=2)]
    tasks = [Task(of.name, of, of.va) for of in plain]
    tasks.insert(4, Task("clips, unsure", film, np.clip(film.va + unsure, -1, 1).astype(np.float32)))
    return tasks


@dataclass(frozen=True)
class Sitting:
    """One person who labels MOST faces: those that could be chosen, those asked, and those labelled after 0, 1, .."""

    pool: Rows
    asked: Rows
    labelled: list[Rows]


def sittings(task: Task, strategy: str) -> list[Sitting]:
    """Everybody's, chosen by one strategy."""
    seeds = SEEDS if strategy == "random" and task.people.frame is not None else 1
    return [
        Sitting(pool, asked, chosen(task, pool, strategy, seed)) for seed, pool, asked in task.splits(seeds)
    ]


def chosen(task: Task, pool: Rows, strategy: str, seed: int) -> list[Rows]:
    """The faces labelled when there are 0, 1, .. MOST labels."""
    if strategy not in TOLD:
        faces = task.people.encoded(pool)
        return [
            pool[[p.index for p in propose(faces, None, k, strategy=strategy, seed=seed)]].astype(np.int64)
            for k in range(MOST + 1)
        ]
    labelled: list[int] = []
    for _ in range(MOST):
        left = np.setdiff1d(pool, labelled)
        support = task.support(np.array(labelled, np.int64))
        (best,) = propose(task.people.encoded(left), support, strategy=strategy)
        labelled.append(int(left[best.index]))
    return [np.array(labelled[:k], np.int64) for k in range(MOST + 1)]


def curve(task: Task, sat: Sequence[Sitting], pair: InferenceSession) -> Array:
    """RMSE [MOST + 1, 2] by number of labels, interpolated between COUNTS."""
    errors = [[task.error(pair, one.labelled[k], one.asked) for k in COUNTS] for one in sat]
    taken = np.sqrt(np.mean(errors, axis=0))
    return np.stack([np.interp(np.arange(MOST + 1), COUNTS, taken[:, axis]) for axis in (0, 1)], 1)


def curves_table(found: dict[str, dict[str, Array]]) -> str:
    rows = []
    for name, by_strategy in found.items():
        for strategy, error in by_strategy.items():
            cells = [f"{v:.3f} / {a:.3f}" for v, a in error[list(SHOWN)]]
            if strategy == "error":
                cells = [f"**{cell}**" for cell in cells]
            rows.append([name, NAMES[strategy], *cells])
    return table(["faces", "chosen by", *(str(k) for k in SHOWN)], rows)


def labels_saved(found: dict[str, dict[str, Array]]) -> str:
    """How many labels `error` needs for the error that the others have with ten."""
    rows = []
    for name, by_strategy in found.items():
        total = {strategy: np.sqrt((error**2).sum(1)) for strategy, error in by_strategy.items()}
        cells = []
        for strategy in NAMES:
            if strategy != "error":
                reached = np.flatnonzero(total["error"] <= total[strategy][10])
                cells.append(str(reached[0]) if len(reached) else f"> {MOST}")
        rows.append([name, *cells])
    return table(["faces", *(f"as {NAMES[s]} with 10" for s in NAMES if s != "error")], rows)


def gains_row(task: Task, sat: Sequence[Sitting], error: Array) -> list[str]:
    """The gain expected of one more label beside the real one, in % of the RMSE, for SHOWN numbers of labels."""
    total, cells = np.sqrt((error**2).sum(1)), []
    for k in SHOWN:
        if k + AHEAD <= MOST:
            expected = np.median([expected_gain(task, one, k) for one in sat])
            real = 1 - (total[k + AHEAD] / total[k]) ** (1 / AHEAD)
            cells.append(f"{100 * expected:.1f} / {100 * real:.1f}")
    return [task.name, *cells]


def expected_gain(task: Task, one: Sitting, k: int) -> float:
    """Share of the RMSE that the best label after k is expected to take."""
    left = np.setdiff1d(one.pool, one.labelled[k])
    expected = ExpectedError(task.people.encoded(left), task.support(one.labelled[k]), bundled_params())
    return 1.0 - float(1.0 - expected.gains().max() / sum(expected.squared)) ** 0.5


def plot(found: dict[str, dict[str, Array]], path: Path) -> None:
    """RMSE over the number of labels, a panel for each kind of faces."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    styles = {"error": "tab:blue", "farthest": "tab:orange", "evenly": "tab:green", "random": "tab:gray"}
    figure, axes = pyplot.subplots(2, 4, figsize=(13, 6), sharex=True)
    for panel, (name, by_strategy) in zip(axes.flat, found.items(), strict=False):
        for strategy, colour in styles.items():
            total = np.sqrt((by_strategy[strategy] ** 2).mean(1))
            width = 2.4 if strategy == "error" else 1.4
            panel.plot(np.arange(MOST + 1), total, color=colour, linewidth=width, label=NAMES[strategy])
        panel.set_title(name)
        panel.set_ylim(bottom=0)
        panel.grid(alpha=0.3)
    for panel in axes[:, 0]:
        panel.set_ylabel("RMSE, valence and arousal")
    for panel in axes[1]:
        panel.set_xlabel("labels")
    spare = axes.flat[len(found)]
    spare.axis("off")
    spare.legend(*axes.flat[0].get_legend_handles_labels(), loc="center", frameon=False, title="chosen by")
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def main() -> None:
    """Prints or writes the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--people", type=Path, required=True, help="pictures of rendered test people")
    parser.add_argument("--clips", type=Path, required=True, help="folder of clips of rendered test people")
    parser.add_argument("--tune-people", type=Path, required=True, help="pictures of people for constants")
    parser.add_argument(
        "--tune-clips", type=Path, required=True, help="folder of clips of people for constants"
    )
    parser.add_argument("--ferplus", type=Path, required=True, help="FER+ folder")
    parser.add_argument("--write", action="store_true", help=f"into docs/{PAGE.name} and docs/{PLOT.name}")
    options = parser.parse_args()
    with open_session(models.path("encoder")) as session, open_session(models.path("pair")) as pair:
        encoder = Encoder(session)
        gain_rows = []
        for task in tasks_of(
            rendered(options.tune_people, encoder).some(np.arange(TUNE_PEOPLE)),
            clips(options.tune_clips),
            strangers(options.ferplus, "PublicTest", encoder, "photos"),
        ):
            sat = sittings(task, "error")
            gain_rows.append(gains_row(task, sat, curve(task, sat, pair)))
        print("tuning people: done", flush=True)
        found: dict[str, dict[str, Array]] = {}
        for task in tasks_of(
            rendered(options.people, encoder),
            clips(options.clips),
            strangers(options.ferplus, "PrivateTest", encoder, "photos"),
        ):
            by_strategy = {strategy: sittings(task, strategy) for strategy in STRATEGIES}
            found[task.name] = {name: curve(task, sat, pair) for name, sat in by_strategy.items()}
            print(f"{task.name}: done", flush=True)
    parts = [
        f"Encoder `{models.card('encoder').sha256[:12]}`.",
        "### RMSE of valence / arousal by number of labels, test people",
        curves_table(found),
        "Labels that `expected error` needs to be as good (valence and arousal together):",
        labels_saved(found),
        "### What one more label takes off the RMSE: expected / real, in %, tuning people",
        table(["faces", *(f"after {k}" for k in SHOWN if k + AHEAD <= MOST)], gain_rows),
    ]
    text = "\n\n".join(part.strip() for part in parts)
    if options.write:
        replace_section(PAGE, "measured", text)
        plot(found, PLOT)
        print(f"wrote {PAGE} and {PLOT}")
    else:
        print(text)


if __name__ == "__main__":
    main()
