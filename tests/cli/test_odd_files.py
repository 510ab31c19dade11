"""Inputs that are no ordinary files, and machines that refuse memory: a sentence at once, no hang and no traceback."""

import os
import pwd
import subprocess
import sys
from pathlib import Path

import pytest
from support.command_line import PATIENCE_S, Run

from mtclar.cli.main import MIN_ADDRESS_SPACE
from mtclar.stream import demo_clip

CLIP, LABELS = demo_clip.clip_path(), demo_clip.calibration_path()
COMMANDS = {
    "support show": ("support", "show", "FILE"),
    "support merge": ("support", "merge", "FILE", "FILE", "--out", "OUT.mtclar"),
    "support decrypt": ("support", "decrypt", "FILE", "--out", "OUT.mtclar"),
    "passphrase": ("support", "encrypt", "FILE", "--out", "OUT.mtclar", "--passphrase-file", "FILE"),
    "labels of calibrate": ("calibrate", "--source", "demo", "--labels", "FILE", "--out", "OUT.mtclar"),
    "calibrate recording": ("calibrate", "recording", "FILE", "--every", "5", "--out", "OUT.mtclar"),
    "labels of label": ("label", CLIP, "--support", "FILE", "--out", "OUT.csv"),
    "video of label": ("label", "FILE", "--support", demo_clip.calibration_path(), "--out", "OUT.csv"),
    "manifest": ("label", "--corpus", "FILE"),
    "config --check": ("config", "--check", "FILE"),
    "run --config": ("run", "--config", "FILE"),
    "run --support": ("run", "--source", "demo", "--support", "FILE"),
    "run --source": ("run", "--source", "FILE"),
    "token": ("run", "--source", "demo", "--token-file", "FILE"),
    "certificate": ("run", "--source", "demo", "--tls-cert", "FILE", "--tls-key", "FILE"),
    "table of segments": ("segments", "FILE", "--out", "OUT.csv"),
    "segments": ("segments", LABELS, "--segments", "FILE", "--out", "OUT.csv"),
    "compare": ("compare", LABELS, "FILE", "--plot", "OUT.svg"),
    "plot": ("plot", "FILE", "--out", "OUT.html"),
    "bids": ("bids", "FILE", "--out", "OUT"),
    "watch": ("watch", "ws://127.0.0.1:1/ws", "--token-file", "FILE"),
    "mark": ("mark", "trial 1", "ws://127.0.0.1:1/ws", "--token-file", "FILE"),
}


@pytest.mark.parametrize("kind", ["device", "pipe"])
@pytest.mark.parametrize("name", COMMANDS)
def test_only_ordinary_files_are_opened(command: Run, tmp_path: Path, name: str, kind: str) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    file = pipe if kind == "pipe" else Path("/dev/zero")
    given = [
        file if part == "FILE" else str(part).replace("OUT", str(tmp_path / "out")) for part in COMMANDS[name]
    ]
    done = command(*given)
    assert done.code in (1, 2)
    assert done.err.startswith(("error: ", "warning: "))
    assert "this is a bug" not in done.err
    assert [path for path in tmp_path.iterdir() if path != pipe] == []


LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[1]), int(sys.argv[1])))
from mtclar.cli.main import main
main(sys.argv[2:])
"""


@pytest.mark.parametrize("mib", [100, 300, 400, 500, 700])
def test_too_little_memory_is_said(tmp_path: Path, mib: int) -> None:
    assert mib * 2**20 < MIN_ADDRESS_SPACE
    arguments = ["label", CLIP, "--support", demo_clip.calibration_path(), "--out", tmp_path / "out.csv"]
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(mib * 2**20), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert done.returncode == 1
    assert f"{mib} MiB of address space is too small" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (MemoryError(), "not enough memory"),
        (ImportError("libx.so: failed to map segment from shared object"), "cannot be loaded"),
        (RuntimeError("can't start new thread"), "no further thread"),
        (OSError(24, "Too many open files", "x"), "x: Too many open files"),
    ],
)
def test_what_the_machine_refuses_is_no_bug(
    command: Run, monkeypatch: pytest.MonkeyPatch, error: Exception, says: str
) -> None:
    def refuse() -> None:
        raise error

    monkeypatch.setattr("mtclar.cli.main.make_app", lambda: lambda **_: refuse())
    done = command("doctor")
    assert done.code == 1
    assert says in done.err
    assert "this is a bug" not in done.err


@pytest.fixture
def homeless(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user whom the system does not know, as in a container that is started with `--user 54321`."""

    def unknown(uid: int) -> None:
        raise KeyError(f"getpwuid(): uid not found: {uid}")

    for name in ("HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)


@pytest.mark.usefixtures("homeless")
@pytest.mark.parametrize(
    "arguments",
    [
        ("support", "show"),
        ("support", "forget", "anna"),
        ("calibrate", "--source", "demo"),
        ("calibrate", "page", "--source", "synthetic"),
        ("calibrate", "recording", "demo", "--every", "50"),
        ("support", "show", "~/anna.mtclar"),
    ],
)
def test_a_user_without_a_home_folder_is_told(command: Run, arguments: tuple[str, ...]) -> None:
    done = command(*arguments)
    assert done.code == 2
    assert "home folder" in done.err
    assert "hint" in done.err


@pytest.mark.usefixtures("homeless")
def test_doctor_and_run_go_on_without_a_home_folder(
    command: Run, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    checked = command("doctor")
    assert checked.code == 0
    assert "has no home folder" in checked.out
    rows = tmp_path / "rows.csv"
    done = command("run", "--source", "demo", "--port", "0", "--no-live", "--calibrate", "--csv", rows)
    assert done.code == 0
    assert "no default support set: this account has no home folder" in caplog.text
    assert "The calibration page is not served: this account has no home folder" in done.out
    assert len(rows.read_text().splitlines()) > 100
