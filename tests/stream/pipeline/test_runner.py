"""Streams behind a server: messages to clients, a user's own sinks, the end of a run, when it needs a restart."""

import json
import threading
from types import SimpleNamespace
from typing import Any

import pytest
from support.peers.websocket_client import join, receive, until, until_closed

from mtclar.stream.pipeline.runner import STUCK_S, Runner
from mtclar.stream.pipeline.streams import Stream
from mtclar.stream.server.config import ServerConfig
from mtclar.stream.sinks import Sink
from mtclar.stream.sources import open_source

FEW_FRAMES = "synthetic:64x48?faces=0&frames=5"


@pytest.fixture
def make_runner(make_tracker: Any) -> Any:
    def make(*specs: str, **options: Any) -> Runner:
        streams = []
        for number, spec in enumerate(specs):
            tracker = make_tracker(**options)
            tracker.supports, tracker.model = (), SimpleNamespace(name="encoder", sha256="ab")
            streams.append(Stream(open_source(spec, stream_id=f"cam-{number}"), tracker))
        return Runner(streams, ServerConfig(port=0), version="1.2")

    return make


def test_clients_get_every_stream_and_a_bye_at_the_end(make_runner: Any, collector: Any) -> None:
    with make_runner(FEW_FRAMES, FEW_FRAMES) as runner, join(runner.server) as client:
        hello = receive(client)
        assert hello["server"] == "mtclar-stream 1.2"
        assert [stream["stream"] for stream in hello["streams"]] == ["cam-0", "cam-1"]
        summary = runner.run(sinks=[collector])
        runner.__exit__(None, None, None)
        messages, _ = until_closed(client)
    assert (summary.frames, summary.stopped) == (10, False)
    assert {message["stream"] for message in messages if message["type"] == "affect"} == {"cam-0", "cam-1"}
    assert (messages[-1]["type"], messages[-1]["code"]) == ("bye", "ended")
    assert len(collector.messages) == 10
    assert collector.states().count("ended") == 2


def test_another_run_counts_a_streams_messages_on(make_runner: Any, collector: Any) -> None:
    runner = make_runner(FEW_FRAMES)
    with runner:
        runner.run(sinks=[collector])
        tracker = runner.trackers[0]
        runner.set_streams([Stream(open_source(FEW_FRAMES, stream_id="cam-0"), tracker)])
        summary = runner.run()
    assert summary.frames == 5
    assert [message.seq for message in collector.messages] == list(range(5))
    assert runner.pipelines[0].answered == 10


def test_a_run_can_be_stopped(make_runner: Any) -> None:
    stopped = threading.Event()
    with make_runner("synthetic:64x48@100?faces=0") as runner:
        summary = runner.run(stopped, on_tick=stopped.set)
    assert summary.stopped


def test_a_failure_is_raised_and_sent_to_clients(make_runner: Any) -> None:
    runner = make_runner(FEW_FRAMES, fails_at=2)
    with runner, join(runner.server) as client:
        until(client, "hello")
        with pytest.raises(RuntimeError, match="the tracker broke") as caught:
            runner.run()
        runner.__exit__(RuntimeError, caught.value, None)
        messages, _ = until_closed(client)
    assert (messages[-1]["type"], messages[-1]["code"]) == ("bye", "failed")


def test_a_mark_reaches_every_sink(make_runner: Any, eventually: Any) -> None:
    marks = []

    class Marks(Sink):
        def mark(self, message: Any) -> None:
            marks.append((message.label, message.stream))

    stopped = threading.Event()
    with make_runner("synthetic:64x48@100?faces=0") as runner, join(runner.server) as client:
        until(client, "hello")
        running = threading.Thread(target=runner.run, args=(stopped, [Marks()]))
        running.start()
        until(client, "affect")
        client.send(json.dumps({"type": "mark", "label": "start"}))
        eventually(lambda: marks)
        stopped.set()
        running.join()
    assert marks == [("start", None)]


def test_a_stuck_frame_asks_for_a_restart_a_lost_camera_not() -> None:
    runner = Runner([], ServerConfig(port=0))
    stuck: Any = SimpleNamespace(source=SimpleNamespace(label="door"), busy_s=0.0)
    runner._pipelines = (stuck,)
    assert runner.failure() is None
    stuck.busy_s = STUCK_S + 1
    assert runner.failure() == f"door: no answer to a frame for {STUCK_S + 1:.0f} s"
