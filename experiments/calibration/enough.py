"""The stopping rule of calibration, tested: mtclar.calibrate.core.evaluation.coverage (docs/results/calibration.md).

    python -m mtclar.train.rendered test_people.npz --people 1000:1024 --pictures 60
    python -m mtclar.train.rendered tune_people.npz --people 900:940 --pictures 40
    python -m experiments.tracking.drift_scenes test_scenes --people 1000:1012
    python -m experiments.tracking.drift_scenes tune_scenes --people 960:972
    python -m experiments.calibration.enough --people test_people.npz --scenes test_scenes --ferplus FERPLUS \\
        --tune-people tune_people.npz --tune-scenes tune_scenes [--write]

Calibrations are simulated label by label (sessions.py). A session ended well when its error on other
pictures of the person is within WITHIN of what MOST_LABELS labels bring. Of the rules by which WELL of the tuning
sessions end well, every kind of faces counted alike, the chosen one needs the fewest labels. The test people
and FER+ PrivateTest are for the table and the plot alone. With --write the constants in coverage.py are not
changed: the last line says what the tuning people would choose now.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import product
from pathlib import Path
from typing import Any, Literal

import numpy as np

from experiments.calibration.sessions import (
    LEFT_OUT_AFTER,
    MAX_OVER,
    MOST,
    Course,
    Task,
    sessions,
    single_pictures,
    sittings,
    tasks_of,
)
from mtclar.calibrate.core.evaluation.coverage import LARGE_ERROR, MOST_LABELS, STOPPING_RULE, StoppingRule
from mtclar.calibrate.core.evaluation.report import MIN_LABELS
from mtclar.engine import models
from mtclar.engine.backends.session import InferenceSession, open_session
from mtclar.engine.estimate.encoder import Encoder
from tools.arguments import parser_of
from tools.docs.figures import RESULTS, table
from tools.docs.generated import replace_section
from tools.fit.fewshot_people import rendered, strangers

ROOT = Path(__file__).resolve().parents[2]
PAGE, PLOT, RESULT = (
    ROOT / "docs" / "results" / "calibration.md",
    ROOT / "docs" / "results" / "plots" / "enough.png",
    RESULTS / "data" / "enough.json",
)

WITHIN = 0.10  # of the error with MOST_LABELS
WELL = 0.80  # of the sessions
NO_DIFFERENCE = 0.1  # labels: of rules so near one another the one that asks for most regions
PEOPLE = 16  # of single pictures, and groups of photos
REGIONS, OVER = range(1, 8), range(2, MAX_OVER + 1)
CHANGES = (0.02, 0.03, 0.04, 0.05, 0.06, 0.07, 0.08, 0.1, 0.12, 0.15, 0.2)
FEWER, SETTLED_OVER, SETTLED_BY = 5, 3, 0.02  # of the rule by the leave-one-out error alone
DOUBT_AFTER = 9  # labels: when the leave-one-out error is looked at
MOST_SHOWN = 0.55  # RMSE in the plot
SHOWN = (0, 3, 5, 7, 9, 12, 16, 20)

Sessions = Mapping[str, Sequence[Course]]
Stop = Callable[[Course], int]  # after how many labels a session ends


def after(labels: int) -> Stop:
    """Always after so many labels."""
    return lambda _: labels


def by_rule(rule: StoppingRule) -> Stop:
    """By the rule that the page uses."""

    def stop(course: Course) -> int:
        numbers = range(1, MOST)
        met = (k for k in numbers if rule.met(int(course.regions[k]), float(course.change[k, rule.window])))
        return next(met, MOST)

    return stop


def when_settled(course: Course) -> int:
    """When the leave-one-out error has stopped falling, or at the last number of labels that it was taken at."""
    for k in LEFT_OUT_AFTER[FEWER - MIN_LABELS + 1 :]:
        before, last = (
            course.left_out[MIN_LABELS : k - SETTLED_OVER + 1],
            course.left_out[k - SETTLED_OVER + 1 : k + 1],
        )
        if before.min() - last.min() <= SETTLED_BY:
            return k
    return LEFT_OUT_AFTER[-1]


def measured(courses: Sequence[Course], stop: Stop) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Labels of each session, and the error there over that of MOST labels."""
    labels = np.array([stop(course) for course in courses])
    return labels, np.array([c.error[k] / c.error[MOST] for c, k in zip(courses, labels, strict=True)])


