"""Fits the probe that tells a hidden mouth from the embedding, and writes hidden_mouth.json beside the bundled encoder.

    python -m tools.fit.fit_hidden_mouth PEOPLE --ferplus FERPLUS                             # measures the bundled one
    python -m tools.fit.fit_hidden_mouth PEOPLE --ferplus FERPLUS --rendered people.npz [--write]

PEOPLE is the folder of mtclar.train.data.real_people. In photos of people of the training split an object of the
augmentation (mtclar.train.data.augmentation.occluded) is drawn before the mouth, or elsewhere; landmarks, crop and
embedding are then those of the changed photo. Further examples are FER+ photos, and crops of rendered people with and
without an object before the mouth. The threshold takes FALSE_SHARE of the mouths in view for hidden.

It prints how often other objects (a cup, a scarf, a fist, a microphone) are seen on people of the test split, how often
a mouth in view is taken for hidden, and the error and coverage of the absolute V/A behind the objects.
"""

import argparse
import csv
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mtclar.engine import models
from mtclar.engine.backends.session import open_session
from mtclar.engine.data_types import EXPRESSIONS, Encoded
from mtclar.engine.estimate.caveats import HIDDEN_SD
from mtclar.engine.estimate.class_centres import class_centres
from mtclar.engine.estimate.comparer import Comparer
from mtclar.engine.estimate.hidden_mouth import HiddenMouth, probe_of
from mtclar.engine.estimate.metrics import Z_90
from mtclar.engine.face.crop import FRAMING, sample, square_of, square_to_frame
from mtclar.engine.face.landmarks import FaceMesh, roi_of_points
from mtclar.train import extra
from mtclar.train.accuracy import answers
from mtclar.train.accuracy.answers import Networks
from mtclar.train.data import ferplus
from mtclar.train.data.augmentation import occluded
from mtclar.train.data.real_people import LABELS, PICTURES, Split, split_of
from mtclar.train.rendered.face_crop import FaceCropper
from tools.docs.figures import table
from tools.fit.occluders import OCCLUDERS, draw, draw_elsewhere, mouth_mask

Array = NDArray[Any]
Grey = NDArray[np.uint8]

TRAINING_PHOTOS, TEST_PHOTOS, FERPLUS_PHOTOS = 1300, 500, 4000
HIDDEN = 0.7  # share of the mouth that an object covers at least
IN_VIEW = 0.1  # ... at most, of an object elsewhere
TRIES = 40  # objects drawn until one covers the mouth
MOUTH_ROWS, MOUTH_COLUMNS = (0.68, 0.86), (0.32, 0.68)  # of a crop, about
VIEW = 96  # side of the square in which the augmentation draws
FALSE_SHARE = 0.01
STRENGTH = 1.0  # inverse of the regularisation, on standardised embeddings
RENDERED_WEIGHT, PHOTO_WEIGHT = 3.0, 0.4  # of a further example


class Photos:
    """Grey photos of one split with their landmarks, in random order: `count`, or with `rest` those of other people."""

    def __init__(self, folder: Path, split: Split, count: int, *, rest: bool = False) -> None:
        with (folder / LABELS).open(newline="") as file:
            rows = [row for row in csv.DictReader(file) if split_of(row["person"]) == split]
        order = [rows[i] for i in np.random.default_rng(1).permutation(len(rows))]
        people = {row["person"] for row in order[:count]}
        self._rows = [row for row in order if row["person"] not in people] if rest else order[:count]
        self._folder = folder

    def __iter__(self) -> Iterator[tuple[Grey, Array, int]]:
        """Picture [H, W], landmarks [468, 3] and index of the expression of each photo with a face."""
        with zipfile.ZipFile(self._folder / PICTURES) as packed, FaceCropper() as cropper:
            members = {Path(name).name: name for name in packed.namelist()}
            for row in self._rows:
                coded = np.frombuffer(packed.read(members[row["name"]]), np.uint8)
                colour = np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)
                points = cropper.points(colour)
                if points is not None:
                    grey = np.asarray(cv2.cvtColor(colour, cv2.COLOR_BGR2GRAY), np.uint8)
                    yield grey, points, EXPRESSIONS.index(row["expression"])


