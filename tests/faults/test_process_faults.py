"""The tracker's own process on a bad day: ended at any moment, killed at any moment, its wall clock set."""

import csv
import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.faults.tracker_process import Received, Running, Watcher, is_affect, is_state
from support.faults.wall_clock import WallClock

from mtclar.engine.support_set import SupportSet
from mtclar.stream.protocol.messages import StatusMessage
from mtclar.stream.sinks.csv_file import FLUSH_EVERY_S
from mtclar.stream.table.columns import NAMES

pytestmark = pytest.mark.faults
Start = Callable[..., Running]

OLDER_SUMMARY = '{"frames": 1, "fps": 2.0, "latency_ms": {}}'
WAIT_S = 30.0


def whole_rows(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV, each of which must be whole."""
    text = path.read_text()
    assert text.endswith("\n")
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert all(tuple(row) == NAMES and None not in row.values() for row in rows)
    return rows


@pytest.mark.parametrize("seed", range(4))
def test_killed_at_any_moment_what_was_written_is_whole(
    running: Start, long_clip: Path, tmp_path: Path, seed: int
) -> None:
    rows, summary = tmp_path / "values.csv", tmp_path / "summary.json"
    summary.write_text(OLDER_SUMMARY)
    run = running(
        *("--source", long_clip, "--freshness", "paced", "--no-live", "--support", "none"),
        *("--csv", rows, "--summary-json", summary),
    )
    with Watcher(run.url, {"delivery": "all"}) as watcher:
        watcher.wait(is_affect)
        time.sleep(random.Random(seed).uniform(0.5, 3.0))
        killed_s = time.monotonic()
        run.process.kill()
    assert run.wait() == -signal.SIGKILL
    kept = [int(row["frame"]) for row in whole_rows(rows)]
    assert kept == sorted(kept)
    # What a client had got a little longer ago than rows may wait is on the disk; the machine may be busy.
    old_s = killed_s - FLUSH_EVERY_S - 0.5
    assert set(kept) >= {one.message["frame"] for one in watcher.affects() if one.at_s < old_s}
    assert summary.read_text() == OLDER_SUMMARY


@pytest.mark.parametrize("seed", range(2))
def test_killed_at_any_moment_a_recording_is_read_to_its_last_second(
    running: Start, long_clip: Path, tmp_path: Path, seed: int
) -> None:
    pytest.importorskip("pyarrow", reason="pyarrow is not installed; `make setup` brings it")
    from mtclar.stream.recordings.reader import Recording

    run = running(
        *("--source", long_clip, "--freshness", "paced", "--no-live", "--support", "none"),
        *("--record", tmp_path / "recordings"),
    )
    with Watcher(run.url, {"delivery": "all"}) as watcher:
        watcher.wait(is_affect)
        time.sleep(random.Random(seed).uniform(0.5, 3.0))
        killed_s = time.monotonic()
        run.process.kill()
    assert run.wait() == -signal.SIGKILL
    recording = Recording(tmp_path / "recordings")
    kept = [message.seq for _, message in recording.frames()]
    assert kept == list(range(len(kept)))
    assert set(kept) >= {one.message["seq"] for one in watcher.affects() if one.at_s < killed_s - 1.0}
    states = [event.state for _, event in recording.events() if isinstance(event, StatusMessage)]
    assert states[0] == "connecting"


@pytest.mark.parametrize("seed", range(4))
def test_ended_at_any_moment_everything_is_written(
    running: Start, long_clip: Path, tmp_path: Path, seed: int
) -> None:
    rows, summary = tmp_path / "values.csv", tmp_path / "summary.json"
    summary.write_text(OLDER_SUMMARY)
    run = running(
        *("--source", long_clip, "--freshness", "paced", "--no-live", "--support", "none"),
        *("--csv", rows, "--summary-json", summary),
    )
    assert run.url
    time.sleep(random.Random(seed).uniform(0.0, 2.0))
    assert run.end() == 0, run.output
    assert "Traceback" not in run.output
    written = json.loads(summary.read_text())
    assert written["stopped"] is True
    assert written["frames"] == len(whole_rows(rows))


def test_a_stopped_process_goes_on_where_it_was(running: Start, long_clip: Path, tmp_path: Path) -> None:
    rows = tmp_path / "values.csv"
    run = running(
        *("--source", long_clip, "--freshness", "paced", "--no-live", "--support", "none", "--csv", rows)
    )
    with Watcher(run.url, {"delivery": "all"}) as watcher:
        watcher.wait(is_affect)
        run.process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, run.process.pid, os.WSTOPPED | os.WNOWAIT)
        time.sleep(2.0)  # that it is stopped for
        run.process.send_signal(signal.SIGCONT)
        count = len(watcher.affects())
        watcher.wait(lambda _: len(watcher.affects()) >= count + 25)
    assert run.end() == 0, run.output
    assert without_gap(watcher.affects())
    frames = [int(row["frame"]) for row in whole_rows(rows)]
    assert frames == sorted(frames)
    assert set(frames) >= {one.message["frame"] for one in watcher.affects()}


def test_a_full_disk_pauses_the_rows_and_nothing_else(
    running: Start, long_clip: Path, tmp_path: Path
) -> None:
    pytest.importorskip("pyarrow", reason="pyarrow is not installed; `make setup` brings it")
    from mtclar.stream.recordings.reader import Recording

    rows = tmp_path / "values.csv"
    run = running(
        *("--source", long_clip, "--freshness", "paced", "--no-live", "--support", "none", "--csv", rows),
        *("--record", tmp_path / "recordings"),
    )
    with Watcher(run.url, {"delivery": "all"}) as watcher:
        watcher.wait(is_affect)
        pid, limit = run.process.pid, resource.RLIMIT_FSIZE
        soft, hard = resource.prlimit(pid, limit)
        resource.prlimit(pid, limit, (rows.stat().st_size + 1000, hard))
        told = watcher.wait(
            lambda one: one.kind == "status" and "values.csv" in (one.message["reason"] or "")
        )
        assert told.message["state"] == "live"
        assert "cannot be written" in told.message["reason"]  # the recording's comes before or not at all
        told_at = len(watcher.received)
        watcher.wait(lambda _: len(watcher.affects(told_at)) >= 25)  # the broadcast goes on
        with Watcher(run.url) as newcomer:
            assert newcomer.wait(is_state("live")).message["reason"] == told.message["reason"]
        resource.prlimit(pid, limit, (soft, hard))
        watcher.wait(lambda one: one.kind == "status" and not one.message["reason"], told_at)
    assert without_gap(watcher.affects())
    assert run.end() == 0, run.output
    assert "its rows wait for room" in run.output
    assert "rows of 0 frames are missing" in run.output
    told_frames = {one.message["frame"] for one in watcher.affects()}
    recorded = [message.frame for _, message in Recording(tmp_path / "recordings").frames()]
    for frames in ([int(row["frame"]) for row in whole_rows(rows)], recorded):
        assert frames == sorted(frames)
        assert set(frames) >= told_frames


def test_a_kill_leaves_the_old_or_the_new_support_set(face_clip: Path, labels: Path, tmp_path: Path) -> None:
    out = tmp_path / "anna.mtclar"
    command = [
        *(sys.executable, "-m", "mtclar.cli.main", "calibrate", "--source", face_clip),
        *("--labels", labels, "--out", out, "--force"),
    ]
    subprocess.run(command, check=True, capture_output=True, timeout=WAIT_S)
    frames = len(SupportSet.load(out))
    chance = random.Random(0)
    for _ in range(6):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(chance.uniform(0.5, 3.0))
        process.kill()
        process.wait(WAIT_S)
        assert len(SupportSet.load(out)) == frames


def test_a_wall_clock_step_reaches_every_client(running: Start, rtsp_server: Any, tmp_path: Path) -> None:
    wall = WallClock(tmp_path)
    run = running("--source", rtsp_server.url, "--support", "none", "--no-live", environment=wall.environment)
    with Watcher(run.url, {"delivery": "all"}) as watcher:
        watcher.wait(lambda one: is_affect(one) and one.message["clock"] == "rtcp")
        for step in (1.5, 3600.0, -7200.0):
            before = len(watcher.received)
            wall.set(step)
            # The camera's wall clock and ours do not agree any more: its times are not taken for true.
            watcher.wait(lambda one: is_affect(one) and one.message["clock"] == "arrival", before)
            sent = watcher.wait(lambda one: one.kind == "clock", before).message
            with Watcher(run.url) as newcomer:
                hello = newcomer.wait(lambda one: one.kind == "hello").message
            for pair in (sent, hello["clock"]):
                offset_s = pair["unix"] - pair["monotonic"] - (time.time() - time.monotonic())
                assert abs(offset_s - step) < 1.0
        count = len(watcher.affects())
        watcher.wait(lambda _: len(watcher.affects()) >= count + 25)
        assert "stalled" not in watcher.states()
        assert "reconnecting" not in watcher.states()
    assert without_gap(watcher.affects())
    assert run.end() == 0


def without_gap(affects: Any) -> bool:
    """Whether this client got every message, in order."""
    seqs = [one.message["seq"] for one in affects]
    return seqs == list(range(seqs[0], seqs[0] + len(seqs)))


def test_a_source_that_is_not_there_when_it_starts(running: Start, rtsp_server: Any) -> None:
    rtsp_server.kill()
    run = running("--source", rtsp_server.url, "--support", "none", "--no-live")
    with Watcher(run.url) as watcher:
        watcher.wait(is_reconnecting)
        rtsp_server.start()
        watcher.wait(is_affect)
    assert run.end() == 0
    assert "reconnecting, next try in" in run.output


def is_reconnecting(one: Received) -> bool:
    return one.kind == "status" and one.message["state"] == "reconnecting"
