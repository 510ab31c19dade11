"""`label` on the command line."""

import csv
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from mtclar.cli.commands.recordings import label as command_file
from mtclar.label.scan.face_scan import RATE_HZ

Command = Callable[..., Any]

CLIP = Path(__file__).parents[3] / "label" / "clips" / "1002.mp4"


@pytest.fixture
def support(tmp_path: Path) -> Path:
    """Every 20th frame of the clip."""
    lines = CLIP.with_suffix(".csv").read_text().splitlines()
    path = tmp_path / "labels.csv"
    path.write_text("\n".join([lines[0], *lines[1::20]]) + "\n")
    return path


def test_one_row_for_each_frame(command: Command, support: Path, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "out.csv"
    done = command("label", CLIP, "--support", support, "--out", out)
    assert done.code == 0, done.err
    with out.open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["frame"]) for row in rows] == list(range(250))
    assert all(-1 <= float(row["valence"]) <= 1 for row in rows)
    assert sum(row["state"] == "labelled" for row in rows) == 13
    assert "250 frames, 250 with values, from 13 labels" in done.out
    assert "RMSE" in done.out
    assert sorted(path.name for path in out.parent.iterdir()) == ["out.csv", "out.csv.json"]
    assert all(row["raw_valence"] and row["width"] for row in rows if row["state"] == "ok")
    assert sum(row["label_valence"] != "" for row in rows) == 13
    assert out.stat().st_mode & 0o777 == 0o600


def test_without_a_support_set_values_are_uncalibrated(
    command: Command, face_clip: Path, tmp_path: Path
) -> None:
    done = command("label", face_clip, "--support", "none", "--out", tmp_path / "out.csv")
    assert done.code == 0, done.err
    rows = list(csv.DictReader((tmp_path / "out.csv").read_text().splitlines()))
    assert len(rows) == 50
    assert {row["calibrated"] for row in rows} == {"0"}
    assert all(row["valence"] for row in rows)


