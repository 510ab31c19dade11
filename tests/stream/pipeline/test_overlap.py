"""Two workers of one stream: the faces of the next frame beside the estimate of this one, in order, without a loss."""

import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.pipeline_parts import affect

from mtclar.calibrate.core.demo_clip import demo_support
from mtclar.engine.data_types import Affect, Faces, Frame
from mtclar.engine.errors import MtclarError
from mtclar.engine.support_set import SupportSet
from mtclar.engine.tracker import Tracker
from mtclar.stream.pipeline.pipeline import Pipeline, PipelineOptions
from mtclar.stream.sinks.base import Sink
from mtclar.stream.sources import open_source

WAIT_S = 120.0
FRAMES = 60
FACES = "synthetic:640x480@240?faces=1&frames=150"  # faster than one worker answers


@dataclass
class Strict:
    """A tracker that notes which frame is in which step, and refuses two frames in one step, or out of order."""

    pause: Any = None  # called in both steps
    find_fails_at: int | None = None
    estimate_fails_at: int | None = None
    meets: "Pictures | None" = None  # `estimate` of its pictures waits until `find` of the next one has begun
    overlaps: bool = True
    backend: str = "strict"
    found: list[int] = field(default_factory=list)
    estimated: list[int] = field(default_factory=list)
    assigned: list[str | None] = field(default_factory=list)
    met: int = 0
    _busy: dict[str, threading.Lock] = field(
        default_factory=lambda: {"find": threading.Lock(), "estimate": threading.Lock()}
    )
    _begun: threading.Condition = field(default_factory=threading.Condition)

    @contextmanager
    def _alone(self, step: str) -> Iterator[None]:
        assert self._busy[step].acquire(blocking=False), f"two frames in {step}"
        try:
            yield
        finally:
            self._busy[step].release()

    def find(self, frame: Frame) -> Faces:
        with self._alone("find"):
            with self._begun:
                assert not self.found or frame.seq > self.found[-1]
                self.found.append(frame.seq)
                self._begun.notify_all()
            if self.meets is not None:
                assert self.meets.wait_for(frame.seq + 1)
            if self.pause is not None:
                self.pause()
            if frame.seq == self.find_fails_at:
                raise RuntimeError("find broke")
            return Faces(())

    def estimate(self, frame: Frame, faces: Faces) -> tuple[Affect, ...]:  # noqa: ARG002
        with self._alone("estimate"):
            assert not self.estimated or frame.seq > self.estimated[-1]
            if self.meets is not None and frame.seq < FRAMES - 1:
                with self._begun:
                    self.met += self._begun.wait_for(lambda: self.found[-1] > frame.seq, WAIT_S)
            if self.pause is not None:
                self.pause()
            if frame.seq == self.estimate_fails_at:
                raise RuntimeError("estimate broke")
            self.estimated.append(frame.seq)
            return (affect(),)

    def assign(self, track_id: int, subject: str | None) -> None:
        with self._alone("estimate"):
            if track_id:
                raise MtclarError("there is no such face")
            self.assigned.append(subject)


class Pictures:
    """A file of black pictures that knows how many its reader has put into the mailbox."""

    live = False
    fps: float | None = 30.0
    stream_id = label = "pictures"
    size: tuple[int, int] | None = (64, 48)
    files: tuple[Path, ...] = ()

    def __init__(self, count: int = FRAMES) -> None:
        self._count = count
        self._put = 0
        self._changed = threading.Condition()

    def frames(self) -> Iterator[Frame]:
        image = np.zeros((48, 64, 3), np.uint8)
        for seq in range(self._count):
            with self._changed:
                self._put = seq  # asked for this one: those before are in the mailbox
                self._changed.notify_all()
            yield Frame(image, seq, time.monotonic(), "file", seq / 30, self.stream_id)
        with self._changed:
            self._put = self._count
            self._changed.notify_all()

    def wait_for(self, seq: int) -> bool:
        """Until that picture is in the mailbox, or has been taken from it."""
        with self._changed:
            return self._changed.wait_for(lambda: self._put > min(seq, self._count - 1), WAIT_S)

    def reachable(self) -> None:
        return None

    def close(self) -> None:
        pass


def run(tracker: Any, collector: Any, freshness: Any = "all", source: Any = None) -> Pipeline:
    pipeline = Pipeline(source or Pictures(), tracker, [collector], PipelineOptions(freshness=freshness))
    with pipeline:
        assert pipeline.wait(WAIT_S)
    left = [thread.name for thread in threading.enumerate() if thread.name.startswith(("worker-", "source-"))]
    assert left == []
    return pipeline


def jitter(seed: int) -> Any:
    rng = random.Random(seed)
    return lambda: time.sleep(rng.choice((0.0, 0.0, 0.001, 0.003)))


def test_faces_of_the_next_frame_are_found_while_this_one_is_estimated(collector: Any) -> None:
    """The estimate of each frame waits for it, so this can only end if both run at once."""
    source = Pictures()
    tracker = Strict(meets=source)
    assert run(tracker, collector, source=source).error is None
    assert tracker.met == FRAMES - 1
    assert [message.frame for message in collector.messages] == list(range(FRAMES))


