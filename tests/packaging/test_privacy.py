"""Commands and library calls open no unrequested connection and leave no files of a dependency behind."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import pytest
from support.media.video_clips import face_pictures

from mtclar.stream import demo_clip

CLIP, LABELS = str(demo_clip.clip_path()), str(demo_clip.calibration_path())
LIBRARY = (
    "import numpy as np; from mtclar.engine import Tracker; from mtclar.stream.sources import open_source\n"
    "with Tracker.open() as tracker: [tracker(f) for f, _ in zip(open_source('demo').frames(), range(5))]"
)
PORT = ["--port", "0"]
COMMANDS = {
    "library": ["-c", LIBRARY],
    "run": ["run", "--source", "synthetic:64x64@30", "--support", "none", *PORT],
    "demo": ["demo", "--no-live", *PORT],
    "studio": ["studio", "--no-open", "--folder", "study", *PORT],
    "calibrate": ["calibrate", "--source", CLIP, "--labels", LABELS, "--out", "me.mtclar"],
    "calibrate page": ["calibrate", "page", "--source", "synthetic", *PORT, "--out", "me.mtclar"],
    "calibrate recording": ["calibrate", "recording", CLIP, "--every", "50", *PORT, "--out", "me.mtclar"],
    "label": ["label", CLIP, "--support", LABELS, "--out", "rows.csv"],
    "label --suggest": ["label", CLIP, "--suggest", "3"],
    "segments": ["segments", LABELS, "--wide", "wide.csv"],
    "compare": ["compare", LABELS, LABELS, "--plot", "figure.svg"],
    "plot": ["plot", LABELS, "--out", "page.html"],
    "bids": ["bids", LABELS, "--out", "set"],
    "bench": ["bench", "--quick", "--json", "bench.json"],
    "doctor": ["doctor"],
    "evaluate": ["evaluate", "--photos", "photos.csv", "--shots", "0"],
    "export": ["export", "--to", "triton", "--out", "graphs"],
    "train": ["train", "--help"],
    "config": ["config", "--example"],
    "support": ["support", "--help"],
}
NEEDS = {"segments": "pandas", "compare": "matplotlib", "plot": "matplotlib", "bids": "pandas"}
"""Command -> the package of the extra [analysis] without which it ends in an error."""

BY_INTERRUPT = ("run", "demo", "studio", "calibrate page", "calibrate recording", "bench")
"""These end like a user's Ctrl-C, the others by themselves."""

SECONDS = 12.0
FOREIGN = re.compile(
    r"(?:connect|sendto|sendmsg)\(.*\{sa_family=AF_INET6?, .*?inet_(?:addr|pton)\((?:AF_INET6, )?([^)]*)\)"
)


def to_strangers(trace: str) -> list[str]:
    """The addresses off this machine to which the traced processes connected or sent."""
    return [one for one in FOREIGN.findall(trace) if not one.startswith(('"127.', '"::1"'))]


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed: .ci/system brings it")
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", COMMANDS)
def test_no_unrequested_connection_or_file(name: str, tmp_path: Path) -> None:
    if name in NEEDS:
        pytest.importorskip(NEEDS[name], reason=f"{NEEDS[name]} is not installed; `make setup-all` brings it")
    home, temporary, work = (tmp_path / folder for folder in ("home", "temporary", "work"))
    for folder in (home, temporary, work):
        folder.mkdir()
    cv2.imwrite(str(work / "face.png"), face_pictures(1)[0])
    (work / "photos.csv").write_text("path,valence,arousal\nface.png,0.1,0.2\n")
    # Dependencies silence themselves where they see a CI.
    kept = {key: value for key, value in os.environ.items() if key in ("PATH", "LANG", "PYTHONPATH")}
    arguments = COMMANDS[name]
    module = [] if arguments[0] == "-c" else ["-m", "mtclar.cli.main"]
    limit = ["timeout", "-s", "INT", str(SECONDS)] if name in BY_INTERRUPT else []
    trace = ["strace", "-f", "-qq", "-e", "trace=connect,sendto,sendmsg", "-o", str(tmp_path / "trace")]
    done = subprocess.run(
        [*trace, *limit, sys.executable, *module, *arguments],
        env=kept | {"HOME": str(home), "TMPDIR": str(temporary)},
        cwd=work,
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert "Traceback" not in done.stderr, done.stderr
    assert done.returncode in ((0, 1, 124, 130) if limit else (0,)), done.stderr
    assert to_strangers((tmp_path / "trace").read_text()) == []
    assert not [path for path in home.rglob("*") if path.is_file() and "mtclar" not in str(path)]
    assert list(temporary.iterdir()) == []


def test_a_connection_would_be_seen() -> None:
    """The pattern above, against what strace writes for a connection, a datagram and an IPv6 address."""
    lines = (
        'connect(3, {sa_family=AF_INET, sin_port=htons(443), sin_addr=inet_addr("192.0.2.1")}, 16) = 0',
        'sendto(3, "x", 1, 0, {sa_family=AF_INET, sin_port=htons(53), sin_addr=inet_addr("192.0.2.2")}, 16) = 1',
        'connect(3, {sa_family=AF_INET6, sin6_port=htons(443), inet_pton(AF_INET6, "2001:db8::1"), a}, 28) = 0',
        'connect(3, {sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr("127.0.0.1")}, 16) = 0',
        'connect(3, {sa_family=AF_INET6, sin6_port=htons(80), inet_pton(AF_INET6, "::1", &sin6_addr)}, 28) = 0',
        'connect(3, {sa_family=AF_UNIX, sun_path="/run/x"}, 9) = 0',
    )
    assert to_strangers("\n".join(lines)) == ['"192.0.2.1"', '"192.0.2.2"', '"2001:db8::1"']


@pytest.mark.parametrize("name", ["Containerfile", "Containerfile.cuda", "mtclar-stream.service"])
def test_the_unit_and_the_images_silence_dependencies_too(name: str) -> None:
    text = (Path(__file__).parents[2] / "deploy" / name).read_text()
    assert "ORT_DISABLE_TELEMETRY=1" in text
