"""Commands and library calls open no unrequested connection and leave no files of a dependency behind."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mtclar.stream import demo_clip

CLIP, LABELS = str(demo_clip.clip_path()), str(demo_clip.calibration_path())
LIBRARY = (
    "import numpy as np; from mtclar.engine import Tracker; from mtclar.stream.sources import open_source\n"
    "with Tracker.open() as tracker: [tracker(f) for f, _ in zip(open_source('demo').frames(), range(5))]"
)
COMMANDS = {
    "library": ["-c", LIBRARY],
    "run": ["run", "--source", "synthetic:64x64@30", "--support", "none", "--port", "0"],
    "calibrate": ["calibrate", "--source", CLIP, "--labels", LABELS, "--out", "me.mtclar"],
    "label": ["label", CLIP, "--support", LABELS, "--out", "rows.csv"],
    "doctor": ["doctor"],
    "config": ["config", "--example"],
    "support": ["support", "--help"],
}
FOREIGN = re.compile(r"connect\(\d+, \{sa_family=AF_INET6?, .*?inet_(?:addr|pton)\(([^)]*)\)")
SECONDS = 8.0


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed: .ci/system brings it")
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", COMMANDS)
def test_no_unrequested_connection_or_file(name: str, tmp_path: Path) -> None:
    arguments, trace, home = COMMANDS[name], tmp_path / "trace", tmp_path / "home"
    home.mkdir()
    # Dependencies silence themselves where they see a CI.
    environment = {key: value for key, value in os.environ.items() if key in ("PATH", "LANG", "PYTHONPATH")}
    module = [] if arguments[0] == "-c" else ["-m", "mtclar.cli.main"]
    # `run` ends like a user's Ctrl-C, everything else by itself.
    limit = ["timeout", "-s", "INT", str(SECONDS)] if name == "run" else []
    done = subprocess.run(
        [
            "strace",
            "-f",
            "-qq",
            "-e",
            "trace=connect",
            "-o",
            trace,
            *limit,
            sys.executable,
            *module,
            *arguments,
        ],
        env=environment | {"HOME": str(home)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert "Traceback" not in done.stderr, done.stderr
    addresses = [address for address in FOREIGN.findall(trace.read_text()) if '"127.' not in address]
    assert not addresses
    assert not [path for path in home.rglob("*") if path.is_file() and "mtclar" not in str(path)]
