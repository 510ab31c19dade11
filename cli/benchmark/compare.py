"""Compares two backends on the same pictures in alternating blocks, so that a noisy machine slows both equally."""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from mtclar.cli.benchmark.material import Material
from mtclar.engine.data_types import Faces, Frame
from mtclar.engine.tracker import Tracker
from mtclar.stream.pipeline.summary import percentiles

BLOCK_FRAMES = 10
RESAMPLES = 2000


@dataclass(frozen=True, slots=True)
class Ratio:
    """A's time over B's, below 1 when A is faster: the median over blocks and its 95 % interval."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.median:.3f} [{self.low:.3f}, {self.high:.3f}]"


@dataclass(frozen=True, slots=True)
class Side:
    """One backend."""

    name: str
    backend: str
    frame_ms: dict[str, float | None]
    estimate_ms: dict[str, float | None]  # encoder, pair and comparison alone
    cpu_ms: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two backends and their ratios."""

    a: Side
    b: Side
    frame_ratio: Ratio
    estimate_ratio: Ratio
    cpu_ratio: Ratio  # processor time of all threads per frame: nearly independent of other load
    largest_difference: float  # in valence or arousal, before smoothing

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def parse(name: str) -> tuple[str, int]:
    """`onnxruntime:cpu@2` -> the backend and its threads. Raises UsageError."""
    from mtclar.engine.errors import UsageError

    backend, _, threads = name.partition("@")
    if threads and not (threads.isdecimal() and int(threads)):
        raise UsageError(f"{name!r}: the number of threads is invalid", "write onnxruntime@2")
    return backend, int(threads or 1)


def compare(material: Material, one: str, other: str, count: int) -> Comparison:
    """`count` pictures by each of two backends (NAME[:VARIANT][@THREADS]), in blocks that alternate in order."""
    frames = material.frames(count)
    supports = [] if material.support is None else [material.support]
    (one_backend, one_threads), (other_backend, other_threads) = parse(one), parse(other)
    with (
        Tracker.open(supports, backend=one_backend, threads=one_threads) as a,
        Tracker.open(supports, backend=other_backend, threads=other_threads) as b,
    ):
        sides = (_Runner(a), _Runner(b))
        for side in sides:
            side.block(frames[:BLOCK_FRAMES])  # warm
            side.forget()
        blocks = [frames[i : i + BLOCK_FRAMES] for i in range(BLOCK_FRAMES, len(frames), BLOCK_FRAMES)]
        for i, block in enumerate(blocks):
            for side in sides if i % 2 == 0 else sides[::-1]:
                side.block(block)
        rng = np.random.default_rng(0)
        values = [
            (mine, theirs)
            for mine, theirs in zip(sides[0].values, sides[1].values, strict=True)
            if mine is not None and theirs is not None
        ]
        return Comparison(
            a=sides[0].side(one, a.backend),
            b=sides[1].side(other, b.backend),
            frame_ratio=ratio(sides[0].frame_blocks, sides[1].frame_blocks, rng),
            estimate_ratio=ratio(sides[0].estimate_blocks, sides[1].estimate_blocks, rng),
            cpu_ratio=ratio(sides[0].cpu_blocks, sides[1].cpu_blocks, rng),
            largest_difference=max((float(np.abs(np.subtract(*pair)).max()) for pair in values), default=0.0),
        )


def ratio(a: Sequence[float], b: Sequence[float], rng: np.random.Generator) -> Ratio:
    """Of paired blocks: median, and a percentile bootstrap over blocks."""
    ratios = np.array(a) / np.array(b)
    resampled = np.median(rng.choice(ratios, (RESAMPLES, len(ratios))), axis=1)
    low, high = np.percentile(resampled, (2.5, 97.5))
    return Ratio(round(float(np.median(ratios)), 4), round(float(low), 4), round(float(high), 4))


class _Runner:
    """One tracker and its times."""

    def __init__(self, tracker: Tracker) -> None:
        self._tracker = tracker
        self.forget()

    def forget(self) -> None:
        self._frame_ms: list[float] = []
        self._estimate_ms: list[float] = []
        self.frame_blocks: list[float] = []
        self.estimate_blocks: list[float] = []
        self.cpu_blocks: list[float] = []
        self.values: list[tuple[float, float] | None] = []

    def block(self, frames: Sequence[Frame]) -> None:
        frame_ms, estimate_ms = [], []
        cpu_s = time.process_time()
        for frame in frames:
            started_s = time.perf_counter()
            faces: Faces = self._tracker.find(frame)
            found_s = time.perf_counter()
            affects = self._tracker.estimate(frame, faces)
            done_s = time.perf_counter()
            frame_ms.append(1e3 * (done_s - started_s))
            estimate_ms.append(1e3 * (done_s - found_s))
            raw = affects[0].raw if affects else None
            self.values.append(None if raw is None else (raw.valence, raw.arousal))
        self.cpu_blocks.append(1e3 * (time.process_time() - cpu_s) / len(frames))
        self._frame_ms += frame_ms
        self._estimate_ms += estimate_ms
        self.frame_blocks.append(float(np.mean(frame_ms)))
        self.estimate_blocks.append(float(np.mean(estimate_ms)))

    def side(self, name: str, backend: str) -> Side:
        return Side(
            name,
            backend,
            percentiles(self._frame_ms),
            percentiles(self._estimate_ms),
            round(float(np.median(self.cpu_blocks)), 3),
        )
