"""Image folders as people have them: companions of macOS, HEIF photos, and paths with `~`."""

import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from mtclar.engine.errors import SourceError, UsageError
from mtclar.label.scan.recording import open_recording
from mtclar.stream.sources import open_source
from mtclar.stream.sources.folder import FolderSource


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in (1, 2, 10):
        cv2.imwrite(str(tmp_path / f"{number}.jpg"), np.full((40, 60, 3), number, np.uint8))
    return tmp_path


def test_names_that_begin_with_a_dot_are_skipped(folder: Path) -> None:
    for name in ("._1.jpg", "._2.jpg", ".DS_Store", ".hidden.png"):
        (folder / name).write_bytes(b"\x00\x05\x16\x07" + bytes(100))
    frames = list(FolderSource(folder, 10).frames())
    assert [frame.pts_s for frame in frames] == pytest.approx([0, 0.1, 0.2])
    assert len(open_recording(folder, 10).times_s) == 3


@pytest.mark.parametrize("name", ["IMG_1.HEIC", "img.heif"])
def test_heif_photos_are_refused_with_what_to_do(folder: Path, name: str) -> None:
    photo = folder / name
    photo.write_bytes(b"\x00\x00\x00\x18ftypheic" + bytes(100))
    with pytest.raises(UsageError, match=name) as refused:
        FolderSource(folder, 10)
    assert "JPEG" in refused.value.hint
    with pytest.raises(SourceError, match="HEIF") as refused_too:
        open_source(str(photo))
    assert "JPEG" in refused_too.value.hint


def without_a_home(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command line for an account that the machine does not know, as in a container."""
    code = (
        "import os, pwd, sys\n"
        "def unknown(_): raise KeyError\n"
        "pwd.getpwuid = unknown\n"
        "from mtclar.cli.main import main\n"
        "main(sys.argv[1:])\n"
    )
    kept = {
        name: value for name, value in os.environ.items() if name != "HOME" and not name.startswith("XDG_")
    }
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=folder,
        env=kept,
    )


@pytest.mark.parametrize(
    "command", [("run", "--source", "~/a.mp4"), ("calibrate", "--out", "a", "--source", "~/a.mp4")]
)
def test_an_account_without_a_home_has_no_paths_in_it(command: tuple[str, ...], tmp_path: Path) -> None:
    done = without_a_home(tmp_path, *command)
    assert done.returncode == 2, done.stderr
    assert "unknown home folder '~'" in done.stderr


def test_an_account_without_a_home_has_no_default_support_set(tmp_path: Path) -> None:
    done = without_a_home(tmp_path, "run", "--source", "synthetic?frames=3", "--port", "0", "--no-live")
    assert done.returncode == 0, done.stderr
    for command in (("support", "show"), ("calibrate", "--source", "demo")):
        done = without_a_home(tmp_path, *command)
        assert done.returncode == 2, done.stderr
        assert "no home folder" in done.stderr
    assert "no home folder" in without_a_home(tmp_path, "doctor").stdout
