"""What transfers across sources: equal short runs that each leave sources out, scored on every source.

    python -m experiments.networks.across_sources --ferplus FERPLUS --people people_crops.npz --rendered people.npz \\
        --rendered-test test_people.npz --out runs/across_sources --write

Every run starts from random weights and makes as many steps of as many faces (`--steps`, batches of 64); the sources
that are left fill the batch. A run without people and FER+ is not made: it would not know the expressions. No constant
is fitted to a run: V/A has the temperature of the preset and no odds, few-shot use has the constants of the bundled
networks. A choice of training is judged by the sources that its run did not see (leave one source out), on the
calibration split of people and on FER+ PublicTest; the figures beside it are of the test splits. A run that is
already in OUT is not repeated, one that was stopped goes on, and an OUT with runs of another length is refused.
`--write` puts all into docs/results/data/across-sources.json and the tables of docs/results/across-sources.md.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from mtclar.engine.data_types import EXPRESSIONS, Encoded
from mtclar.engine.estimate.class_centres import class_centres
from mtclar.engine.estimate.encoder import Encoder
from mtclar.engine.estimate.metrics import ccc
from mtclar.engine.files.writing import write_json
from mtclar.engine.installation.machine import processor_name
from mtclar.train.accuracy import answers
from mtclar.train.accuracy.answers import Networks
from mtclar.train.accuracy.methods import ABSOLUTE, METHODS, MTCLAR, NEAREST, Engine
from mtclar.train.command_line import count, in_words
from mtclar.train.data import ferplus, real_people, rendered_people
from mtclar.train.data.ferplus import CROWD_SHARES
from mtclar.train.data.labelled import UNKNOWN
from mtclar.train.network.architecture import NetworkConfig
from mtclar.train.network.checkpoint import LATEST
from mtclar.train.network.export import export
from mtclar.train.run import loop
from mtclar.train.run.config import TrainConfig, TrainData
from mtclar.train.run.presets import PRESETS
from tools.arguments import parser_of
from tools.docs.figures import table, wrapped
from tools.docs.generated import replace_section
from tools.fit.fewshot_people import People, rendered
from tools.fit.measure_real_faces import recall

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "results" / "across-sources.md"
JSON = PAGE.parent / "data" / "across-sources.json"

FERPLUS, PEOPLE, RENDERED = "FER+", "people", "rendered"
SOURCES = (FERPLUS, PEOPLE, RENDERED)
EPOCH_STEPS = 250  # between two validations
SHOTS, DRAWS = 5, 6
SHOWN = 10  # faces of a class of which a share is shown
COMPARED = (MTCLAR, ABSOLUTE, NEAREST)
VOTED, OWN = "FER+ votes, majority", "FER2013's labels"
TESTS = {PEOPLE: PEOPLE, VOTED: FERPLUS, OWN: FERPLUS}  # of expressions, and the source of each
CCC_TESTS = {PEOPLE: PEOPLE, "FER+ votes": FERPLUS, OWN: FERPLUS, RENDERED: RENDERED}
WITH_PRIOR = "accuracy with the crowd's prior"

# A small network at 32 pixels, the weaker camera and a higher learning rate: a short run gets further with them.
SMALL = NetworkConfig(
    enlarged_size=32,
    stem=16,
    stages=((16, 1), (32, 1), (64, 1), (128, 1)),
    temperature=PRESETS["best"].network.temperature,
)
CONFIG = replace(
    PRESETS["best"],
    network=SMALL,
    camera=PRESETS["refine"].camera,
    learning_rate=3e-3,
    batch=64,
    epoch_steps=EPOCH_STEPS,
)
VOTES = replace(CONFIG, targets=replace(CONFIG.targets, collected_share=0.0))
OWN_LABELS = replace(CONFIG, targets=replace(CONFIG.targets, collected_share=1.0))
SECOND_SEED = replace(CONFIG, seed=2)

Array = NDArray[Any]


@dataclass(frozen=True)
class Run:
    """One training run: its sources and its configuration."""

    sources: tuple[str, ...]
    config: TrainConfig = CONFIG


BUNDLED = "bundled networks, for comparison"

RUNS: Mapping[str, Run] = {
    "all sources": Run(SOURCES),
    "without people": Run((FERPLUS, RENDERED)),
    "without FER+": Run((PEOPLE, RENDERED)),
    "without rendered": Run((FERPLUS, PEOPLE)),
    "FER+ alone": Run((FERPLUS,)),
    "people alone": Run((PEOPLE,)),
    "FER+ alone, its votes alone": Run((FERPLUS,), VOTES),
    "FER+ alone, FER2013's labels alone": Run((FERPLUS,), OWN_LABELS),
    "FER+ alone, second seed": Run((FERPLUS,), SECOND_SEED),
}


@dataclass(frozen=True)
class Column:
    """One column of a table: a figure of every run and the source that it is measured on."""

    title: str
    keys: tuple[str, ...]  # where the figure is in the results of a run
    source: str


@dataclass(frozen=True)
class Tests:
    """Every split of FER+ and of real people, and the file of rendered test people."""

    photos: ferplus.FerPlus
    faces: real_people.RealPeople
    rendered: Path


def pair(predicted: Array, truth: Array) -> list[float]:
    """CCC of valence and arousal."""
    return [round(float(ccc(predicted[:, i], truth[:, i])), 3) for i in range(2)]


def few_shot(people: People, networks: Networks) -> dict[str, list[float]]:
    """Method -> CCC of V/A with SHOTS labels of the same person, pooled over people and draws."""
    engine = Engine(networks.pair, networks.params)
    values: dict[str, list[Array]] = {name: [] for name in COMPARED}
    truth = []
    for support, queries in people.draws(SHOTS, SHOTS, draws=DRAWS, least=1):
        for name, parts in values.items():
            parts.append(METHODS[name](engine, people.support(support), people.encoded(queries)).value)
        truth.append(people.va[queries])
    return {name: pair(np.concatenate(parts), np.concatenate(truth)) for name, parts in values.items()}


def classes(logits: Array, label: NDArray[np.int64]) -> dict[str, Any]:
    """Accuracy of the expression: all faces, without and with the crowd's prior, the mean of classes, each class."""
    found = recall(logits, label)
    with_prior = (logits + np.log(CROWD_SHARES)).argmax(1)
    common = [share for share, faces in found.values() if faces >= SHOWN]
    return {
        "accuracy": round(float((logits.argmax(1) == label).mean()), 3),
        WITH_PRIOR: round(float((with_prior == label).mean()), 3),
        "mean recall": round(float(np.mean(common)), 3),
        "recall": found,
    }


