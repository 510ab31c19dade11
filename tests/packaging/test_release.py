"""What `make release` writes, the build that `--version` names, and that each table says it, too."""

import hashlib
import json
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from mtclar.engine.installation.build_info import commit
from mtclar.engine.models import NAMES

pytest.importorskip("twine", reason="twine is missing: make setup-all")
pytest.importorskip("uv", reason="uv is missing: make setup-all")

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The release of the commit that is checked out; it exits unless two builds are the same byte for byte."""
    out = tmp_path_factory.mktemp("release")
    command = [sys.executable, "-m", "tools.release.build", "--out", str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stdout + done.stderr
    hashes = [
        line.split()[0] for line in done.stdout.splitlines() if "mtclar_stream-" in line and "  " in line
    ]
    assert len(hashes) == 4 and hashes[0] == hashes[1] and hashes[2] == hashes[3], done.stdout  # noqa: PT018
    return out


def test_files_of_a_release_and_their_checksums(release: Path) -> None:
    listed = dict(reversed(line.split()) for line in (release / "SHA256SUMS").read_text().splitlines())
    assert set(listed) == {path.name for path in release.iterdir()} - {"SHA256SUMS"}
    for name, expected in listed.items():
        assert hashlib.sha256((release / name).read_bytes()).hexdigest() == expected


def test_wheel_and_sdist_name_the_commit(release: Path) -> None:
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, check=True, capture_output=True, text=True)
    (wheel,), (sdist,) = release.glob("*.whl"), release.glob("*.tar.gz")
    named = json.loads(zipfile.ZipFile(wheel).read("mtclar/engine/installation/build.json"))
    assert named == {"commit": head.stdout.strip()}
    with tarfile.open(sdist) as files:
        assert any(name.endswith("/engine/installation/build.json") for name in files.getnames())
        assert len({(one.mtime, one.uid, one.gid, one.uname) for one in files}) == 1


def test_requirements_have_a_hash_each_and_the_bill_lists_them(release: Path) -> None:
    text = (release / "requirements.txt").read_text()
    parts = re.split(r"\n(?=\w)", text)
    pinned = [part.split("==")[0] for part in parts]
    assert {"numpy", "onnxruntime", "colorama"} <= set(pinned)  # colorama: on Windows alone
    assert all("--hash=sha256:" in part for part in parts)
    bill = json.loads((release / "sbom.cdx.json").read_text())
    assert bill["bomFormat"] == "CycloneDX"
    assert sorted(one["name"] for one in bill["components"]) == sorted(pinned)
    assert bill["metadata"]["component"]["name"] == "mtclar-stream"


def test_uv_installs_the_wheel_by_hashes_for_an_empty_home(release: Path, tmp_path: Path) -> None:
    """As the page says: `uv tool install`, in a home without anything; the demo runs."""
    environment = os.environ | {"HOME": str(tmp_path), "UV_TOOL_DIR": str(tmp_path / "tools")}
    environment |= {"UV_TOOL_BIN_DIR": str(tmp_path / "bin")}
    (wheel,) = release.glob("*.whl")
    options = ["--python", sys.executable, "--constraints", str(release / "requirements.txt")]
    uv = Path(sys.executable).with_name("uv")
    installed = subprocess.run(
        [uv, "tool", "install", *options, wheel], env=environment, capture_output=True, text=True, timeout=300
    )
    assert installed.returncode == 0, installed.stderr
    demo = ["demo", "--freshness", "all", "--no-live", "--port", "0", "--summary-json", "demo.json"]
    program = tmp_path / "bin" / "mtclar-stream"
    done = subprocess.run([program, *demo], cwd=tmp_path, env=environment, capture_output=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "demo.json").read_text())["ccc"]["valence"]["mtclar"] > 0.9


def test_version_names_commit_and_networks() -> None:
    command = [sys.executable, "-m", "mtclar.cli.main", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    lines = done.stdout.splitlines()
    assert lines[1] == f"commit {commit()}"
    named = {line.split(" sha256 ")[0]: line.split()[-1] for line in lines[2:]}
    assert set(NAMES) <= set(named)
    for name, digest in named.items():
        graph = ROOT / "engine" / "models" / f"{name}.onnx"
        assert hashlib.sha256(graph.read_bytes()).hexdigest() == digest


def test_a_checkout_knows_its_commit() -> None:
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True)
    if not (ROOT / ".git").is_dir():
        pytest.skip("a work tree of git, or no checkout: its commit is not looked for")
    assert commit() == f"{head.stdout.strip()} (checkout)"
