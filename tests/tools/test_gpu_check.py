"""The check of a card, usually without one here: refusals have a reason, measured results are exact."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_refused_backends_have_reasons_and_the_others_figures(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "tools.gpu_check",
        "--out",
        tmp_path,
        "--rounds",
        "5",
        "--no-suite",
    ]
    done = subprocess.run(
        [*map(str, command), "--backends", "abacus", "onnxruntime"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert done.returncode == 1, done.stderr
    assert "nothing may be claimed" in done.stdout
    report = json.loads((tmp_path / "gpu-check.json").read_text())
    refused, ran = report["backends"]
    assert refused["state"] == "refused"
    assert "abacus" in refused["reason"]
    assert ran["state"] == "ran"
    assert ran["largest_difference"] < 1e-4
    assert [row["batch"] for row in ran["by_batch"]] == [1, 2, 4, 8, 16, 32, 64]
    assert 0 < ran["latency_ms"]["p50"] <= ran["latency_ms"]["p99"]
    page = (tmp_path / "gpu-check.md").read_text()
    assert "refused: there is no backend 'abacus' (one of: auto, onnxruntime" in page
    assert "nothing may be claimed" in page
    assert "| ran |" in page
