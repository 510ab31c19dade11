"""docs/development/extending.md: every recipe is followed with the page's files, by its own command and by an entry."""

import csv
import json
import re
import runpy
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from mtclar.cli.main import main
from mtclar.engine.backends import BACKENDS
from mtclar.engine.estimate import SMOOTHERS
from mtclar.stream import demo_clip
from mtclar.stream.sinks import SINKS
from mtclar.stream.sources import SOURCES

PAGE = (Path(__file__).parents[2] / "docs" / "development" / "extending.md").read_text()
FILES = dict(re.findall(r"```(?:python|js|html)\n(?:#|//|<!--) (\S+?)(?: -->)?\n(.*?)```", PAGE, re.DOTALL))
COMMANDS = re.findall(r"^PYTHONPATH=\. mtclar-stream (.*)$", PAGE, re.MULTILINE)
FRAMES = 25


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder with the Python files of the page, and nothing of them imported yet."""
    for name, content in FILES.items():
        (tmp_path / name).write_text(content)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    for name in FILES:
        monkeypatch.delitem(sys.modules, Path(name).stem, raising=False)
    return tmp_path


@pytest.fixture
def command(folder: Path) -> Callable[[str], str]:
    """Runs a command of the page in the working folder; the option `--port 0` takes a free port."""

    def run(arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "mtclar.cli.main", *arguments.split(), "--port", "0", "--no-live"],
            env={"PYTHONPATH": ".", "PATH": "", "HOME": str(folder)},
            capture_output=True,
            text=True,
            timeout=110,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
        bound.bind(("127.0.0.1", 0))
        bound.settimeout(60)
        yield bound


def measured(path: Path) -> list[dict[str, str]]:
    """The rows of a table without the columns that say when it was made."""
    with path.open() as file:
        return [
            {name: cell for name, cell in row.items() if name not in ("t_unix", "latency_ms")}
            for row in csv.DictReader(file)
        ]


def images(count: int) -> list[np.ndarray[Any, Any]]:
    """The first frames of the bundled clip, BGR."""
    with av.open(str(demo_clip.clip_path())) as clip:
        frames = clip.decode(video=0)
        return [next(frames).to_ndarray(format="bgr24") for _ in range(count)]


def saved_frames(folder: Path) -> None:
    np.save(folder / "frames.npy", np.stack(images(FRAMES)))


def registered(arguments: str) -> None:
    """Runs the command line in this process, where the entry was added."""
    with pytest.raises(SystemExit) as end:
        main([*arguments.split(), "--port", "0", "--no-live"])
    assert end.value.code in (0, None)


def test_a_sink(
    command: Callable[[str], str], folder: Path, listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved_frames(folder)
    (of_page,) = (text for text in COMMANDS if "--sink" in text)
    address = f"127.0.0.1:{listener.getsockname()[1]}"
    source = "--source lab_array:ArraySource://frames.npy"
    command(of_page.replace("127.0.0.1:9000", address).replace("--source demo", source))
    values = [json.loads(listener.recv(4096)) for _ in range(FRAMES)]
    assert [round(value["time"] * 25) for value in values] == list(range(FRAMES))
    assert all(-1 <= value["valence"] <= 1 for value in values)

    monkeypatch.setitem(SINKS, "udp", "lab_udp:UdpSink")
    registered(f"run {source} --sink udp://{address}")
    assert [json.loads(listener.recv(4096)) for _ in range(FRAMES)] == values


def test_a_source(command: Callable[[str], str], folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved_frames(folder)
    (of_page,) = (text for text in COMMANDS if "--csv" in text)
    command(of_page)
    with (folder / "values.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [round(float(row["time"]) * 25) for row in rows] == list(range(FRAMES))
    assert {row["stream"] for row in rows} == {"array"}

    monkeypatch.setitem(SOURCES, "array", "lab_array:ArraySource")
    registered("run --source array://frames.npy --csv again.csv")
    assert measured(folder / "again.csv") == measured(folder / "values.csv")


def test_a_smoother(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    runpy.run_path(str(folder / "track_smoothly.py"))
    smoothed, raw = np.array([line.split() for line in capsys.readouterr().out.splitlines()], float).T
    assert len(raw) == FRAMES
    medians = [np.median(raw[max(0, n - 4) : n + 1]) for n in range(FRAMES)]
    assert smoothed == pytest.approx(medians, abs=2e-6)

    saved_frames(folder)
    monkeypatch.setitem(SMOOTHERS, "median", "lab_median:Median")
    registered("run --source lab_array:ArraySource://frames.npy --smoother median --csv values.csv")
    with (folder / "values.csv").open() as file:
        values = [float(row["valence"]) for row in csv.DictReader(file)]
    assert values == pytest.approx(smoothed, abs=1e-3)


def test_a_back_end(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(BACKENDS, "timed", "taken out again after the test")
    runpy.run_path(str(folder / "track_timed.py"))
    faces, seconds = capsys.readouterr().out.split()
    assert int(faces) == 1
    assert float(seconds) > 0

    saved_frames(folder)
    for backend in ("timed", "onnxruntime"):
        registered(f"run --source lab_array:ArraySource://frames.npy --backend {backend} --csv {backend}.csv")
    assert measured(folder / "timed.csv") == measured(folder / "onnxruntime.csv")
