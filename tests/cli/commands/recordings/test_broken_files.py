"""A recording that breaks off: each command that reads it says how much is missing."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.media.video_clips import encode, face_pictures

Command = Callable[..., Any]
MISSING = "it breaks off: the last "


@pytest.fixture
def cut(tmp_path: Path) -> Path:
    """The first half of the bytes of a Matroska file of four seconds."""
    path = encode(tmp_path / "cut.mkv", face_pictures(100))
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    return path


def test_run(command: Command, cut: Path) -> None:
    done = command("run", "--source", cut, "--no-live", "--port", "0")
    assert done.code == 0, done.err
    assert MISSING in done.err
    assert "of 4.0 s are missing" in done.err


def test_label_and_the_report_of_a_corpus(command: Command, cut: Path, labels: Path, tmp_path: Path) -> None:
    labels.write_text("time,valence,arousal\n0.2,0.7,0.1\n")
    done = command("label", cut, "--support", labels, "--out", tmp_path / "out.csv")
    assert done.code == 0, done.err
    assert MISSING in done.out
    other = encode(tmp_path / "whole.mkv", face_pictures(25))
    arguments = ("label", cut, other, "--support", labels, "--support", labels, "--out", tmp_path / "folder")
    done = command(*arguments)
    assert done.code == 0, done.err
    assert f"{cut}: {MISSING}" in done.out
    report = (tmp_path / "folder" / "label-report.jsonl").read_text().splitlines()
    warnings = {Path(entry["video"]).name: entry["warning"] for entry in map(json.loads, report)}
    assert warnings["cut.mkv"].startswith(MISSING)
    assert warnings["whole.mkv"] == ""


def test_suggestions(command: Command, cut: Path, tmp_path: Path) -> None:
    done = command("label", cut, "--suggest", "2", "--out", tmp_path / "todo.csv")
    assert done.code == 0, done.err
    assert MISSING in done.out
