"""Sessions: the bundled graphs run, and every way to get one wrong says what is wrong."""

import sys
from pathlib import Path

import numpy as np
import pytest

from mtclar.engine import models, session
from mtclar.engine.errors import BackendError, ModelError, UsageError
from mtclar.engine.session import open_session

from .tiny_graphs import SIZE, write_encoder


@pytest.fixture
def graph(tmp_path: Path) -> Path:
    return write_encoder(tmp_path / "encoder.onnx")


@pytest.mark.parametrize("backend", ["auto", "onnxruntime"])
def test_a_graph_runs_by_names(graph: Path, backend: str) -> None:
    with open_session(graph, backend, threads=2) as network:
        assert network.inputs == {"face": (None, SIZE, SIZE)}
        assert network.outputs["absolute"] == (None, 2)
        outputs = network.run({"face": np.zeros((3, SIZE, SIZE), np.uint8)})
        assert {name: array.shape for name, array in outputs.items()} == {
            "embedding": (3, 4),
            "absolute": (3, 2),
            "expression": (3, 8),
        }
        assert "CPU" in network.backend


@pytest.mark.parametrize(
    "feeds",
    [
        {"face": np.zeros((1, SIZE + 1, SIZE), np.uint8)},
        {"face": np.zeros((1, SIZE, SIZE), np.float32)},
        {"picture": np.zeros((1, SIZE, SIZE), np.uint8)},
        {},
    ],
    ids=["shape", "type", "name", "nothing"],
)
def test_what_does_not_fit_is_refused(graph: Path, feeds: dict) -> None:
    with open_session(graph) as network, pytest.raises(BackendError) as caught:
        network.run(feeds)
    assert "face tensor(uint8)" in caught.value.hint


def test_a_closed_session_does_not_run(graph: Path) -> None:
    network = open_session(graph)
    network.close()
    network.close()
    with pytest.raises(BackendError, match="closed"):
        network.run({"face": np.zeros((1, SIZE, SIZE), np.uint8)})


def test_an_unknown_backend_names_the_known_ones(graph: Path) -> None:
    with pytest.raises(UsageError, match="abacus") as caught:
        open_session(graph, "abacus")
    assert "onnxruntime" in caught.value.hint


def test_a_missing_package_says_how_to_install_it(graph: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "mtclar.engine.session_onnxruntime", raising=False)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)  # as import sees a package that is not there
    with pytest.raises(BackendError, match="onnxruntime") as caught:
        open_session(graph)
    assert caught.value.hint.startswith("pip install")


def test_missing_and_damaged_graphs_are_model_errors(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no such network"):
        open_session(tmp_path / "nothing.onnx")
    whole = models.path("face_detector").read_bytes()
    for name, content in (
        ("cut.onnx", whole[: len(whole) // 2]),
        ("text.onnx", b"hello"),
        ("empty.onnx", b""),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ModelError, match=name):
            open_session(tmp_path / name)


def test_backends_are_imported_only_when_chosen() -> None:
    assert all(":" in place for place in session.BACKENDS.values())
    assert set(session.AUTO) <= set(session.BACKENDS)
