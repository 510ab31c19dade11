"""The wheel: its content, and that it runs in an empty environment of every Python on this machine."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CONSTRAINTS = ROOT / "constraints.txt"
SHIPPED_SUFFIXES = {".py", ".onnx", ".json", ".yaml", ".html", ".js", ".css", ".svg", ".mp4", ".csv", ".npz"}
SHIPPED_SUFFIXES |= {".typed", ".webp"}
FOR_NPM = Path("stream/web/client")
NPM_ALONE = {"LICENSE", "README.md", "client.d.ts", "messages.d.ts"}
"""What the server does not serve of the JavaScript client."""
PACKAGES = ("engine", "stream", "calibrate", "label", "studio", "train", "cli")
HEAVY = ("cv2", "av", "onnxruntime", "torch", "websockets", "numpy", "pydantic")

pytestmark = pytest.mark.timeout(600)


def run(*command: str | Path, cwd: Path | None = None) -> str:
    """Runs a command; when it fails, the test fails with its output."""
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, capture_output=True, text=True, timeout=500
    )
    assert done.returncode == 0, (
        f"{' '.join(map(str, command))} -> {done.returncode}\n{done.stdout}\n{done.stderr}"
    )
    return done.stdout


def pythons() -> list[str]:
    """Every interpreter from 3.11 on: this one, those on the PATH, and those that pyenv keeps."""
    minor = sys.version_info.minor
    found = {minor: sys.executable}
    for candidate in range(11, 20):
        on_path = shutil.which(f"python3.{candidate}")
        kept = sorted(Path.home().glob(f".pyenv/versions/3.{candidate}.*/bin/python"))
        for path in [*([on_path] if on_path else []), *map(str, kept)]:
            works = (
                subprocess.run([path, "-c", "import venv"], capture_output=True, timeout=60).returncode == 0
            )
            if works:
                found.setdefault(candidate, path)
    return [found[key] for key in sorted(found)]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built from the tracked files alone, as a clean clone would build it."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("dist")
    for name in run("git", "ls-files", "-z", cwd=ROOT).split("\0"):
        if name and (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, source / name)
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", out, source)
    (built,) = out.glob("*.whl")
    return built


def test_the_wheel_holds_every_shipped_file_and_nothing_else(wheel: Path) -> None:
    tracked = [Path(name) for name in run("git", "ls-files", *PACKAGES, cwd=ROOT).split()]
    expected = {f"mtclar/{path}" for path in tracked if path.suffix in SHIPPED_SUFFIXES}
    inside = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert inside == expected
    left_out = {path for path in tracked if path.suffix not in SHIPPED_SUFFIXES and path.suffix != ".pt"}
    assert {path.name for path in left_out if path.parent == FOR_NPM} == NPM_ALONE
    assert {path for path in left_out if path.parent != FOR_NPM} == set(), "tracked but not in the wheel"


def test_the_wheel_carries_licence_and_notice(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert any(name.endswith("licenses/NOTICE") for name in names)


@pytest.mark.parametrize("python", pythons(), ids=lambda path: Path(path).resolve().parent.parent.name)
def test_the_wheel_runs_in_an_empty_environment(wheel: Path, python: str, tmp_path: Path) -> None:
    run(python, "-m", "venv", tmp_path / "venv")
    bin_dir = tmp_path / "venv" / "bin"
    run(bin_dir / "pip", "install", "--quiet", "--constraint", CONSTRAINTS, wheel, cwd=tmp_path)
    command = bin_dir / "mtclar-stream"

    assert "calibrate" in run(command, "--help", cwd=tmp_path)
    report = json.loads(run(command, "doctor", "--json", cwd=tmp_path))
    assert report["ok"] is True
    hints = {check["what"]: check["hint"] for check in report["checks"]}
    assert "'pandas>=" in hints["extra [analysis]"]  # not mtclar-stream, which is on no index
    demo = [command, "demo", "--freshness", "all", "--no-live", "--port", "0", "--summary-json", "demo.json"]
    run(*demo, cwd=tmp_path)
    assert json.loads((tmp_path / "demo.json").read_text())["ccc"]["valence"]["mtclar"] > 0.9
    loaded = run(
        bin_dir / "python",
        "-c",
        "import sys\nfrom mtclar.cli.main import main\nsys.argv = ['mtclar-stream', '--help']\n"
        "try: main()\nexcept SystemExit: pass\nprint('MODULES', *sys.modules)",
        cwd=tmp_path,
    )
    modules = set(loaded.rpartition("MODULES")[2].split())
    assert not modules & set(HEAVY), f"--help imports {modules & set(HEAVY)}"


def test_packages_import_without_the_heavy_extras() -> None:
    """Every module but those that are imported by name alone, with their extra, imports without the extras."""
    code = (
        "import importlib, pkgutil, sys\n"
        "for name in ('torch', 'numba', 'tensorrt', 'pycuda', 'mediapipe', 'pylsl', 'paho', 'nats', 'pythonosc'):\n"
        "    sys.modules[name] = None\n"
        "by_name = ('__main__', '.torch_session', '.lsl', '.mqtt', '.osc', '.nats')\n"
        "names = ('engine', 'stream', 'calibrate', 'label', 'cli', 'train.accuracy')\n"
        "for package in [importlib.import_module(f'mtclar.{name}') for name in names]:\n"
        "    for module in pkgutil.walk_packages(package.__path__, package.__name__ + '.'):\n"
        "        if module.name.endswith(by_name) or '.fleet.' in module.name or '.bus.' in module.name: continue\n"
        "        importlib.import_module(module.name)\n"
    )
    run(sys.executable, "-W", "ignore", "-c", code, cwd=Path(os.sep))
