"""Cost by the number of streams, faces in a picture, support frames and faces in the encoder's batch."""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import numpy as np

from mtclar.cli.benchmark.effort import Sizes
from mtclar.cli.benchmark.material import Material, tiled
from mtclar.engine import models
from mtclar.engine.backends.session import open_session
from mtclar.engine.data_types import Encoded, Frame
from mtclar.engine.estimate.comparer import Comparer
from mtclar.engine.estimate.encoder import Encoder
from mtclar.engine.support_set import SupportSet
from mtclar.engine.tracker import Tracker
from mtclar.stream.pipeline.streams import open_shared_encoder
from mtclar.stream.pipeline.summary import percentiles


def measure(material: Material, backend: str, threads: int, sizes: Sizes) -> dict[str, list[dict[str, Any]]]:
    """`scaling`: one row for each size of each kind."""
    frames = material.frames(sizes.frames)
    return {
        "streams": [
            {"streams": count, "fps": round(_streams(material, frames, backend, threads, count), 1)}
            for count in sizes.streams
        ],
        "faces": [_faces(frames, backend, threads, count) for count in sizes.faces],
        "support": _support(backend, threads, sizes),
        "batch": _batch(backend, threads, sizes),
    }


def _streams(material: Material, frames: Sequence[Frame], backend: str, threads: int, count: int) -> float:
    """Pictures per second of `count` trackers in their own threads, as in `run`."""
    supports = [] if material.support is None else [material.support]
    with ExitStack() as stack:
        backend, batcher = open_shared_encoder(stack, count, backend, threads)
        trackers = [
            stack.enter_context(
                Tracker.open(
                    supports,
                    backend=backend,
                    threads=threads,
                    encoder=None if batcher is None else batcher.join(f"stream {i}"),
                )
            )
            for i in range(count)
        ]
        for tracker in trackers:
            tracker(frames[0])
            tracker.reset()
        ready = threading.Barrier(count + 1)

        def work(tracker: Tracker) -> None:
            ready.wait()
            with tracker:  # a closed tracker leaves the batches of the others
                for frame in frames:
                    tracker(frame)

        workers = [threading.Thread(target=work, args=(tracker,), daemon=True) for tracker in trackers]
        for worker in workers:
            worker.start()
        ready.wait()
        started_s = time.perf_counter()
        for worker in workers:
            worker.join()
        return count * len(frames) / (time.perf_counter() - started_s)


def _faces(frames: Sequence[Frame], backend: str, threads: int, count: int) -> dict[str, Any]:
    """Milliseconds per picture with `count` faces: copies of the clip in a grid."""
    taken: list[float] = []
    seen: list[int] = []
    with Tracker.open(backend=backend, threads=threads, max_faces=count) as tracker:
        for frame in frames:
            picture = replace(frame, image=tiled(frame.image, count))
            started_s = time.perf_counter()
            affects = tracker(picture)
            taken.append(1e3 * (time.perf_counter() - started_s))
            seen.append(sum(affect.raw is not None for affect in affects))
    return {
        "faces": count,
        "seen": round(float(np.mean(seen[len(seen) // 5 :])), 2),
        "frame_ms": percentiles(taken[len(taken) // 5 :])["p50"],
    }


def _support(backend: str, threads: int, sizes: Sizes) -> list[dict[str, Any]]:
    """Milliseconds per face for the pair network and the comparison with N support frames."""
    identity = models.card("encoder").identity
    rng = np.random.default_rng(0)
    dim = identity.embedding_dim
    query = _encoded(rng, 1, dim)
    rows = []
    with open_session(models.path("pair"), backend, threads) as pair:
        for count in sizes.support:
            support = SupportSet.from_encoded(
                _encoded(rng, count, dim),
                rng.uniform(-1, 1, (count, 2)),
                subject="bench",
                encoder=identity,
            )
            with Comparer(pair, support) as comparer:
                taken = _median_ms(lambda compare=comparer: compare(query), sizes.rounds)  # type: ignore[misc]
            rows.append({"support": count, "pair_ms": taken})
    return rows


def _batch(backend: str, threads: int, sizes: Sizes) -> list[dict[str, Any]]:
    """Milliseconds per face for the encoder with B faces at once."""
    rng = np.random.default_rng(0)
    rows = []
    with open_session(models.path("encoder"), backend, threads) as session:
        encoder = Encoder(session)
        for count in sizes.batch:
            crops = rng.integers(0, 256, (count, encoder.size, encoder.size)).astype(np.uint8)
            taken = _median_ms(lambda crops=crops: encoder(crops), sizes.rounds)  # type: ignore[misc]
            rows.append({"batch": count, "face_ms": round(taken / count, 4)})
    return rows


def _median_ms(work: Callable[[], object], rounds: int) -> float:
    taken = []
    for i in range(rounds + rounds // 5):
        started_s = time.perf_counter()
        work()
        if i >= rounds // 5:
            taken.append(1e3 * (time.perf_counter() - started_s))
    return round(float(np.median(taken)), 4)


def _encoded(rng: np.random.Generator, count: int, dim: int) -> Encoded:
    return Encoded(
        rng.normal(size=(count, dim)).astype(np.float32),
        rng.uniform(-1, 1, (count, 2)).astype(np.float32),
    )