def test_an_image_folder(command: Command, tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    video = cv2.VideoCapture(str(CLIP))
    for number in range(0, 60):
        _, image = video.read()
        cv2.imwrite(str(folder / f"{number}.png"), image)
    (folder / "30.png").write_bytes(b"broken")
    labels = tmp_path / "labels.csv"
    labels.write_text("time,valence,arousal\n0,0,0\n1.6,0.5,0.1\n")
    out = tmp_path / "out.csv"
    assert command("label", folder, "--support", labels, "--out", out).code == 2
    done = command("label", folder, "--fps", "25", "--support", labels, "--out", out, "--rate", "0")
    assert done.code == 0, done.err
    with out.open() as file:
        rows = list(csv.DictReader(file))
    assert [row["state"] for row in rows].count("unreadable") == 1
    assert rows[30]["state"] == "unreadable"
    assert rows[30]["valence"] == ""
    assert "Without a value: unreadable 1." in done.out


def test_invalid_options_are_rejected_before_the_scan(
    command: Command, support: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.csv"
    video = tmp_path / "clip.mp4"
    shutil.copy(CLIP, video)
    for arguments, words in [
        (("label", tmp_path / "no.mp4", "--support", support, "--out", out), "no such file"),
        (("label", video, "--support", tmp_path / "no.csv", "--out", out), "no.csv"),
        (("label", video, "--support", support, "--out", video), "would be overwritten"),
        (("label", video, "--support", support, "--out", support), "would be overwritten"),
        (
            ("label", video, "--support", support, "--out", out, "--mode", "magic"),
            "choose one of: default, causal",
        ),
        (("label", video, "--support", support, "--out", out, "--fps", "25"), "remove --fps"),
        (("label", support, "--support", support, "--out", out), "not a video"),
        (("label", video, "--support", support, "--out", out, "--render", tmp_path / "r.avi"), "end in .mp4"),
        (("label", video, "--support", support, "--out", out, "--segments", support), "add --render"),
        (("label", video, "--suggest", 3, "--out", out, "--force"), "--force works with one video only"),
        (("label", video, "--support", support, "--out", video, "--force"), "would be overwritten"),
        (
            (
                *("label", video, "--support", support, "--out", out, "--render", tmp_path / "r.mp4"),
                *("--segments", support),
            ),
            "name,start,end",
        ),
    ]:
        done = command(*arguments)
        assert done.code == (1 if words == "not a video" else 2), done.err
        assert words in done.err
        assert "Traceback" not in done.err
    out.write_text("mine")
    done = command("label", video, "--support", support, "--out", out)
    assert (done.code, out.read_text()) == (2, "mine")
    late = tmp_path / "late.csv"
    late.write_text("time,valence,arousal\n0,0,0\n99,0,0\n")
    done = command("label", video, "--support", late, "--out", tmp_path / "other.csv")
    assert done.code == 2
    assert "line 3 (at 99.00 s) lies past the end" in done.err
    assert video.read_bytes() == CLIP.read_bytes()
    assert not list(tmp_path.glob(".*")), "a rejected run leaves no files"


def test_best_needs_enough_labels(command: Command, tmp_path: Path) -> None:
    labels = tmp_path / "one.csv"
    labels.write_text("time,valence,arousal\n0.5,0.1,0.1\n")
    arguments = ("label", CLIP, "--support", labels, "--rate", "2")
    done = command(*arguments, "--mode", "best", "--out", tmp_path / "best.csv")
    assert done.code == 0, done.err
    assert "Mode default: selecting the best mode needs at least 4 labels." in done.out
    early = command(*arguments, "--mode", "causal", "--out", tmp_path / "causal.csv")
    assert "before the first label 1" in early.out


def test_the_help_shows_the_default_rate() -> None:
    assert command_file.RATE_HZ == RATE_HZ


def test_several_videos(command: Command, support: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.mp4"
    shutil.copy(CLIP, other)
    folder = tmp_path / "labelled"
    arguments = ("label", CLIP, other, "--support", support, "--support", support, "--rate", "2")
    done = command(*arguments, "--out", folder)
    assert done.code == 0, done.err
    assert "2 videos labelled, 0 kept from an earlier run, 0 failed" in done.out
    assert "20.0 seconds of video in " in done.out
    assert "hours of video per core hour" in done.out
    one, same = (
        (folder / f"{name}.csv").read_text().replace(f",{stream},", ",,")
        for name, stream in (("1002", "stream-1002"), ("other", "other"))
    )
    assert one == same
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    assert "0 videos labelled, 2 kept from an earlier run" in command(*arguments, "--out", folder).out
    part = command(*arguments, "--out", tmp_path / "part", "--shard", "2/2")
    assert part.code == 0, part.err
    assert sorted(path.name for path in (tmp_path / "part").iterdir()) == [
        "label-report-2of2.jsonl",
        "other.csv",
        "other.csv.json",
    ]
    for wrong in (
        (*arguments, "--out", tmp_path / "one.csv"),
        ("label", CLIP, other, "--support", support, "--out", folder),
        (*arguments, "--out", folder, "--engine", "abacus"),
        (*arguments, "--out", folder, "--render", tmp_path / "r.mp4"),
        ("label", "--corpus", tmp_path / "missing.csv"),
        ("label", CLIP, "--corpus", tmp_path / "missing.csv"),
        ("label", CLIP, "--support", support),
        ("label",),
    ):
        failed = command(*wrong)
        assert failed.code == 2, failed.err
        assert "hint" in failed.err


def test_suggested_frames(command: Command, support: Path, tmp_path: Path) -> None:
    sheet, todo = tmp_path / "sheet.png", tmp_path / "todo.csv"
    done = command("label", CLIP, "--suggest", "4", "--support", support, "--out", sheet, "--out", todo)
    assert done.code == 0, done.err
    assert "removes" in done.out
    assert cv2.imread(str(sheet)) is not None
    assert len(todo.read_text().splitlines()) == 5
    unfilled = command("label", CLIP, "--support", todo, "--out", tmp_path / "o.csv")
    assert unfilled.code == 2
    assert "has a header, but no label" in unfilled.err
    assert command("label", CLIP, "--suggest", "4", "--out", tmp_path / "sheet.gif").code == 2
    assert command("label", CLIP, CLIP, "--suggest", "4").code == 2
    assert command("label", CLIP, "--suggest", "4", "--shard", "1/2").code == 2


def test_the_labels_of_a_support_set_made_from_this_video(
    command: Command, support: Path, tmp_path: Path
) -> None:
    made = tmp_path / "made.mtclar"
    done = command("calibrate", "--source", CLIP, "--labels", support, "--out", made)
    assert done.code == 0, done.err
    done = command("label", CLIP, "--support", made, "--out", tmp_path / "out.csv", "--rate", "2")
    assert done.code == 0, done.err
    command("label", CLIP, "--support", support, "--out", tmp_path / "csv.csv", "--rate", "2")
    labelled = [
        {row["frame"] for row in csv.DictReader(path.read_text().splitlines()) if row["state"] == "labelled"}
        for path in (tmp_path / "out.csv", tmp_path / "csv.csv")
    ]
    assert len(labelled[0]) > 3
    assert labelled[0] <= labelled[1]  # calibration refuses frames that labelling still reads
    other = tmp_path / "other.mp4"
    shutil.copy(CLIP, other)
    refused = command("label", other, "--support", made, "--out", tmp_path / "no.csv")
    assert refused.code == 2
    assert "was made from 1002.mp4, not from other.mp4" in refused.err


def test_an_encrypted_support_set_is_opened_with_its_passphrase(
    command: Command, support: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, secret = tmp_path / "made.mtclar", tmp_path / "secret"
    secret.write_text("correct horse\n")
    done = command(
        "calibrate",
        "--source",
        CLIP,
        "--labels",
        support,
        "--out",
        made,
        "--encrypt",
        "--passphrase-file",
        secret,
    )
    assert done.code == 0, done.err
    asked = ("label", CLIP, "--support", made, "--out", tmp_path / "out.csv", "--rate", "2")
    locked = command(*asked)
    assert locked.code == 2
    assert "Passphrase of" in locked.err
    wrong = tmp_path / "wrong"
    wrong.write_text("battery staple\n")
    assert command(*asked, "--passphrase-file", wrong).code == 1
    assert not (tmp_path / "out.csv").exists()
    done = command(*asked, "--passphrase-file", secret)
    assert done.code == 0, done.err
    monkeypatch.setenv("MTCLAR_PASSPHRASE", "correct horse")
    suggested = command("label", CLIP, "--suggest", "2", "--support", made, "--out", tmp_path / "todo.csv")
    assert suggested.code == 0, suggested.err


def test_many_videos_with_encrypted_support_sets(
    command: Command, support: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, secret, folder = tmp_path / "made.mtclar", tmp_path / "secret", tmp_path / "labelled"
    secret.write_text("correct horse\n")
    recorded = ("calibrate", "--source", CLIP, "--labels", support, "--out", made, "--encrypt")
    done = command(*recorded, "--passphrase-file", secret)
    assert done.code == 0, done.err
    manifest = tmp_path / "corpus.csv"
    manifest.write_text(
        f"video,support,out\n{CLIP},{made},{folder / 'a.csv'}\n{CLIP},{support},{folder / 'b.csv'}\n"
    )
    asked = ("label", "--corpus", manifest, "--rate", "2")
    locked = command(*asked)
    assert locked.code == 2
    assert "Passphrase of" in locked.err
    assert not folder.exists()
    monkeypatch.setenv("MTCLAR_PASSPHRASE", "correct horse")
    done = command(*asked)
    assert done.code == 0, done.err
    assert "2 videos labelled" in done.out
    report = manifest.with_name("corpus-report.jsonl").read_text()
    assert "correct horse" not in report


def test_a_run_killed_during_rendering_keeps_its_scan(
    process: Callable[..., Any], command: Command, support: Path, tmp_path: Path
) -> None:
    out, video, journal = (tmp_path / name for name in ("out.csv", "drawn.mp4", ".out.csv.unfinished"))
    asked = ("label", CLIP, "--support", support, "--out", out, "--render", video)
    running = process(*asked)
    until = time.monotonic() + 60
    while not out.exists() and time.monotonic() < until:
        time.sleep(0.002)
    running.send(signal.SIGKILL)
    running.end()
    assert not video.exists()
    assert journal.stat().st_size > 10_000
    assert "exists already" in command(*asked).err  # complete outputs are not overwritten
    done = command(*asked, "--force")
    assert done.code == 0, done.err
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "drawn.mp4",
        "labels.csv",
        "out.csv",
        "out.csv.json",
    ]


def test_every_format_is_a_label_file_of_label_and_calibrate(
    command: Command, support: Path, tmp_path: Path
) -> None:
    outs = [tmp_path / f"own{suffix}" for suffix in (".csv", ".eaf", ".annotation")]
    done = command("label", CLIP, "--support", support, *(arg for out in outs for arg in ("--out", out)))
    assert done.code == 0, done.err
    rows = list(csv.reader(support.read_text().splitlines()))
    nine = [
        [cell if at == 0 else f"{4 * float(cell) + 5:.4f}" for at, cell in enumerate(row)] for row in rows[1:]
    ]
    sheet = tmp_path / "sheet.csv"
    lines = [";".join(["Zeit", "Valenz", "Erregung"]), *(";".join(row).replace(".", ",") for row in nine)]
    sheet.write_text("\r\n".join(lines), encoding="utf-8-sig")
    truth = [
        [float(row["valence"]), float(row["arousal"])]
        for row in csv.DictReader(CLIP.with_suffix(".csv").read_text().splitlines())
    ]
    again = tmp_path / "again.csv"
    for file, options in [(out, ()) for out in outs] + [(sheet, ("--scale", "1:9"))]:
        done = command("label", CLIP, "--support", file, "--out", again, *options)
        assert done.code == 0, (file, done.err)
        values = [
            [float(row["valence"]), float(row["arousal"])]
            for row in csv.DictReader(again.read_text().splitlines())
        ]
        assert np.sqrt(np.mean((np.array(values) - truth) ** 2)) < 0.15, file
        again.unlink()
        kept = ("--out", tmp_path / "a.mtclar", "--force")
        done = command("calibrate", "--source", CLIP, "--labels", file, *options, *kept)
        assert done.code == 0, (file, done.err)
    done = command("label", CLIP, "--support", sheet, "--out", again)
    assert done.code == 2
    assert f"{sheet}, line 2, column Valenz: 5 is outside [-1, 1]" in done.err
    assert "--scale 1:9" in done.err
