"""NVIDIA's real driver library, pycuda and cuda-bindings, as far as they go without a card; `make setup-cuda`."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
ENVIRONMENT = ROOT / "build" / "cuda"
NO_CARD = "NVIDIA's driver is installed and finds no card"


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "LD_LIBRARY_PATH": str(ENVIRONMENT / "lib"),
        "PYTHONPATH": str(ROOT / "tests"),
        "COLUMNS": "200",
    }
    return subprocess.run(
        [str(ENVIRONMENT / "bin" / "python"), *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        env=environment,
    )


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    if not (ENVIRONMENT / "finished").is_file():
        pytest.skip("NVIDIA's driver library and pycuda are not beside the project: make setup-cuda")
    pytest.importorskip("cuda.bindings", reason="cuda-bindings is not installed")
    done = run(ROOT / "tests" / "support" / "networks" / "cuda_probe.py")
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def test_the_driver_is_nvidias_own(report: dict[str, Any]) -> None:
    assert report["driver version"][0] >= 12
    assert report["bindings"]["cuInit"]["result"] == "CUDA_ERROR_NO_DEVICE"


def test_the_fake_driver_has_the_real_signatures(report: dict[str, Any]) -> None:
    functions = report["bindings"]
    assert len(functions) > 20
    assert {name: f["real"] for name, f in functions.items()} == {
        name: f["fake"] for name, f in functions.items()
    }
    assert all(f["result"].startswith("CUDA_ERROR_") for f in functions.values()), functions


def test_pycuda_takes_our_arguments(report: dict[str, Any]) -> None:
    refusals = ("no CUDA-capable device", "initialization error", "no currently active context")
    assert set(report["pycuda calls"]) == {
        "init",
        "mem_alloc",
        "pagelocked_empty",
        "memcpy_htod_async",
        "memcpy_dtoh_async",
        "Device",
        "Stream",
    }
    for name, error in report["pycuda calls"].items():
        assert any(words in error for words in refusals), (name, error)


def test_pycuda_has_what_its_fake_has(report: dict[str, Any]) -> None:
    missing = [name for name, there in report["pycuda attributes"].items() if not there]
    assert not missing


def test_both_layers_say_that_there_is_no_card(report: dict[str, Any]) -> None:
    for layer, (message, hint) in report["our errors"].items():
        assert message == NO_CARD, layer
        assert "onnxruntime" in hint


@pytest.mark.usefixtures("report")
def test_doctor_says_driver_there_no_card() -> None:
    pytest.importorskip("tensorrt_rtx", reason="TensorRT is not installed")
    done = run("-m", "mtclar.cli.main", "doctor")
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("backend tensorrt"))
    assert NO_CARD in line


@pytest.mark.usefixtures("report")
def test_run_says_driver_there_no_card() -> None:
    pytest.importorskip("tensorrt_rtx", reason="TensorRT is not installed")
    done = run("-m", "mtclar.cli.main", "run", "--source", "synthetic", "--backend", "tensorrt")
    assert done.returncode == 1
    assert NO_CARD in done.stderr
    assert "Traceback" not in done.stderr
