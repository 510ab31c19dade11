"""Measures accuracy on held-out real faces by source, number of labels, class and group.

    python -m tools.fit.measure_real_faces --ferplus FERPLUS --real-people people_crops.npz --london LONDON \
        --rendered-test test_people.npz --json docs/results/data/real-faces.json

Sources: real people of the test split, whose V/A is the centre of one rater's class; FER+ PrivateTest by the crowd's
votes and by FER2013's own labels, without and with balanced classes (strangers in random groups of 40,
whose labels cannot help); rendered test people. LONDON is the Face Research Lab London Set (DeBruine and Jones 2017,
CC BY 4.0): 102 adults, a rest face and a smile each; it is used only for evaluation. --models DIR measures
other networks than the bundled ones.
"""

import argparse
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mtclar.engine.backends.session import InferenceSession
from mtclar.engine.data_types import EXPRESSIONS
from mtclar.engine.estimate.class_centres import class_centres
from mtclar.engine.estimate.comparer import CompareParams, Comparer
from mtclar.engine.estimate.encoder import Encoder
from mtclar.engine.estimate.metrics import Z_90, ccc, rmse
from mtclar.engine.files.writing import write_whole
from mtclar.train.accuracy import answers
from mtclar.train.accuracy.answers import Networks
from mtclar.train.data import ferplus, real_people
from mtclar.train.data.ferplus import CROWD_SHARES
from mtclar.train.data.labelled import UNKNOWN, csv_rows
from mtclar.train.rendered.face_crop import FaceCropper
from tools.fit.fewshot_people import GROUP, People, collected, real, rendered, strangers

KS = (0, 1, 3, 5, 10)
DRAWS = 6
EACH = 250  # pictures of a class in the balanced source
MIDDLE = slice(
    (real_people.CROP_SIDE - real_people.VIEW_SIDE) // 2, (real_people.CROP_SIDE + real_people.VIEW_SIDE) // 2
)

Array = NDArray[Any]


def balanced(people: People, label: NDArray[np.int64]) -> People:
    """At most EACH faces of every class, in random groups."""
    rng = np.random.default_rng(1)
    rows = [np.flatnonzero(label == number) for number in np.unique(label)]
    chosen = np.concatenate([rng.choice(some, min(EACH, len(some)), replace=False) for some in rows])
    groups = rng.permutation(len(chosen)) // GROUP
    return People(
        f"{people.name}, balanced",
        people.embeddings[chosen],
        people.absolute[chosen],
        people.va[chosen],
        groups,
    )


def agreement(values: Array, labels: Array) -> dict[str, list[float]]:
    """CCC and RMSE of valence and arousal, from values and labels [n, 2]."""
    return {
        name: [round(measure(values[:, i], labels[:, i]), 3) for i in range(2)]
        for name, measure in (("ccc", ccc), ("rmse", rmse))
    }


def few_shot_rows(people: People, pair: InferenceSession, params: CompareParams) -> Iterator[dict[str, Any]]:
    """Yields one row for each number of labels; the other faces of the same person are scored.

    `without_labels` are the absolute values of the same faces: rows with more labels are about fewer people.
    """
    for k in KS:
        value, sd, truth, absolute, scored = [], [], [], [], set()
        for support, queries in people.draws(k, k, draws=DRAWS if k else 1, least=1):
            comparer = Comparer(pair if k else None, people.support(support) if k else None, params=params)
            estimates = comparer(people.encoded(queries))
            value.append([(e.valence, e.arousal) for e in estimates])
            sd.append([(e.valence_sd, e.arousal_sd) for e in estimates])
            truth.append(people.va[queries])
            absolute.append(people.absolute[queries])
            scored.add(int(people.person[queries[0]]))
        predicted, interval_sd, labels = (np.concatenate(parts) for parts in (value, sd, truth))
        yield {
            "source": people.name,
            "labels": k,
            "people": len(scored),
            "scored": len(predicted),
            **agreement(predicted, labels),
            "without_labels": agreement(np.concatenate(absolute), labels),
            "within_90": [
                round(float(x), 3) for x in (np.abs(predicted - labels) <= Z_90 * interval_sd).mean(0)
            ],
        }


def recall(logits: Array, label: NDArray[np.int64]) -> dict[str, list[float]]:
    """Expression -> recall and number of faces."""
    predicted = logits.argmax(1)
    return {
        name: [round(float((predicted[label == i] == i).mean()), 3), int((label == i).sum())]
        for i, name in enumerate(EXPRESSIONS)
        if (label == i).any()
    }


