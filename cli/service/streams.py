"""The streams of one `run`: a source and a tracker each, and one encoder for all of them where that pays."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

from mtclar.engine import models
from mtclar.engine.backends.session import open_sessions
from mtclar.engine.support_set import SupportSet
from mtclar.engine.tracker import Tracker
from mtclar.stream.batching import DEFAULT_WAIT_MS, Batcher
from mtclar.stream.sources import Source, open_source

ON_CPU = frozenset({"onnxruntime", "onnxruntime:cpu", "onnxruntime:int8", "torch:cpu"})
"""Backends whose sessions compute in the calling thread: there, one run for many streams would use one core."""


@dataclass(frozen=True, slots=True, eq=False)
class Stream:
    """One source and who follows it."""

    source: Source
    tracker: Tracker


def open_all(stack: ExitStack, specs: Sequence[str]) -> list[Source]:
    """The sources, each with a name of its own in messages; closed with the stack."""
    sources: list[Source] = []
    for spec in specs:
        source = open_source(spec)
        names = {other.stream_id for other in sources}
        if source.stream_id in names:
            number = next(n for n in range(2, len(specs) + 2) if f"{source.stream_id}-{n}" not in names)
            source.close()
            source = open_source(spec, stream_id=f"{source.stream_id}-{number}")
        sources.append(stack.enter_context(closing(source)))
    return sources


def supports_of(index: int, count: int, supports: Sequence[SupportSet]) -> Sequence[SupportSet]:
    """Of stream `index`: the one at its place where there are as many as streams, otherwise all of them."""
    return [supports[index]] if count > 1 and len(supports) == count else supports


def shared_encoder(
    stack: ExitStack,
    streams: int,
    backend: str,
    threads: int,
    batch_wait_ms: float | None = None,
    progress: Callable[[str], None] | None = None,
) -> tuple[str, Batcher | None]:
    """One encoder for so many streams where that pays, closed with the stack, and the backend that all are on."""
    if streams < 2 or (batch_wait_ms is None and backend in ON_CPU):
        return backend, None
    opened = open_sessions([models.path("encoder")], backend, threads, progress)
    (session,) = opened.sessions
    stack.enter_context(session)
    backend = opened.backend  # what `auto` took: all streams are on one
    if batch_wait_ms is None and backend in ON_CPU:
        return backend, None
    return backend, Batcher(session, wait_ms=DEFAULT_WAIT_MS if batch_wait_ms is None else batch_wait_ms)


def follow_all(
    stack: ExitStack,
    sources: Sequence[Source],
    supports: Sequence[SupportSet],
    *,
    backend: str,
    threads: int,
    smoother: str,
    max_faces: int,
    batch_wait_ms: float | None,
    progress: Callable[[str], None],
    blendshapes: bool = False,
    face_landmarker: Path | None = None,
) -> list[Stream]:
    """A tracker for each source. With several, faces of all streams go through one encoder in batches: on a card, or
    where a wait is named; `batch_wait_ms` is how long a face may wait for others. Raises what Tracker.open raises.
    """
    backend, batcher = shared_encoder(stack, len(sources), backend, threads, batch_wait_ms, progress)
    return [
        Stream(
            source,
            stack.enter_context(
                Tracker.open(
                    supports_of(i, len(sources), supports),
                    backend=backend,
                    threads=threads,
                    smoother=smoother,
                    max_faces=max_faces,
                    progress=progress,
                    encoder=None if batcher is None else batcher.join(source.stream_id),
                    blendshapes=blendshapes,
                    face_landmarker=face_landmarker,
                )
            ),
        )
        for i, source in enumerate(sources)
    ]
