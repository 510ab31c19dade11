"""A replayed recording: what clients get is what was recorded, the same each time, from any start and at any speed."""

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pyarrow", reason="pyarrow is not installed; `make setup` brings it")

from support.peers.websocket_client import join, receive, say, until, until_closed
from support.recordings import FRAMES, MARKS, START_S, STREAMS
from websockets.sync.client import ClientConnection

from mtclar.engine.errors import UsageError
from mtclar.stream.protocol.messages import (
    DEFAULT_FIELDS,
    AffectMessage,
    ClockMessage,
    SubjectInfo,
    SubjectsMessage,
)
from mtclar.stream.recordings.player import Player
from mtclar.stream.recordings.reader import Recording
from mtclar.stream.recordings.writer import RecordingWriter
from mtclar.stream.server.config import ServerConfig
from mtclar.stream.server.server import Server

ANY_PORT = ServerConfig(port=0)


@contextmanager
def playing(player: Player) -> Iterator[threading.Event]:
    """Plays once a client has subscribed; the event stops it."""
    stopped = threading.Event()
    with player, ThreadPoolExecutor(1) as thread:
        running = thread.submit(player.run, stopped, wait=True)
        try:
            yield stopped
        finally:
            stopped.set()
            running.result()


def replayed(recording: Path, **options: Any) -> list[dict[str, Any]]:
    """All messages that one client gets, from the start to `bye`."""
    player = Player(Recording(recording), ANY_PORT, **options)
    stopped = threading.Event()
    with ThreadPoolExecutor(1) as thread, player, join(player.server) as client:
        say(client, type="subscribe", delivery="all")
        first = [until(client, "hello"), until(client, "subscribed")]
        running = thread.submit(player.run, stopped)
        running.result()
        player.server.close(player.bye)
        got, code = until_closed(client)
    assert code == 1001
    return [first[0], *got]


def paused(client: ClientConnection) -> dict[str, Any]:
    """The next `playback` of one that stands still."""
    while (told := until(client, "playback"))["playing"]:
        pass
    return told


