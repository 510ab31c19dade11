"""Which graphs are measured is said, and one core's times are beside the landmark network's."""

import re
import sys
from pathlib import Path

import pytest
from support.networks.exported_networks import exported

from experiments.networks import accuracy_and_speed
from mtclar.engine import models
from mtclar.engine.backends.onnxruntime_session import int8_path


def printed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    monkeypatch.setattr(sys, "argv", ["accuracy_and_speed", *arguments])
    monkeypatch.setattr(accuracy_and_speed, "ROUNDS", 4)
    accuracy_and_speed.main()
    return capsys.readouterr().out


@pytest.mark.parametrize("backend", ["onnxruntime", "onnxruntime:int8"])
def test_the_graph_that_is_measured_is_named_with_its_own_size(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], backend: str
) -> None:
    text = printed(monkeypatch, capsys, "--backend", backend)
    full = models.path("encoder")
    run, said = (int8_path(full), "CPU, int8") if backend.endswith("int8") else (full, "CPU")
    assert f"{run.name}: {run.stat().st_size:,} bytes, on onnxruntime ({said})" in text
    assert f"pair.onnx: {models.path('pair').stat().st_size:,} bytes, on onnxruntime (CPU)" in text


def test_every_network_has_its_ratio_to_the_landmark_network(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    number = r"\d+\.\d+"
    row = re.compile(rf"  (.+): ({number}) ms, ({number}) \[{number}, {number}\]")
    rows = {name: (float(ms), float(ratio)) for name, ms, ratio in row.findall(printed(monkeypatch, capsys))}
    full, int8 = "encoder, onnxruntime (CPU)", "encoder, onnxruntime (CPU, int8)"
    assert list(rows) == ["landmark network", full, int8, "pair, 16 support frames"]
    assert rows["landmark network"][1] == 1
    assert all(ms > 0 for ms, _ in rows.values())
    text = printed(monkeypatch, capsys, "--models", str(exported(tmp_path / "own")))
    # `export` makes no int8 copy.
    assert [name for name, *_ in row.findall(text)] == [name for name in rows if name != int8]
