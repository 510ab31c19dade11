"""The machine refuses the n-th file, write, flush, rename, thread or array: a sentence, and never a torn file."""

import json
import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from support.command_line import Run
from support.faults.refusals import KINDS, refusing
from support.media.video_clips import encode, face_pictures
from websockets.sync.client import connect

from mtclar.engine.support_set import SupportSet
from mtclar.label.corpus import engines, worker
from mtclar.label.job import Job
from mtclar.label.labelling import Settings
from mtclar.stream.server.config import ServerConfig
from mtclar.stream.server.server import Server
from mtclar.stream.table.columns import NAMES

pytestmark = pytest.mark.faults

EVERY_UNTIL = 8  # of the arrays, which come with every frame; later ones one in six
STEP = 6


@pytest.fixture(scope="session")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short clip and its labels."""
    folder = tmp_path_factory.mktemp("inputs")
    encode(folder / "clip.mp4", face_pictures(8, (320, 240)))
    (folder / "labels.csv").write_text("time,valence,arousal\n0.04,0.5,0.1\n0.16,0.4,0.2\n0.24,0.1,0.2\n")
    return folder


def calibrate(inputs: Path, out: Path) -> list[str | Path]:
    return [
        *("calibrate", "--source", inputs / "clip.mp4", "--labels", inputs / "labels.csv"),
        *("--out", out / "anna.mtclar"),
    ]


def label(inputs: Path, out: Path) -> list[str | Path]:
    return [
        *("label", inputs / "clip.mp4", "--support", inputs / "labels.csv"),
        *("--out", out / "out.csv", "--out", out / "out.eaf"),
    ]


def run(inputs: Path, out: Path) -> list[str | Path]:
    return [
        *("run", "--source", inputs / "clip.mp4", "--support", "none", "--port", "0", "--no-live"),
        *("--csv", out / "rows.csv", "--summary-json", out / "summary.json"),
    ]


def corpus(inputs: Path, out: Path) -> list[str | Path]:
    manifest = out / "corpus.csv"
    manifest.write_text(f"video,support,out\n{inputs}/clip.mp4,{inputs}/labels.csv,{out}/labelled.csv\n")
    return ["label", "--corpus", manifest]


def in_process(jobs: Sequence[tuple[Job, str]], settings: Settings, *_: object) -> Iterator[Any]:
    """The engine `local` without processes, in which nothing could be refused."""
    one = worker.Worker(settings)
    for job, key in jobs:
        yield one(job, key)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("arguments", [calibrate, label, run, corpus])
def test_each_refusal_is_said_and_tears_no_file(
    command: Run,
    inputs: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    arguments: Callable[[Path, Path], list[str | Path]],
    kind: str,
) -> None:
    monkeypatch.setitem(engines.ENGINES, "local", in_process)  # type: ignore[misc]
    at = 1
    while True:
        out = tmp_path / str(at)
        out.mkdir()
        given = arguments(inputs, out)
        with refusing(kind, at) as refusals:
            done = command(*given)
        if not refusals.happened:
            assert done.code == 0, done.err
            break
        assert done.code in (0, 1, 2)
        if done.code:
            assert "error: " in done.err
        for text in (done.out, done.err, caplog.text):
            assert "Traceback" not in text
            assert "this is a bug" not in text
        require_whole(out)
        at += 1 if kind != "allocation" or at < EVERY_UNTIL else STEP
    assert at > 1 or kind == "thread"  # calibrate and label start none


def require_whole(folder: Path) -> None:
    """Every file is whole, and none is left half written."""
    for path in folder.iterdir():
        if path.suffix == ".mtclar":
            assert len(SupportSet.load(path)) == 3
        elif path.name == "rows.csv":
            lines = path.read_text().splitlines(keepends=True)
            assert all(line.endswith("\n") and line.count(",") == len(NAMES) - 1 for line in lines)
        elif path.suffix in (".json", ".jsonl"):
            assert all(json.loads(line) for line in lines_of(path))
        elif path.name == "out.csv" or path.name == "labelled.csv":
            assert len(path.read_text().splitlines()) == 9
        elif path.suffix == ".eaf":
            assert path.read_text().endswith("</ANNOTATION_DOCUMENT>")
        else:
            assert path.name in ("corpus.csv", ".out.csv.unfinished", ".labelled.csv.unfinished")


def lines_of(path: Path) -> list[str]:
    text = path.read_text()
    return [text] if path.suffix == ".json" else text.splitlines()


@pytest.mark.parametrize("at", [1, 2, 3])
def test_a_connection_that_cannot_be_accepted_costs_no_other(
    caplog: pytest.LogCaptureFixture, at: int
) -> None:
    with Server(ServerConfig(port=0)) as server, refusing("accept", at) as refusals:
        for _ in range(3):
            with connect(server.ws_url, proxy=None, open_timeout=60) as client:
                assert '"hello"' in client.recv(60)
        assert refusals.happened
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "a connection waits: Too many open files" in caplog.text
    assert "Traceback" not in caplog.text
