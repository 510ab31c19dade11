"""Short, equal training runs that differ in one choice each: the effect of each choice in training.

    python -m experiments.networks.ablate --ferplus FERPLUS --people people_crops.npz --rendered people.npz \\
        --validation others.npz --epochs 6 --out OUT

Every run starts from nothing with the same seed and sees as many pictures; all but those about size use a network of
a quarter of the cost, so that a short run gets somewhere. They are scored on FER+ PublicTest, on real people of the
calibration split and on rendered people that were not trained on and are not the test people, so that choosing by this
table spends no test. The base with
other seeds says which differences are noise. A run that is already in OUT is not repeated, one that was stopped goes
on, and an OUT whose runs had another number of epochs is refused; results.json and table.md are written after every
run. With --write all runs together become the section of docs/development/training.md. --share 0/2 and 1/2 divide
the runs between two processes (with an OUT each).
"""

import argparse
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mtclar.engine.errors import UsageError
from mtclar.engine.estimate.class_centres import class_centres
from mtclar.engine.estimate.metrics import rmse
from mtclar.train.accuracy.encoder_figures import VaFigures
from mtclar.train.data import ferplus, real_people, rendered_people
from mtclar.train.data.pairs import same_person_pairs
from mtclar.train.data.real_people import RealPeople
from mtclar.train.data.rendered_people import People
from mtclar.train.network import evaluation
from mtclar.train.network.architecture import NetworkConfig
from mtclar.train.network.checkpoint import LATEST, WEIGHTS, Checkpoint, load_checkpoint
from mtclar.train.run import loop
from mtclar.train.run.config import TrainConfig, TrainData
from mtclar.train.run.presets import PRESETS
from tools.arguments import parser_of
from tools.docs.generated import replace_section

PAGE = Path(__file__).resolve().parents[2] / "docs" / "development" / "training.md"
QUARTER = NetworkConfig(stem=16, stages=((24, 1), (48, 1), (96, 1), (160, 1)))
BASE = replace(PRESETS["best"], network=replace(QUARTER, temperature=PRESETS["best"].network.temperature))


def variants() -> dict[str, TrainConfig]:
    """Name in the table -> configuration: the base, and each with one choice undone."""
    network, objective, targets = BASE.network, BASE.objective, BASE.targets
    published = PRESETS["paper"]
    return {
        "base": BASE,
        "base, second seed": replace(BASE, seed=2),
        "votes as they are": replace(BASE, targets=replace(targets, vote_power=1.0)),
        "votes alone": replace(BASE, targets=replace(targets, collected_share=0.0)),
        "logits with their prior": replace(BASE, targets=replace(targets, adjust_logits=False)),
        "pictures drawn as they come": replace(
            BASE, targets=replace(targets, balance=0.0, people_balance=0.0)
        ),
        "V/A by a linear head": replace(BASE, network=replace(network, temperature=None)),
        "no real people": replace(BASE, people_share=0.0),
        "no rendered people": replace(BASE, rendered_share=0.0),
        "half of a batch rendered": replace(BASE, rendered_share=0.5),
        "camera as published": replace(BASE, camera=published.camera),
        "delta of one order": replace(BASE, network=replace(network, antisymmetric=False)),
        "fusion: also the distance": replace(BASE, network=replace(network, fusion="both and difference")),
        "fusion: also the product": replace(BASE, network=replace(network, fusion="both and product")),
        "no pair losses": replace(
            BASE, objective=replace(objective, delta_mse=0, delta_ccc=0, similarity=0, cosine=0)
        ),
        "pairs of strangers alone": replace(BASE, objective=replace(objective, pairs="strangers")),
        "pairs of one person alone": replace(BASE, objective=replace(objective, pairs="same person")),
        "mixup": replace(BASE, label_smoothing=replace(BASE.label_smoothing, mixup_share=0.5)),
        "self-distillation": replace(BASE, label_smoothing=replace(BASE.label_smoothing, distil=0.4)),
        "enlarged to 64 pixels": replace(BASE, network=replace(network, enlarged_size=64)),
        "one and a half times the width": replace(
            BASE, network=replace(network, stem=24, stages=((32, 1), (64, 1), (144, 1), (256, 1)))
        ),
        "paper": replace(
            published, network=replace(published.network, stem=QUARTER.stem, stages=QUARTER.stages)
        ),
    }


