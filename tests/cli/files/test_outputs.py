"""Output files: unsafe or unwritable outputs are rejected before a command starts."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mtclar.cli.options import default_support_path

Command = Callable[..., Any]

SUMMARY = json.dumps({"frames": 1, "fps": 1.0, "latency_ms": {}})


def digests(folder: Path) -> dict[str, str]:
    """Every file below a folder by its content."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, face_clip: Path, labels: Path, support: Path
) -> Path:
    """A working folder with everything that a run reads, and other names for the clip."""
    folder = tmp_path / "folder"
    (folder / "sub").mkdir(parents=True)
    (folder / "clip.mp4").write_bytes(face_clip.read_bytes())
    (folder / "labels.csv").write_bytes(labels.read_bytes())
    (folder / "anna.mtclar").write_bytes(support.read_bytes())
    (folder / "token").write_text("open sesame 123\n")
    (folder / "thesis.txt").write_text("three years of work")
    (folder / "cert.pem").write_text("a certificate")
    (folder / "link.json").symlink_to("clip.mp4")
    (folder / "hard.json").hardlink_to(folder / "clip.mp4")
    (folder / "elsewhere").symlink_to("sub")
    monkeypatch.chdir(folder)
    return folder


READS = ("--support", "anna.mtclar", "--token-file", "token")


@pytest.mark.parametrize(
    ("writes", "message"),
    [
        (("--summary-json", "clip.mp4"), "is also the file of --source"),
        (("--summary-json", "./sub/../clip.mp4"), "is also the file of --source"),
        (("--summary-json", "link.json"), "is also the file of --source"),
        (("--summary-json", "hard.json"), "is also the file of --source"),
        (("--csv", "link.json"), "is also the file of --source"),
        (("--summary-json", "anna.mtclar"), "is also the file of --support"),
        (("--summary-json", "token"), "is also the file of --token-file"),
        (("--summary-json", "thesis.txt"), "exists already"),
        (("--csv", "thesis.txt"), "exists already"),
        (("--csv", "new", "--summary-json", "./sub/../new"), "exclude each other"),
        (("--csv", "sub/new", "--summary-json", "elsewhere/new"), "exclude each other"),
        (("--csv", "new", "--summary-json", "new/below"), "exclude each other"),
        (("--summary-json", "sub"), "is a folder"),
        (("--csv", "sub"), "is a folder"),
        (("--summary-json", "thesis.txt/x.json"), "Not a directory"),
        (("--summary-json", "/dev/null"), "is not an ordinary file"),
        (("--summary-json", "/proc/none/x.json"), "cannot write"),
        (("--csv", "/proc/none/x.csv"), "cannot write"),
    ],
)
def test_run_rejects_unsafe_or_unwritable_outputs(
    writes: tuple[str, ...], message: str, command: Command, folder: Path
) -> None:
    before = digests(folder)
    done = command("run", "--source", "clip.mp4", "--port", "0", *READS, *writes)
    assert done.code == 2
    assert message in done.err
    assert "hint: " in done.err
    assert done.out == ""  # nothing had started
    assert digests(folder) == before


@pytest.mark.usefixtures("folder")
def test_the_default_support_set_counts_as_input(command: Command) -> None:
    assert command("calibrate", "--source", "clip.mp4", "--labels", "labels.csv").code == 0
    default = default_support_path()
    before = default.read_bytes()
    done = command("run", "--source", "clip.mp4", "--port", "0", "--summary-json", default)
    assert done.code == 2
    assert "is also the file of --support" in done.err
    assert default.read_bytes() == before


def test_a_certificate_is_not_overwritten(command: Command, folder: Path) -> None:
    tls = ("--tls-cert", "cert.pem", "--tls-key", "cert.pem")
    done = command("run", "--source", "clip.mp4", "--port", "0", *tls, "--summary-json", "cert.pem")
    assert done.code == 2
    assert "is also the file of --tls-cert" in done.err
    assert (folder / "cert.pem").read_text() == "a certificate"


@pytest.mark.parametrize("older", ["", SUMMARY])
def test_an_older_summary_is_overwritten_and_folders_are_made(
    older: str, command: Command, folder: Path
) -> None:
    (folder / "summary.json").write_text(older)
    writes = ("--summary-json", "summary.json", "--csv", "new/folder/rows.csv")
    done = command("run", "--source", "clip.mp4", "--port", "0", "--support", "none", *writes)
    assert done.code == 0, done.err
    assert json.loads((folder / "summary.json").read_text())["frames"] == 50
    assert len((folder / "new" / "folder" / "rows.csv").read_text().splitlines()) == 51


def test_demo_rejects_unsafe_outputs(command: Command, folder: Path) -> None:
    for path, message in (
        ("thesis.txt", "exists already"),
        ("sub", "is a folder"),
        ("/proc/none/x", "cannot write"),
    ):
        done = command("demo", "--summary-json", path)
        assert done.code == 2
        assert message in done.err
        assert done.out == ""
    assert (folder / "thesis.txt").read_text() == "three years of work"


@pytest.mark.parametrize(
    ("out", "message"),
    [
        ("labels.csv", "is also the file of --labels"),
        ("hard.json", "is also the file of --source"),
        ("sub", "is a folder"),
        ("thesis.txt/a.mtclar", "Not a directory"),
    ],
)
def test_calibrate_protects_its_inputs_even_with_force(
    out: str, message: str, command: Command, folder: Path
) -> None:
    before = digests(folder)
    done = command("calibrate", "--source", "clip.mp4", "--labels", "labels.csv", "--out", out, "--force")
    assert done.code == 2
    assert message in done.err
    assert digests(folder) == before


def test_calibrate_protects_the_images_of_its_folder(command: Command, folder: Path) -> None:
    (folder / "sub" / "1.png").write_bytes(b"a picture")
    reads = ("--source", "sub", "--fps", "5", "--labels", "labels.csv")
    done = command("calibrate", *reads, "--out", "elsewhere/1.png", "--force")
    assert done.code == 2
    assert "is also the file of --source" in done.err
    assert (folder / "sub" / "1.png").read_bytes() == b"a picture"


def test_a_full_disk_is_reported_before_the_start(command: Command, face_clip: Path, full_disk: Path) -> None:
    try:
        (full_disk / "filler").write_bytes(bytes(10**6))
    except OSError:
        pass
    else:
        raise AssertionError("the disk is not full")
    done = command(
        "run", "--source", face_clip, "--port", "0", "--summary-json", full_disk / "new" / "s.json"
    )
    if done.code == 0:  # where only single files are limited, there is room for a summary
        assert (full_disk / "new" / "s.json").is_file()
        return
    assert done.code == 2
    assert f"cannot write {full_disk}/new/s.json: No space left" in done.err
    assert "frames answered" not in done.out
    assert [path.name for path in full_disk.iterdir()] == ["filler"]


def test_a_disk_that_fills_up_ends_the_run_and_keeps_the_rows(
    command: Command, long_clip: Path, full_disk: Path
) -> None:
    rows = full_disk / "rows.csv"
    done = command("run", "--source", long_clip, "--port", "0", "--no-live", "--csv", rows)
    assert done.code == 1
    assert "last rows are missing: rows.csv cannot be written: No space left on device" in done.err
    assert "bug" not in done.err
    assert len(rows.read_text().splitlines()) > 100
    assert sorted(path.name for path in full_disk.iterdir()) == ["rows.csv", "rows.csv.json"]
