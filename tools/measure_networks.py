"""How good and how fast the networks are: the figures of docs/training.md and of the encoder's card.

    python tools/measure_networks.py --ferplus path/to/ferplus --people rendered_test.npz [--models DIR] [--dump DIR]

Runs exported graphs (the bundled ones by default) as the engine does, on FER+ PrivateTest and on rendered test people.
`--dump` leaves the encoder's answers for FER+ PublicTest and for the rendered people as npz files, for work on
support sets that needs no pictures.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mtclar.engine import models
from mtclar.engine.encode import Encoder
from mtclar.engine.handover import EXPRESSIONS, Encoded
from mtclar.engine.metrics import ccc, rmse
from mtclar.engine.session import Session, open_session
from mtclar.train import ferplus, people
from mtclar.train.figures import VaFigures, photo_figures
from mtclar.train.pairs import same_person_pairs, stranger_pairs

BATCH = 256
ROUNDS = 300
SUPPORT = 16


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--ferplus", type=Path)
    parser.add_argument("--people", type=Path, nargs="+", help="pictures of rendered test people")
    parser.add_argument("--models", type=Path, default=Path(models.path("encoder")).parent)
    parser.add_argument("--dump", type=Path, help="folder for the encoder's answers")
    given = parser.parse_args()
    with (
        open_session(given.models / "encoder.onnx") as encoder_session,
        open_session(given.models / "pair.onnx") as pair,
    ):
        encoder = Encoder(encoder_session)
        for name in ("encoder", "pair"):
            print(f"{name}.onnx: {(given.models / f'{name}.onnx').stat().st_size:,} bytes")
        if given.ferplus:
            on_photos(encoder, pair, ferplus.load(given.ferplus), given.dump)
        if given.people:
            on_people(encoder, pair, people.load(given.people, "test"), given.dump)
        latency(encoder, pair)


def on_photos(encoder: Encoder, pair: Session, data: ferplus.FerPlus, dump: Path | None) -> None:
    """FER+: PrivateTest is scored, PublicTest dumped."""
    photos = data.split("PrivateTest")
    encoded = answers(encoder, photos.images)
    print(f"FER+ PrivateTest: {photo_figures(encoded, photos)}")
    for label, name in enumerate(EXPRESSIONS):
        shown = (photos.label == label) & photos.majority
        recall = np.mean(encoded.expression[shown].argmax(axis=1) == label)
        print(f"  recall {name}: {recall:.2f} (n={shown.sum()})")
    first, second = stranger_pairs(photos.label, 4000, np.random.default_rng(0))
    pairs(pair, encoded, photos.va, first, second, photos.label[first] == photos.label[second], "strangers")
    if dump:
        public = data.split("PublicTest")
        person = np.arange(len(public))  # nobody is known to be there twice
        save(dump / "ferplus_val_dump.npz", answers(encoder, public.images), public.va, person)


def on_people(encoder: Encoder, pair: Session, shown: people.People, dump: Path | None) -> None:
    """Single pictures of rendered people, and pairs of the same person."""
    margin = (shown.images.shape[1] - encoder.size) // 2
    middle = np.ascontiguousarray(
        shown.images[:, margin : margin + encoder.size, margin : margin + encoder.size]
    )
    encoded = answers(encoder, middle)
    print(f"rendered test people (n={len(shown)}): {VaFigures.of(encoded.absolute, shown.va)}")
    first, second = same_person_pairs(shown.person)
    chosen = np.random.default_rng(0).choice(len(first), min(4000, len(first)), replace=False)
    first, second = first[chosen], second[chosen]
    near = np.linalg.norm(shown.va[first] - shown.va[second], axis=1) < 0.3
    pairs(pair, encoded, shown.va, first, second, near, "same rendered person")
    if dump:
        save(dump / "rendered_dump.npz", encoded, shown.va, shown.person)


def pairs(
    session: Session,
    encoded: Encoded,
    va: NDArray[np.float32],
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    alike: NDArray[np.bool_],
    name: str,
) -> None:
    """Differences by the pair graph and by the absolute head; how well similarity and cosine tell what is alike."""
    feeds = [
        {"embedding": encoded.embedding[[i]], "support": encoded.embedding[[j]]}
        for i, j in zip(first, second, strict=True)
    ]
    outputs = [session.run(feed) for feed in feeds]
    delta = np.stack([output["delta"][0, 0] for output in outputs])
    similarity = np.array([output["similarity"][0, 0] for output in outputs])
    unit = encoded.embedding / np.linalg.norm(encoded.embedding, axis=1, keepdims=True)
    cosine = np.sum(unit[first] * unit[second], axis=1)
    truth = va[first] - va[second]
    rows = {"pair graph": delta, "absolute": encoded.absolute[first] - encoded.absolute[second]}
    for how, predicted in rows.items():
        scores = [(ccc(predicted[:, i], truth[:, i]), rmse(predicted[:, i], truth[:, i])) for i in (0, 1)]
        (v, v_error), (a, a_error) = scores
        print(f"  {name}, differences by {how}: CCC {v:.3f}/{a:.3f} RMSE {v_error:.3f}/{a_error:.3f}")
    print(
        f"  {name}, alike or not: AUC {auc(similarity, alike):.3f} by similarity, {auc(cosine, alike):.3f} by cosine"
    )


def auc(score: NDArray[np.floating], positive: NDArray[np.bool_]) -> float:
    """Probability that a positive scores above a negative (ties are broken by order)."""
    rank = np.empty(len(score))
    rank[np.argsort(score, kind="stable")] = np.arange(1, len(score) + 1)
    count = positive.sum()
    return float((rank[positive].sum() - count * (count + 1) / 2) / (count * (len(score) - count)))


def latency(encoder: Encoder, pair: Session) -> None:
    """One face, one thread, median of many rounds."""
    faces = np.random.default_rng(0).integers(0, 256, (SUPPORT, encoder.size, encoder.size), dtype=np.uint8)
    known = encoder(faces).embedding
    print(f"encoder, one face, one thread: {median_ms(lambda: encoder(faces[:1])):.2f} ms")
    feeds = {"embedding": known[:1], "support": known}
    print(f"pair, one face and {SUPPORT} support frames: {median_ms(lambda: pair.run(feeds)):.3f} ms")


def median_ms(call: Callable[[], object]) -> float:
    times = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return 1e3 * float(np.median(times))


def answers(encoder: Encoder, images: NDArray[np.uint8]) -> Encoded:
    """images [n, S, S] through the encoder, in parts."""
    parts = [encoder(images[start : start + BATCH]) for start in range(0, len(images), BATCH)]
    joined = {name: np.concatenate([getattr(part, name) for part in parts]) for name in Encoded.__slots__}
    return Encoded(**joined)


def save(path: Path, encoded: Encoded, va: NDArray[np.float32], person: NDArray[np.int64]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, embeddings=encoded.embedding, absolute=encoded.absolute, va=va, person=person)
    print(f"  wrote {path}")


if __name__ == "__main__":
    main()