@pytest.mark.parametrize("seed", range(4))
def test_every_frame_is_answered_once_and_in_order(seed: int, collector: Any) -> None:
    tracker = Strict(pause=jitter(seed))
    assert run(tracker, collector).error is None
    assert tracker.found == tracker.estimated == list(range(FRAMES))
    assert [message.seq for message in collector.messages] == list(range(FRAMES))
    assert [message.frame for message in collector.messages] == list(range(FRAMES))


def test_the_newest_frame_wins_and_drops_are_counted(collector: Any) -> None:
    tracker = Strict(pause=lambda: time.sleep(0.02))
    source = open_source(f"synthetic:64x48@100?faces=0&frames={FRAMES}")
    pipeline = run(tracker, collector, "paced", source)
    frames = [message.frame for message in collector.messages]
    assert frames == sorted(set(frames)) == tracker.estimated
    assert frames[-1] == FRAMES - 1
    assert pipeline.summary().dropped == FRAMES - len(frames)


@pytest.mark.parametrize("at", [0, 1, 17, FRAMES - 1])
def test_a_failure_to_find_lets_the_frame_before_it_finish(at: int, collector: Any) -> None:
    tracker = Strict(pause=jitter(at), find_fails_at=at)
    pipeline = run(tracker, collector)
    assert str(pipeline.error) == "find broke"
    assert pipeline.summary().stopped
    assert [message.frame for message in collector.messages] == list(range(at))


@pytest.mark.parametrize("at", [0, 1, 17, FRAMES - 1])
def test_nothing_is_answered_after_a_failed_estimate(at: int, collector: Any) -> None:
    tracker = Strict(pause=jitter(at), estimate_fails_at=at)
    pipeline = run(tracker, collector)
    assert str(pipeline.error) == "estimate broke"
    assert [message.frame for message in collector.messages] == list(range(at))
    assert tracker.estimated == list(range(at))


def test_a_sink_that_fails_ends_both_workers() -> None:
    class Full(Sink):
        own_thread = False
        required = True

        def affect(self, message: Any) -> None:
            if message.seq == 5:
                raise MtclarError("the disk is full")

    tracker = Strict(pause=jitter(1))
    assert str(run(tracker, Full()).error) == "the disk is full"
    assert tracker.estimated == list(range(6))


@pytest.mark.parametrize("seed", range(3))
def test_stopping_during_work_ends_both_workers(seed: int, collector: Any, eventually: Any) -> None:
    tracker = Strict(pause=jitter(seed))
    pipeline = Pipeline(Pictures(10**6), tracker, [collector], PipelineOptions(freshness="all"))
    pipeline.start()
    eventually(lambda: len(collector.messages) > 3 + seed)
    assert pipeline.stop()
    assert pipeline.wait(0)
    assert pipeline.error is None
    assert pipeline.busy_s == 0.0
    assert [message.frame for message in collector.messages] == list(range(len(collector.messages)))
    assert [t.name for t in threading.enumerate() if t.name.startswith("worker-")] == []


def test_assignments_come_between_two_estimates_and_are_all_answered(collector: Any, eventually: Any) -> None:
    tracker = Strict(pause=jitter(3))
    answers: list[MtclarError | None] = []
    pipeline = Pipeline(Pictures(10**6), tracker, [collector], PipelineOptions(freshness="all"))
    with pipeline:
        for number in range(30):
            pipeline.assign(number % 2, f"subject {number}", answers.append)
        eventually(lambda: len(answers) == 30)
    assert tracker.assigned == [f"subject {number}" for number in range(0, 30, 2)]
    assert [answer is None for answer in answers] == [number % 2 == 0 for number in range(30)]


def test_one_worker_where_the_tracker_or_the_options_say_so(collector: Any) -> None:
    for tracker, overlap in ((Strict(overlaps=False), True), (Strict(), False)):
        pipeline = Pipeline(Pictures(), tracker, [collector], PipelineOptions(overlap=overlap))
        pipeline.start()
        workers = [t.name for t in threading.enumerate() if t.name.startswith("worker-")]
        assert len(workers) <= 1
        assert pipeline.wait(WAIT_S)
        pipeline.stop()


def test_the_values_are_those_of_one_worker_also_when_calibrated_anew(tmp_path: Path, collector: Any) -> None:
    support = demo_support("onnxruntime", 1)
    other = SupportSet.load(_saved(support, tmp_path))
    halves = []
    for overlap in (True, False):
        with Tracker.open([support], backend="onnxruntime") as tracker:
            assert tracker.overlaps
            collector.messages = []
            options = PipelineOptions(
                freshness="all",
                overlap=overlap,
                on_frame=lambda frame, tracker=tracker: (  # type: ignore[misc]
                    tracker.replace_support(other) if frame.seq == 40 else None
                ),
            )
            with Pipeline(open_source(FACES), tracker, [collector], options) as pipeline:
                assert pipeline.wait(WAIT_S)
            assert pipeline.error is None
            assert tracker.supports == (other,)
        halves.append(
            [
                (m.frame, [(f.track_id, f.state, f.valence, f.arousal, f.valence_sd, f.box) for f in m.faces])
                for m in collector.messages
            ]
        )
    assert [frame for frame, _ in halves[0]] == list(range(150))
    assert any(faces for _, faces in halves[0])
    assert halves[0] == halves[1]


def _saved(support: SupportSet, folder: Path) -> Path:
    path = folder / "again.mtclar"
    support.save(path)
    return path
