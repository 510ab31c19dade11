"""`analyse` on the command line: tables of recordings from a support set, alike however often it is interrupted."""

import csv
import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.media.known_clips import CLIPS
from support.media.two_people import scene
from support.media.video_clips import encode

Command = Callable[..., Any]

CLIP, OTHER = CLIPS / "1002.mp4", CLIPS / "1003.mp4"
PATIENCE_S = 120


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def numbers(rows: list[dict[str, str]], name: str) -> np.ndarray:
    return np.array([float(row[name] or "nan") for row in rows])


@pytest.fixture(scope="module")
def support(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A support set of the person of CLIP."""
    folder = tmp_path_factory.mktemp("support")
    lines = CLIP.with_suffix(".csv").read_text().splitlines()
    (folder / "labels.csv").write_text("\n".join([lines[0], *lines[1::20]]) + "\n")
    made = folder / "anna.mtclar"
    options = ("--source", CLIP, "--labels", folder / "labels.csv", "--subject", "anna", "--out", made)
    command = [sys.executable, "-m", "mtclar.cli.main", "calibrate", *map(str, options)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 0, done.stdout + done.stderr
    return made


def test_the_values_are_those_of_run_smoothed_without_lag(
    command: Command, support: Path, tmp_path: Path
) -> None:
    done = command(
        "analyse", CLIP, "--support", support, "--out", tmp_path, "--start", "2026-03-01T10:00:00+01:00"
    )
    assert done.code == 0, done.err
    assert "1002.mp4: 250 frames, 250 with a value, 1 person" in done.out
    live = tmp_path / "live.csv"
    source = ("--source", CLIP, "--support", support, "--port", "0", "--no-live")
    assert command("run", *source, "--csv", live).code == 0
    offline, online = rows_of(tmp_path / "1002.csv"), rows_of(live)
    assert list(offline[0]) == list(online[0])
    assert [row["frame"] for row in offline] == [row["frame"] for row in online]
    for name in ("raw_valence", "raw_arousal", "absolute_valence", "nearest_similarity", "x", "yaw"):
        assert numbers(offline, name) == pytest.approx(numbers(online, name), abs=2e-3), name
    assert {row["subject"] for row in offline} == {"anna"}
    assert {row["calibrated"] for row in offline} == {"1"}
    assert float(offline[25]["t_unix"]) == pytest.approx(1772355601.0)
    assert (
        np.abs(np.diff(numbers(offline, "valence"))).sum()
        < np.abs(np.diff(numbers(offline, "raw_valence"))).sum()
    )
    found = json.loads((tmp_path / "1002.csv.json").read_text())
    assert found["support_sets"][0]["subject"] == "anna"
    assert found["files"][0]["file"] == "1002.mp4"
    assert found["clock"]["start"] == "2026-03-01T09:00:00+00:00"


def test_labels_of_the_recording_count_together_with_the_set(
    command: Command, support: Path, tmp_path: Path
) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text("time,valence,arousal\n2.0,0.9,0.9\n6.0,0.9,0.9\n")
    asked = ("analyse", CLIP, "--support", support, "--rate", "5")
    assert command(*asked, "--out", tmp_path / "set").code == 0
    done = command(*asked, "--labels", labels, "--out", tmp_path / "both")
    assert done.code == 0, done.err
    from_set, both = (rows_of(tmp_path / name / "1002.csv") for name in ("set", "both"))
    assert [row["frame"] for row in both if row["label_valence"]] == ["50", "150"]
    assert both[50]["state"] == "labelled"
    assert float(both[50]["label_valence"]) == 0.9
    assert float(both[50]["valence"]) > float(from_set[50]["valence"])


def test_each_person_is_a_track_and_the_set_is_of_one(
    command: Command, support: Path, tmp_path: Path
) -> None:
    people = {"anna": lambda _: 180.0, "ben": lambda _: 460.0}
    video = encode(tmp_path / "two.mp4", [frame.image for frame in scene(people, 3.0)])
    asked = ("analyse", video, "--support", support, "--rate", "5")
    assert command(*asked, "--out", tmp_path / "first").code == 0
    done = command(*asked, "--out", tmp_path / "second", "--face", "2")
    assert done.code == 0, done.err
    for folder, track in (("first", None), ("second", "2")):
        rows = rows_of(tmp_path / folder / "two.csv")
        assert {row["track"] for row in rows if row["track"]} == {"1", "2"}
        calibrated = {row["track"] for row in rows if row["calibrated"] == "1"}
        assert len(calibrated) == 1
        assert track is None or calibrated == {track}
        assert {row["subject"] for row in rows if row["calibrated"] == "0"} == {""}


def test_a_manifest_names_the_tables_after_participants(
    command: Command, support: Path, tmp_path: Path
) -> None:
    pytest.importorskip("pandas", reason="pandas is not installed; `make setup-all` brings it")
    parquet = pytest.importorskip(
        "pyarrow.parquet", reason="pyarrow is not installed; `make setup` brings it"
    )
    shutil.copy(support, tmp_path / "anna.mtclar")
    for clip in (CLIP, OTHER):
        shutil.copy(clip, tmp_path)
    (tmp_path / "trials.csv").write_text("name,start,end\ncalm,0,4\nstress,5,9\n")
    (tmp_path / "study.csv").write_text(
        "participant,session,task,run,video,support,start,segments\n"
        "01,ses-1,rest,1,1002.mp4,anna.mtclar,2026-03-01T10:00:00Z,trials.csv\n"
        "02,,,,1003.mp4,none,,\n"
    )
    out = tmp_path / "out"
    asked = ("analyse", tmp_path / "study.csv", "--out", out, "--rate", "2")
    done = command(*asked, "--format", "csv", "--format", "parquet", "--workers", "2")
    assert done.code == 0, done.err
    name = "sub-01_ses-1_task-rest_run-1"
    assert sorted(path.name for path in out.iterdir()) == sorted(
        ["analyse-report.jsonl", f"{name}_segments.csv"]
        + [
            f"{one}.{end}"
            for one in (name, "sub-02")
            for end in ("csv", "csv.json", "parquet", "parquet.json")
        ]
    )
    table = parquet.read_table(out / f"{name}.parquet")
    assert table.column_names == list(rows_of(out / f"{name}.csv")[0])
    assert (table["participant"][0].as_py(), table["session"][0].as_py()) == ("01", "ses-1")
    assert table["t_unix"][0].as_py() == 1772359200.0
    assert {row["calibrated"] for row in rows_of(out / "sub-02.csv")} == {"0"}
    assert [row["segment"] for row in rows_of(out / f"{name}_segments.csv")] == [
        "recording",
        "calm",
        "stress",
    ]
    assert "0 videos analysed, 2 kept" in command(*asked, "--format", "csv", "--format", "parquet").out


def test_a_missing_video_is_an_error_and_the_others_are_complete(command: Command, tmp_path: Path) -> None:
    asked = ("analyse", CLIP, tmp_path / "gone.mp4", "--rate", "2", "--out", tmp_path / "out")
    done = command(*asked)
    assert done.code == 1
    assert "1 video could not be analysed; the others are complete" in done.err
    assert "no such file" in done.out
    assert len(rows_of(tmp_path / "out" / "1002.csv")) == 250
    assert command(*asked, "--keep-going").code == 0


@pytest.mark.timeout(300)
def test_a_killed_run_goes_on_and_gives_the_same_bytes(
    process: Callable[..., Any], command: Command, support: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "videos"
    folder.mkdir()
    for number in range(2):
        shutil.copy(CLIP, folder / f"{number}.mp4")
    asked = ("analyse", folder, "--support", support)
    out, whole = tmp_path / "out", tmp_path / "whole"
    running = process(*asked, "--out", out)
    until = time.monotonic() + PATIENCE_S
    while not (out / "0.csv").exists() and time.monotonic() < until:
        time.sleep(0.01)
    running.send(signal.SIGKILL)
    running.end()
    assert not (out / "1.csv").exists()
    assert command(*asked, "--out", out).code == 0
    assert command(*asked, "--out", whole).code == 0
    for number in range(2):
        assert (out / f"{number}.csv").read_bytes() == (whole / f"{number}.csv").read_bytes()
    assert not list(out.glob(".*"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["clip.mp4", "--start", "yesterday"], "is not a time"),
        (["clip.mp4", "--start", "2026-03-01T10:00:00"], "has no time zone"),
        (["clip.mp4", "--format", "xlsx"], "no format 'xlsx'"),
        (["clip.mp4", "clip.mp4"], "two videos have the output"),
        (["clip.mp4", "b.mp4", "--labels", "l.csv"], "--labels is for one video"),
        (["clip.mp4", "b.mp4", "--face", "1"], "--face is for one video"),
        (["clip.mp4", "b.mp4", "--start", "2026-03-01T14:05:12Z"], "--start is for one video"),
        (["empty"], "has no video"),
        (["m.csv"], "there is no column video"),
    ],
)
def test_wrong_options_are_refused_at_once(
    command: Command, arguments: list[str], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "m.csv").write_text("film\nclip.mp4\n")
    done = command("analyse", *arguments, "--out", "out")
    assert done.code == 2
    assert words in done.err
    assert not (tmp_path / "out").exists()


def test_a_set_of_another_encoder_is_refused_with_the_reason(
    command: Command, support: Path, tmp_path: Path
) -> None:
    from dataclasses import replace

    from mtclar.engine.support_set import SupportSet

    loaded = SupportSet.load(support)
    other = tmp_path / "other.mtclar"
    replace(loaded, encoder=replace(loaded.encoder, sha256="0" * 64)).save(other)
    done = command("analyse", CLIP, "--support", other, "--out", tmp_path / "out")
    assert done.code == 1
    assert "their embeddings do not compare" in done.out


def test_a_bids_data_set_beside_the_tables(command: Command, support: Path, tmp_path: Path) -> None:
    pytest.importorskip("pandas", reason="pandas is missing: pip install 'mtclar-stream[analysis]'")
    (tmp_path / "segments.csv").write_text("name,start,end\nfilm,1,4\n")
    manifest, out = tmp_path / "manifest.csv", tmp_path / "results"
    manifest.write_text(
        "participant,session,task,video,support,segments\n"
        f"01,a,rest,{CLIP},{support},segments.csv\n02,a,rest,{OTHER},none,\n"
    )
    options = ("analyse", manifest, "--out", out, "--rate", "5", "--layout", "bids")
    assert command(*options, "--shard", "1/2").code == 2
    done = command(*options)
    assert done.code == 0, done.err
    found = {
        path.relative_to(out / "bids").as_posix() for path in (out / "bids").rglob("*") if path.is_file()
    }
    for name in ("sub-01/ses-a/beh/sub-01_ses-a_task-rest", "sub-02/ses-a/beh/sub-02_ses-a_task-rest"):
        assert f"{name}_recording-face_physio.tsv.gz" in found
    assert [name for name in found if "events.tsv" in name] == [
        "sub-01/ses-a/beh/sub-01_ses-a_task-rest_events.tsv"
    ]
    (out / "bids" / "README.md").write_text("Mine.")
    (out / "bids" / "participants.tsv").write_text("participant_id\tage\nsub-01\t30\n")
    done = command(*options)
    assert done.code == 0, done.err
    assert "2 kept from an earlier run" in done.out
    assert (out / "bids" / "README.md").read_text() == "Mine."
    participants = (out / "bids" / "participants.tsv").read_text()
    assert participants == "participant_id\tage\nsub-01\t30\nsub-02\tn/a\n"


def test_a_folder_of_somebody_else_is_no_data_set(command: Command, tmp_path: Path) -> None:
    pytest.importorskip("pandas", reason="pandas is missing: pip install 'mtclar-stream[analysis]'")
    (tmp_path / "out" / "bids").mkdir(parents=True)
    (tmp_path / "out" / "bids" / "dataset_description.json").write_text('{"Name": "other"}')
    done = command("analyse", CLIP, "--out", tmp_path / "out", "--layout", "bids")
    assert done.code == 2
    assert "no empty folder" in done.err


def test_one_table_of_segments_serves_all_recordings(command: Command, tmp_path: Path) -> None:
    pytest.importorskip("pandas", reason="pandas is missing: pip install 'mtclar-stream[analysis]'")
    (tmp_path / "segments.csv").write_text("recording,name,start,end\nsub-01,film,1,4\nsub-02,rest,0,2\n")
    (tmp_path / "manifest.csv").write_text(
        f"participant,video,segments\n01,{CLIP},segments.csv\n02,{OTHER},segments.csv\n"
    )
    options = ("--out", tmp_path / "out", "--rate", "5", "--layout", "bids")
    done = command("analyse", tmp_path / "manifest.csv", *options)
    assert done.code == 0, done.err
    events = sorted((tmp_path / "out" / "bids").rglob("*_events.tsv"))
    assert [path.read_text().split("\n")[1].split("\t")[2] for path in events] == ["film", "rest"]
    names = {
        row["segment"]
        for row in csv.DictReader((tmp_path / "out" / "sub-02_segments.csv").read_text().splitlines())
    }
    assert names == {"recording", "rest"}
