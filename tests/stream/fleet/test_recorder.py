"""The last minutes of a bus become a recording that is as good as one of `run --record`."""

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.peers.nats_history import kept
from support.peers.nats_server import NatsServer

pytest.importorskip("nats", reason="nats-py is not installed; `make setup-all` brings it")
pytest.importorskip("pyarrow", reason="pyarrow is not installed; `make setup` brings it")

from support.pipeline_parts import MODEL, publishing

from mtclar.engine.errors import UsageError
from mtclar.stream.bus.address import parse_bus
from mtclar.stream.bus.connection import BusConnection
from mtclar.stream.fleet.recorder import HistoryRecorder
from mtclar.stream.protocol.messages import AffectMessage, MarkMessage, StatusMessage, StreamInfo
from mtclar.stream.recordings.reader import Recording

INFOS = [StreamInfo(name, "webcam:0", True, (640, 480), 30.0, "latest") for name in ("ward-1", "hall")]


def record(url: str, folder: Path, **options: Any) -> HistoryRecorder:
    with BusConnection(parse_bus(url), "test") as connection:
        assert connection.wait_connected(60)
        recorder = HistoryRecorder(connection, folder, name="r", **options)
        recorder.run(threading.Event(), to_the_end=True)
    return recorder


def published(
    server: NatsServer, prefix: str, make_message: Callable[..., AffectMessage], eventually: Any
) -> list[Any]:
    """The messages that a run has published, whose history is kept."""
    messages = [make_message(seq, stream=stream) for seq in (0, 1, 2, 5) for stream in ("ward-1", "hall")]
    with publishing(f"{server.url}/{prefix}?history=5m", *INFOS) as sinks:
        eventually(lambda: kept(server, f"{prefix}-history").messages)  # the first heartbeat
        sinks.status(StatusMessage("ward-1", "live"))
        for message in messages:
            sinks.affect(message)
        sinks.mark(MarkMessage("trial 1", messages[-1].t_capture_s, "ward-1"))
    return messages


def test_the_history_becomes_a_recording(
    bus_server: NatsServer, make_message: Callable[..., AffectMessage], tmp_path: Path, eventually: Any
) -> None:
    messages = published(bus_server, "rec-1", make_message, eventually)
    recorder = record(f"{bus_server.url}/rec-1", tmp_path)
    assert (recorder.frames, recorder.missed) == (8, 4)
    assert recorder.writer is not None
    recording = Recording(recorder.writer.folder)
    assert {info.stream for info in recording.streams} == {"ward-1", "hall"}
    assert recording.model == MODEL
    again = [message for _, message in recording.messages() if isinstance(message, AffectMessage)]
    for before, after in zip(messages, again, strict=True):
        sent, got = json.loads(before.encode()), json.loads(after.encode())
        assert got.pop("t_capture") == pytest.approx(sent.pop("t_capture"), abs=0.01)
        assert got == sent
    others = [message for _, message in recording.messages() if isinstance(message, MarkMessage)]
    assert [mark.label for mark in others] == ["trial 1"]


def test_a_recorder_goes_on_where_it_was_and_takes_only_what_it_should(
    bus_server: NatsServer, make_message: Callable[..., AffectMessage], tmp_path: Path, eventually: Any
) -> None:
    url = f"{bus_server.url}/rec-2"
    published(bus_server, "rec-2", make_message, eventually)
    assert record(url, tmp_path, streams=["ward-*"]).frames == 4
    assert record(url, tmp_path).frames == 0
    published(bus_server, "rec-2", make_message, eventually)
    assert record(url, tmp_path).frames == 8


def test_a_bus_without_history_is_an_error(bus_server: NatsServer, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="keeps no history"):
        record(f"{bus_server.url}/rec-3", tmp_path)


def test_it_ends_with_what_was_kept_while_cameras_go_on(
    bus_server: NatsServer, make_message: Callable[..., AffectMessage], tmp_path: Path, eventually: Any
) -> None:
    recorded = threading.Event()

    def publish() -> None:
        seq = 0
        while not recorded.wait(0.02):
            sinks.affect(make_message(seq, stream="hall"))
            seq += 1

    with publishing(f"{bus_server.url}/rec-live?history=5m", *INFOS) as sinks:
        eventually(lambda: kept(bus_server, "rec-live-history").messages)
        camera = threading.Thread(target=publish)
        camera.start()
        try:
            eventually(lambda: kept(bus_server, "rec-live-history").messages > 20)
            recorder = record(f"{bus_server.url}/rec-live", tmp_path)
            assert camera.is_alive()
        finally:
            recorded.set()
            camera.join()
    assert recorder.frames > 0
