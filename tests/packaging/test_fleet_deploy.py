"""deploy/fleet/: Kubernetes' schema accepts the manifests, NATS its files, systemd the units; the commands exist."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from mtclar.cli.main import make_app
from mtclar.stream.bus.address import parse_bus
from mtclar.stream.fleet.fleet_file import read_fleet

ROOT = Path(__file__).parents[2]
FLEET = ROOT / "deploy" / "fleet"
KUBERNETES = list(yaml.safe_load_all((FLEET / "kubernetes.yaml").read_text()))
COMPOSE = yaml.safe_load((FLEET / "compose.yaml").read_text())
UNITS = sorted(FLEET.glob("*.service"))
KUBERNETES_VERSION = "1.30"


def options_of(name: str) -> set[str]:
    """The options of a command, as --help shows them."""
    command: Any = typer.main.get_command(make_app())
    return {option for one in command.commands[name].params for option in one.opts}


def require_command(words: list[str]) -> None:
    """The command, its options and the address of its bus exist."""
    assert {word for word in words[1:] if word.startswith("--")} <= options_of(words[0])
    bus = parse_bus(words[words.index("--nats") + 1])
    assert bus.user == "fleet"
    assert "password-file" in bus.files


@pytest.mark.parametrize("manifest", KUBERNETES, ids=lambda one: f"{one['kind']}-{one['metadata']['name']}")
def test_the_schema_of_kubernetes_accepts_a_manifest(manifest: dict[str, Any]) -> None:
    validator = pytest.importorskip(
        "kubernetes_validate", reason="kubernetes-validate is not installed; `make setup-all` brings it"
    )
    validator.validate(manifest, KUBERNETES_VERSION, strict=True)


def pods() -> list[dict[str, Any]]:
    return [one["spec"]["template"]["spec"] for one in KUBERNETES if "template" in one.get("spec", {})]


def test_pods_run_existing_commands_without_rights() -> None:
    ours = [pod["containers"][0] for pod in pods() if pod["containers"][0]["image"] == "IMAGE"]
    assert [one["args"][0] for one in ours] == ["worker", "gateway"]
    for container in ours:
        require_command(container["args"])
    for pod in pods():
        assert pod["securityContext"]["runAsNonRoot"]
        assert pod["automountServiceAccountToken"] is False
        context = pod["containers"][0]["securityContext"]
        assert context["readOnlyRootFilesystem"]
        assert context["capabilities"] == {"drop": ["ALL"]}
        mounted = {mount["name"] for mount in pod["containers"][0]["volumeMounts"]}
        claims = {"data"} if pod["containers"][0]["name"] == "nats" else set()
        assert mounted == {volume["name"] for volume in pod["volumes"]} | claims


def test_compose_runs_existing_commands() -> None:
    services = COMPOSE["services"]
    for name in ("worker", "gateway"):
        assert services[name]["command"][0] == name
        require_command(services[name]["command"])
        assert set(services[name]["secrets"]) <= COMPOSE["secrets"].keys()
        assert "nats" in services[name]["build"]["args"]["EXTRAS"]
    assert "ARG EXTRAS" in (ROOT / "deploy" / "Containerfile").read_text()


def test_the_cameras_of_the_example_can_be_read() -> None:
    assert read_fleet(FLEET / "fleet.toml")


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_accepts_a_unit_that_runs_an_existing_command(unit: Path, tmp_path: Path) -> None:
    text = unit.read_text()
    (line,) = [one for one in text.splitlines() if one.startswith("ExecStart=")]
    require_command(line.split()[1:])
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("there is no systemd-analyze: `.ci/system` installs it")
    here = tmp_path / unit.name
    here.write_text(text.replace("/opt/mtclar-stream/bin/mtclar-stream", sys.executable))
    done = subprocess.run([analyze, "verify", here], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("file", ["nats.conf", "kubernetes.yaml"])
def test_nats_accepts_its_configuration(file: str, tmp_path: Path) -> None:
    server = shutil.which("nats-server", path="/usr/sbin:/usr/bin:/usr/local/bin")
    if server is None:
        pytest.skip("no nats-server command: `.ci/system` installs it")
    if file == "nats.conf":
        shutil.copy(FLEET / "cluster.conf", tmp_path)
        text = (FLEET / file).read_text()
    else:
        text = KUBERNETES[0]["data"]["nats.conf"]
    (tmp_path / "nats.conf").write_text(text)
    environment = {"NATS_PASSWORD": "correct-horse", "POD_NAME": "nats-0"}
    done = subprocess.run(
        [server, "-t", "-c", tmp_path / "nats.conf"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
