"""`mtclar-stream demo`: ends by itself, above both baselines, and never scores a frame that it was calibrated on."""

import json
import os
import re
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from select import select
from typing import Any

import numpy as np
import pytest
from support.terminal import on_a_terminal
from websockets.sync.client import connect

from mtclar.calibrate.core import demo_clip as played
from mtclar.calibrate.core.demo_clip import SUPPORT_MARGIN_S, SkippedStart, demo_support, script
from mtclar.cli.options import HOST, PORT
from mtclar.engine import models
from mtclar.engine.data_types import Frame
from mtclar.stream import demo_clip
from mtclar.stream.protocol.messages import AffectMessage
from mtclar.stream.server.server import Server
from mtclar.stream.sources import open_source

Command = Callable[..., Any]
Start = Callable[..., Any]


@pytest.fixture
def port_held() -> Any:
    """The default port, taken: by this test, or by whoever had it before."""
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            holder.bind((HOST, PORT))
            holder.listen()
        except OSError:
            pass
        yield


@pytest.mark.usefixtures("port_held")
def test_the_demo_ends_by_itself_above_both_baselines(command: Command, tmp_path: Path) -> None:
    path = tmp_path / "demo" / "summary.json"
    done = command("demo", "--freshness", "all", "--no-live", "--summary-json", path)
    assert done.code == 0, done.err
    assert "A rendered face, not a person" in done.out
    assert f"Port {PORT} is in use" in done.out
    assert "none of them used for calibration" in done.out
    assert "absolute only" in done.out
    assert "nearest label" in done.out

    summary = json.loads(path.read_text())
    assert set(summary["latency_ms"]) == {"p50", "p95", "p99"}
    assert summary["stopped"] is False
    for key in ("fps", "dropped", "messages_per_s", "backend", "cpu_cores", "peak_rss_mb"):
        assert key in summary
    frames = len(demo_clip.script_path().read_text().splitlines()) - 1
    last_s = float(demo_clip.calibration_path().read_text().splitlines()[-1].split(",")[0])
    after = frames - int((last_s + SUPPORT_MARGIN_S) * 25) - 1
    assert summary["frames"] == pytest.approx(after, abs=2)
    assert summary["scored_frames"] > 0.95 * after
    for dimension in ("valence", "arousal"):
        ccc = summary["ccc"][dimension]
        assert ccc["mtclar"] > max(ccc["absolute"], ccc["nearest"])
        assert set(summary["rmse"][dimension]) == {"mtclar", "absolute", "nearest"}


def test_a_chosen_port_in_use_is_an_error(command: Command) -> None:
    with socket.create_server((HOST, 0)) as taken:
        done = command("demo", "--port", str(taken.getsockname()[1]))
    assert done.code == 1
    assert "is in use" in done.err
    assert "Calibrated" not in done.out  # said before anybody waits for that


def test_its_freshness_is_one_that_answers_the_clip(command: Command) -> None:
    done = command("demo", "--freshness", "latest")
    assert done.code == 2
    assert "paced, all" in done.err


def test_the_script_comes_with_every_message_and_ctrl_c_ends_it(process: Start, tmp_path: Path) -> None:
    path = tmp_path / "summary.json"
    running = process("demo", "--port", "0", "--summary-json", path)
    url = running.read_until("Websocket").split()[1]
    truth = script()
    answered = 0
    with connect(url, proxy=None, open_timeout=10) as client:
        for text in client:
            message = json.loads(text)
            if message["type"] == "hello":
                (stream,) = message["streams"]
                assert stream["truth"] is True
                assert stream["freshness"] == "paced"
            elif message["type"] == "affect":
                assert message["truth"] == pytest.approx(truth(message["pts"]), abs=1e-4)
                answered += 1
                if answered == 10:
                    running.send(signal.SIGINT)
    done = running.end()
    assert done.code == 0, done.out
    assert "too few for an accuracy" in done.out
    assert "Stopped before the end of the clip" in done.out
    summary = json.loads(path.read_text())
    assert summary["stopped"] is True
    assert "ccc" not in summary
    assert "Traceback" not in done.out