def of_faces(faces: real_people.RealPeople, encoder: Encoder) -> Encoded:
    """Encodes the run-time view of each crop."""
    first = (real_people.CROP_SIDE - real_people.VIEW_SIDE) // 2
    middle = slice(first, first + real_people.VIEW_SIDE)
    return answers.encode(
        encoder,
        (
            np.asarray(
                cv2.resize(image[middle, middle], (encoder.size,) * 2, interpolation=cv2.INTER_AREA), np.uint8
            )
            for image in faces.images
        ),
    )


def score(models: Path | None, tests: Tests, unseen: Sequence[str]) -> dict[str, Any]:
    """Figures of exported networks (None: the bundled ones) on the test splits, and on what chooses."""
    centres = class_centres()
    photos, faces = tests.photos.split("PrivateTest"), tests.faces.split("test")
    known = photos.collected != UNKNOWN
    with Networks(models) as networks:
        encoder = networks.encoder
        crowd, people = answers.encode(encoder, photos.images), of_faces(faces, encoder)
        drawn = rendered(tests.rendered, encoder)
        person = np.unique(faces.person, return_inverse=True)[1]
        press = People(PEOPLE, people.embedding, people.absolute, centres[faces.expression], person)
        left_out: dict[str, list[float]] = {}
        if FERPLUS in unseen:
            public = tests.photos.split("PublicTest")
            left_out[FERPLUS] = pair(answers.encode(encoder, public.images).absolute, public.va)
        if PEOPLE in unseen:
            others = tests.faces.split("calibration")
            left_out[PEOPLE] = pair(of_faces(others, encoder).absolute, centres[others.expression])
        return {
            "ccc": {
                PEOPLE: pair(press.absolute, press.va),
                "FER+ votes": pair(crowd.absolute, photos.va),
                OWN: pair(crowd.absolute[known], centres[photos.collected[known]]),
                RENDERED: pair(drawn.absolute, drawn.va),
            },
            "five labels": {PEOPLE: few_shot(press, networks), RENDERED: few_shot(drawn, networks)},
            "expression": {
                PEOPLE: classes(people.expression, faces.expression),
                VOTED: classes(crowd.expression[photos.majority], photos.label[photos.majority]),
                OWN: classes(crowd.expression[known], photos.collected[known]),
            },
            "left out": left_out,
        }


