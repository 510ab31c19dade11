"""`doctor`: passes on a good installation, fails if an essential part is damaged."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mtclar.cli.options import default_support_path
from mtclar.engine import models

Command = Callable[..., Any]


def checks(text: str) -> dict[str, dict[str, str]]:
    return {check["what"]: check for check in json.loads(text)["checks"]}


def test_all_essential_checks_pass(command: Command) -> None:
    done = command("doctor", "--json")
    assert done.code == 0
    assert json.loads(done.out)["ok"] is True
    found = checks(done.out)
    for name in ("Python", "numpy", "cv2", "av", "network encoder", "network pair", "demo clip"):
        assert found[name]["state"] == "ok", found[name]
    assert found["your calibration"]["state"] == "absent"
    assert "calibrate" in found["your calibration"]["hint"]


def test_missing_tensorrt_is_reported_as_optional(command: Command) -> None:
    found = checks(command("doctor", "--json").out)["backend tensorrt"]
    assert found["state"] == "ok" or (found["detail"] and found["hint"])
    assert not found["essential"]


def test_the_table_ends_with_ready(command: Command) -> None:
    done = command("doctor")
    assert done.code == 0
    assert "Ready." in done.out
    assert "onnxruntime" in done.out


def test_a_damaged_network_is_essential(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "models"
    shutil.copytree(models.path("encoder").parent, folder)
    (folder / "encoder.onnx").write_bytes(b"not a network")
    (folder / "pair.onnx").unlink()
    monkeypatch.setattr(models, "_folder", lambda: folder)
    done = command("doctor", "--json")
    assert done.code == 1
    found = checks(done.out)
    assert found["network encoder"]["state"] == "broken"
    assert "sha256" in found["network encoder"]["detail"]
    assert found["network pair"]["state"] == "broken"
    assert found["network face_mesh"]["state"] == "ok"
    assert "An essential part is missing or broken" in command("doctor").out


def test_a_damaged_calibration_is_reported_as_optional(command: Command) -> None:
    path = default_support_path()
    path.parent.mkdir(parents=True)
    path.write_bytes(b"PK nonsense")
    done = command("doctor", "--json")
    assert done.code == 0
    assert checks(done.out)["your calibration"]["state"] == "broken"


def test_a_valid_calibration_is_listed(command: Command, support: Path) -> None:
    default_support_path().parent.mkdir(parents=True)
    shutil.copyfile(support, default_support_path())
    found = checks(command("doctor", "--json").out)["your calibration"]
    assert found["state"] == "ok"
    assert found["detail"].startswith("anna, 3 frames")
