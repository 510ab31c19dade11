"""Thresholds: an event after so many seconds beyond a value, its end, and what every client and sink gets of it."""

import threading
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from support.contract import STREAM
from support.peers.websocket_client import join, say, until

from mtclar.engine.data_types import FaceState
from mtclar.stream.pipeline.runner import Runner
from mtclar.stream.pipeline.streams import Stream
from mtclar.stream.pipeline.thresholds import ThresholdWatch
from mtclar.stream.protocol.events import Threshold
from mtclar.stream.protocol.messages import AffectMessage
from mtclar.stream.server.config import ServerConfig
from mtclar.stream.sinks import Sink
from mtclar.stream.sources import open_source

HAPPY = Threshold("valence", "above", 0.5, 1.0)
TIRED = Threshold("arousal", "below", -0.2, 0.5)


@pytest.fixture
def frame(make_message: Callable[..., AffectMessage]) -> Callable[..., AffectMessage]:
    def make(t_s: float, valence: float, arousal: float = 0.0, state: FaceState = "ok") -> AffectMessage:
        message = make_message(t_s=t_s)
        face = replace(message.faces[0], valence=valence, arousal=arousal, state=state)
        return replace(message, faces=(face,))

    return make


def events(watch: ThresholdWatch, frames: list[AffectMessage]) -> list[tuple[float, bool, str]]:
    return [(one.t, one.active, one.threshold.axis) for frame in frames for one in watch.update(frame)]


def test_an_event_begins_after_its_seconds_and_ends_with_hysteresis(frame: Any) -> None:
    watch = ThresholdWatch()
    watch.set((HAPPY, TIRED))
    values = [(0, 0.6), (0.9, 0.6), (1.0, 0.6), (2.0, 0.48), (2.1, 0.52), (3.0, 0.4), (3.1, 0.6), (4.0, 0.6)]
    assert events(watch, [frame(*value) for value in values]) == [
        (1.0, True, "valence"),
        (3.0, False, "valence"),
    ]
    assert events(watch, [frame(5, 0.0, -0.3), frame(5.5, 0.0, -0.3)]) == [(5.5, True, "arousal")]


def test_what_is_not_measured_does_not_count(frame: Any) -> None:
    watch = ThresholdWatch()
    watch.set((HAPPY,))
    assert events(watch, [frame(0, 0.9), frame(0.5, 0.9, state="low_quality"), frame(1.2, 0.9)]) == []
    assert events(watch, [frame(2.2, 0.9), frame(3, 0.9, state="held")]) == [(2.2, True, "valence")]
    assert events(watch, [frame(4, 0.9, state="lost")]) == [(4, False, "valence")]
    assert events(watch, [replace(frame(9, 0.9), faces=())]) == []


def test_every_client_and_sink_gets_the_events(tracker: Any, eventually: Any) -> None:
    marks = []

    class Marks(Sink):
        def mark(self, message: Any) -> None:
            marks.append(message.label)

    tracker.supports, tracker.model = (), SimpleNamespace(name="encoder", sha256="ab")
    streams = [Stream(open_source("synthetic:64x48@100?faces=1", stream_id="cam"), tracker)]
    stopped = threading.Event()
    with (
        Runner(streams, ServerConfig(port=0)) as runner,
        join(runner.server) as one,
        join(runner.server) as two,
    ):
        running = threading.Thread(target=runner.run, args=(stopped, [Marks()]))
        running.start()
        until(one, "affect")
        say(
            one,
            type="thresholds",
            thresholds=[{"axis": "valence", "side": "above", "value": -1, "seconds": 0.1}],
        )
        told = until(two, "thresholds")
        STREAM.from_server.validate(told)
        assert told["thresholds"] == [{"axis": "valence", "side": "above", "value": -1, "seconds": 0.1}]
        for client in (one, two):
            event = until(client, "event")
            STREAM.from_server.validate(event)
            assert event["active"] is True
            assert event["stream"] == "cam"
        eventually(lambda: marks)
        with join(runner.server) as late:
            assert until(late, "thresholds") == told
            say(late, type="history")
            assert until(late, "history")["events"] == [event]
        stopped.set()
        running.join()
    assert marks[0].startswith("valence above -1 for 0.1 s: ")
