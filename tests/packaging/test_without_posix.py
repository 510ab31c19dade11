"""The program without what Windows has not (tests/support/without_posix): nobody has run it on Windows itself."""

import csv
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.media.clip_beginning import CLIP_S, beginning

from mtclar.stream import demo_clip

POOR = Path(__file__).parents[1] / "support" / "without_posix"
FRAMES = round(CLIP_S * 25)


def program(*arguments: str, cwd: Path, code: str | None = None) -> str:
    """What the program prints into a pipe, which is Windows-1252 there; nor are files in UTF-8 by default."""
    environment = os.environ | {"PYTHONPATH": str(POOR), "PYTHONWARNDEFAULTENCODING": "1", "PYTHONUTF8": "0"}
    environment |= {"PYTHONIOENCODING": "cp1252"}
    start = ["-m", "mtclar.cli.main"] if code is None else ["-c", code]
    done = subprocess.run(
        [sys.executable, *start, *arguments],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        encoding="cp1252",
        timeout=250,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The beginning of the bundled clip with its labels, in a folder whose name is not ASCII and has a space."""
    folder = tmp_path_factory.mktemp("Müller Größe")
    beginning(demo_clip.clip_path(), folder / "video.mp4")
    shutil.copyfile(demo_clip.calibration_path(), folder / "labels.csv")
    return folder


def rows(table: Path) -> int:
    with table.open(newline="", encoding="utf-8") as file:
        return sum(row["valence"] != "" for row in csv.DictReader(file))


def test_the_poor_python_is_poor(tmp_path: Path) -> None:
    code = (
        "import os, signal, socket\n"
        "assert not hasattr(signal, 'SIGHUP') and not hasattr(os, 'fork') and not hasattr(socket, 'AF_UNIX')\n"
        "for name in ('fcntl', 'resource', 'termios'):\n"
        "    try: __import__(name); raise AssertionError(name)\n"
        "    except ImportError: pass\n"
        "with open('a', 'w', encoding='utf-8'):\n"
        "    try: os.replace('a', 'b'); raise AssertionError('replaced')\n"
        "    except PermissionError: print('refused')\n"
    )
    assert program(cwd=tmp_path, code=code) == "refused\n"


def test_help_and_doctor(folder: Path) -> None:
    assert "calibrate" in program("--help", cwd=folder)
    assert "Ready." in program("doctor", cwd=folder)


def test_run_writes_its_table(folder: Path) -> None:
    options = ("--support", "none", "--no-live", "--port", "0", "--csv", "out.csv")
    program("run", "--source", "video.mp4", *options, "--summary-json", "sum.json", cwd=folder)
    program("run", "--source", "video.mp4", *options, "--force", "--summary-json", "sum.json", cwd=folder)
    assert rows(folder / "out.csv") == FRAMES


def test_calibrate_and_label(folder: Path) -> None:
    program("label", "video.mp4", "--support", "labels.csv", "--out", "labelled.csv", cwd=folder)
    assert rows(folder / "labelled.csv") == FRAMES


def test_names_that_the_console_cannot_show_and_files_of_windows_editors(folder: Path) -> None:
    """Labels as Excel saves them: CRLF, a byte order mark, semicolons. The output shows other letters as escapes."""
    shutil.copyfile(folder / "video.mp4", folder / "Анна →.mp4")
    labels = demo_clip.calibration_path().read_text(encoding="utf-8").replace(",", ";")
    (folder / "Анна ß.csv").write_text(labels, encoding="utf-8-sig", newline="\r\n")
    options = ("--support", "Анна ß.csv", "--out", "Werte →.csv")
    assert r"\u2192.csv" in program("label", "Анна →.mp4", *options, cwd=folder)
    assert rows(folder / "Werte →.csv") == FRAMES


def test_a_corpus_with_two_workers(folder: Path) -> None:
    (folder / "manifest.csv").write_text(
        "video,support,out\nvideo.mp4,labels.csv,one.csv\nvideo.mp4,labels.csv,two.csv\n", encoding="utf-8"
    )
    program("label", "--corpus", "manifest.csv", "--workers", "2", cwd=folder)
    assert rows(folder / "one.csv") == rows(folder / "two.csv") == FRAMES


def test_recording_is_written_and_read(folder: Path) -> None:
    pytest.importorskip("pyarrow", reason="pyarrow is missing: make setup")
    options = ("--support", "none", "--no-live", "--port", "0", "--record", "recordings")
    program("run", "--source", "video.mp4", *options, cwd=folder)
    (recording,) = (folder / "recordings").iterdir()
    program("export", str(recording), "--to", "csv", "--out", "exported", cwd=folder)
    assert rows(folder / "exported" / "values.csv") == FRAMES
