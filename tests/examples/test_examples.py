"""The programs in examples/ run as their users run them, and each stays under thirty lines."""

import csv
import subprocess
import sys
import time
from pathlib import Path

import cv2
import pytest
from support.peers.websocket_client import Make
from support.pipeline_parts import cam_server, make_message

from mtclar.engine.support_set import SupportSet
from mtclar.stream import demo_clip
from mtclar.stream.protocol.messages import ByeMessage
from mtclar.stream.sources import open_source

EXAMPLES = Path(__file__).parents[2] / "examples"
SYNTHETIC = "synthetic:320x240?faces=1&frames=20"
WAIT_S = 60.0

__all__ = ["make_message"]


def run(name: str, *arguments: str | Path) -> str:
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def short_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first 12 pictures of the demo clip, without compression of motion."""
    path = tmp_path_factory.mktemp("clip") / "face.avi"
    frames = [frame.image for frame, _ in zip(open_source("demo").frames(), range(12), strict=False)]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25, frames[0].shape[1::-1])
    for image in frames:
        writer.write(image)
    writer.release()
    return path


@pytest.mark.parametrize(
    "path",
    sorted(path for path in EXAMPLES.iterdir() if path.suffix in (".py", ".html")),
    ids=lambda path: path.name,
)
def test_an_example_has_fewer_than_thirty_lines(path: Path) -> None:
    assert len(path.read_text().splitlines()) < 30


def test_live_values() -> None:
    lines = run("live_values.py", SYNTHETIC).splitlines()
    assert len(lines) > 5
    assert " V " in lines[-1]
    assert " A " in lines[-1]


def test_a_file_to_csv(short_clip: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    assert run("file_to_csv.py", short_clip, out) == f"12 frames in {out}\n"
    with out.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 12
    assert -1 <= float(rows[-1]["valence"]) <= 1


def test_a_loop_of_ones_own(short_clip: Path) -> None:
    lines = run("own_loop.py", short_clip).splitlines()
    assert len(lines) >= 11
    assert lines[-1].startswith("0.44 s  face ")


def test_a_server_of_ones_own_and_its_client() -> None:
    server = subprocess.Popen(
        [sys.executable, str(EXAMPLES / "own_server.py"), "synthetic:320x240?faces=1", "0"],
        stdout=subprocess.PIPE,
        text=True,
    )
    client = None
    try:
        assert server.stdout is not None
        address = server.stdout.readline().split()[-1]
        client = subprocess.Popen(
            [sys.executable, str(EXAMPLES / "watch_values.py"), address],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert client.stdout is not None
        assert client.stderr is not None
        stream, subject, valence, _ = client.stdout.readline().split()
        assert (stream, subject) == ("synthetic", "None")
        assert valence == "None" or -1 <= float(valence) <= 1
        server.send_signal(2)  # SIGINT, as by Ctrl-C
        assert "the server is stopping; trying again" in client.stderr.readline()
        out, _ = server.communicate(timeout=WAIT_S)
        assert "Stopped." in out
        assert server.returncode == 0
    finally:
        for process in filter(None, (client, server)):
            process.kill()
            process.communicate()


@pytest.mark.parametrize("program", ["plot_values.py", "watch_values.py"])
def test_a_client_ends_with_the_source_of_its_server(
    program: str, make_message: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    if program.startswith("plot"):
        pytest.importorskip("matplotlib", reason="matplotlib comes with `make setup-train`")
    monkeypatch.setenv("MPLBACKEND", "agg")
    with cam_server() as server:
        client = subprocess.Popen(
            [sys.executable, str(EXAMPLES / program), server.ws_url], stderr=subprocess.PIPE, text=True
        )
        try:
            seq = 0
            while client.poll() is None and server.written < 5:
                server.publish(make_message(seq))
                seq += 1
                time.sleep(0.02)  # a client's start cannot be waited for otherwise
            server.close(ByeMessage("ended", "the file has ended"))
            _, errors = client.communicate(timeout=WAIT_S)
        finally:
            client.kill()
    assert (client.returncode, errors) == (0, "")


def test_calibration_from_labelled_pictures(tmp_path: Path) -> None:
    with demo_clip.calibration_path().open(newline="") as file:
        labels = {float(row["time"]): (row["valence"], row["arousal"]) for row in csv.DictReader(file)}
    lines = []
    for frame in open_source("demo").frames():
        near = [time_s for time_s in labels if abs(time_s - frame.pts_s) < 0.02]
        if near:
            cv2.imwrite(str(tmp_path / f"{frame.seq}.png"), frame.image)
            lines.append(f"{frame.seq}.png,{','.join(labels.pop(near[0]))}")
        if not labels:
            break
    (tmp_path / "labels.csv").write_text("\n".join(lines))
    out = tmp_path / "me.mtclar"
    assert run("calibrate_from_images.py", out, tmp_path / "labels.csv") == f"{out}: {len(lines)} frames\n"
    assert len(SupportSet.load(out)) == len(lines)
