"""Accuracy and speed of the networks: the figures of docs/development/training.md and of the encoder's card.

    python -m experiments.networks.accuracy_and_speed --ferplus FERPLUS --people test_people.npz
        [--models DIR] [--dump DIR] [--backend onnxruntime]

Runs exported graphs (the bundled ones by default) as the engine does, on FER+ PrivateTest and on rendered test people,
and says which graphs these are: unasked, a CPU runs the encoder's int8 copy where there is one. Without --ferplus and
--people there is speed alone: processor time on one core, beside that of the landmark network in the same run. `--dump`
leaves the encoder's answers for FER+ PublicTest and for the rendered people as npz files, for work on support sets that
needs no pictures.
"""

import time
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mtclar.cli.benchmark.compare import ratio
from mtclar.engine import models
from mtclar.engine.backends.onnxruntime_session import int8_path
from mtclar.engine.backends.session import Arrays, InferenceSession, open_session, open_sessions
from mtclar.engine.data_types import EXPRESSIONS, Encoded
from mtclar.engine.estimate.encoder import INPUT as FACE
from mtclar.engine.estimate.encoder import Encoder
from mtclar.engine.estimate.metrics import ccc, rmse
from mtclar.engine.face.landmarks import INPUT as REGION
from mtclar.engine.face.landmarks import SIDE
from mtclar.train.accuracy.answers import NETWORKS, encode, middles
from mtclar.train.accuracy.encoder_figures import VaFigures, photo_figures
from mtclar.train.data import ferplus, rendered_people
from mtclar.train.data.pairs import same_person_pairs, stranger_pairs
from tools.arguments import parser_of

ROUNDS, BLOCK, WARM = 60, 10, 2
SUPPORT = 16


def main() -> None:
    """Prints the figures."""
    parser = parser_of(__doc__)
    parser.add_argument("--ferplus", type=Path)
    parser.add_argument("--people", type=Path, nargs="+", help="pictures of rendered test people")
    parser.add_argument(
        "--models", type=Path, help="folder of exported networks; the bundled ones by default"
    )
    parser.add_argument("--backend", default="auto", help="as of the command line (%(default)s)")
    parser.add_argument("--dump", type=Path, help="folder for the encoder's answers")
    given = parser.parse_args()
    graphs = [models.path(name, given.models) for name in NETWORKS]
    opened = open_sessions(graphs, given.backend)
    with ExitStack() as sessions:
        encoder_session, pair = map(sessions.enter_context, opened.sessions)
        encoder = Encoder(encoder_session)
        for graph, session in zip(graphs, opened.sessions, strict=True):
            run = run_by(graph, opened.backend)
            print(f"{run.name}: {run.stat().st_size:,} bytes, on {session.backend}")
        if given.ferplus:
            on_photos(encoder, pair, ferplus.load(given.ferplus), given.dump)
        if given.people:
            on_people(encoder, pair, rendered_people.load(given.people, "test"), given.dump)
    one_core(*graphs)


def run_by(graph: Path, backend: str) -> Path:
    """The file that a backend runs for a graph."""
    eight_bits = backend == "onnxruntime:int8" and graph.stem in models.EIGHT_BITS
    return int8_path(graph) if eight_bits else graph


def on_photos(encoder: Encoder, pair: InferenceSession, data: ferplus.FerPlus, dump: Path | None) -> None:
    """FER+: PrivateTest is scored, PublicTest dumped."""
    photos = data.split("PrivateTest")
    encoded = encode(encoder, photos.images)
    free = models.card("encoder").prior_free
    print(f"FER+ PrivateTest: {photo_figures(encoded, photos, prior_free=free)}")
    for label, name in enumerate(EXPRESSIONS):
        shown = (photos.label == label) & photos.majority
        logits = encoded.expression[shown] + (np.log(ferplus.CROWD_SHARES) if free else 0)
        recall = np.mean(logits.argmax(axis=1) == label)
        print(f"  recall {name}: {recall:.2f} (n={shown.sum()})")
    first, second = stranger_pairs(photos.label, 4000, np.random.default_rng(0))
    pairs(pair, encoded, photos.va, first, second, photos.label[first] == photos.label[second], "strangers")
    if dump:
        public = data.split("PublicTest")
        person = np.arange(len(public))  # nobody is known to be there twice
        save(dump / "ferplus_val_dump.npz", encode(encoder, public.images), public.va, person)


def on_people(
    encoder: Encoder, pair: InferenceSession, shown: rendered_people.People, dump: Path | None
) -> None:
    """Single pictures of rendered people, and pairs of the same person."""
    encoded = encode(encoder, middles(shown.images))
    print(f"rendered test people (n={len(shown)}): {VaFigures.of(encoded.absolute, shown.va)}")
    first, second = same_person_pairs(shown.person)
    chosen = np.random.default_rng(0).choice(len(first), min(4000, len(first)), replace=False)
    first, second = first[chosen], second[chosen]
    near = np.linalg.norm(shown.va[first] - shown.va[second], axis=1) < 0.3
    pairs(pair, encoded, shown.va, first, second, near, "same rendered person")
    if dump:
        save(dump / "rendered_dump.npz", encoded, shown.va, shown.person)


def pairs(
    session: InferenceSession,
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


def one_core(encoder_graph: Path, pair_graph: Path) -> None:
    """Processor time of each graph for one face on one core: in milliseconds, and over that of the landmark network.

    They take turns in blocks, so that what else the machine does slows all alike.
    """
    with ExitStack() as sessions:

        def opened(graph: Path, backend: str = "onnxruntime") -> InferenceSession:
            return sessions.enter_context(open_session(graph, backend, threads=1))

        mesh, pair, encoder = opened(models.path("face_mesh")), opened(pair_graph), opened(encoder_graph)
        random = np.random.default_rng(0)
        size = Encoder(encoder).size
        faces = random.integers(0, 256, (SUPPORT, size, size), dtype=np.uint8)
        region = random.random((1, SIDE, SIDE, 3), np.float32)
        known = Encoder(encoder)(faces).embedding
        face: Arrays = {FACE: faces[:1]}
        turns: dict[str, tuple[InferenceSession, Arrays]] = {
            "landmark network": (mesh, {REGION: region}),
            f"encoder, {encoder.backend}": (encoder, face),
        }
        if int8_path(encoder_graph).is_file():
            eight_bits = opened(encoder_graph, "onnxruntime:int8")
            turns[f"encoder, {eight_bits.backend}"] = (eight_bits, face)
        turns[f"pair, {SUPPORT} support frames"] = (pair, {"embedding": known[:1], "support": known})
        taken_ms: dict[str, list[float]] = {name: [] for name in turns}
        for _ in range(ROUNDS):
            for name, (session, feeds) in turns.items():
                started_s = time.process_time()
                for _ in range(BLOCK):
                    session.run(feeds)
                taken_ms[name].append(1e3 * (time.process_time() - started_s) / BLOCK)
    unit, *_ = taken_ms.values()
    print("processor time for one face on one core, and over the landmark network's [95 % interval]:")
    for name, ms in taken_ms.items():
        of_unit = ratio(ms[WARM:], unit[WARM:], np.random.default_rng(0))
        print(f"  {name}: {np.median(ms[WARM:]):.3f} ms, {of_unit}")


def save(path: Path, encoded: Encoded, va: NDArray[np.float32], person: NDArray[np.int64]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, embeddings=encoded.embedding, absolute=encoded.absolute, va=va, person=person)
    print(f"  wrote {path}")


if __name__ == "__main__":
    main()