def frames_and_others(messages: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Each in its order. Other messages overtake frames that wait for a client, as they do live."""
    frames = [message for message in messages if message["type"] == "affect"]
    return frames, [one for one in messages if one["type"] not in ("affect", "hello", "playback", "bye")]


def test_clients_get_what_was_recorded_and_twice_the_same(recording: Path) -> None:
    expected = [
        json.loads(message.encode(DEFAULT_FIELDS) if isinstance(message, AffectMessage) else message.encode())
        for _, message in Recording(recording).messages()
    ]
    for _ in range(2):
        got = replayed(recording, speed=1000.0)
        assert frames_and_others(got) == frames_and_others(expected)
        assert got[-1] == {"type": "bye", "code": "ended", "reason": "the recording has ended"}


def test_hello_announces_the_recorded_streams_and_clock(recording: Path) -> None:
    hello = replayed(recording, speed=1000.0, version="9")[0]
    assert (hello["server"], hello["model"]["id"]) == ("mtclar-stream 9", "encoder-1")
    assert [stream["stream"] for stream in hello["streams"]] == [stream.stream for stream in STREAMS]
    assert hello["streams"][0]["label"] == "webcam:0, recorded 2027-01-15 08:00 UTC"
    assert hello["clock"] == {"unix": 1_800_000_000.0, "monotonic": START_S}


def test_it_begins_where_one_asks(recording: Path) -> None:
    messages = replayed(recording, speed=1000.0, start_s=1.0)
    frames = [message for message in messages if message["type"] == "affect" and message["stream"] == "cam"]
    assert [message["seq"] for message in frames] == list(range(25, FRAMES))
    states = [message for message in messages if message["type"] == "status"]
    assert [(state["stream"], state["state"]) for state in states] == [
        *(("cam", "live"), ("door/2", "live"), ("cam", "reconnecting"))
    ]
    assert not [message for message in messages if message["type"] == "mark"]  # they are over
    with pytest.raises(UsageError, match="ends before 3 s"):
        Player(Recording(recording), ANY_PORT, start_s=3.0)


def test_messages_are_due_by_the_recordings_clock(recording: Path) -> None:
    """With a clock that stands still nothing after its moment is sent, at twice the speed twice as much."""
    now = [50.0]
    player = Player(Recording(recording), ANY_PORT, speed=2.0, now=lambda: now[0])
    with playing(player), join(player.server) as client:
        assert [until(client, "status")["stream"] for _ in STREAMS] == ["cam", "door/2"]
        now[0] += 0.5  # a second of the recording
        marks = [until(client, "mark") for _ in MARKS]
        assert [mark["t"] for mark in marks] == [mark.t_s for mark in MARKS]
        say(client, type="mark", label="now")
        assert until(client, "mark")["t"] == START_S + 1.0
        now[0] += 10.0
        assert until(client, "status")["state"] == "reconnecting"


def test_clients_pause_seek_and_change_the_speed(recording: Path) -> None:
    now = [50.0]
    player = Player(Recording(recording), ANY_PORT, now=lambda: now[0])
    with playing(player), join(player.server) as client, join(player.server) as other:
        say(client, type="subscribe", delivery="all")
        first = until(client, "hello")["session"]
        marks = [
            {"label": "trial 1", "position": 0.5, "stream": None},
            {"label": "=2", "position": 0.6, "stream": "cam"},
        ]
        state = {"playing": True, "position": 0.0, "speed": 1.0, "length": 2.0}
        playback = {"type": "playback", **state, "marks": marks}
        assert until(client, "playback") == playback
        now[0] += 0.55
        assert until(client, "mark")["t"] == MARKS[0].t_s
        say(client, type="play", playing=False, speed=4.0)
        still = playback | {"playing": False, "position": 0.55, "speed": 4.0}
        assert paused(client) == paused(other) == still
        now[0] += 60.0  # nothing comes meanwhile
        say(client, type="mark", label="now")
        assert until(client, "mark")["t"] == START_S + 0.55

        say(client, type="play", position=0.25, playing=True)  # back, before the first mark
        hello = until(client, "hello")
        assert hello["session"] != first
        assert hello["clock"]["monotonic"] == START_S + 0.25
        states = [until(client, "status")["stream"] for _ in STREAMS]
        assert states == ["cam", "door/2"]
        assert until(client, "playback") == playback | {"position": 0.25, "speed": 4.0}
        say(client, type="history")
        before = [one["t_capture"] for one in until(client, "history")["affect"]]
        assert before[0] == START_S
        assert before[-1] < START_S + 0.25
        now[0] += 0.1
        assert until(client, "affect")["t_capture"] == pytest.approx(START_S + 0.28)
        assert until(client, "mark")["t"] == MARKS[0].t_s

        say(client, type="play", position=99)  # beyond the end: to the end
        assert until(client, "playback")["position"] == 2.0


def test_at_the_end_it_stays_until_somebody_goes_back(recording: Path) -> None:
    player = Player(Recording(recording), ANY_PORT, speed=1000.0)
    stopped = threading.Event()
    with player, ThreadPoolExecutor(1) as thread, join(player.server) as client:
        running = thread.submit(player.run, stopped, wait=True, stay=True)
        try:
            ended = paused(client)
            assert ended["position"] == ended["length"] == 2.0
            with join(player.server) as late:
                assert until(late, "playback") == ended
            say(client, type="play", playing=True)  # again, from the beginning
            assert until(client, "playback")["playing"]
            assert until(client, "mark")["label"] == MARKS[0].label
        finally:
            stopped.set()
        running.result()


def test_viewers_and_servers_that_play_nothing_refuse(recording: Path) -> None:
    with Server(ANY_PORT) as server, join(server) as client:
        say(client, type="play", playing=False)
        assert until(client, "error")["code"] == "cannot_play"
    player = Player(Recording(recording), ServerConfig(port=0, read_only=True))
    with playing(player), join(player.server) as client:
        say(client, type="play", playing=False)
        assert until(client, "error")["code"] == "not_allowed"


def new_writer(folder: Path) -> RecordingWriter:
    return RecordingWriter(
        folder,
        session="",
        streams=STREAMS,
        model=None,
        support_sets={},
        clock=(1_800_000_000.0, START_S),
    )


def test_a_position_in_any_part_is_found(tmp_path: Path, make_message: Callable[..., AffectMessage]) -> None:
    """Three complete parts, and a fourth whose process was killed."""
    writer = new_writer(tmp_path)
    for seq in range(80):
        writer.affect(START_S + 3 * seq, make_message(seq, t_s=START_S + 3 * seq))
        writer.flush()
    writer.abandon()
    recorded = Recording(tmp_path)
    assert {path.suffix for path in (recorded.folder / "faces").iterdir()} == {".parquet", ".arrows"}
    assert recorded.span() == (START_S, START_S + 3 * 79)
    for position_s in (0.0, 61.0, 180.0, 236.0):
        found = [message.seq for _, message in recorded.frames(START_S + position_s)]
        assert found == list(range(-int(-position_s // 3), 80))


def test_it_can_be_stopped(recording: Path) -> None:
    player = Player(Recording(recording), ANY_PORT, speed=0.01)
    with playing(player) as stopped, join(player.server) as client:
        receive(client)
        until(client, "affect")
        stopped.set()


def test_a_recording_without_messages_is_refused(recording: Path) -> None:
    (recording / "events.jsonl").write_text("")
    for part in (recording / "faces").iterdir():
        part.unlink()
    manifest = json.loads((recording / "manifest.json").read_text())
    (recording / "manifest.json").write_text(json.dumps(manifest | {"parts": []}))
    with pytest.raises(UsageError, match="has no message"):
        Player(Recording(recording), ANY_PORT)


def test_a_later_client_gets_the_support_sets_and_clock_of_that_moment(
    tmp_path: Path, make_message: Callable[..., AffectMessage]
) -> None:
    new = (SubjectInfo("ben", 1, ((0.25, -0.5),)),)
    changed: list[SubjectsMessage | ClockMessage] = [
        SubjectsMessage("cam", 1, new),
        ClockMessage(1_800_003_601.0, START_S + 1.0),  # the wall clock was set an hour ahead
    ]
    writer = new_writer(tmp_path)
    for seq in range(3):
        writer.affect(START_S + seq, make_message(seq, t_s=START_S + seq))
        for message in changed if seq == 1 else ():
            writer.event(START_S + seq, message)
    writer.close()
    messages = replayed(tmp_path, speed=1000.0)
    assert [one for one in messages if one["type"] in ("subjects", "clock")] == [
        json.loads(message.encode()) for message in changed
    ]
    hello = replayed(tmp_path, speed=1000.0, start_s=1.5)[0]
    assert hello["streams"][0]["subjects"] == [{"subject": "ben", "frames": 1, "labels": [[0.25, -0.5]]}]
    assert hello["clock"]["unix"] - hello["clock"]["monotonic"] == pytest.approx(1_800_003_600.0 - START_S)
