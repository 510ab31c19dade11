"""Accuracy of the encoder by group of people: the generated part of docs/reference/model-card.md.

    python -m mtclar.train.rendered test_people.npz --people 1000:1024 --pictures 60
    python -m experiments.networks.model_card --ferplus FERPLUS --people test_people.npz [--write]

Real faces by what the crowd saw in them (FER+ PrivateTest; nobody's age, sex or skin is known there); rendered test
people by age, sex and skin tone, with the spread over people, since there are few in a group.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtclar.engine import models
from mtclar.engine.backends.session import open_session
from mtclar.engine.data_types import EXPRESSIONS
from mtclar.engine.estimate.encoder import Encoder
from mtclar.engine.estimate.metrics import ccc
from mtclar.train.data import ferplus
from mtclar.train.rendered.pictures import PictureSet
from tools.arguments import parser_of
from tools.docs.figures import table, wrapped
from tools.docs.generated import replace_section
from tools.fit.fewshot_people import rendered

Array = NDArray[Any]

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "model-card.md"
BATCH = 256
RESAMPLES = 2000


def by_expression(folder: Path, encoder: Encoder) -> str:
    """Recall, what it is taken for instead, and V/A error of each class."""
    test = ferplus.load(folder).split("PrivateTest")
    parts = [encoder(test.images[i : i + BATCH]) for i in range(0, len(test.images), BATCH)]
    absolute = np.concatenate([part.absolute for part in parts])
    chosen = np.concatenate([part.expression for part in parts]).argmax(1)
    rows = []
    for index, name in enumerate(EXPRESSIONS):
        shown = test.label == index
        sure = shown & test.majority
        counts = np.bincount(chosen[sure], minlength=len(EXPRESSIONS))
        recall = counts[index] / max(sure.sum(), 1)
        counts[index] = 0
        wrong = f"{EXPRESSIONS[counts.argmax()]} {counts.max() / max(sure.sum(), 1):.2f}"
        rows.append([name, str(sure.sum()), f"{recall:.2f}", wrong, *_errors(absolute, test.va, shown)])
    everything = np.ones(len(test.va), bool)
    accuracy = np.mean((chosen == test.label)[test.majority])
    rows.append(
        ["all", str(test.majority.sum()), f"{accuracy:.3f}", "", *_errors(absolute, test.va, everything)]
    )
    head = ["the crowd saw", "n, majority", "recognised", "most often taken for", "RMSE V / A"]
    return table([*head, "mean error V / A"], rows)


def by_people(path: Path, encoder: Encoder) -> str:
    """RMSE and mean error of groups of rendered people, with 95 % intervals over people."""
    pictures, seen = PictureSet.load(path), rendered(path, encoder)
    tone, third = pictures.skin_tone, np.quantile(pictures.skin_tone, (1 / 3, 2 / 3))
    groups: dict[str, Array] = {"all": np.ones(len(tone), bool)}
    groups |= {f"age: {name}": pictures.age_group == name for name in np.unique(pictures.age_group)}
    groups |= {f"sex: {name}": pictures.sex == name for name in np.unique(pictures.sex)}
    groups |= {
        f"skin: light (tone below {third[0]:.2f})": tone < third[0],
        "skin: between": (tone >= third[0]) & (tone < third[1]),
        f"skin: dark ({third[1]:.2f} and above)": tone >= third[1],
    }
    error = seen.absolute.astype(np.float64) - seen.va
    squares = np.array([(error[rows] ** 2).mean(0) for rows in seen.rows_of()])  # [P, 2]
    means = np.array([error[rows].mean(0) for rows in seen.rows_of()])
    rows = []
    for name, members in groups.items():
        of = np.flatnonzero(members)
        inside = np.isin(seen.person, of)
        scores = [float(ccc(seen.absolute[inside, i], seen.va[inside, i])) for i in (0, 1)]
        cells = [f"{scores[0]:.3f} / {scores[1]:.3f}"]
        cells.append(_interval(np.sqrt(squares[of].mean(0)), _resampled(squares[of], np.sqrt)))
        cells.append(f"{means[of, 0].mean():+.3f} / {means[of, 1].mean():+.3f}")
        rows.append([name, str(len(of)), *cells])
    head = ["rendered people", "people", "CCC V / A", "RMSE V / A [95 % of resampled people]"]
    return table([*head, "mean error V / A"], rows)


def _errors(predicted: Array, truth: Array, chosen: Array) -> list[str]:
    error = predicted[chosen].astype(np.float64) - truth[chosen]
    root = np.sqrt((error**2).mean(0))
    mean = error.mean(0)
    return [f"{root[0]:.3f} / {root[1]:.3f}", f"{mean[0]:+.3f} / {mean[1]:+.3f}"]


def _resampled(squares: Array, root: Any) -> Array:
    rng = np.random.default_rng(0)
    drawn = rng.integers(0, len(squares), (RESAMPLES, len(squares)))
    return np.quantile(root(squares[drawn].mean(1)), (0.025, 0.975), axis=0)


def _interval(value: Sequence[float], bounds: Array) -> str:
    return " / ".join(f"{v:.3f} [{low:.3f}, {high:.3f}]" for v, low, high in zip(value, *bounds, strict=True))


def main() -> None:
    """Prints or writes the tables."""
    parser = parser_of(__doc__)
    parser.add_argument("--ferplus", type=Path, required=True, help="FER+ folder (PrivateTest is used)")
    parser.add_argument("--people", type=Path, required=True, help="pictures of rendered test people")
    parser.add_argument("--write", action="store_true", help="into docs/reference/model-card.md")
    options = parser.parse_args()
    card = models.card("encoder")
    with open_session(models.path("encoder")) as session:
        encoder = Encoder(session)
        text = "\n\n".join(
            part.strip()
            for part in (
                f"Encoder `{card.sha256[:12]}`, no support set, no class prior added. Trained on: {card.data}.",
                "### Real faces, by expression (FER+ PrivateTest; V/A is the proxy)",
                by_expression(options.ferplus, encoder),
                "### Rendered people, by age, sex and skin",
                by_people(options.people, encoder),
            )
        )
    if options.write:
        replace_section(PAGE, "measured", wrapped(text))
        print(f"wrote {PAGE}")
    else:
        print(text)


if __name__ == "__main__":
    main()
