"""A source through the pipeline: every frame answered, latencies, ends, failures, freshness."""

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mtclar.engine.errors import MtclarError
from mtclar.stream.pipeline.pipeline import Pipeline, PipelineOptions, default_freshness
from mtclar.stream.pipeline.summary import Meter
from mtclar.stream.protocol.messages import AffectMessage
from mtclar.stream.server.config import ServerConfig
from mtclar.stream.server.server import Server
from mtclar.stream.sinks.base import Sink
from mtclar.stream.sources import open_source
from mtclar.stream.sources.pace import PacedSource, paced

MakeClip = Callable[..., Path]
WAIT_S = 60.0


def test_all_answers_every_frame_in_order(make_clip: MakeClip, tracker: Any, collector: Any) -> None:
    pipeline = Pipeline(
        open_source(str(make_clip(frames=60))),
        tracker,
        [collector],
        PipelineOptions(truth=lambda t_s: (t_s, -t_s) if t_s < 1 else None),
    )
    with pipeline:
        assert pipeline.wait(WAIT_S)
    assert pipeline.error is None
    messages = collector.messages
    assert [m.frame for m in messages] == [m.seq for m in messages] == list(range(60))
    assert messages[3].truth == pytest.approx((0.12, -0.12), abs=2e-3)
    assert messages[59].truth is None
    assert all(m.size == (320, 240) and m.dropped == 0 for m in messages)
    assert collector.states() == ["connecting", "live", "ended"]
    summary = pipeline.summary()
    assert (summary.frames, summary.dropped, summary.backend, summary.frames_with_face) == (
        60,
        0,
        "small",
        60,
    )
    assert summary.fps > 0
    assert summary.latency_ms["p50"] is not None


def test_the_latency_parts_add_up_and_the_clock_is_the_one_given(tracker: Any, collector: Any) -> None:
    ticks = iter(range(10**9))
    lock = threading.Lock()

    def clock() -> float:  # every look at the clock takes a second
        with lock:
            return float(next(ticks))

    with Pipeline(
        open_source("synthetic:64x48?faces=0&frames=5"), tracker, sinks=[collector], clock=clock
    ) as pipeline:
        assert pipeline.wait(WAIT_S)
    for message in collector.messages:
        parts = json.loads(message.encode())["latency_ms"]
        assert parts["total"] == pytest.approx(parts["queue"] + parts["track"] + parts["estimate"])
        assert parts["track"] >= 1000
        assert parts["estimate"] >= 1000


def test_paced_drops_what_the_tracker_is_too_slow_for_and_says_so(
    make_clip: MakeClip, make_tracker: Any, collector: Any
) -> None:
    source = open_source(str(make_clip(frames=25)))
    with Pipeline(
        source, make_tracker(pause_s=0.15), [collector], PipelineOptions(freshness="paced")
    ) as pipeline:
        assert pipeline.wait(WAIT_S)
    messages = collector.messages
    assert 2 <= len(messages) < 25
    assert pipeline.summary().dropped == 25 - len(messages)
    assert messages[-1].dropped > 0
    assert messages[-1].frame == 24  # the newest is never the one that is dropped
    assert [m.seq for m in messages] == list(range(len(messages)))


def test_a_failing_tracker_ends_the_run_and_is_not_hidden(make_clip: MakeClip, make_tracker: Any) -> None:
    with Pipeline(open_source(str(make_clip(frames=60))), make_tracker(fails_at=5)) as pipeline:
        assert pipeline.wait(WAIT_S)
        assert isinstance(pipeline.error, RuntimeError)
        assert pipeline.summary().frames == 5
    assert_no_threads()


def test_a_failing_required_sink_ends_the_run(make_clip: MakeClip, tracker: Any) -> None:
    class Full(Sink):
        own_thread = False
        required = True

        def affect(self, message: AffectMessage) -> None:  # noqa: ARG002
            raise MtclarError("the disk is full")

    with Pipeline(open_source(str(make_clip(frames=60))), tracker, sinks=[Full()]) as pipeline:
        assert pipeline.wait(WAIT_S)
    assert isinstance(pipeline.error, MtclarError)


