"""Parts of a pipeline for tests: a small tracker, a recording sink, messages with known content, a wait."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from mtclar.engine.data_types import Affect, Estimate, Faces, Frame
from mtclar.stream.pipeline.pipeline import Pipeline, PipelineOptions
from mtclar.stream.pipeline.reader import RetryPolicy
from mtclar.stream.protocol.messages import (
    AffectMessage,
    Hello,
    LatencyMs,
    ModelInfo,
    StatusMessage,
    StreamInfo,
)
from mtclar.stream.server.config import ServerConfig
from mtclar.stream.server.server import Server
from mtclar.stream.sinks import SinkGroup, open_sink
from mtclar.stream.sinks.base import Sink
from mtclar.stream.sources import open_source

CAM = StreamInfo("cam", "webcam:0", True, (640, 480), 30.0, "latest")
MODEL = ModelInfo("small", "abc123", "onnxruntime")
WAIT_S = 60.0  # bounds every wait; nothing should come near it

Eventually = Callable[[Callable[[], Any]], Any]


@pytest.fixture
def eventually() -> Eventually:
    """Waits until a condition holds and returns what it gave; fails after WAIT_S."""

    def wait(condition: Callable[[], Any]) -> Any:
        until_s = time.monotonic() + WAIT_S
        while not (result := condition()):
            assert time.monotonic() < until_s, f"waited {WAIT_S:g} s in vain"
            time.sleep(0.01)
        return result

    return wait


def cam_server(**options: Any) -> Server:
    """A server on a free port that announces the stream CAM; `options` of its configuration."""
    return Server(ServerConfig(port=0, **options), hello=lambda: Hello((CAM,)))


@contextmanager
def publishing(spec: str, *infos: StreamInfo) -> Iterator[SinkGroup]:
    """The sink of `spec`, open for these streams, or for CAM."""
    sink = open_sink(spec)
    sink.model = MODEL
    with SinkGroup([sink]) as sinks:
        sinks.open(infos or [CAM])
        yield sinks


def affect(track_id: int = 0, valence: float | None = 0.25) -> Affect:
    raw = Estimate(0.3, -0.2, 0.05, 0.06, np.array([0.2, 0.9], np.float32), 1, True, (0.2, -0.1))
    return Affect(
        track_id,
        "anna",
        "ok",
        (10.0, 20.0, 110.0, 140.0),
        (1.0, 2.0, 3.0),
        valence,
        -0.5,
        0.05,
        0.06,
        raw,
        (),
    )


@dataclass
class SmallTracker:
    """One face in every frame, where the middle of the picture is; as fast or slow as asked."""

    pause_s: float = 0.0
    fails_at: int | None = None
    backend: str = "small"
    overlaps: bool = False
    keep: bool = True  # what it has seen
    seen: list[Frame] = field(default_factory=list)

    def find(self, frame: Frame) -> Faces:
        if self.pause_s:
            time.sleep(self.pause_s)
        if self.fails_at == len(self.seen):
            raise RuntimeError("the tracker broke")
        self.seen[:] = [*(self.seen if self.keep else ()), frame]
        return Faces(())

    def estimate(self, frame: Frame, faces: Faces) -> tuple[Affect, ...]:
        assert faces.crops == ()
        assert frame is self.seen[-1]
        return (affect(),)


@pytest.fixture
def tracker() -> SmallTracker:
    return SmallTracker()


@pytest.fixture
def make_tracker() -> type[SmallTracker]:
    return SmallTracker


@pytest.fixture
def make_message() -> Callable[..., AffectMessage]:
    def make(seq: int = 0, *, stream: str = "cam", faces: int = 1, t_s: float | None = None) -> AffectMessage:
        return AffectMessage(
            stream=stream,
            seq=seq,
            frame=seq,
            t_capture_s=time.monotonic() if t_s is None else t_s,
            clock="arrival",
            pts_s=seq / 25,
            size=(640, 480),
            latency_ms=LatencyMs(0.12345, 3.2, 4.1),
            dropped=0,
            faces=tuple(affect(n) for n in range(faces)),
        )

    return make


@dataclass
class Collector(Sink):
    """A sink that keeps everything."""

    own_thread = False

    messages: list[AffectMessage] = field(default_factory=list)
    statuses: list[StatusMessage] = field(default_factory=list)

    def affect(self, message: AffectMessage) -> None:
        self.messages.append(message)

    def status(self, message: StatusMessage) -> None:
        self.statuses.append(message)

    def states(self) -> list[str]:
        return [status.state for status in self.statuses]


@pytest.fixture
def collector() -> Collector:
    return Collector()


def assert_it_comes_back(server: Any, tracker: Any, collector: "Collector", eventually: Eventually) -> None:
    """Messages come again after the server of a source was stopped and started, with times that go on."""
    retry = RetryPolicy(reconnect_s=0.1, first_retry_s=0.2)
    with Pipeline(open_source(server.url), tracker, [collector], PipelineOptions(retry=retry)) as pipeline:
        eventually(lambda: len(collector.messages) >= 5)
        server.stop()
        eventually(lambda: "reconnecting" in collector.states())
        before = len(collector.messages)
        server.start()
        eventually(lambda: len(collector.messages) >= before + 5)
        assert pipeline.error is None
    times = [message.pts_s for message in collector.messages]
    assert times == sorted(set(times))