def london_photos(folder: Path) -> Iterator[tuple[dict[str, str], NDArray[np.uint8]]]:
    """Yields the label and the picture [H, W, 3] of each photo of the Face Research Lab London Set."""
    with zipfile.ZipFile(folder / "photos.zip") as packed:
        members = {Path(name).name: name for name in packed.namelist()}
        named = ("name", "person", "expression", "gender", "ethnicity")
        for _, row in csv_rows(folder / "labels.csv", named):
            coded = np.frombuffer(packed.read(members[row["name"]]), np.uint8)
            yield row, np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)


def london_groups(folder: Path, encoder: Encoder) -> dict[str, dict[str, Any]]:
    """Mean V/A of the rest face and of the smile in each group of gender and ethnicity."""
    rows, crops = [], []
    with FaceCropper() as cropper:
        for row, picture in london_photos(folder):
            crop = real_people.crop_of(picture, cropper)
            if crop is not None:
                rows.append(row)
                crops.append(
                    cv2.resize(crop[MIDDLE, MIDDLE], (encoder.size,) * 2, interpolation=cv2.INTER_AREA)
                )
    absolute = answers.encode(encoder, np.stack(crops)).absolute
    group = np.array([f"{row['gender']}, {row['ethnicity']}" for row in rows])
    smiles = np.array([row["expression"] != "neutral" for row in rows])
    return {
        str(name): {
            "people": int((smiles & (group == name)).sum()),
            "rest": absolute[~smiles & (group == name)].astype(float).mean(0).round(3).tolist(),
            "smile": absolute[smiles & (group == name)].astype(float).mean(0).round(3).tolist(),
        }
        for name in np.unique(group)
    }


def main() -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name in ("ferplus", "real-people", "london", "rendered-test"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument(
        "--models", type=Path, help="folder of exported networks; the bundled ones by default"
    )
    parser.add_argument("--json", type=Path, help="JSON file for all results")
    options = parser.parse_args()
    with Networks(options.models) as networks:
        encoder, free = networks.encoder, networks.card.prior_free
        photos = ferplus.load(options.ferplus).split("PrivateTest")
        faces = real_people.load(options.real_people).split("test")
        own = collected(options.ferplus, "PrivateTest", encoder)
        known = photos.collected != UNKNOWN
        sources = [
            real(options.real_people, "test", encoder),
            strangers(options.ferplus, "PrivateTest", encoder),
            own,
            balanced(own, photos.collected[known]),
            rendered(options.rendered_test, encoder),
        ]
        found: dict[str, Any] = {"encoder": networks.card.sha256[:12], "backend": networks.backend}
        found["few_shot"] = []
        for source in sources:
            for row in few_shot_rows(source, networks.pair, networks.params):
                found["few_shot"].append(row)
                print(row, flush=True)
        logits = answers.encode(encoder, photos.images).expression
        prior = np.log(CROWD_SHARES) if free else 0.0
        right = (logits + prior).argmax(1) == photos.label
        found["ferplus_accuracy"] = [
            round(float(right[photos.majority].mean()), 4),
            round(float(right.mean()), 4),
        ]
        crops = [
            cv2.resize(image[MIDDLE, MIDDLE], (encoder.size,) * 2, interpolation=cv2.INTER_AREA)
            for image in faces.images
        ]
        of_people = answers.encode(encoder, np.stack(crops))
        found["recall"] = {
            "FER+ votes, majority": recall(logits[photos.majority], photos.label[photos.majority]),
            "FER2013 labels": recall(logits[known], photos.collected[known]),
            "real people": recall(of_people.expression, faces.expression),
        }
        value = of_people.absolute
        found["mean_of_class"] = {
            name: [
                *value[faces.expression == i].astype(float).mean(0).round(2).tolist(),
                *class_centres()[i].astype(float).round(2).tolist(),
            ]
            for i, name in enumerate(EXPRESSIONS)
            if (faces.expression == i).any()
        }
        found["london"] = london_groups(options.london, encoder)
    for name in ("ferplus_accuracy", "recall", "mean_of_class", "london"):
        print(name, json.dumps(found[name], indent=1))
    if options.json:
        content = (json.dumps(found, indent=1) + "\n").encode()
        write_whole(options.json, lambda file: file.write(content), private=False)


if __name__ == "__main__":
    main()
