"""Short, equal training runs that differ in one choice each: what every choice of the preset `best` is worth.

    python tools/ablate.py --ferplus FERPLUS --rendered people.npz --validation others.npz --minutes 10 --out OUT

Every run starts from nothing with the same seed and time. They are scored on FER+ PublicTest and on rendered people
that were not trained on and are not the test people, so that choosing by this table spends no test. A run that is
already in OUT is not repeated; results.json and table.md are written after every run.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mtclar.engine.metrics import rmse
from mtclar.train import evaluate, ferplus, loop, people
from mtclar.train.checkpoint import Checkpoint, load_checkpoint
from mtclar.train.loop import TrainConfig, TrainData
from mtclar.train.pairs import same_person_pairs
from mtclar.train.people import People
from mtclar.train.presets import PRESETS

BEST = PRESETS["best"]


def variants() -> dict[str, TrainConfig]:
    """Name in the table -> configuration: the best one, and each with one choice undone."""
    network, objective, soften = BEST.network, BEST.objective, BEST.soften
    return {
        "best": BEST,
        "delta of one order": replace(BEST, network=replace(network, antisymmetric=False)),
        "fusion: + |q - s|": replace(BEST, network=replace(network, fusion="both and difference")),
        "fusion: + q * s": replace(BEST, network=replace(network, fusion="both and product")),
        "no pair losses": replace(
            BEST, objective=replace(objective, delta_mse=0, delta_ccc=0, similarity=0, cosine=0)
        ),
        "similar means the same class": replace(BEST, objective=replace(objective, alike_by_class=True)),
        "no CCC in the losses": replace(BEST, objective=replace(objective, absolute_ccc=0, delta_ccc=0)),
        "class weights": replace(BEST, objective=replace(objective, rare_class_limits=(0.8, 2.0))),
        "mixup": replace(BEST, soften=replace(soften, mixup_share=0.5)),
        "self-distillation": replace(BEST, soften=replace(soften, distil=0.4)),
        "more dropout": replace(BEST, network=replace(network, dropout=0.3)),
        "half of a batch rendered": replace(BEST, people_share=0.5),
        "no rendered people": replace(BEST, people_share=0.0),
        "small network": replace(
            BEST, network=replace(network, stages=((32, 1), (64, 1), (128, 2), (256, 1)))
        ),
        "paper": PRESETS["paper"],
    }


def score(trained: Checkpoint, data: TrainData, rendered: People) -> dict[str, Any]:
    """Figures of one network on photos and people that it did not see."""
    network = trained.network
    photos = evaluate.evaluate_photos(network, data.validation)
    encoded = evaluate.encode(network, rendered.images, rendered.core(network.config.input_size))
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
        "rendered_ccc": evaluate.evaluate_people(network, rendered).ccc,
        "pair_rmse": [rmse(delta.numpy()[:, i], truth[:, i]) for i in (0, 1)],
    }


def table(results: dict[str, dict[str, Any]]) -> str:
    """The results as Markdown."""
    lines = [
        "| run | FER+ accuracy | FER+ CCC V / A | rendered CCC V / A | same person, RMSE of delta V / A | epochs |",
        "|---|---|---|---|---|---|",
    ]
    for name, row in results.items():
        pairs = [
            f"{row[key][0]:.3f} / {row[key][1]:.3f}" for key in ("photo_ccc", "rendered_ccc", "pair_rmse")
        ]
        lines.append(f"| {name} | {row['accuracy']:.3f} | {' | '.join(pairs)} | {row['epochs']} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--ferplus", type=Path, required=True)
    parser.add_argument("--rendered", type=Path, required=True, help="people to train on")
    parser.add_argument("--validation", type=Path, required=True, help="other people of the train split")
    parser.add_argument("--minutes", type=float, default=10.0, help="of each run (%(default)s)")
    parser.add_argument("--only", nargs="*", help="names of runs; all by default")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    photos = ferplus.load(options.ferplus)
    trained_on = people.load([options.rendered], "train")
    held_out = people.load([options.validation], "train")
    if shared := set(trained_on.person.tolist()) & set(held_out.person.tolist()):
        parser.error(f"person {min(shared)} is in both --rendered and --validation")
    data = TrainData(photos.split("Training"), photos.split("PublicTest"), trained_on)
    options.out.mkdir(parents=True, exist_ok=True)
    kept = options.out / "results.json"
    results: dict[str, dict[str, Any]] = json.loads(kept.read_text()) if kept.exists() else {}
    for name, config in variants().items():
        if name in results or (options.only and name not in options.only):
            continue
        print(f"== {name}")
        run = options.out / name.replace(" ", "_").replace("|", "").replace("*", "x").replace(":", "")
        shown = data if config.people_share else replace(data, people=None)
        loop.train(shown, replace(config, minutes=options.minutes), run)
        last = json.loads((run / loop.CURVES).read_text().splitlines()[-1])
        results[name] = {**score(load_checkpoint(run / "mtclar.pt"), data, held_out), "epochs": last["epoch"]}
        kept.write_text(json.dumps(results, indent=1))
        (options.out / "table.md").write_text(table(results))
    print(table(results))


if __name__ == "__main__":
    main()