def constants(tests: Tests) -> dict[str, dict[str, Any]]:
    """Test set -> its most frequent class and the share of it: the accuracy of an answer that never changes."""
    photos, faces = tests.photos.split("PrivateTest"), tests.faces.split("test")
    labels = {
        PEOPLE: faces.expression,
        VOTED: photos.label[photos.majority],
        OWN: photos.collected[photos.collected != UNKNOWN],
    }
    counts = {name: np.bincount(label) for name, label in labels.items() if len(label)}
    return {
        name: {"class": EXPRESSIONS[int(every.argmax())], "share": round(float(every.max() / every.sum()), 3)}
        for name, every in counts.items()
    }


def folder_of(out: Path, name: str) -> Path:
    """The folder of a run in `out`."""
    return out / re.sub(r"\W+", "_", name)


def data_of(sources: Sequence[str], tests: Tests, drawn: rendered_people.People) -> TrainData:
    """The training data of these sources; FER+ PublicTest is the validation data of every run."""
    return TrainData(
        tests.photos.split("Training") if FERPLUS in sources else None,
        tests.photos.split("PublicTest"),
        drawn if RENDERED in sources else None,
        tests.faces.split("training") if PEOPLE in sources else None,
    )


def grid(runs: Mapping[str, Any], columns: Sequence[Column]) -> str:
    """A line for each run; bold where the run was not trained on the source of the column."""

    def cell(row: Any, column: Column) -> str:
        value = row
        for key in column.keys:
            value = value[key]
        numbers = value[:1] if "recall" in column.keys else [value] if isinstance(value, float) else value
        text = " / ".join(f"{number:.3f}" for number in numbers)
        return text if column.source in row["sources"] else f"**{text}**"

    rows = [[name, *(cell(row, column) for column in columns)] for name, row in runs.items()]
    return table(["run", *(column.title for column in columns)], rows)