def overall(by_task: Sessions, stop: Stop) -> tuple[float, float]:
    """Mean number of labels, and the share of sessions that ended well; every task counts alike."""
    parts = [measured(courses, stop) for courses in by_task.values()]
    well = [float((ratio <= 1 + WITHIN).mean()) for _, ratio in parts]
    return float(np.mean([labels.mean() for labels, _ in parts])), float(np.mean(well))


def choose(by_task: Sessions) -> StoppingRule:
    """Of the rules that end WELL of the sessions well the one with the fewest labels; raises ValueError without any."""
    tried = [StoppingRule(*constants) for constants in product(REGIONS, OVER, CHANGES)]
    scores = {rule: overall(by_task, by_rule(rule)) for rule in tried}
    good = {rule: labels for rule, (labels, well) in scores.items() if well >= WELL}
    fewest = min(good.values())
    best = [rule for rule, labels in good.items() if labels <= fewest + NO_DIFFERENCE]
    return max(best, key=lambda rule: (rule.min_regions, -good[rule]))


def stops() -> dict[str, Stop]:
    """What is compared, by name."""
    fixed = (5, 8, 11, 14)
    return {
        "**the rule**": by_rule(STOPPING_RULE),
        "leave-one-out error settled": when_settled,
        **{f"always {k}": after(k) for k in fixed},
    }


def rules_table(tune: Sessions, test: Sessions) -> str:
    rows = []
    for name, stop in stops().items():
        scores = [overall(of, stop) for of in (tune, test)]
        rows.append([name, *(cell for n, well in scores for cell in (f"{n:.1f}", f"{100 * well:.0f} %"))])
    head = ["", "labels, tuning", "ended well", "labels, test", "ended well"]
    return table(head, rows)


def tasks_table(test: Sessions) -> str:
    rows = []
    for name, courses in test.items():
        labels, ratio = measured(courses, by_rule(STOPPING_RULE))
        low, middle, high = np.percentile(labels, [10, 50, 90])
        at = [c.error[k] for c, k in zip(courses, labels, strict=True)]
        errors = ([c.error[0] for c in courses], [c.error[5] for c in courses], at)
        cells = [f"{np.sqrt(np.mean(np.square(error))):.3f}" for error in errors]
        last = np.sqrt(np.mean([c.error[MOST] ** 2 for c in courses]))
        rows.append(
            [
                name,
                f"{middle:.0f} ({low:.0f} to {high:.0f})",
                f"{100 * (ratio <= 1 + WITHIN).mean():.0f} %",
                *cells,
                f"{last:.3f}",
            ]
        )
    head = ["faces", "labels", "ended well", "without a label", "with 5", "where it ends", f"with {MOST}"]
    return table(head, rows)


def doubtful(by_task: Sessions, strange: Sequence[float]) -> str:
    """How LARGE_ERROR parts labels that fit from labels that do not."""
    honest = np.concatenate([[c.left_out[DOUBT_AFTER] for c in courses] for courses in by_task.values()])
    return (
        f"Leave-one-out error after {DOUBT_AFTER} labels: {np.median(honest):.2f} in the middle, at most "
        f"{honest.max():.2f}; where the same labels are dealt to the wrong faces "
        f"{np.median(strange):.2f}. Above {LARGE_ERROR} are {100 * (honest > LARGE_ERROR).mean():.0f} % and "
        f"{100 * (np.array(strange) > LARGE_ERROR).mean():.0f} %."
    )


