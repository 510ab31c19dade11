"""PRelu without PRelu: the same numbers, whatever the slopes; and the shipped Face Mesh has none left."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from mtclar.engine import models

ROOT = Path(__file__).parents[3]


def network(slopes: np.ndarray) -> onnx.ModelProto:
    """x -> PRelu -> PRelu with the same slopes, and a sum with what came in."""
    channels = slopes.size
    nodes = [
        helper.make_node("PRelu", ["x", "a"], ["y"]),
        helper.make_node("Add", ["x", "y"], ["s"]),
        helper.make_node("PRelu", ["s", "a"], ["z"]),
    ]
    value = [1, channels, 5, 3]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, value)],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, value)],
        [numpy_helper.from_array(slopes.astype(np.float32).reshape(channels, 1, 1), "a")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def run(path: Path, x: np.ndarray) -> np.ndarray:
    answer: np.ndarray = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"]).run(
        None, {"x": x}
    )[0]
    return answer


@pytest.mark.parametrize("slopes", [[0.25], [0.0, 1.0, -1.6, 1.37], list(np.linspace(-2, 2, 16))])
def test_the_numbers_stay(slopes: list[float], tmp_path: Path) -> None:
    path, card = tmp_path / "net.onnx", tmp_path / "net.json"
    model = network(np.array(slopes))
    onnx.save(model, str(path))
    models.Card("net", models.sha256(path), "none", "here", {}, {}).write(card)
    x = np.random.default_rng(0).normal(size=(1, len(slopes), 5, 3)).astype(np.float32)
    expected = run(path, x)
    command = [sys.executable, "-m", "tools.convert.plain_prelu", str(path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=60)
    np.testing.assert_allclose(run(path, x), expected, atol=1e-6)
    assert models.Card.read(card).sha256 == models.sha256(path)
    written = onnx.load(str(path)).graph
    assert {node.op_type for node in written.node} == {"Relu", "Conv", "Add"}
    assert "a" not in {tensor.name for tensor in written.initializer}


def test_the_shipped_face_mesh_has_none_left() -> None:
    assert not any(node.op_type == "PRelu" for node in onnx.load(str(models.path("face_mesh"))).graph.node)
