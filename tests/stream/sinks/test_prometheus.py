"""/metrics: the exposed values equal the events of a run."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from support.peers.websocket_client import Eventually, Make, join, say, until

from mtclar.engine.data_types import Affect
from mtclar.stream.pipeline.pipeline import Pipeline
from mtclar.stream.protocol.messages import AffectMessage, ModelInfo
from mtclar.stream.server.config import ServerConfig
from mtclar.stream.server.server import Server
from mtclar.stream.sinks import Sink, SinkGroup
from mtclar.stream.sinks.prometheus import CONTENT_TYPE, RATE_WINDOW_S, SAMPLES_AT_ONCE, STATES, Metrics
from mtclar.stream.sources import open_source

MODEL = ModelInfo("encoder", "ab", "small")


def samples(metrics: Metrics) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    page = metrics.page()
    assert page.content_type == CONTENT_TYPE
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(page.body.decode())
        for sample in family.samples
    }


def test_latencies_are_a_histogram_by_stream_and_part(make_message: Make) -> None:
    metrics = Metrics()
    for seq in range(3):
        metrics.affect(make_message(seq, faces=2))
    found = samples(metrics)
    labels = (("part", "track"), ("stream", "cam"))
    assert found["mtclar_latency_seconds_count", labels] == 3
    assert abs(found["mtclar_latency_seconds_sum", labels] - 3 * 3.2e-3) < 1e-9
    assert found["mtclar_latency_seconds_bucket", (("le", "0.0025"), *labels)] == 0
    assert found["mtclar_latency_seconds_bucket", (("le", "0.005"), *labels)] == 3
    assert found["mtclar_faces_total", (("state", "ok"), ("stream", "cam"))] == 6


def test_pauses_change_nothing_of_the_page(make_message: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("mtclar.stream.sinks.prometheus.time.sleep", pauses.append)
    metrics = Metrics()
    metrics.affect(make_message(0, faces=1))
    lines = metrics.page().body.splitlines()
    whole = generate_latest(metrics._registry).splitlines()
    changing = (b"process_cpu", b"process_virtual", b"process_resident", b"process_open")
    assert [line for line in lines if not line.startswith(changing)] == [
        line for line in whole if not line.startswith(changing)
    ]
    assert len(pauses) > len(lines) / SAMPLES_AT_ONCE


def test_a_message_counts_when_it_reached_a_socket() -> None:
    metrics = Metrics(clock=lambda: 10.0)
    metrics.sent(9.975)
    found = samples(metrics)
    assert found["mtclar_capture_to_socket_seconds_bucket", (("le", "0.02"),)] == 0
    assert found["mtclar_capture_to_socket_seconds_bucket", (("le", "0.03"),)] == 1


def test_streams_clients_and_refusals(
    tracker: Any, make_clip: Callable[..., Any], eventually: Eventually
) -> None:
    now_s = [0.0]
    metrics = Metrics(clock=lambda: now_s[0])
    source = open_source(str(make_clip(frames=25)))
    name = (("stream", source.stream_id),)
    with (
        Server(ServerConfig(port=0), private={"/metrics": metrics.page}) as server,
        join(server) as client,
    ):
        say(client, type="subscribe", delivery="all")
        until(client, "subscribed")
        with Pipeline(source, tracker, [server, metrics]) as pipeline:
            metrics.attach([pipeline], server, MODEL, "1.2.3")
            metrics.tick()
            assert pipeline.wait(20)
            now_s[0] = 5.0
            metrics.tick()
            ended = ("mtclar_source_state", (("state", "ended"), *name))
            eventually(lambda: samples(metrics)[ended] == 1 and server.written == 25)
            found = samples(metrics)
            assert pipeline.busy_s == 0
    assert found["mtclar_frames_answered_total", name] == 25
    assert found["mtclar_frames_dropped_total", name] == 0
    assert found["mtclar_source_reconnects_total", name] == 0
    assert found["mtclar_frames_per_second", name] == 5.0
    assert {s: found["mtclar_source_state", (("state", s), *name)] for s in STATES} == {
        state: float(state == "ended") for state in STATES
    }
    assert found["mtclar_clients", ()] == 1
    assert found["mtclar_messages_written_total", ()] == 25
    assert found["mtclar_refused_total", (("reason", "room"),)] == 0
    info = {"version": "1.2.3", "model": "encoder", "model_sha256": "ab", "backend": "small"}
    assert found["mtclar_info", tuple(sorted(info.items()))] == 1
    assert found["process_open_fds", ()] > 0


def test_sinks_that_fail(make_message: Callable[..., AffectMessage]) -> None:
    class Away(Sink):
        own_thread = False
        trouble = "the other end is away"

        def affect(self, message: AffectMessage) -> None:  # noqa: ARG002
            raise ConnectionError(self.trouble)

    group, metrics = SinkGroup(), Metrics()
    sinks = group.attach(Away(), Away())
    metrics.attach([], Server(ServerConfig(port=0)), MODEL, "1", sinks)
    with group:
        group.open([])
        for seq in range(3):
            group.affect(make_message(seq))
    found, name = samples(metrics), (("sink", "Away"),)
    assert found["mtclar_sink_failures_total", name] == 6
    assert found["mtclar_sink_dropped_total", name] == 0
    assert found["mtclar_sink_trouble", name] == 1


def test_the_rate_forgets_what_is_long_ago() -> None:
    class Counting:
        answered = 0

    now_s, pipeline = [0.0], Counting()
    metrics = Metrics(clock=lambda: now_s[0])
    metrics._live.pipelines = (pipeline,)  # type: ignore[assignment]
    for second in range(100):
        now_s[0] = float(second)
        pipeline.answered += 1 if second < 80 else 25
        metrics.tick()
    seen = metrics._live._samples
    assert seen[-1][0] - seen[0][0] <= RATE_WINDOW_S
    assert seen[-1][1][pipeline] - seen[0][1][pipeline] == 25 * RATE_WINDOW_S  # type: ignore[index]


def test_what_is_watched_next_begins_with_a_rate_of_its_own() -> None:
    class Counting:
        answered, dropped, reconnects, abandoned = 500, 0, 0, 0
        source = SimpleNamespace(stream_id="cam")

    now_s, server = [0.0], Server(ServerConfig(port=0))
    metrics = Metrics(clock=lambda: now_s[0])
    for answered in (500, 0):  # the clip once, and from its beginning again
        pipeline: Any = Counting()
        pipeline.answered = answered
        metrics.attach([pipeline], server, MODEL, "1")
        for _ in range(3):
            metrics.tick()
            now_s[0] += 2.0
            pipeline.answered += 50
    assert samples(metrics)["mtclar_frames_per_second", (("stream", "cam"),)] == 25


def test_before_anything_runs_there_is_a_page_all_the_same() -> None:
    assert b"process_open_fds" in Metrics().page().body


def test_a_face_of_every_state_is_counted(make_message: Make) -> None:
    from dataclasses import replace

    metrics = Metrics()
    message = make_message(0, faces=1)
    lost: Affect = replace(message.faces[0], state="lost")
    metrics.affect(replace(message, faces=(*message.faces, lost)))
    assert samples(metrics)["mtclar_faces_total", (("state", "lost"), ("stream", "cam"))] == 1