def score(trained: Checkpoint, data: TrainData, rendered: People, others: RealPeople) -> dict[str, Any]:
    """Figures of one network on photos and people that it did not see: real `others` and rendered ones."""
    network = trained.network
    photos = evaluation.evaluate_photos(network, data.validation)
    encoded = evaluation.encode(network, rendered.images, rendered.core)
    first, second = same_person_pairs(rendered.person)
    chosen = np.random.default_rng(0).permutation(len(first))[:20_000]
    first, second = first[chosen], second[chosen]
    embedding = torch.from_numpy(encoded.embedding)
    with torch.inference_mode():
        _, delta = network.pair.compare(embedding[first], embedding[second])
    truth = rendered.va[first] - rendered.va[second]
    return {
        "accuracy": photos.majority_accuracy,
        "photo_ccc": photos.proxy_va.ccc,
        "people_ccc": VaFigures.of(
            evaluation.encode(network, others.images, others.core).absolute,
            class_centres()[others.expression],
        ).ccc,
        "rendered_ccc": evaluation.evaluate_people(network, rendered).ccc,
        "pair_rmse": [rmse(delta.numpy()[:, i], truth[:, i]) for i in (0, 1)],
    }


def kept_runs(path: Path, epochs: int) -> dict[str, dict[str, Any]]:
    """The results in a file, if it is there. Raises UsageError where one is not of a run of so many epochs."""
    results: dict[str, dict[str, Any]] = json.loads(path.read_text()) if path.exists() else {}
    for name, row in results.items():
        if row.get("epochs") != epochs:
            had = f"{row['epochs']} epochs" if "epochs" in row else "an unknown number of epochs"
            raise UsageError(f"{path}: the run '{name}' had {had}, not {epochs}", "name another --out")
    return results


def share_of(text: str) -> tuple[int, int]:
    """`1/2` -> (1, 2)."""
    first, _, every = text.partition("/")
    if not (first.isdecimal() and every.isdecimal() and int(first) < int(every)):
        raise argparse.ArgumentTypeError(f"{text!r} is none of 0/2, 1/2, 0/3, ...")
    return int(first), int(every)


def table(results: dict[str, dict[str, Any]]) -> str:
    """The results as Markdown."""
    lines = [
        "| run | FER+ accuracy | FER+ CCC V / A | real people CCC V / A | rendered CCC V / A "
        "| same person, RMSE of delta V / A |",
        "|---|---|---|---|---|---|",
    ]
    for name, row in results.items():
        pairs = [
            f"{row[key][0]:.3f} / {row[key][1]:.3f}"
            for key in ("photo_ccc", "people_ccc", "rendered_ccc", "pair_rmse")
        ]
        lines.append(f"| {name} | {row['accuracy']:.3f} | {' | '.join(pairs)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--ferplus", type=Path, required=True)
    parser.add_argument("--rendered", type=Path, required=True, help="people to train on")
    parser.add_argument("--validation", type=Path, required=True, help="other people of the train split")
    parser.add_argument("--people", type=Path, required=True, help="crops of real people (.npz)")
    parser.add_argument("--epochs", type=int, default=6, help="of the photos, each run (%(default)s)")
    parser.add_argument(
        "--only", nargs="+", choices=variants(), metavar="RUN", help="by name; all by default"
    )
    parser.add_argument("--share", type=share_of, metavar="I/N", help="every N-th run from the I-th on")
    parser.add_argument(
        "--write", action="store_true", help="put the table into docs/development/training.md"
    )
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    if options.write and (options.only or options.share):
        parser.error("--write replaces the whole table: not with --only or --share")
    kept = options.out / "results.json"
    try:
        results = kept_runs(kept, options.epochs)
    except UsageError as error:
        parser.error(f"{error.what}; {error.hint}")
    photos = ferplus.load(options.ferplus)
    trained_on = rendered_people.load([options.rendered], "train")
    held_out = rendered_people.load([options.validation], "train")
    if shared := set(trained_on.person.tolist()) & set(held_out.person.tolist()):
        parser.error(f"person {min(shared)} is in both --rendered and --validation")
    faces = real_people.load(options.people)
    data = TrainData(
        photos.split("Training"), photos.split("PublicTest"), trained_on, faces.split("training")
    )
    options.out.mkdir(parents=True, exist_ok=True)
    first, every = options.share or (0, 1)
    for name, config in list(variants().items())[first::every]:
        if name in results or (options.only and name not in options.only):
            continue
        print(f"== {name}")
        run = options.out / re.sub(r"\W+", "_", f"{name} {options.epochs}")
        shown = replace(
            data,
            people=data.people if config.people_share else None,
            rendered=data.rendered if config.rendered_share else None,
        )
        loop.train(shown, replace(config, epochs=options.epochs), run, resume=(run / LATEST).exists())
        results[name] = {
            "epochs": options.epochs,
            **score(load_checkpoint(run / WEIGHTS), data, held_out, faces.split("calibration")),
        }
        kept.write_text(json.dumps(results, indent=1))
        (options.out / "table.md").write_text(table(results))
    print(table(results))
    if options.write:
        said = f"{options.epochs} epochs each, no averaging over mirror images."
        whole = {name: results[name] for name in variants()}
        replace_section(PAGE, "ablations", f"{said}\n\n{table(whole)}")


if __name__ == "__main__":
    main()
