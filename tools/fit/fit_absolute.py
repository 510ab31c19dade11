"""Fits the mapping from class logits to V/A: the temperature and the assumed class prior.

    python -m tools.fit.fit_absolute runs/faces/mtclar.pt --ferplus FERPLUS --real-people people_crops.npz \
        --rendered-test test_people.npz --out mtclar.pt

V/A is the mean of the class centres, weighted by softmax((logits + log odds) / temperature), plus a small linear head
(see mtclar.engine.estimate.class_centres). The logits do not include a class prior. Without a prior, an uncertain
prediction for a neutral face becomes a mean over many expressions. The tool therefore fits the odds of `neutral` and
a share of the crowd's prior on sources with different priors: FER+ PublicTest by votes, the same with balanced classes,
FER2013's own labels with balanced classes, and people of the calibration split without and with balanced classes (the
last with half the weight: some classes have two pictures). It maximises the mean CCC of valence and arousal.
It writes the checkpoint with figures of the test splits.
"""

import argparse
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from mtclar.engine.data_types import Encoded
from mtclar.engine.estimate.class_centres import class_centres
from mtclar.engine.files.writing import require_new
from mtclar.train.accuracy.encoder_figures import VaFigures, card_figures
from mtclar.train.command_line import in_words
from mtclar.train.data import ferplus, real_people, rendered_people
from mtclar.train.data.ferplus import CROWD_SHARES, Photos
from mtclar.train.data.labelled import UNKNOWN
from mtclar.train.network import evaluation
from mtclar.train.network.architecture import Siamese
from mtclar.train.network.checkpoint import Checkpoint, load_checkpoint, save_checkpoint

TEMPERATURES = (0.3, 0.4, 0.5, 0.6, 0.7)
PRIOR_SHARES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
NEUTRAL_ODDS = (0.0, 0.25, 0.5, 0.75, 1.0)  # logarithm
FEW = 0.5  # weight of the row in which some classes have two pictures

Array = NDArray[np.floating]


@dataclass(frozen=True)
class Choice:
    """Parameters of the mapping from logits to V/A."""

    temperature: float
    prior_share: float
    neutral_odds: float

    def log_odds(self) -> Array:
        """[8] added to the logits; the mean is zero without the odds of neutral."""
        prior = np.log(CROWD_SHARES)
        odds = self.prior_share * (prior - prior.mean())
        odds[0] += self.neutral_odds
        return odds

    def values(self, logits: Array, shift: Array) -> Array:
        """logits [n, 8] and the output of the linear head [n, 2] -> V/A [n, 2]."""
        scaled = (logits + self.log_odds()) / self.temperature
        shares = np.exp(scaled - scaled.max(1, keepdims=True))
        shares /= shares.sum(1, keepdims=True)
        return np.clip(shares @ class_centres() + shift, -1, 1)


@dataclass(frozen=True)
class Row:
    """One source with the weights of its pictures."""

    name: str
    logits: Array  # [n, 8]
    shift: Array  # [n, 2]
    truth: Array  # [n, 2]
    weights: Array  # [n] of the pictures; sum to 1
    weight: float = 1.0  # of the row

    def ccc(self, choice: Choice) -> Array:
        """CCC of valence and arousal [2]."""
        value = choice.values(self.logits, self.shift)
        mean_v, mean_t = self.weights @ value, self.weights @ self.truth
        covariance = self.weights @ ((value - mean_v) * (self.truth - mean_t))
        spread = self.weights @ ((value - mean_v) ** 2 + (self.truth - mean_t) ** 2)
        return np.asarray(2 * covariance / (spread + (mean_v - mean_t) ** 2))


def alike(count: int) -> Array:
    """Equal weights [count] of pictures."""
    return np.full(count, 1 / count)


def balanced(label: NDArray[np.int64]) -> Array:
    """Weights [n] with which all classes have the same weight."""
    weights = 1 / np.bincount(label)[label]
    return np.asarray(weights / weights.sum())


def rows(network: Siamese, photos: Photos, faces: real_people.RealPeople) -> Iterator[Row]:
    """The sources on which the parameters are fitted."""
    centres = class_centres()
    logits, shift = parts(network, evaluation.encode(network, photos.images, 1.0))
    yield Row("FER+ votes", logits, shift, photos.va, alike(len(photos)))
    yield Row("FER+ votes, balanced", logits, shift, centres[photos.label], balanced(photos.label))
    known = photos.collected != UNKNOWN
    label = photos.collected[known]
    yield Row("FER2013 labels, balanced", logits[known], shift[known], centres[label], balanced(label))
    logits, shift = parts(network, evaluation.encode(network, faces.images, faces.core))
    truth = centres[faces.expression]
    yield Row("people", logits, shift, truth, alike(len(faces)))
    yield Row("people, balanced", logits, shift, truth, balanced(faces.expression), FEW)


def parts(network: Siamese, encoded: Encoded) -> tuple[Array, Array]:
    """Logits [n, 8] and the output of the linear head [n, 2]."""
    with torch.inference_mode():
        shift = network.encoder.shift(torch.from_numpy(encoded.embedding)).numpy()
    return encoded.expression, shift


def apply(network: Siamese, choice: Choice) -> Siamese:
    """The same weights with this temperature and these odds."""
    other = Siamese(replace(network.config, temperature=choice.temperature))
    other.load_state_dict(network.state_dict())
    other.encoder.log_odds.copy_(torch.from_numpy(choice.log_odds()))
    return other.eval()


@in_words
def main() -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--ferplus", type=Path, required=True)
    parser.add_argument("--real-people", type=Path, required=True)
    parser.add_argument("--rendered-test", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    require_new(options.out)
    trained = load_checkpoint(options.checkpoint)
    photos, faces = ferplus.load(options.ferplus), real_people.load(options.real_people)
    scored = list(rows(trained.network, photos.split("PublicTest"), faces.split("calibration")))
    weights = np.array([row.weight for row in scored]) / sum(row.weight for row in scored)
    goodness = {
        choice: float(weights @ [row.ccc(choice).mean() for row in scored])
        for choice in itertools.starmap(Choice, itertools.product(TEMPERATURES, PRIOR_SHARES, NEUTRAL_ODDS))
    }
    best = max(goodness, key=lambda choice: goodness[choice])
    for choice in (Choice(0.7, 0.0, 0.0), best):
        row_text = ", ".join(f"{row.name} {row.ccc(choice).round(3).tolist()}" for row in scored)
        print(f"{choice}: {goodness[choice]:.4f}; {row_text}")
    network = apply(trained.network, best)
    test_faces = faces.split("test")
    on_photos = evaluation.evaluate_photos(network, photos.split("PrivateTest"))
    on_rendered = evaluation.evaluate_people(network, rendered_people.load([options.rendered_test], "test"))
    on_people = VaFigures.of(
        evaluation.encode(network, test_faces.images, test_faces.core).absolute,
        class_centres()[test_faces.expression],
    )
    print(
        f"FER+ PrivateTest: {on_photos}\nreal test people: {on_people}\nrendered test people: {on_rendered}"
    )
    figures = card_figures(on_photos, on_rendered, on_people)
    save_checkpoint(options.out, Checkpoint(network, trained.stages, figures))


if __name__ == "__main__":
    main()
