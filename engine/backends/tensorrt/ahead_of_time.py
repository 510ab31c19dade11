"""Engines compiled ahead of time: for other machines, or before the first start on this one."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import onnx

from mtclar.engine.backends.quantized_onnx import KINDS, Ranges
from mtclar.engine.backends.tensorrt import builder
from mtclar.engine.backends.tensorrt.builder import SUPPORT, Progress
from mtclar.engine.backends.tensorrt.cache import ANY_CARD, EngineCache
from mtclar.engine.backends.tensorrt.distribution import Capability, TrtDistribution, dotted
from mtclar.engine.backends.tensorrt.network import bindings_of, engine_key
from mtclar.engine.backends.typed_onnx import DEFAULT_PRECISION, parse, partition, with_precision
from mtclar.engine.models import EIGHT_BITS

EXACT = frozenset({"face_detector", "face_mesh"})
"""Graphs that stay in fp32: fp16 moves landmarks by up to .06 pixels of the crop, as jitter."""


@dataclass(frozen=True, slots=True)
class PartLabels:
    """Names of the engines of one graph, in messages and file names."""

    whole: str
    once: str  # of the part that runs once for a bound input
    rest: str


@dataclass(frozen=True, slots=True)
class Compiled:
    """One engine on the disk."""

    label: str
    capability: str
    precision: str  # read back from the engine
    path: Path
    nbytes: int


def precision_for(name: str, asked: str) -> str:
    """The precision that a graph is compiled with when the user asked for `asked`."""
    if name in EXACT:
        return "fp32"
    return DEFAULT_PRECISION if asked in KINDS and name not in EIGHT_BITS else asked


def part_labels(name: str, precision: str) -> PartLabels:
    """The labels of the graph `name` in that precision."""
    return PartLabels(f"{name} {precision}", f"{name}-once {precision}", f"{name}-rest {precision}")


def ranges_for(graph: Path, precision: str) -> Ranges | None:
    """Activation ranges of a graph for eight bits; None for other precisions. UsageError when none were measured."""
    return Ranges.of(graph) if precision in KINDS else None


def parts_of(
    name: str, model: onnx.ModelProto, asked: str, ranges: Ranges | None = None
) -> Iterator[tuple[str, onnx.ModelProto]]:
    """The typed graphs that a tracker needs of one network; a graph with a support set in two parts."""
    precision = precision_for(name, asked)
    labels = part_labels(name, precision)
    bound = [b.name for b in bindings_of(model.graph.input) if SUPPORT in b.axes]
    parts = partition(model, bound[0]) if bound else None
    if parts is None:
        yield labels.whole, with_precision(model, precision, ranges)
    else:
        yield labels.once, with_precision(parts.once, precision)
        yield labels.rest, with_precision(parts.rest, precision)


def compile_ahead(
    distribution: TrtDistribution,
    graphs: Iterable[Path],
    capabilities: Sequence[Capability],
    precision: str,
    cache: EngineCache,
    progress: Progress | None = None,
) -> Iterator[Compiled]:
    """Compiles each graph for each compute capability into the cache's folder, where sessions find it.

    Raises BackendError with TensorRT's reason, WriteError when the disk refuses, UsageError when eight bits are wanted
    of a graph whose ranges were not measured.
    """
    for path in graphs:
        ranges = ranges_for(path, precision_for(path.stem, precision))
        for label, model in parts_of(path.stem, parse(path.read_bytes()), precision, ranges):
            for capability in capabilities:
                plan = builder.build(
                    distribution, model, label=label, capability=capability, progress=progress
                )
                key = engine_key(label, model, distribution, capability, ANY_CARD)
                yield Compiled(
                    label=label,
                    capability=dotted(capability),
                    precision=builder.main_precision(builder.stored_precisions(plan)),
                    path=cache.store(key, plan),
                    nbytes=len(plan),
                )