def plot(test: Sessions, path: Path) -> None:
    """RMSE over the number of labels, and where the rule ends."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(2, 4, figsize=(13, 6), sharex=True, sharey=True)
    for panel, (name, courses) in zip(axes.flat, test.items(), strict=True):
        error = np.array([course.error for course in courses])
        ends = [by_rule(STOPPING_RULE)(course) for course in courses]
        low, high = np.percentile(error, [10, 90], axis=0)
        numbers = np.arange(MOST + 1)
        panel.fill_between(numbers, low, high, color="tab:blue", alpha=0.15, label="10 to 90 % of people")
        panel.plot(numbers, np.sqrt((error**2).mean(0)), color="tab:blue", linewidth=2, label="RMSE")
        shares = np.bincount(ends, minlength=MOST + 1) / len(ends)
        panel.bar(numbers, 0.25 * shares, color="tab:orange", label="share that ends there (x 4)")
        panel.set_title(name)
        panel.set_ylim(0, MOST_SHOWN)
        panel.grid(alpha=0.3)
    for panel in axes[:, 0]:
        panel.set_ylabel("valence and arousal together")
    for panel in axes[1]:
        panel.set_xlabel("labels")
    axes.flat[0].legend(frameon=False, fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def tasks(
    people: Path,
    scenes: Path,
    ferplus: Path,
    usage: Literal["PublicTest", "PrivateTest"],
    encoder: Encoder,
) -> Iterator[Task]:
    """Every kind of faces."""
    few = np.arange(PEOPLE)
    pictures = rendered(people, encoder, "pictures").some(few)
    yield from tasks_of(pictures, single_pictures(pictures))
    yield from tasks_of(*sittings(scenes, encoder))
    photos = strangers(ferplus, usage, encoder, "photos").some(few)
    yield from tasks_of(photos, single_pictures(photos), unsure=False)


def simulated(of: Iterator[Task], pair: InferenceSession) -> Sessions:
    return {task.name: list(sessions(task, pair)) for task in of}


def main() -> None:
    """Prints or writes the tables."""
    parser = parser_of(__doc__)
    for name, what in (("people", "pictures"), ("scenes", "folder of scenes")):
        parser.add_argument(f"--{name}", type=Path, required=True, help=f"{what} of rendered test people")
        parser.add_argument(
            f"--tune-{name}", type=Path, required=True, help=f"{what} of people for the constants"
        )
    parser.add_argument("--ferplus", type=Path, required=True, help="FER+ folder")
    parser.add_argument(
        "--write", action="store_true", help=f"into docs/{PAGE.name}, {PLOT.name} and {RESULT.name}"
    )
    options = parser.parse_args()
    with open_session(models.path("encoder")) as session, open_session(models.path("pair")) as pair:
        encoder = Encoder(session)
        tuning = [*tasks(options.tune_people, options.tune_scenes, options.ferplus, "PublicTest", encoder)]
        tune = simulated(iter(tuning), pair)
        strange = [
            course.left_out[DOUBT_AFTER]
            for task in tuning
            for course in sessions(task.dealt_wrongly(), pair, DOUBT_AFTER, (DOUBT_AFTER,))
        ]
        print("tuning people: done", flush=True)
        test = simulated(tasks(options.people, options.scenes, options.ferplus, "PrivateTest", encoder), pair)
    text = "\n\n".join(
        [
            f"Encoder `{models.card('encoder').sha256[:12]}`; ended well: within {100 * WITHIN:.0f} % of the error "
            f"with {MOST} labels.",
            rules_table(tune, test).strip(),
            "Test people, by kind of faces; RMSE of valence and arousal together:",
            tasks_table(test).strip(),
            doubtful(tune, strange),
        ]
    )
    chosen = choose(tune)
    if options.write:
        replace_section(PAGE, "measured", text)
        plot(test, PLOT)
        RESULT.write_text(json.dumps(result(tune, test, chosen), indent=1) + "\n", encoding="utf-8")
        print(f"wrote {PAGE}, {PLOT} and {RESULT}")
    else:
        print(text)
    print(f"chosen now: {chosen}; calibrate/core/evaluation/coverage.py has {STOPPING_RULE}")


def result(tune: Sessions, test: Sessions, chosen: StoppingRule) -> dict[str, Any]:
    """What docs/results keeps."""
    return {
        "encoder": models.card("encoder").sha256,
        "criterion": {"within": WITHIN, "well": WELL, "most_labels": MOST_LABELS},
        "rule": asdict(STOPPING_RULE),
        "chosen_now": asdict(chosen),
        "compared": {
            name.strip("*"): {
                split: dict(zip(("labels", "ended_well"), overall(of, stop), strict=True))
                for split, of in (("tuning", tune), ("test", test))
            }
            for name, stop in stops().items()
        },
        "rmse_by_labels": {
            name: [round(float(np.sqrt(np.mean([c.error[k] ** 2 for c in courses]))), 4) for k in SHOWN]
            for name, courses in test.items()
        },
        "labels": list(SHOWN),
    }


if __name__ == "__main__":
    main()