def test_keep_serves_until_it_is_stopped(process: Start) -> None:
    running = process("demo", "--port", "0", "--keep", "--freshness", "all", "--no-live")
    url = running.read_until("Websocket").split()[1]
    running.read_until("Repeating the clip")
    with connect(url, proxy=None, open_timeout=10) as client:
        types = [json.loads(client.recv(timeout=10))["type"] for _ in range(10)]
        assert types.count("affect") >= 5
        running.send(signal.SIGTERM)
        assert [json.loads(text)["type"] for text in client][-1] == "bye"
    assert running.end().code == 0


def test_each_pass_is_closed_before_the_next(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    happened: list[str] = []

    class Glimpse(SkippedStart):
        """Five frames of it; stops the command in the third playing."""

        def frames(self) -> Iterator[Frame]:
            happened.append("played")
            if happened.count("played") == 3:
                signal.raise_signal(signal.SIGTERM)
            yield from islice(super().frames(), 5)

        def close(self) -> None:
            happened.append("closed")
            super().close()

    monkeypatch.setattr(played, "SkippedStart", Glimpse)
    done = command("demo", "--port", "0", "--keep", "--freshness", "all", "--no-live")
    assert done.code == 0, done.err
    # The last: of the first one once more, which would be open had the server not started.
    assert happened == ["played", "closed"] * 3 + ["closed"]


def test_a_repeated_stream_continues_its_frame_numbers(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, float]] = []

    class Glimpse(SkippedStart):
        """Five frames of it."""

        def frames(self) -> Iterator[Frame]:
            yield from islice(super().frames(), 5)

    publish = Server.publish

    def watched(self: Server, message: Any) -> None:
        publish(self, message)
        if isinstance(message, AffectMessage):
            seen.append((message.seq, message.pts_s))
            if len(seen) == 15:
                signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(played, "SkippedStart", Glimpse)
    monkeypatch.setattr(Server, "publish", watched)
    done = command("demo", "--port", "0", "--keep", "--freshness", "all", "--no-live")
    assert done.code == 0, done.err
    assert [seq for seq, _ in seen[:15]] == list(range(15))
    assert seen[0][1] == seen[5][1] == seen[10][1]  # while the source's own time starts anew


def test_the_support_set_comes_from_the_labelled_frames_alone() -> None:
    support = demo_support("auto", 1)
    assert support.encoder.sha256 == models.card("encoder").sha256
    labelled = [float(line.split(",")[0]) for line in demo_clip.calibration_path().read_text().split()[1:]]
    assert set(np.round(support.times_s, 3)) <= set(np.round(labelled, 3))
    assert len(support) > 0.8 * len(labelled)


def test_the_rest_of_a_source_keeps_its_own_times() -> None:
    with closing(open_source("demo")) as source:
        whole = [frame.pts_s for frame in source.frames()]
    with closing(SkippedStart(open_source("demo"), 30.0)) as rest:
        assert [frame.pts_s for frame in rest.frames()] == [t_s for t_s in whole if t_s >= 30.0]
        assert rest.size == (640, 480)


def test_the_script_is_that_of_the_nearest_frame() -> None:
    lines = demo_clip.script_path().read_text().splitlines()[1:]
    truth = script()
    for line in (lines[0], lines[500], lines[-1]):
        t_s, valence, arousal = map(float, re.split(",", line)[:3])
        assert truth(t_s + 0.01) == (valence, arousal)


def test_in_a_terminal_it_repeats_until_ctrl_c(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "CI"):  # opens no browser; nobody watches in CI
        monkeypatch.delenv(name, raising=False)
    written = tmp_path / "summary.json"
    arguments = ["demo", "--port", "0", "--freshness", "all", "--summary-json", str(written)]
    with on_a_terminal("-m", "mtclar.cli.main", *arguments, output=None) as (process, person):
        shown, asked = "", False
        while process.poll() is None:
            if select([person], [], [], 0.2)[0]:  # else the program waits: a full terminal would hold it up
                shown += os.read(person, 4096).decode(errors="replace")
            if "Repeating the clip" in shown and not asked:
                asked = True
                process.send_signal(signal.SIGINT)
        assert process.wait() == 0
    assert asked
    assert json.loads(written.read_text())["stopped"] is False
