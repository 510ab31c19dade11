"""A recording of files that were tracked frame by frame plays as fast as they do, whatever the tracking took."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("pyarrow", reason="pyarrow is not installed; `make setup` brings it")

import pyarrow
from pyarrow import parquet
from support.peers.websocket_client import join, until

from mtclar.engine.errors import UsageError
from mtclar.stream.protocol.messages import (
    AffectMessage,
    ClockMessage,
    MarkMessage,
    StatusMessage,
    StreamInfo,
)
from mtclar.stream.recordings.media_time import timeline_of
from mtclar.stream.recordings.player import Player
from mtclar.stream.recordings.reader import Recording
from mtclar.stream.recordings.writer import RecordingWriter
from mtclar.stream.server.config import ServerConfig

START_S = 1000.0
FILE = StreamInfo("clip", "clip.mp4", False, (640, 480), 25.0, "all")
Make = Callable[..., AffectMessage]


def recorded(
    folder: Path, make_message: Make, streams: Sequence[StreamInfo], *, frames: int = 100
) -> Recording:
    """Each stream's frame `seq` was at `seq / 25` of its file; the first stream was tracked at 250 a second, the second
    at 125. Marked was frame 50 of the first one."""
    writer = RecordingWriter(
        folder,
        session="",
        streams=streams,
        model=None,
        support_sets={},
        clock=(1_800_000_000.0, START_S),
    )
    writer.event(START_S, StatusMessage(streams[0].stream, "live"))
    sent = sorted(
        (START_S + (seq + 1) / 250 * (1 + place), place, seq)
        for place in range(len(streams))
        for seq in range(frames)
    )
    for t_s, place, seq in sent:
        message = make_message(seq, stream=streams[place].stream, t_s=t_s)
        writer.affect(t_s, replace(message, pts_s=seq / 25))
        if place == 0 and seq == 50:
            writer.event(t_s + 0.001, MarkMessage("smile", t_s + 0.001))
            writer.event(t_s + 0.001, ClockMessage(1_800_003_600.0 + t_s - START_S, t_s))
    writer.close()
    return Recording(folder)


def test_frames_and_events_are_at_their_place_in_the_file(tmp_path: Path, make_message: Make) -> None:
    timeline = timeline_of(recorded(tmp_path, make_message, [FILE]))
    assert timeline.span() == pytest.approx((START_S, START_S + 99 / 25))
    messages = list(timeline.messages())
    frames = [(t_s, one) for t_s, one in messages if isinstance(one, AffectMessage)]
    assert [t_s for t_s, _ in frames] == pytest.approx([START_S + seq / 25 for seq in range(100)])
    assert [one.t_capture_s for _, one in frames] == [t_s for t_s, _ in frames]
    assert [one.seq for _, one in frames] == list(range(100))
    ((marked_s, mark),) = [(t_s, one) for t_s, one in messages if isinstance(one, MarkMessage)]
    assert (marked_s, mark.t_s) == pytest.approx((START_S + 2, START_S + 2))
    (clock,) = [one for _, one in messages if isinstance(one, ClockMessage)]
    assert clock.unix_s - clock.monotonic_s == pytest.approx(1_800_003_600.0 - START_S)


def test_files_that_were_tracked_at_different_speeds_play_together(
    tmp_path: Path, make_message: Make
) -> None:
    timeline = timeline_of(recorded(tmp_path, make_message, [FILE, replace(FILE, stream="other")]))
    frames = [(t_s, one.stream) for t_s, one in timeline.messages() if isinstance(one, AffectMessage)]
    assert [t_s for t_s, _ in frames] == pytest.approx(
        [START_S + seq / 25 for seq in range(100) for _ in "ab"]
    )
    assert {stream for _, stream in frames[:2]} == {"clip", "other"}


def test_what_is_about_one_file_is_at_its_place_in_that_file(tmp_path: Path, make_message: Make) -> None:
    writer = RecordingWriter(
        tmp_path,
        session="",
        streams=[FILE, replace(FILE, stream="slow")],
        model=None,
        support_sets={},
        clock=(1_800_000_000.0, START_S),
    )
    for seq in range(100):  # "slow" has one frame for ten of the other
        t_s = START_S + seq / 100
        writer.affect(t_s, replace(make_message(seq, stream="clip", t_s=t_s), pts_s=seq / 25))
        if seq % 10 == 0:
            writer.affect(t_s, replace(make_message(seq // 10, stream="slow", t_s=t_s), pts_s=seq / 250))
        if seq == 50:
            for stream in ("slow", "clip", None):
                writer.event(t_s, MarkMessage(f"of {stream}", t_s, stream))
            writer.event(t_s, StatusMessage("slow", "ended"))
    writer.close()
    timeline = timeline_of(Recording(tmp_path))
    events = list(timeline.events())
    assert [t_s for t_s, _ in events] == pytest.approx([START_S + at for at in (0.2, 0.2, 2, 2)])
    assert [one.label for _, one in events if isinstance(one, MarkMessage)] == [
        "of slow",
        "of clip",
        "of None",
    ]
    for t_s, one in events:
        assert not isinstance(one, MarkMessage) or one.t_s == t_s
    assert isinstance(events[1][1], StatusMessage)


@pytest.mark.parametrize("time", [None, float("nan"), float("inf")])
def test_a_frame_without_a_time_is_damage(tmp_path: Path, make_message: Make, time: float | None) -> None:
    recording = recorded(tmp_path, make_message, [FILE], frames=3)
    part = recording.folder / "faces" / "00001.parquet"
    table = parquet.read_table(part)
    times = pyarrow.array([time, 0.04, 0.08], pyarrow.float64())
    parquet.write_table(table.set_column(table.schema.get_field_index("time"), "time", times), part)
    with pytest.raises(UsageError, match="is damaged"):
        list(timeline_of(Recording(recording.folder)).messages())


def test_it_begins_at_any_moment_of_the_file(tmp_path: Path, make_message: Make) -> None:
    timeline = timeline_of(recorded(tmp_path, make_message, [FILE]))
    later = [one for _, one in timeline.messages(START_S + 3) if isinstance(one, AffectMessage)]
    assert [one.seq for one in later] == list(range(75, 100))


@pytest.mark.parametrize(
    "other", [replace(FILE, live=True, freshness="latest"), replace(FILE, freshness="paced")]
)
def test_what_was_recorded_at_its_own_pace_stays_as_it_is(
    tmp_path: Path, make_message: Make, other: StreamInfo
) -> None:
    recording = recorded(tmp_path, make_message, [FILE, replace(other, stream="other")], frames=5)
    played, sent = (
        [(t_s, one.encode()) for t_s, one in messages]
        for messages in (timeline_of(recording).messages(), recording.messages())
    )
    assert played == sent


def test_a_replay_lasts_as_long_as_the_file(tmp_path: Path, make_message: Make) -> None:
    player = Player(recorded(tmp_path, make_message, [FILE]), ServerConfig(port=0), speed=1000.0)
    stopped = threading.Event()
    with player, ThreadPoolExecutor(1) as thread, join(player.server) as client:
        running = thread.submit(player.run, stopped, wait=True)
        assert until(client, "playback")["length"] == pytest.approx(99 / 25)
        assert running.result() == 100