def tables(found: Mapping[str, Any]) -> Iterator[str]:
    """The tables of the page, in Markdown, each after what it shows."""
    runs = found["runs"]
    recalls = {test: next(iter(runs.values()))["expression"][test]["recall"] for test in TESTS}
    shares = [f"{one['share']:.3f} on {test} ({one['class']})" for test, one in found["constants"].items()]
    yield "Bold: the run was not trained on this source. CCC of valence / arousal without labels, test splits.\n"
    yield grid(runs, [Column(test, ("ccc", test), source) for test, source in CCC_TESTS.items()])
    yield (
        f"CCC with {SHOTS} labels of the same person, the same faces for each method: the engine's rule, the value "
        "without labels, and the label of the most similar of the five.\n"
    )
    yield grid(
        runs,
        [
            Column(f"{source}, {method}", ("five labels", source, method), source)
            for source in (PEOPLE, RENDERED)
            for method in COMPARED
        ],
    )
    yield (
        f"Share of expressions recognised, and mean of the shares of the classes with {SHOWN} faces or more. An answer "
        f"that never changes has {', '.join(shares)}.\n"
    )
    columns = []
    for test, source in TESTS.items():
        columns.append(Column(test, ("expression", test, "accuracy"), source))
        if test == VOTED:
            columns.append(Column("with the crowd's prior", ("expression", test, WITH_PRIOR), source))
        columns.append(Column("mean of classes", ("expression", test, "mean recall"), source))
    yield grid(runs, columns)
    for test in (PEOPLE, OWN):
        yield f"Share of each class recognised, {test} (number of faces):\n"
        yield grid(
            runs,
            [
                Column(f"{name} ({count})", ("expression", test, "recall", name), TESTS[test])
                for name, (_, count) in recalls[test].items()
            ],
        )
    yield (
        "Leave one source out: mean CCC of valence and arousal on the sources that a run was not trained on (people: "
        "calibration split; FER+: PublicTest).\n"
    )
    yield table(
        ["run", *(f"{source}, left out" for source in (PEOPLE, FERPLUS))],
        [
            [
                name,
                *(f"{np.mean(left[source]):.3f}" if source in left else "-" for source in (PEOPLE, FERPLUS)),
            ]
            for name, row in runs.items()
            if (left := row["left out"])
        ],
    )


@in_words
def main() -> None:
    """Runs the command."""
    parser = parser_of(__doc__)
    for option in ("ferplus", "people", "rendered", "rendered-test"):
        parser.add_argument(f"--{option}", type=Path, required=True)
    parser.add_argument("--steps", type=count, default=500, help=f"a multiple of {EPOCH_STEPS} (%(default)s)")
    parser.add_argument("--only", nargs="+", choices=RUNS, metavar="RUN", help="by name; all by default")
    parser.add_argument("--write", action="store_true", help="write docs/results/across-sources.*")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    if options.steps % EPOCH_STEPS:
        parser.error(f"--steps {options.steps} is not a multiple of {EPOCH_STEPS}")
    kept = options.out / "results.json"
    torch.set_num_threads(1)
    tests = Tests(ferplus.load(options.ferplus), real_people.load(options.people), options.rendered_test)
    drawn = rendered_people.load([options.rendered], "train")
    found: dict[str, Any] = {
        "steps": options.steps,
        "batch": CONFIG.batch,
        "processor": processor_name(),
        "constants": constants(tests),
        "runs": {},
    }
    if kept.is_file():
        before = json.loads(kept.read_text())
        if before["steps"] != options.steps:
            parser.error(
                f"{kept} has runs of {before['steps']} steps, not {options.steps}; name another --out"
            )
        found["runs"] = before["runs"]
    for name, run in RUNS.items():
        if name in found["runs"] or (options.only and name not in options.only):
            continue
        print(f"== {name}", flush=True)
        folder = folder_of(options.out, name)
        config = replace(run.config, epochs=options.steps // EPOCH_STEPS)
        data = data_of(run.sources, tests, drawn)
        export(loop.train(data, config, folder, resume=(folder / LATEST).exists()), folder / "models")
        last = json.loads((folder / loop.CURVES).read_text().splitlines()[-1])
        found["runs"][name] = {
            "sources": run.sources,
            "seed": run.config.seed,
            "minutes": round(last["trained_s"] / 60, 1),
            **score(folder / "models", tests, [source for source in SOURCES if source not in run.sources]),
        }
        write_json(kept, found, private=False, indent=1)
    if BUNDLED not in found["runs"] and not options.only:
        found["runs"][BUNDLED] = {"sources": SOURCES, **score(None, tests, ())}
        write_json(kept, found, private=False, indent=1)
    text = wrapped("\n".join(tables(found)))
    print(text)
    if options.write:
        write_json(JSON, found, private=False, indent=1)
        replace_section(PAGE, "measured", text)


if __name__ == "__main__":
    main()
