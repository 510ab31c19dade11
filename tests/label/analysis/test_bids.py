"""A BIDS data set, checked by the validator of the BIDS organisation."""

import gzip
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pytest

from mtclar.engine.errors import UsageError
from mtclar.label.analysis.bids import COLUMNS, bids_files, write_bids
from mtclar.label.analysis.segments import Segment
from mtclar.label.analysis.series import Key, Series, series_of

VALIDATOR = Path(sys.executable).with_name("bids-validator-deno")
SEGMENTS = [Segment("rest", 0, 1), Segment("film", 1, 3.5)]


def wave(key: Key, rate_hz: float = 25, frames: int = 100) -> Series:
    times_s = np.round(np.arange(frames) / rate_hz, 4)
    values = 0.5 * np.column_stack([np.sin(times_s), np.cos(1.7 * times_s)])
    return series_of(key, times_s, values, np.full((frames, 2), 0.1))


def validate(folder: Path) -> list[dict[str, Any]]:
    """What the validator finds, errors first."""
    if not VALIDATOR.exists():
        pytest.skip("the BIDS validator is missing: `make setup-all` installs it")
    done = subprocess.run(
        [VALIDATOR, folder, "--format", "json"], capture_output=True, text=True, timeout=200
    )
    assert done.stdout, done.stderr
    return sorted(json.loads(done.stdout)["issues"]["issues"], key=lambda issue: issue["severity"])


def physio_of(files: dict[PurePosixPath, bytes], name: str) -> tuple[list[list[str]], dict[str, Any]]:
    rows = gzip.decompress(files[PurePosixPath(f"{name}.tsv.gz")]).decode().splitlines()
    return [row.split("\t") for row in rows], json.loads(files[PurePosixPath(f"{name}.json")])


def test_the_validator_accepts_participants_sessions_runs_and_gaps(tmp_path: Path) -> None:
    gappy = wave(Key("r3", "02", "b"), 29.97)
    gappy = replace(gappy, values=np.where(np.arange(100)[:, None] % 40 < 10, np.nan, gappy.values))
    series = [
        wave(Key("r1", "01", "a")), wave(Key("r2", "01", "a")), gappy, wave(Key("no participant", face="anna b.")),
    ]  # fmt: skip
    write_bids(bids_files(series, SEGMENTS, task="film"), tmp_path / "set")
    found = validate(tmp_path / "set")
    assert [issue for issue in found if issue["severity"] == "error"] == []
    assert {issue["code"] for issue in found} <= {
        "TOO_FEW_AUTHORS", "NO_AUTHORS", "JSON_KEY_RECOMMENDED", "SIDECAR_KEY_RECOMMENDED",
    }  # fmt: skip
    modes = {path.stat().st_mode & 0o777 for path in (tmp_path / "set").rglob("*") if path.is_file()}
    assert modes == {0o600}


def test_the_validator_reads_the_sampling_frequency(tmp_path: Path) -> None:
    files = bids_files([wave(Key("r1", "01"))])
    name = PurePosixPath("sub-01/beh/sub-01_task-affect_recording-face_physio.json")
    sidecar = json.loads(files[name])
    del sidecar["SamplingFrequency"]
    files[name] = json.dumps(sidecar).encode()
    write_bids(files, tmp_path / "set")
    errors = [issue for issue in validate(tmp_path / "set") if issue["severity"] == "error"]
    assert [issue["subCode"] for issue in errors] == ["SamplingFrequency"]


def test_values_are_on_a_regular_grid() -> None:
    series = wave(Key("r1", "01"))
    there = np.arange(100) != 50
    files = bids_files([replace(series[there], values=series.values[there])], SEGMENTS)
    rows, sidecar = physio_of(files, "sub-01/beh/sub-01_task-affect_recording-face_physio")
    assert sidecar["SamplingFrequency"] == 25
    assert sidecar["StartTime"] == 0
    assert sidecar["Columns"] == list(COLUMNS)
    assert len(rows) == 100
    np.testing.assert_allclose(
        np.array(rows, float)[:, :2], series.values, atol=2e-3
    )  # one frame is interpolated


def test_a_gap_is_not_filled() -> None:
    series = wave(Key("r1", "01"))
    there = (np.arange(100) < 40) | (np.arange(100) >= 60)
    rows, _ = physio_of(bids_files([series[there]]), "sub-01/beh/sub-01_task-affect_recording-face_physio")
    assert len(rows) == 100
    assert {row[0] for row in rows[41:59]} == {"n/a"}
    assert "n/a" not in {cell for row in (*rows[:40], *rows[61:]) for cell in row}


def test_events_are_the_segments_of_the_recording() -> None:
    files = bids_files([wave(Key("r1", "01")), wave(Key("r2", "02"))], [*SEGMENTS, Segment("x", 0, 1, "03")])
    events = files[PurePosixPath("sub-01/beh/sub-01_task-affect_events.tsv")].decode()
    assert events == "onset\tduration\ttrial_type\n0.000\t1.000\trest\n1.000\t2.500\tfilm\n"
    assert files[PurePosixPath("participants.tsv")] == b"participant_id\nsub-01\nsub-02\n"


def test_the_same_series_give_the_same_files() -> None:
    assert bids_files([wave(Key("r1"))], SEGMENTS) == bids_files([wave(Key("r1"))], SEGMENTS)


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ([Key("r1", "a b"), Key("r2", "ab")], "become the same BIDS name, sub-ab"),
        ([Key("r1", "???")], "no letter or digit"),
        ([Key("r1", "01", face="1"), Key("r1", "01", face="2")], "has the faces '1' and '2'"),
    ],
)
def test_names_that_bids_cannot_have(keys: list[Key], says: str) -> None:
    with pytest.raises(UsageError) as error:
        bids_files([wave(key) for key in keys])
    assert says in error.value.what


def test_nothing_is_written_into_a_folder_with_files(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match="no empty folder"):
        write_bids(bids_files([wave(Key("r1"))]), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_task_and_run_are_those_in_the_name_of_the_table() -> None:
    names = (
        "sub-01_ses-a_task-rest_run-1",
        "sub-01_ses-a_task-rest_run-2",
        "sub-01_ses-a_task-film",
        "film2",
    )
    files = bids_files([wave(Key(name, "01", "a")) for name in names])
    stems = [
        path.name.removesuffix("_recording-face_physio.json") for path in files if "physio.json" in path.name
    ]
    assert stems == [*names[:3], "sub-01_ses-a_task-affect"]
    runs = bids_files([wave(Key(name, "01")) for name in ("x", "y")], task="rest")
    assert [path.name.split("_")[2] for path in runs if "physio.json" in path.name] == ["run-1", "run-2"]
    twice = [wave(Key(name, "01")) for name in ("a_task-rest_run-1", "b_task-rest_run-1")]
    with pytest.raises(UsageError, match="the same participant, session, task rest and run 1"):
        bids_files(twice)
