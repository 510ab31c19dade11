"""Why smiles read weak in some groups of the London set: detection, framing, one label, or the smile that is shown.

    python -m experiments.networks.weak_smiles --london LONDON --write

LONDON holds photos.zip and labels.csv of the Face Research Lab London Set: a rest face and a smile of each adult. How
strong a smile is, is measured without the networks: how much wider the mouth is than that of the same person at rest,
as a share of the distance between the outer corners of the eyes. Evaluation only: nothing is chosen by it. `--write`
puts the tables into docs/results/real-faces.md.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mtclar.engine.data_types import EXPRESSIONS, Encoded
from mtclar.engine.face.crop import FRAMING, LEFT_EYE, MOUTH, RIGHT_EYE, cut
from mtclar.engine.support_set import SupportSet
from mtclar.train.accuracy import answers
from mtclar.train.accuracy.answers import Networks
from mtclar.train.accuracy.methods import Engine
from mtclar.train.command_line import in_words
from mtclar.train.data.real_people import CROP_FRAMING
from mtclar.train.rendered.face_crop import FaceCropper
from tools.arguments import parser_of
from tools.docs.figures import table
from tools.docs.generated import replace_section
from tools.fit.measure_real_faces import MIDDLE, london_photos

PAGE = Path(__file__).resolve().parents[2] / "docs" / "results" / "real-faces.md"
HAPPINESS = EXPRESSIONS.index("happiness")
WIDER = (-np.inf, 0.05, 0.1, np.inf)  # bands of a mouth's widening, in distances of the outer eye corners
SCALES = (0.9, FRAMING.scale, 1.2, 1.35)
OUTER_RIGHT, OUTER_LEFT = RIGHT_EYE[0], LEFT_EYE[1]

Array = NDArray[Any]


@dataclass(frozen=True)
class Smiles:
    """n people with a rest face and a smile: what the networks say of both, and how strong the smile is."""

    gender: NDArray[np.str_]  # [n]
    group: NDArray[np.str_]  # [n] gender and ethnicity
    recognised: NDArray[np.bool_]  # [n] the smile is taken for happiness
    valence: Array  # [n] of the smile
    labelled: Array  # [n] the same with the rest face as a support frame labelled (0, 0)
    wider: Array  # [n]
    by_scale: dict[float, Array]  # scale of the framing -> valence of the smile [n]
    photos: int
    found: int  # at the first search


def mouth_width(points: Array) -> float:
    """Distance of the mouth's corners over that of the outer eye corners; points [468, 3]."""
    flat = points[:, :2]
    across = np.linalg.norm(flat[MOUTH[0]] - flat[MOUTH[1]])
    return float(across / np.linalg.norm(flat[OUTER_RIGHT] - flat[OUTER_LEFT]))


def smiles(folder: Path, networks: Networks) -> Smiles:
    """Measures every person of whom both faces are found."""
    encoder, photos = networks.encoder, 0
    kept: dict[str, dict[bool, tuple[dict[str, str], Array, Array]]] = {}
    with FaceCropper() as cropper:
        for row, picture in london_photos(folder):
            photos += 1
            points = cropper.points(picture)
            if points is not None:
                kept.setdefault(row["person"], {})[row["expression"] != "neutral"] = (row, picture, points)
    both = [faces for faces in kept.values() if len(faces) == 2]

    def encoded(smile: bool, scale: float | None = None) -> Encoded:
        crops = []
        for faces in both:
            _, picture, points = faces[smile]
            if scale is None:  # as real people are cut: twice as large, then reduced
                wide = cut(picture, points, CROP_FRAMING)[MIDDLE, MIDDLE]
                crop = cv2.resize(wide, (encoder.size,) * 2, interpolation=cv2.INTER_AREA)
            else:
                crop = cut(picture, points, replace(FRAMING, scale=scale))
            crops.append(np.asarray(crop, np.uint8))
        return answers.encode(encoder, crops)

    rest, smile = encoded(False), encoded(True)
    engine, origin = Engine(networks.pair, networks.params), np.zeros((1, 2), np.float32)
    one = [slice(i, i + 1) for i in range(len(both))]
    labelled = [engine(SupportSet.from_encoded(rest[i], origin), smile[i]).value[0, 0] for i in one]
    rows = [faces[True][0] for faces in both]
    return Smiles(
        gender=np.array([row["gender"] for row in rows]),
        group=np.array([f"{row['gender']}, {row['ethnicity'].replace('_', ' ')}" for row in rows]),
        recognised=smile.expression.argmax(1) == HAPPINESS,
        valence=smile.absolute[:, 0],
        labelled=np.array(labelled),
        wider=np.array([mouth_width(faces[True][2]) - mouth_width(faces[False][2]) for faces in both]),
        by_scale={scale: encoded(True, scale).absolute[:, 0] for scale in SCALES},
        photos=photos,
        found=sum(map(len, kept.values())),
    )


def mean(values: Array, chosen: NDArray[np.bool_]) -> str:
    """The mean of the chosen values, or a dash."""
    if not chosen.any():
        return "-"
    return f"{values[chosen].mean():.2f}".replace("-0.00", "0.00").replace("0.", ".")


def tables(measured: Smiles) -> Iterator[str]:
    """What was measured, in Markdown."""
    yield f"{measured.found} of {measured.photos} faces are found at the first search.\n"
    weak = measured.wider < WIDER[2]
    everyone = {name: measured.gender == name for name in np.unique(measured.gender)}
    everyone |= {name: measured.group == name for name in np.unique(measured.group)}
    yield table(
        [
            "group",
            "smiles",
            "taken for happiness",
            "V of these",
            "V of the others",
            f"wider by less than {WIDER[2]}",
            "V, rest face labelled (0, 0)",
        ],
        [
            [
                str(name),
                str(people.sum()),
                str((people & measured.recognised).sum()),
                mean(measured.valence, people & measured.recognised),
                mean(measured.valence, people & ~measured.recognised),
                str((people & weak).sum()),
                mean(measured.labelled, people),
            ]
            for name, people in everyone.items()
        ],
    )
    genders = np.unique(measured.gender)
    rows = []
    for low, high in pairwise(WIDER):
        band = (measured.wider >= low) & (measured.wider < high)
        title = (
            f"below {high}"
            if low == WIDER[0]
            else f"{low} and more"
            if high == np.inf
            else f"{low} to {high}"
        )
        cells = [title]
        for gender in genders:
            people = band & (measured.gender == gender)
            cells += [str(people.sum()), mean(measured.valence, people)]
        rows.append(cells)
    yield table(
        ["mouth wider than at rest", *(f"{g}, {what}" for g in genders for what in ("people", "V"))], rows
    )
    yield table(
        ["scale of the crop", *(f"{gender}, V" for gender in genders)],
        [
            [f"{scale:g}", *(mean(values, measured.gender == gender) for gender in genders)]
            for scale, values in measured.by_scale.items()
        ],
    )


@in_words
def main() -> None:
    """Runs the command."""
    parser = parser_of(__doc__)
    parser.add_argument("--london", type=Path, required=True)
    parser.add_argument("--write", action="store_true", help="into docs/results/real-faces.md")
    options = parser.parse_args()
    with Networks() as networks:
        text = "\n".join(tables(smiles(options.london, networks)))
    print(text)
    if options.write:
        replace_section(PAGE, "smiles", text)


if __name__ == "__main__":
    main()
