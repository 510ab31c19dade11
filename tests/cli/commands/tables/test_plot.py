"""`plot` on the command line."""

import base64
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.command_line import Run

pytest.importorskip("matplotlib", reason="matplotlib is missing: pip install 'mtclar-stream[analysis]'")
pytest.importorskip("pandas", reason="pandas is missing: pip install 'mtclar-stream[analysis]'")


@pytest.fixture
def table(tmp_path: Path) -> Path:
    rows = [f"{n / 25:.4f},{0.1 if n < 50 else 0.6},{n / 200}" for n in range(100)]
    path = tmp_path / "anna.csv"
    path.write_text("\n".join(["time,valence,arousal", *rows]) + "\n")
    return path


@pytest.fixture
def segments(tmp_path: Path) -> Path:
    path = tmp_path / "segments.csv"
    path.write_text("name,start,end\nrest,0,2\nfilm,2,4\n")
    return path


@pytest.mark.parametrize("kind", ["time", "plane", "groups", "quality"])
def test_each_kind_as_a_picture(command: Run, table: Path, segments: Path, tmp_path: Path, kind: str) -> None:
    for name, start in (("a.png", b"\x89PNG"), ("a.svg", b"<?xml")):
        out = tmp_path / "figures" / name
        done = command("plot", table, "--segments", segments, "--kind", kind, "--out", out)
        assert done.code == 0, done.err
        assert out.read_bytes().startswith(start)
        assert out.stat().st_mode & 0o777 == 0o600


def test_a_page_has_everything_and_loads_nothing(
    command: Run, table: Path, segments: Path, tmp_path: Path
) -> None:
    out = tmp_path / "page.html"
    done = command("plot", table, "--segments", segments, "--baseline", "rest", "--out", out)
    assert done.code == 0, done.err
    page = out.read_text()
    assert page.count("<img") == 4
    assert "default-src 'none'" in page
    assert "valence from baseline" in page
    assert set(re.findall(r"(?:src|href)=.(\w+:)", page)) == {"data:"}
    for data in re.findall(r"base64,([^']+)", page):
        drawing = base64.b64decode(data).decode()
        assert set(re.findall(r"(?:src|href)=\"(#|[a-z]+:)", drawing)) <= {"#", "data:"}


def test_the_same_file_in_every_process(table: Path, tmp_path: Path) -> None:
    contents = set()
    for seed in ("1", "2"):
        out = tmp_path / seed / "page.html"  # it contains drawings as SVG
        command = [sys.executable, "-m", "mtclar.cli.main", "plot", str(table), "--out", str(out)]
        env = {**os.environ, "PYTHONHASHSEED": seed, "SOURCE_DATE_EPOCH": f"{seed}000000"}
        subprocess.run(command, check=True, env=env, capture_output=True)
        contents.add(out.read_bytes())
    assert len(contents) == 1


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--out", "a.gif"), "unknown format"),
        (("--out", "a.png", "--kind", "pie"), "unknown --kind 'pie'"),
        (("--out", "a.png", "--kind", "time", "--kind", "plane"), "room for one figure"),
        (("--out", "a.png", "--group-by", "group"), "has no column 'group'"),
        (("--out", "a.png", "--baseline", "rest"), "--baseline needs --segments"),
    ],
)
def test_bad_options_are_one_message(
    command: Run,
    table: Path,
    options: tuple[str, ...],
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    done = command("plot", table, *options)
    assert done.code == 2
    assert says in done.err
    assert not list(tmp_path.glob("a.*"))
