"""`bids` on the command line."""

import json
from pathlib import Path

import pytest
from support.command_line import Run

pytest.importorskip("pandas", reason="pandas is missing: pip install 'mtclar-stream[analysis]'")

HEADER = "time,participant,session,valence,arousal"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    rows = [f"{n / 25:.4f},01,a,0.1,0.2" for n in range(100)]
    path = tmp_path / "anna.csv"
    path.write_text("\n".join([HEADER, *rows]) + "\n")
    return path


def test_a_data_set_with_events(command: Run, table: Path, tmp_path: Path) -> None:
    segments, out = tmp_path / "segments.csv", tmp_path / "set"
    segments.write_text("name,start,end\nfilm,0,2\n")
    done = command("bids", table, "--segments", segments, "--task", "film", "--rate", "10", "--out", out)
    assert done.code == 0, done.err
    stem = out / "sub-01" / "ses-a" / "beh" / "sub-01_ses-a_task-film"
    sidecar = json.loads(Path(f"{stem}_recording-face_physio.json").read_text())
    assert sidecar["SamplingFrequency"] == 10
    assert "film" in Path(f"{stem}_events.tsv").read_text()
    assert "1 recording in 8 files" in done.out
    again = command("bids", table, "--out", out)
    assert again.code == 2
    assert "no empty folder" in again.err


def test_a_single_frame_has_no_frequency(command: Run, tmp_path: Path) -> None:
    path = tmp_path / "one.csv"
    path.write_text(f"{HEADER}\n0,01,a,0.1,0.2\n")
    done = command("bids", path, "--out", tmp_path / "set")
    assert done.code == 2
    assert "no sampling frequency" in done.err
