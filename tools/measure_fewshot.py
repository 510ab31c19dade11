"""What a support set of K frames is worth, by rule: the tables of docs/few-shot.md.

    python tools/measure_fewshot.py rendered_test.npz path/to/ferplus [--fit]

Takes picture sets of rendered people (mtclar.train.rendered.pictures), FER+ folders (PublicTest is used), or dumps of
an encoder's answers (`embeddings` [M, D], `absolute` [M, 2], `va` [M, 2], `person` [M]); the first two go through the
bundled networks, and must not be what those were trained on. For each person, K of their faces are drawn as support
and the others are predicted; `styled` repeats that after every person's labels were given a gain and an offset of
their own (labels that mean something else than in training). FER+ knows no persons: its faces are dealt into groups at
random, a control in which support of other people must do no harm. `--fit` prints the variances that explain each
person best, from which the priors were set.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtclar.engine import models
from mtclar.engine.compare import DEFAULT_RULE, Comparer
from mtclar.engine.crop import FRAMING
from mtclar.engine.encode import Encoder
from mtclar.engine.handover import Encoded
from mtclar.engine.metrics import rmse
from mtclar.engine.residual_gp import Kernel
from mtclar.engine.session import Session, open_session
from mtclar.engine.support import SupportSet
from mtclar.train import ferplus

Array = NDArray[Any]

KS = (1, 3, 5, 10)
DRAWS = 10
MIN_QUERIES = 5
BATCH = 256
GROUP = 40  # faces in a group of strangers
Z_90 = 1.6449  # 90 % of a normal distribution lie within so many sd

# rule -> (name in RULES, whether the pair graph takes part): without it the paper's rule is absolute + mean residual
RULES = {
    "absolute head": ("absolute", True),
    "nearest label": ("nearest", True),
    "paper": ("paper", True),
    "absolute + mean residual": ("paper", False),
    DEFAULT_RULE: (DEFAULT_RULE, True),
}


@dataclass(frozen=True)
class People:
    """Labelled faces of several people."""

    name: str
    embeddings: NDArray[np.float32]  # [M, D]
    absolute: NDArray[np.float32]  # [M, 2]
    va: NDArray[np.float32]  # [M, 2]
    person: NDArray[np.int64]  # [M]

    @classmethod
    def load(cls, path: Path, encoder: Encoder) -> "People":
        """From a FER+ folder, a picture set or a dump."""
        if path.is_dir():
            photos = ferplus.load(path).split("PublicTest")
            person = np.random.default_rng(0).permutation(len(photos.va)) // GROUP
            return cls._encoded(path.name, photos.images, photos.va, person, encoder)
        with np.load(path, allow_pickle=False) as stored:
            if "images" in stored:
                margin = (stored["images"].shape[1] - encoder.size) // 2  # room for augmentation, in training
                images = stored["images"][:, margin : margin + encoder.size, margin : margin + encoder.size]
                return cls._encoded(path.stem, images, stored["va"], stored["person"], encoder)
            return cls._checked(
                path.stem, stored["embeddings"], stored["absolute"], stored["va"], stored["person"]
            )

    @classmethod
    def _encoded(cls, name: str, images: Array, va: Array, person: Array, encoder: Encoder) -> "People":
        parts = [encoder(images[i : i + BATCH]) for i in range(0, len(images), BATCH)]
        return cls._checked(
            name,
            np.concatenate([part.embedding for part in parts]),
            np.concatenate([part.absolute for part in parts]),
            va,
            person,
        )

    @classmethod
    def _checked(cls, name: str, embeddings: Array, absolute: Array, va: Array, person: Array) -> "People":
        """People numbered from 0, labels within [-1, 1]."""
        _, numbers = np.unique(person, return_inverse=True)
        return cls(name, embeddings, absolute, np.clip(va, -1, 1).astype(np.float32), numbers)

    def styled(self, rng: np.random.Generator) -> "People":
        """Everyone's labels with a gain (factor 1.35 either way, sd) and an offset (sd 0.25) of their own."""
        people = self.person.max() + 1
        gain = np.exp(rng.normal(0, 0.3, (people, 2)))[self.person]
        offset = rng.normal(0, 0.25, (people, 2))[self.person]
        va = np.clip(self.va * gain + offset, -1, 1).astype(np.float32)
        return replace(self, name=f"{self.name}, styled", va=va)

    def encoded(self, rows: NDArray[np.int64]) -> Encoded:
        return Encoded(self.embeddings[rows], self.absolute[rows], np.zeros((len(rows), 8), np.float32))

    def support(self, rows: NDArray[np.int64]) -> SupportSet:
        return SupportSet.from_encoded(
            self.encoded(rows), self.va[rows], subject="s", model_name="m", model_sha256="", framing=FRAMING
        )

    def draws(self, k: int, seed: int) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Rows of the support and of the queries, for each person with enough faces and each draw."""
        for person in range(self.person.max() + 1):
            rows = np.flatnonzero(self.person == person)
            if len(rows) < max(KS) + MIN_QUERIES:
                continue
            for draw in range(DRAWS):
                shuffled = np.random.default_rng((seed, person, draw)).permutation(rows)
                yield shuffled[:k], shuffled[max(KS) :]


def row(people: People, k: int, pair: Session) -> str:
    """One row of the table: RMSE V / A by every rule; coverage and share in support of the Gaussian process."""
    cells = []
    for rule, with_pair in RULES.values():
        values, sds, inside, truths = [], [], [], []
        for support_rows, query_rows in people.draws(k, seed=0):
            comparer = Comparer(pair if with_pair else None, people.support(support_rows), rule)
            estimates = comparer(people.encoded(query_rows))
            values += [(estimate.valence, estimate.arousal) for estimate in estimates]
            sds += [(estimate.valence_sd, estimate.arousal_sd) for estimate in estimates]
            inside += [estimate.in_support for estimate in estimates]
            truths.append(people.va[query_rows])
        value, sd, truth = np.array(values), np.array(sds), np.concatenate(truths)
        error = f"{rmse(value[:, 0], truth[:, 0]):.3f} / {rmse(value[:, 1], truth[:, 1]):.3f}"
        cells.append(f"**{error}**" if rule == DEFAULT_RULE else error)
    covered = (np.abs(value - truth) <= Z_90 * sd).mean(0) * 100  # the last rule is the default one
    cells += [f"{covered[0]:.0f} / {covered[1]:.0f} %", f"{np.mean(inside) * 100:.0f} %"]
    return f"| {people.name} | {k} | {' | '.join(cells)} |"


def fit(people: People) -> None:
    """Prints centre and spread (octaves, between people) of the variances with the highest marginal likelihood."""
    octaves = np.arange(-12, 1, dtype=np.float64)  # variances from 0.0002 to 1
    grid = 2.0 ** np.stack(np.meshgrid(octaves, octaves, octaves, indexing="ij"), -1).reshape(-1, 3)  # [G, 3]
    for tau in (0.05, 0.1, 0.15, 0.2, 0.3, 0.45, 0.7):
        for dim, name in enumerate(("valence", "arousal")):
            best, total = [], 0.0
            for person in range(people.person.max() + 1):
                rows = np.flatnonzero(people.person == person)[:200]
                if len(rows) < MIN_QUERIES:
                    continue
                likelihood = _log_likelihood(Kernel(people.embeddings[rows], tau), people, rows, dim, grid)
                best.append(np.log2(grid[likelihood.argmax()]))
                total += float(likelihood.max())
            centre, spread = np.median(best, 0), np.std(best, 0)
            found = ", ".join(
                f"{part} {2.0**c:.4f} (spread {s:.1f})"
                for part, c, s in zip(("local", "offset", "noise"), centre, spread, strict=True)
            )
            print(f"{people.name}: tau {tau}, {name}: log likelihood {total:.1f}; {found}", flush=True)


def _log_likelihood(
    kernel: Kernel, people: People, rows: NDArray[np.int64], dim: int, grid: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Marginal likelihood of the residuals of those faces under each (local, offset, noise) of the grid [G, 3]."""
    residuals = people.va[rows, dim].astype(np.float64) - people.absolute[rows, dim]
    z, u = kernel.eigenvectors.T @ residuals, kernel.eigenvectors.sum(0)
    d = grid[:, :1] * kernel.eigenvalues + grid[:, 2:]
    v, offset = u / d, grid[:, 1]
    s = 1 + offset * (v @ u)
    return -0.5 * ((z**2 / d).sum(1) - offset / s * (v @ z) ** 2 + np.log(d).sum(1) + np.log(s))


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("faces", nargs="+", type=Path, help="picture set, FER+ folder or dump")
    parser.add_argument("--fit", action="store_true", help="print the variances that explain the people best")
    options = parser.parse_args()
    pair = open_session(models.path("pair"))
    encoder = Encoder(open_session(models.path("encoder")))
    everyone = [People.load(path, encoder) for path in options.faces]
    if options.fit:
        for people in everyone:
            fit(people)
        return
    print(f"RMSE V / A; encoder {models.card('encoder').sha256[:12]}\n")
    print(f"| faces | K | {' | '.join(RULES)} | gp: within the 90 % interval | gp: in support |")
    print("|---|---|" + "---|" * (len(RULES) + 2))
    for people in everyone:
        for labelled in (people, people.styled(np.random.default_rng(1))):
            for k in KS:
                print(row(labelled, k, pair), flush=True)


if __name__ == "__main__":
    main()
