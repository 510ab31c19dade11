"""`mtclar-stream run`: files of every kind to their end, real clients, signals, and a closed output pipe."""

import csv
import json
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import cv2
import pytest
from support.media.video_clips import face_pictures
from websockets.sync.client import connect

from mtclar.cli.options import default_support_path
from mtclar.engine.support_set import SupportSet

Command = Callable[..., Any]
Start = Callable[..., Any]

SUMMARY_KEYS = {
    "frames",
    "fps",
    "dropped",
    "messages_per_s",
    "latency_ms",
    "backend",
    "cpu_cores",
    "peak_rss_mb",
}


# --- files --------------------------------------------------------------------------------------------------------


def test_a_file_is_answered_frame_by_frame_to_its_end(
    command: Command, face_clip: Path, support: Path, tmp_path: Path
) -> None:
    summary_path, csv_path = tmp_path / "new" / "summary.json", tmp_path / "values.csv"
    done = command(
        "run",
        *("--source", face_clip, "--support", support, "--freshness", "all", "--port", "0"),
        *("--csv", csv_path, "--summary-json", summary_path),
    )
    assert done.code == 0, done.err
    assert f"{support} (3 frames of 'anna')" in done.out
    assert re.search(r"Dashboard  http://127\.0\.0\.1:\d+/", done.out)
    assert "50 frames answered" in done.out
    summary = json.loads(summary_path.read_text())
    assert set(summary) >= SUMMARY_KEYS
    assert summary["frames"] == 50
    assert summary["dropped"] == 0
    assert set(summary["latency_ms"]) == {"p50", "p95", "p99"}
    with csv_path.open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["frame"]) for row in rows] == list(range(50))
    assert {row["subject"] for row in rows} == {"anna"}
    assert {row["state"] for row in rows} == {"ok"}
    assert all(-1 <= float(row["valence"]) <= 1 for row in rows)


def test_no_page_writes_in_clear_beside_an_encrypted_set(
    command: Command, face_clip: Path, support: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    SupportSet.load(support).save(default_support_path(), "four words or so")
    arguments = ("run", "--source", face_clip, "--support", "none", "--calibrate", "--port", "0", "--no-live")
    done = command(*arguments)
    assert done.code == 0, done.err
    assert "The calibration page is not served: Passphrase of" in done.out
    assert "--passphrase-file" in done.out
    monkeypatch.setenv("MTCLAR_PASSPHRASE", "four words or so")
    assert "not offered" not in command(*arguments).out


def test_the_default_support_set_is_found_and_named(command: Command, face_clip: Path, support: Path) -> None:
    done = command("run", "--source", face_clip, "--port", "0", "--no-live")
    assert done.code == 0
    assert "Not calibrated (make a support set with" in done.out
    default_support_path().parent.mkdir(parents=True)
    shutil.copyfile(support, default_support_path())
    done = command("run", "--source", face_clip, "--port", "0", "--no-live")
    assert str(default_support_path()) in done.out
    assert "Not calibrated" not in done.out
    done = command("run", "--source", face_clip, "--port", "0", "--no-live", "--support", "none")
    assert "Not calibrated (--support none)" in done.out


def test_a_clip_without_a_face_runs_and_says_so(command: Command, empty_clip: Path, tmp_path: Path) -> None:
    rows = tmp_path / "values.csv"
    done = command("run", "--source", empty_clip, "--port", "0", "--csv", rows)
    assert done.code == 0
    assert "No frame showed a face." in done.out
    assert len(rows.read_text().splitlines()) == 1 + 25


@pytest.mark.parametrize(
    ("width", "height", "count", "grey"),
    [(3840, 2160, 4, False), (160, 120, 10, False), (640, 480, 10, True)],
    ids=["4K", "160x120", "grey"],
)
def test_clips_of_any_size_and_colour_show_the_face(
    width: int, height: int, count: int, grey: bool, command: Command, make_clip: Callable[..., Path]
) -> None:
    done = command("run", "--source", make_clip(width, height, count, grey), "--port", "0")
    assert done.code == 0, done.err
    assert f"{count} frames answered" in done.out
    assert "No face" not in done.out


@pytest.mark.parametrize("smoother", ["one-euro", "exponential", "kalman", "none"])
def test_every_smoother_can_be_chosen(smoother: str, command: Command, face_clip: Path) -> None:
    assert command("run", "--source", face_clip, "--port", "0", "--no-live", "--smoother", smoother).code == 0


# --- clients and signals ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_says_bye_to_clients_and_ends_with_0(
    number: signal.Signals, process: Start, long_clip: Path, support: Path, tmp_path: Path
) -> None:
    summary, rows = tmp_path / "summary.json", tmp_path / "values.csv"
    running = process(
        "run",
        *("--source", long_clip, "--support", support, "--freshness", "paced", "--port", "0"),
        *("--summary-json", summary, "--csv", rows),
    )
    url = running.read_until("Websocket").split()[1]
    types: list[str] = []
    with connect(url, proxy=None, open_timeout=10) as client:
        for text in client:
            message = json.loads(text)
            types.append(message["type"])
            if message["type"] == "hello":
                assert message["server"].startswith("mtclar-stream 0.")
                (stream,) = message["streams"]
                (subject,) = stream["subjects"]
                assert (subject["subject"], subject["frames"], len(subject["labels"])) == ("anna", 3, 3)
            if types.count("affect") == 5 and message["type"] == "affect":
                (face,) = message["faces"]
                assert face["subject"] == "anna"
                assert face["calibrated"] is True
                running.send(number)
    assert types[0] == "hello"
    assert types[-1] == "bye"
    assert message["code"] == "shutdown"
    done = running.end()
    assert done.code == 0, done.out
    assert "Stopped." in done.out
    assert "Traceback" not in done.out
    answered = json.loads(summary.read_text())["frames"]
    assert 5 <= answered < 500
    assert len(rows.read_text().splitlines()) == answered + 1


