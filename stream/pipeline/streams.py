"""Streams: a source and a tracker each, with one encoder for all of them where that is faster."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mtclar.engine import models
from mtclar.engine.backends.session import ON_CPU, open_sessions
from mtclar.engine.errors import UsageError
from mtclar.engine.face.stillness import ECONOMY_LOOKS_PER_S, EVERY_FRAME, Looks
from mtclar.engine.support_set import SupportSet
from mtclar.engine.tracker import Tracker
from mtclar.stream.pipeline.batching import DEFAULT_WAIT_MS, Batcher
from mtclar.stream.sources import Source, open_source


@dataclass(frozen=True, slots=True, eq=False)
class Stream:
    """One source and the tracker that answers its frames."""

    source: Source
    tracker: Tracker


def open_sources(stack: ExitStack, specs: Sequence[str]) -> list[Source]:
    """Opens sources, each with a stream id of its own; closed with the stack."""
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
    """The support sets of stream `index`: the one at its place if there are as many as streams, otherwise all."""
    return [supports[index]] if count > 1 and len(supports) == count else supports


def open_shared_encoder(
    stack: ExitStack,
    streams: int,
    backend: str,
    threads: int,
    batch_wait_ms: float | None = None,
    progress: Callable[[str], None] | None = None,
) -> tuple[str, Batcher | None]:
    """The back end of so many streams, and one encoder for all where that is faster; closed with the stack."""
    if streams < 2 or (batch_wait_ms is None and backend in ON_CPU):
        return backend, None
    opened = open_sessions([models.path("encoder")], backend, threads, progress)
    (session,) = opened.sessions
    stack.enter_context(session)
    backend = opened.backend  # the choice of `auto`: all streams use the same
    if batch_wait_ms is None and backend in ON_CPU:
        return backend, None
    return backend, Batcher(session, wait_ms=DEFAULT_WAIT_MS if batch_wait_ms is None else batch_wait_ms)


def tracker_opener(
    stack: ExitStack,
    streams: int,
    *,
    backend: str = "auto",
    threads: int = 1,
    batch_wait_ms: float | None = None,
    progress: Callable[[str], None] | None = None,
    skip_still: bool = False,
    economy: bool = False,
    face_landmarker: Path | None = None,
    **options: Any,
) -> Callable[[Source, Sequence[SupportSet]], Tracker]:
    """What opens the tracker of each of so many streams, from its source and support sets.

    With several, one encoder takes the faces of all streams in batches on a card, or where `batch_wait_ms` is given:
    how long a face may wait for those of other streams. It is closed with the stack, the trackers before it.
    `skip_still`: a face that does not change keeps its values for a few frames. `economy`: ten looks a second.
    `options` are those of Tracker.open. Raises UsageError for either with MediaPipe's face finder, which looks at every
    frame.
    """
    looks = Looks(skip_still, ECONOMY_LOOKS_PER_S if economy else None)
    if looks != EVERY_FRAME and face_landmarker is not None:
        option = "--economy" if economy else "--skip-still"
        raise UsageError(
            f"{option} works with the bundled face finder alone", f"leave out --faces or {option}"
        )
    backend, batcher = open_shared_encoder(stack, streams, backend, threads, batch_wait_ms, progress)

    def open_tracker(source: Source, supports: Sequence[SupportSet]) -> Tracker:
        return Tracker.open(
            supports,
            backend=backend,
            threads=threads,
            progress=progress,
            encoder=None if batcher is None else batcher.join(source.stream_id),
            face_landmarker=face_landmarker,
            looks=looks,
            **options,
        )

    return open_tracker


def open_streams(
    stack: ExitStack, sources: Sequence[Source], supports: Sequence[SupportSet], **options: Any
) -> list[Stream]:
    """Opens a tracker for each source, closed with the stack; `options` are those of `tracker_opener`.

    Raises what Tracker.open raises.
    """
    open_tracker = tracker_opener(stack, len(sources), **options)
    return [
        Stream(
            source,
            stack.enter_context(open_tracker(source, supports_of(i, len(sources), supports))),
        )
        for i, source in enumerate(sources)
    ]