def test_stopping_in_the_middle_is_quick_and_leaves_no_thread(tracker: Any, eventually: Any) -> None:
    pipeline = Pipeline(open_source("synthetic:64x48@100?faces=0"), tracker)
    assert pipeline.freshness == default_freshness(pipeline.source) == "latest"
    pipeline.start()
    eventually(lambda: pipeline.summary().frames >= 3)
    assert pipeline.stop()
    assert pipeline.wait(0)
    assert pipeline.error is None
    assert_no_threads()


def test_stopping_a_reader_that_waits_for_room_does_not_hang(
    make_clip: MakeClip, make_tracker: Any, eventually: Any
) -> None:
    tracker = make_tracker(pause_s=0.05)
    pipeline = Pipeline(
        open_source(str(make_clip(frames=200))), tracker, options=PipelineOptions(freshness="all")
    )
    pipeline.start()
    eventually(lambda: tracker.seen)
    assert pipeline.stop()
    assert_no_threads()


def test_an_assignment_after_the_end_is_rejected_once_and_so_is_a_pending_one(tracker: Any) -> None:
    answers: list[MtclarError | None] = []
    with Pipeline(open_source("synthetic:64x48?faces=0&frames=1"), tracker) as pipeline:
        assert pipeline.wait(WAIT_S)
        pipeline.assign(1, "anna", answers.append)
    assert [str(error) for error in answers] == ["the stream has ended"]
    broken = Pipeline(
        open_source("synthetic:64x48?faces=0&frames=1"), tracker, sinks=[_Broken(lambda: waiting())]
    )

    def waiting() -> None:
        broken.assign(1, "anna", answers.append)
        raise RuntimeError("the sink broke")

    with broken:
        assert broken.wait(WAIT_S)
    assert [str(error) for error in answers] == 2 * ["the stream has ended"]


class _Broken(Sink):
    """A sink that does something else."""

    own_thread = False
    required = True

    def __init__(self, work: Callable[[], None]) -> None:
        self._work = work

    def affect(self, message: AffectMessage) -> None:  # noqa: ARG002
        self._work()


def test_a_file_that_was_a_video_when_opened_and_is_gone_fails(make_clip: MakeClip, tracker: Any) -> None:
    path = make_clip(frames=5)
    source = open_source(str(path))
    path.write_bytes(b"gone")
    with Pipeline(source, tracker) as pipeline:
        assert pipeline.wait(WAIT_S)
    assert isinstance(pipeline.error, MtclarError)


def test_the_summary_reaches_to_the_socket(make_clip: MakeClip, tracker: Any) -> None:
    meter = Meter()
    with Server(ServerConfig(port=0), on_sent=meter.sent) as server:
        source = open_source(str(make_clip(frames=10)))
        with Pipeline(source, tracker, [server], meter=meter) as pipeline:
            assert pipeline.wait(WAIT_S)
        info = pipeline.info()
    assert (info.stream, info.size, info.freshness, info.truth) == ("clip", (320, 240), "all", False)
    assert pipeline.summary().frames == 10


def test_paced_frames_come_at_their_own_times() -> None:
    now = [100.0]

    class Waits(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            now[0] += timeout or 0
            return False

    source = open_source("synthetic:64x48@10?faces=0&frames=4")
    released = [frame.t_capture_s for frame in paced(source.frames(), Waits(), lambda: now[0])]
    assert released == pytest.approx([100.0, 100.1, 100.2, 100.3])


def test_realtime_gives_a_paced_source(make_clip: MakeClip) -> None:
    source = open_source(str(make_clip(frames=3)), realtime=True)
    assert isinstance(source, PacedSource)
    frames = list(source.frames())
    assert len(frames) == 3
    assert frames[-1].t_capture_s - frames[0].t_capture_s >= 0.075


def assert_no_threads() -> None:
    ours = ("reader-", "source-", "worker-", "broadcast")
    assert [t.name for t in threading.enumerate() if t.name.startswith(ours) and t.is_alive()] == []