def test_clients_learn_that_a_file_has_ended(process: Start, face_clip: Path) -> None:
    running = process(
        "run", "--source", face_clip, "--freshness", "paced", "--port", "0", "--support", "none"
    )
    url = running.read_until("Websocket").split()[1]
    with connect(url, proxy=None, open_timeout=10) as client:
        messages = [json.loads(text) for text in client]
    assert messages[-1]["type"] == "bye"
    assert messages[-1]["code"] == "ended"
    assert [m["state"] for m in messages if m["type"] == "status"][-1] == "ended"
    assert running.end().code == 0


def test_the_token_can_come_from_a_file(process: Start, long_clip: Path, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("open sesame 123\n")
    running = process(
        "run",
        *("--source", long_clip, "--freshness", "paced", "--port", "0", "--support", "none"),
        *("--host", "0.0.0.0", "--token-file", tmp_path / "token"),
    )
    assert "other users can read the secret" in running.read_until("warning")
    url = running.read_until("Websocket").split()[1]
    assert "unencrypted" in running.read_until("warning")
    with connect(url, proxy=None, additional_headers={"Authorization": "Bearer open sesame 123"}) as client:
        assert json.loads(client.recv(timeout=10))["type"] == "hello"
    running.send(signal.SIGTERM)
    done = running.end()
    assert done.code == 0
    assert "sesame" not in done.out


def test_what_clients_mark_is_in_the_rows(process: Start, long_clip: Path, tmp_path: Path) -> None:
    rows = tmp_path / "values.csv"
    running = process(
        "run",
        *("--source", long_clip, "--support", "none", "--freshness", "paced", "--port", "0", "--csv", rows),
    )
    url = running.read_until("Websocket").split()[1]
    marked_s = None
    after: list[int] = []  # frames taken after the mark, as clients are told
    with connect(url, proxy=None, open_timeout=10) as client:
        client.send(json.dumps({"type": "subscribe", "delivery": "all"}))
        for text in client:
            message = json.loads(text)
            if message["type"] == "subscribed":
                client.send(json.dumps({"type": "mark", "label": "video starts"}))
            elif message["type"] == "mark":
                marked_s = message["t"]
            elif message["type"] == "affect" and marked_s is not None and message["t_capture"] >= marked_s:
                after.append(message["frame"])
                if len(after) == 3:
                    running.send(signal.SIGTERM)
    assert running.end().code == 0
    with rows.open(newline="") as file:
        marks = {int(row["frame"]): row["mark"] for row in csv.DictReader(file) if row["mark"]}
    assert marks == {after[0]: "video starts"}


# --- who reads what is printed ------------------------------------------------------------------------------------


def read_and_go(lines: int, *arguments: str | Path) -> tuple[int, str]:
    """`mtclar-stream ... | head -LINES`: the exit code, and what was said on stderr."""
    with subprocess.Popen(
        [sys.executable, "-m", "mtclar.cli.main", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        for _ in range(lines):
            assert running.stdout.readline()
        running.stdout.close()
        said = running.stderr.read()
        return running.wait(timeout=60), said


def test_a_file_is_processed_to_its_end_after_its_output_pipe_closed(face_clip: Path, tmp_path: Path) -> None:
    rows, summary = tmp_path / "values.csv", tmp_path / "summary.json"
    writes = ("--csv", rows, "--summary-json", summary)
    assert read_and_go(1, "run", "--source", face_clip, "--freshness", "paced", "--port", "0", *writes) == (
        0,
        "",
    )
    written = json.loads(summary.read_text())
    assert written["stopped"] is False
    assert len(rows.read_text().splitlines()) == 1 + written["frames"]
    assert written["frames"] + written["dropped"] == 50


def test_a_live_source_ends_when_its_output_pipe_closes(tmp_path: Path) -> None:
    rows, summary = tmp_path / "values.csv", tmp_path / "summary.json"
    writes = ("--csv", rows, "--summary-json", summary)
    assert read_and_go(6, "run", "--source", "synthetic:320x240@10", "--port", "0", *writes) == (0, "")
    written = json.loads(summary.read_text())
    assert written["stopped"] is True
    assert len(rows.read_text().splitlines()) == 1 + written["frames"]


def test_no_live_hides_values_but_not_source_states(process: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    running = process("run", "--source", f"rtsp://me:secret@127.0.0.1:{port}/cam", "--port", "0", "--no-live")
    said = running.read_until("reconnecting")
    assert re.search(r"reconnecting, next try in \d+ s \(rtsp://127\.0\.0\.1:\d+/cam cannot be opened", said)
    running.read_until("reconnecting")
    running.send(signal.SIGINT)
    done = running.end()
    assert done.code == 0
    assert "secret" not in done.out


def test_that_latest_drops_a_files_frames_is_said(command: Command, face_clip: Path) -> None:
    arguments = ("run", "--source", face_clip, "--port", "0", "--support", "none", "--no-live", "--freshness")
    assert "warning: --freshness latest drops most frames of a file" in command(*arguments, "latest").out
    for freshness in ("all", "paced"):
        assert "warning" not in command(*arguments, freshness).out


def test_a_wait_that_is_part_of_the_latency_is_said(
    command: Command, face_clip: Path, tmp_path: Path
) -> None:
    summary = tmp_path / "summary.json"
    arguments = ("run", "--source", face_clip, "--port", "0", "--summary-json", summary, "--freshness")
    done = command(*arguments, "all")
    assert "ms, waiting in the queue included" in done.out
    assert "ms with the queue" in done.out
    assert json.loads(summary.read_text())["freshness"] == "all"
    done = command(*arguments, "paced")
    assert "queue" not in done.out
    assert json.loads(summary.read_text())["freshness"] == "paced"


# --- fixtures -----------------------------------------------------------------------------------------------------


@pytest.fixture
def make_clip(face_clip: Path, tmp_path: Path) -> Callable[..., Path]:
    """The face clip's first pictures in another size, or without colour."""

    def make(width: int, height: int, count: int, grey: bool) -> Path:
        path = tmp_path / "other.mkv"
        with av.open(str(face_clip)) as source, av.open(str(path), "w") as container:
            stream = container.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
            stream.width, stream.height, stream.pix_fmt = width, height, "gray" if grey else "yuv420p"
            for _, picture in zip(range(count), source.decode(video=0), strict=False):
                image = cv2.resize(picture.to_ndarray(format="bgr24"), (width, height))
                frame = av.VideoFrame.from_ndarray(image, format="bgr24")
                container.mux(stream.encode(frame.reformat(format=stream.pix_fmt)))
            container.mux(stream.encode())
        return path

    return make


def test_a_file_shows_how_far_it_is(command: Command, face_clip: Path) -> None:
    done = command("run", "--source", face_clip, "--freshness", "paced", "--support", "none", "--port", "0")
    assert done.code == 0, done.err
    shares = [int(share) for share in re.findall(r"(\d+) %, \d+ s left", done.out)]
    assert shares == sorted(shares)
    assert 90 <= shares[-1] <= 100


def test_a_folder_of_pictures_is_a_source_with_a_frame_rate(command: Command, tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number, picture in enumerate(face_pictures(5)):
        cv2.imwrite(str(folder / f"{number}.png"), picture)
    done = command("run", "--source", folder)
    assert done.code == 2
    assert "pictures?fps=25' gives it" in done.err
    done = command(
        "run", "--source", f"{folder}?fps=4", "--support", "none", "--csv", tmp_path / "values.csv"
    )
    assert done.code == 0, done.err
    rows = list(csv.DictReader((tmp_path / "values.csv").read_text().splitlines()))
    assert [row["time"] for row in rows] == ["0.0000", "0.2500", "0.5000", "0.7500", "1.0000"]
    assert {row["stream"] for row in rows} == {"pictures"}