class Drawn:
    """A photo in which the training's augmentation draws objects, in the square of the crop."""

    def __init__(self, picture: Grey, points: Array) -> None:
        self._picture = picture
        square = square_of(points, FRAMING)
        self._view = sample(picture, square, VIEW).astype(np.float32)
        self._to_frame = square_to_frame(np.array(square.center), square.side, square.angle, VIEW)
        mouth = mouth_mask(picture.shape, points).astype(np.uint8)
        how = cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
        self._mouth = cv2.warpAffine(mouth, self._to_frame, (VIEW, VIEW), flags=how) > 0

    def __call__(self, random: np.random.Generator) -> tuple[Array, float]:
        """The square behind one object, and the share of the mouth that it covers."""
        after = occluded(self._view, random)
        return after, float(_differ(after, self._view)[self._mouth].mean())

    def photo(self, after: Array) -> Grey:
        """The photo with that square in its place."""
        size = self._picture.shape[1::-1]
        covered = cv2.warpAffine(_differ(after, self._view).astype(np.float32), self._to_frame, size)
        drawn = cv2.warpAffine(after, self._to_frame, size)
        return np.clip(self._picture * (1 - covered) + drawn * covered, 0, 255).astype(np.uint8)


def training_pictures(photos: Photos) -> Iterator[tuple[Grey, Array, bool]]:
    """Each photo as it is, with a hidden mouth and with an object elsewhere: picture, landmarks, whether hidden."""
    random = np.random.default_rng(2)
    for picture, points, _ in photos:
        yield picture, points, False
        drawn = Drawn(picture, points)
        changed = [drawn(random) for _ in range(TRIES)]
        for after in [after for after, share in changed if share >= HIDDEN][:1]:
            yield drawn.photo(after), points, True
        for after in [after for after, share in changed if share <= IN_VIEW][:1]:
            yield drawn.photo(after), points, False


def hidden_crops(crops: Grey) -> Grey:
    """Crops [n, S, S] of which every one has an object before the mouth, without those where none was drawn."""
    random, size = np.random.default_rng(4), crops.shape[1]
    low, high = (round(VIEW * limit) for limit in MOUTH_ROWS)
    left, right = (round(VIEW * limit) for limit in MOUTH_COLUMNS)
    found = []
    for crop in crops:
        view = cv2.resize(crop, (VIEW, VIEW), interpolation=cv2.INTER_LINEAR).astype(np.float32)
        for after in (occluded(view, random) for _ in range(TRIES)):
            if _differ(after, view)[low:high, left:right].mean() >= HIDDEN:
                found.append(cv2.resize(np.clip(after, 0, 255), (size, size), interpolation=cv2.INTER_AREA))
                break
    return np.stack(found).astype(np.uint8)


def _differ(one: Array, other: Array) -> NDArray[np.bool_]:
    return np.abs(one - other) > 1e-3


def test_pictures(photos: Photos) -> Iterator[tuple[Grey, Array, str, int]]:
    """Picture, landmarks, what is drawn and the expression: each photo as it is, and with other objects."""
    random, donor = np.random.default_rng(3), None
    for picture, points, expression in photos:
        yield picture, points, "clear", expression
        if donor is not None:
            name = str(random.choice(OCCLUDERS))
            changed, mask = draw(name, picture, points, donor, random)
            if mask[mouth_mask(picture.shape, points)].mean() >= HIDDEN:
                yield changed, points, name, expression
            yield draw_elsewhere(picture, points, donor, random), points, "elsewhere", expression
        donor = picture


def cropped(mesh: FaceMesh, picture: Grey, points: Array) -> Grey:
    """The crop of a changed photo: landmarks are searched for where the face was, as in the next frame of a video."""
    for _ in range(2):
        points = mesh(picture, roi_of_points(points)).points
    return sample(picture, square_of(points, FRAMING), FRAMING.size)


def fitted(embedding: Array, hidden: Array, weight: Array, sha256: str) -> HiddenMouth:
    """The probe with its threshold in the bias."""
    from sklearn.linear_model import LogisticRegression

    mean, sd = embedding.mean(0), embedding.std(0)
    model = LogisticRegression(C=STRENGTH, max_iter=2000)
    model.fit((embedding - mean) / sd, hidden, sample_weight=weight)
    of = model.coef_[0] / sd
    odds = embedding @ of
    limit = np.quantile(odds[~hidden], 1 - FALSE_SHARE)
    return HiddenMouth(sha256, np.array([float(f"{w:.5g}") for w in of]), float(f"{-limit:.5g}"))


