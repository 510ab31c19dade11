"""Sessions: the bundled graphs run, and every wrong use has a clear error."""

import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from support.networks.tiny_graphs import EMBEDDING_DIM, SIZE, write_encoder, write_pair

from mtclar.engine import models
from mtclar.engine.backends import session
from mtclar.engine.backends.onnxruntime_session import BoundOnnxRuntimeSession, OnnxRuntimeSession, int8_path
from mtclar.engine.backends.session import BoundSession, open_session, open_sessions
from mtclar.engine.errors import BackendError, ModelError, UsageError


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
    monkeypatch.delitem(sys.modules, "mtclar.engine.backends.onnxruntime_session", raising=False)
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
    assert {name.partition(":")[0] for name in (*session.AUTO_ON_CARD, *session.AUTO_ON_CPU)} <= set(
        session.BACKENDS
    )


def test_auto_says_why_it_took_the_cpu(graph: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "has_nvidia_driver", lambda: False)
    opened = open_sessions([graph])
    assert opened.backend == "onnxruntime"
    assert opened.why == (
        "there is no NVIDIA driver; not onnxruntime:int8: there is no int8 copy of encoder.onnx"
    )
    opened.sessions[0].close()


def test_auto_tries_the_card_first(graph: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A driver, and nothing that uses it."""
    monkeypatch.setattr(session, "has_nvidia_driver", lambda: True)
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    monkeypatch.setitem(sys.modules, "tensorrt_rtx", None)
    opened = open_sessions([graph])
    assert opened.backend == "onnxruntime"
    assert opened.why == (
        "not tensorrt: neither tensorrt nor tensorrt-rtx is installed; "
        "not onnxruntime:cuda: this ONNX Runtime was built without CUDA; "
        "not onnxruntime:int8: there is no int8 copy of encoder.onnx"
    )
    opened.sessions[0].close()


def test_open_sessions_closes_all_after_a_failure(
    graph: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = []
    monkeypatch.setattr(OnnxRuntimeSession, "close", lambda self: closed.append(self))
    with pytest.raises(ModelError, match="nothing"):
        open_sessions([graph, tmp_path / "nothing.onnx"], "onnxruntime")
    assert len(closed) == 1


@pytest.mark.parametrize("variant", ["cuda", "tensorrt"])
def test_a_missing_provider_is_refused(graph: Path, variant: str) -> None:
    """ONNX Runtime itself would quietly run on the CPU."""
    with pytest.raises(BackendError, match="built without") as caught:
        open_session(graph, f"onnxruntime:{variant}")
    assert "onnxruntime-gpu" in caught.value.hint


def test_a_provider_that_does_not_start_is_refused_too(graph: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider", "CPUExecutionProvider"]
    )
    with pytest.warns(UserWarning, match="CUDAExecutionProvider"), pytest.raises(BackendError) as caught:
        open_session(graph, "onnxruntime:cuda")
    assert "does not start" in caught.value.what


def test_a_full_card_is_not_a_damaged_graph(graph: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that `auto` goes on to the next backend."""

    def out_of_memory(*_: object, **__: object) -> None:
        raise RuntimeError("CUDA failure 2: out of memory")

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider"])
    monkeypatch.setattr(onnxruntime, "InferenceSession", out_of_memory)
    with pytest.raises(BackendError, match=r"cannot take encoder\.onnx: CUDA failure 2") as caught:
        open_session(graph, "onnxruntime:cuda")
    assert "--backend onnxruntime" in caught.value.hint


def test_bind_without_device_memory(tmp_path: Path) -> None:
    """Here: a CUDA device for an ONNX Runtime that was built without one."""
    with open_session(write_pair(tmp_path / "pair.onnx"), "onnxruntime") as network:
        network.device = "cuda"
        with pytest.raises(BackendError, match="could not keep support on the card"):
            network.bind({"support": np.zeros((5, EMBEDDING_DIM), np.float32)})


@pytest.fixture
def shipped(tmp_path: Path) -> Path:
    """The bundled encoder and its int8 copy, in a folder of their own."""
    for path in (models.path("encoder"), int8_path(models.path("encoder"))):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path / "encoder.onnx"


def test_auto_takes_int8_without_a_card(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "has_nvidia_driver", lambda: False)
    opened = open_sessions([models.path(name) for name in ("face_mesh", "encoder")])
    assert opened.backend == "onnxruntime:int8"
    assert [one.backend for one in opened.sessions] == ["onnxruntime (CPU)", "onnxruntime (CPU, int8)"]
    for one in opened.sessions:
        one.close()


def test_an_int8_copy_of_another_encoder_is_not_used(shipped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A newly trained encoder lies beside the old one's copy."""
    with open_session(shipped, "onnxruntime:int8") as network:
        assert network.backend == "onnxruntime (CPU, int8)"
    write_encoder(shipped)
    with pytest.raises(BackendError, match=r"made from another encoder\.onnx"):
        open_session(shipped, "onnxruntime:int8")
    monkeypatch.setattr(session, "has_nvidia_driver", lambda: False)
    opened = open_sessions([shipped])
    assert opened.backend == "onnxruntime"
    assert "made from another" in opened.why
    opened.sessions[0].close()


def test_an_unknown_provider_names_the_known_ones(graph: Path) -> None:
    with pytest.raises(UsageError, match="onnxruntime:abacus") as caught:
        open_session(graph, "onnxruntime:abacus")
    assert "cuda" in caught.value.hint


@pytest.mark.parametrize("bound_type", [BoundSession, BoundOnnxRuntimeSession])
def test_a_bound_input_is_not_fed(tmp_path: Path, bound_type: type) -> None:
    pair = write_pair(tmp_path / "pair.onnx")
    rng = np.random.default_rng(0)
    query, support = (rng.normal(size=(n, EMBEDDING_DIM)).astype(np.float32) for n in (3, 5))
    with open_session(pair, "onnxruntime") as network:
        expected = network.run({"embedding": query, "support": support})
        bound = bound_type(network, {"support": support})
        assert set(bound.inputs) == {"embedding"}
        for _ in range(2):
            outputs = bound.run({"embedding": query})
            for name, array in expected.items():
                np.testing.assert_array_equal(outputs[name], array)
        with pytest.raises(BackendError):
            bound.run({"embedding": query[:, :1]})
        bound.close()
        assert set(network.run({"embedding": query, "support": support})) == set(expected)
