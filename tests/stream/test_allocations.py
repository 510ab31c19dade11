"""Once a stream runs, no frame allocates memory of a frame's size: what it needs is there and used again."""

import gc
import tracemalloc
from collections.abc import Callable
from contextlib import closing

import pytest

from mtclar.engine.face.stillness import EVERY_FRAME, Looks
from mtclar.engine.tracker import Tracker
from mtclar.stream import demo_clip
from mtclar.stream.pipeline.garbage_collection import collect, collected_between_frames
from mtclar.stream.pipeline.pipeline import Pipeline
from mtclar.stream.sources import open_source

SETTLED = 30  # frames


def allocated(work: Callable[[], object]) -> int:
    """The most bytes that a call held beyond those before it, in NumPy's arrays and Python's objects."""
    before, _ = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    work()
    return tracemalloc.get_traced_memory()[1] - before


@pytest.mark.parametrize("looks", [EVERY_FRAME, Looks(skip_still=True)])
def test_no_frame_allocates_memory_of_its_size(looks: Looks) -> None:
    reading, answering = [], []
    with Tracker.open(looks=looks) as tracker, closing(open_source(str(demo_clip.clip_path()))) as source:
        frames = iter(source.frames())
        frame = next(frames)

        def read() -> None:
            nonlocal frame
            frame = next(frames)

        tracemalloc.start()
        try:
            for _ in range(2 * SETTLED):
                reading.append(allocated(read))
                answering.append(allocated(lambda: tracker(frame)))
        finally:
            tracemalloc.stop()
    assert max(reading[SETTLED:]) < 10_000  # of FFmpeg's own memory, a picture is a view
    assert max(answering[SETTLED:]) < frame.image.nbytes  # 263 kB, and 572 kB where the detector runs


def test_cycles_are_collected_between_frames_alone() -> None:
    assert gc.isenabled()
    phases: list[str] = []

    def cycles(count: int) -> None:
        for _ in range(count):
            one: list[object] = []
            one.append(one)

    with collected_between_frames():
        gc.callbacks.append(lambda phase, _: phases.append(phase))
        try:
            cycles(2_000)
            assert not phases  # Python would have collected by now
            collect(idle=False)
            assert not phases
            collect(idle=True)
            assert phases == ["start", "stop"]
            collect(idle=True)
            assert len(phases) == 2  # nothing new
            cycles(20_000)
            collect(idle=False)
            assert len(phases) == 4  # overdue: memory must not grow while frames wait
            with collected_between_frames():
                pass
            assert not gc.isenabled()
        finally:
            gc.callbacks.pop()
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0
    phases.clear()
    collect(idle=True)
    assert not phases


def test_a_pipeline_collects_beside_its_frames() -> None:
    collections: list[dict[str, int]] = []
    with (
        collected_between_frames(),
        Tracker.open() as tracker,
        closing(open_source("synthetic:160x120@200?frames=400")) as source,
    ):
        gc.callbacks.append(lambda _, info: collections.append(info))
        try:
            with Pipeline(source, tracker) as pipeline:
                assert pipeline.wait(60)
        finally:
            gc.callbacks.pop()
    assert pipeline.error is None
    assert collections