def report(
    probe: HiddenMouth, encoded: Encoded, drawn: Array, expression: Array, others: dict[str, Array]
) -> str:
    """Shares said to be hidden, RMSE and coverage of absolute values, with the sd of the encoder and as reported."""
    said = probe(encoded.embedding) > 0
    estimates = Comparer(None, None)(encoded)
    value = np.array([(e.valence, e.arousal) for e in estimates])
    sd = np.array([(e.valence_sd, e.arousal_sd) for e in estimates])
    final_sd = np.where(said[:, None], np.hypot(sd, HIDDEN_SD), sd)
    off = value - class_centres()[expression]
    hidden = np.isin(drawn, OCCLUDERS)
    groups = {
        "photos as they are": drawn == "clear",
        "an object elsewhere": drawn == "elsewhere",
        **{name: drawn == name for name in OCCLUDERS},
        "all four": hidden,
        "of these, said to be hidden": hidden & said,
        "of these, missed": hidden & ~said,
    }
    rows = []
    for name, of in groups.items():
        covered = [
            " / ".join(f"{100 * share:.0f}" for share in (np.abs(off[of]) <= Z_90 * wide[of]).mean(0))
            for wide in (sd, final_sd)
        ]
        error = " / ".join(f"{e:.3f}" for e in np.sqrt((off[of] ** 2).mean(0)))
        rows.append([name, f"{of.sum()}", f"{100 * said[of].mean():.1f} %", error, *covered])
    head = [
        "",
        "photos",
        "said to be hidden",
        "RMSE",
        "in the 90 % interval, %, sd not widened",
        "sd as reported",
    ]
    shares = [f"{name}: {100 * (probe(e) > 0).mean():.1f} % said to be hidden" for name, e in others.items()]
    return "\n".join([table(head, rows), *shares])


def fit(
    folder: Path, further: Array, sets: Sequence[Path], mesh: FaceMesh, networks: Networks
) -> HiddenMouth:
    """A probe of the people of the training split, FER+ crops [n, S, S] and picture sets of rendered people."""
    pictures, hidden = zip(
        *(
            (cropped(mesh, picture, points), is_hidden)
            for picture, points, is_hidden in training_pictures(Photos(folder, "training", TRAINING_PHOTOS))
        ),
        strict=True,
    )
    faces = []
    for path in sets:
        with np.load(path, allow_pickle=False) as stored:
            faces.append(answers.middles(stored["images"]))
    rendered = np.concatenate(faces)
    parts = [
        (np.stack(pictures), np.array(hidden), 1.0),
        (further, np.zeros(len(further), bool), PHOTO_WEIGHT),
        (rendered, np.zeros(len(rendered), bool), RENDERED_WEIGHT),
    ]
    behind = hidden_crops(rendered)
    parts.append((behind, np.ones(len(behind), bool), RENDERED_WEIGHT))
    embedding = np.concatenate([answers.encode(networks.encoder, crops).embedding for crops, _, _ in parts])
    is_hidden = np.concatenate([part for _, part, _ in parts])
    weight = np.concatenate([np.full(len(part), of) for part, _, of in parts])
    return fitted(embedding.astype(np.float64), is_hidden, weight, networks.card.sha256)


def main() -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("people", type=Path, metavar="PEOPLE")
    parser.add_argument("--ferplus", type=Path, required=True)
    parser.add_argument(
        "--rendered",
        type=Path,
        nargs="+",
        help="picture sets for training; without, the bundled one is measured",
    )
    parser.add_argument(
        "--rest", action="store_true", help="measures on test people on whom nothing was chosen"
    )
    parser.add_argument("--write", action="store_true", help="hidden_mouth.json of the bundled encoder")
    options = parser.parse_args()
    if options.write and not options.rendered:
        parser.error("--write needs --rendered")
    photos = ferplus.load(options.ferplus)
    with Networks() as networks, open_session(models.path("face_mesh")) as session:
        mesh, encoder = FaceMesh(session), networks.encoder
        probe = probe_of(networks.card.sha256)
        if options.rendered:
            extra.require("sklearn", purpose="fitting")
            further = photos.split("Training").images[:FERPLUS_PHOTOS]
            probe = fit(options.people, further, options.rendered, mesh, networks)
        if probe is None:
            parser.error("the bundled encoder has no probe yet: give --rendered")
        crops, drawn, expression = zip(
            *(
                (cropped(mesh, picture, points), name, label)
                for picture, points, name, label in test_pictures(
                    Photos(options.people, "test", TEST_PHOTOS, rest=options.rest)
                )
            ),
            strict=True,
        )
        others = {"FER+ PrivateTest": answers.encode(encoder, photos.split("PrivateTest").images).embedding}
        encoded = answers.encode(encoder, np.stack(crops))
        print(report(probe, encoded, np.array(drawn), np.array(expression), others))
    if options.write:
        probe.write(models.hidden_mouth_path())


if __name__ == "__main__":
    main()
