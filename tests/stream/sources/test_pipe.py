"""Video on standard input, as a child process gets it."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

MakeClip = Callable[..., Path]
RUN = [sys.executable, "-m", "mtclar.cli.main", "run", "--no-live", "--port", "0"]


@pytest.mark.parametrize("source", ["-", "pipe:", "-?rotate=90"])
@pytest.mark.parametrize("name", ["clip.ts", "clip.mkv"])
def test_a_run_reads_standard_input_to_its_end(
    make_clip: MakeClip, tmp_path: Path, source: str, name: str
) -> None:
    summary = tmp_path / "summary.json"
    with make_clip(name, frames=30).open("rb") as video:
        done = subprocess.run(
            [*RUN, "--source", source, "--summary-json", str(summary)],
            stdin=video,
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert done.returncode == 0, done.stderr
    assert json.loads(summary.read_text())["frames"] == 30


@pytest.mark.parametrize("content", [b"", b"no video" * 100])
def test_what_is_no_video_is_refused(content: bytes) -> None:
    done = subprocess.run([*RUN, "--source", "-"], input=content, capture_output=True, timeout=60)
    assert done.returncode == 1
    assert b"standard input is not a video" in done.stderr
    assert b"bug" not in done.stderr
