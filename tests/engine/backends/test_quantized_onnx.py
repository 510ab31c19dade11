"""Eight bits: a small network by hand, ranges that belong to their graph, and refused graphs."""

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from mtclar.engine import models
from mtclar.engine.backends.quantized_onnx import KINDS, Ranges, measure, quantized, ranges_path
from mtclar.engine.backends.typed_onnx import parse, with_precision
from mtclar.engine.errors import ModelError, UsageError

CHANNELS = 3


def network(weights: np.ndarray) -> onnx.ModelProto:
    """x [B, C, 4, 4] -> two convolutions side by side that take the same, and their sum."""
    values = {"w1": weights, "w2": -2 * weights, "bias": np.linspace(-1, 1, len(weights))}
    nodes = [
        helper.make_node("Relu", ["x"], ["positive"]),
        helper.make_node("Conv", ["positive", "w1", "bias"], ["y1"], name="first"),
        helper.make_node("Conv", ["positive", "w2"], ["y2"], name="second"),
        helper.make_node("Add", ["y1", "y2"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["B", CHANNELS, 4, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["B", len(weights), 2, 2])],
        [numpy_helper.from_array(array.astype(np.float32), name) for name, array in values.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=9)


def run(model: onnx.ModelProto, feeds: dict[str, np.ndarray]) -> np.ndarray:
    """As the graph is written: the optimiser makes wrong fp8 of right ones."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    answer: np.ndarray = session.run(None, feeds)[0]
    return answer


def ranges(model: onnx.ModelProto, x: np.ndarray) -> Ranges:
    return Ranges("ab", "a test", measure(model, [{"x": x[:1]}, {"x": x[1:]}]))


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), scale=st.sampled_from([0.01, 1.0, 300.0]))
def test_what_is_lost_is_the_rounding_of_eight_bits(kind: str, seed: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    weights = rng.normal(size=(4, CHANNELS, 3, 3)) * rng.uniform(0.01, 10, (4, 1, 1, 1))
    x = (scale * rng.normal(size=(3, CHANNELS, 4, 4))).astype(np.float32)
    model = network(weights)
    known = ranges(model, x)
    positive = np.maximum(x, 0)
    assert known.largest["first"] == known.largest["second"] == pytest.approx(positive.max(), abs=1e-5)
    made = quantized(model, known, kind)
    # A product is off by at most the relative step of both factors; fp8 has four bits of mantissa, int8 127 steps.
    step = {"int8": 0.5 / 127, "fp8": 1 / 16}[kind]
    largest_sum = positive.max() * np.abs(weights).max(axis=(1, 2, 3)) * CHANNELS * 9 * 3
    bound = (2.1 * step * largest_sum)[None, :, None, None] + 1e-5
    assert (np.abs(run(made, {"x": x}) - run(model, {"x": x})) <= bound).all()


@pytest.mark.parametrize("kind", KINDS)
def test_only_convolutions_are_quantised(kind: str) -> None:
    model = network(np.random.default_rng(0).normal(size=(2, CHANNELS, 3, 3)))
    made = quantized(model, ranges(model, np.ones((2, CHANNELS, 4, 4), np.float32)), kind)
    small = {TensorProto.INT8, TensorProto.FLOAT8E4M3FN}
    weights = {t.name: t for t in made.graph.initializer if t.data_type in small and len(t.dims) == 4}
    assert len(weights) == 2
    by_output = {node.output[0]: node for node in made.graph.node}
    for node in made.graph.node:
        if node.op_type == "Conv":
            assert [by_output[name].op_type for name in node.input[:2]] == ["DequantizeLinear"] * 2
            assert by_output[node.input[1]].input[0] in weights
    # What both convolutions take is quantised once.
    assert [node.op_type for node in made.graph.node].count("QuantizeLinear") == 1
    assert [(v.name, v.type) for v in made.graph.input] == [(v.name, v.type) for v in model.graph.input]


def test_a_channel_without_weights_stays_zero() -> None:
    weights = np.random.default_rng(0).normal(size=(2, CHANNELS, 3, 3))
    weights[1] = 0
    model, x = network(weights), np.ones((2, CHANNELS, 4, 4), np.float32)
    answer = run(quantized(model, ranges(model, x), "int8"), {"x": x})
    np.testing.assert_allclose(answer[:, 1], 1.0)  # its bias


def test_a_convolution_that_was_not_measured_is_refused() -> None:
    model = network(np.ones((2, CHANNELS, 3, 3)))
    with pytest.raises(ModelError, match="no range was measured for second"):
        quantized(model, Ranges("ab", "", {"first": 1.0}), "int8")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The shipped encoder in a folder of its own."""
    path = tmp_path / "encoder.onnx"
    path.write_bytes(models.path("encoder").read_bytes())
    return path


def test_ranges_belong_to_one_graph(copy: Path) -> None:
    measured = Ranges(models.sha256(copy), "nothing much", {"a": 1.5})
    measured.write(ranges_path(copy))
    assert Ranges.of(copy) == measured
    content = bytearray(copy.read_bytes())
    content[-1] ^= 1
    copy.write_bytes(content)
    with pytest.raises(UsageError, match=r"measured on another encoder\.onnx") as caught:
        Ranges.of(copy)
    assert "fp16" in caught.value.hint


@pytest.mark.parametrize("text", ["", "[]", "{}", json.dumps({"sha256": "a", "colour": "red"})])
def test_what_are_no_ranges_is_a_model_error(copy: Path, text: str) -> None:
    ranges_path(copy).write_text(text)
    with pytest.raises(ModelError, match="does not hold the ranges"):
        Ranges.of(copy)


def test_without_ranges_there_are_no_eight_bits(copy: Path) -> None:
    with pytest.raises(UsageError, match="no measured ranges"):
        Ranges.of(copy)
    with pytest.raises(ValueError, match="no ranges"):
        with_precision(parse(copy.read_bytes()), "int8")


def test_the_shipped_ranges_are_the_shipped_encoders() -> None:
    """tools/convert/quantize.py makes them again."""
    known = Ranges.of(models.path("encoder"))
    graph = parse(models.path("encoder").read_bytes()).graph
    assert set(known.largest) == {node.name for node in graph.node if node.op_type == "Conv"}
    assert min(known.largest.values()) > 0.1


@pytest.mark.parametrize("kind", KINDS)
def test_int8_encoder_is_close_to_fp32(kind: str) -> None:
    """On crops that it was not calibrated on; tools/convert/quantize.py scores it on data sets."""
    from mtclar.cli.benchmark.material import demo_crops

    faces = demo_crops(every=125)
    exact = parse(models.path("encoder").read_bytes())
    made = with_precision(exact, kind, Ranges.of(models.path("encoder")))
    names = [value.name for value in exact.graph.output]
    assert [value.name for value in made.graph.output] == names
    off = run(_only(made, "absolute"), {"face": faces}) - run(_only(exact, "absolute"), {"face": faces})
    assert 0 < np.sqrt((off**2).mean()) < 0.03


def _only(model: onnx.ModelProto, output: str) -> onnx.ModelProto:
    """The same network with one of its outputs."""
    one = onnx.ModelProto()
    one.CopyFrom(model)
    kept = [value for value in one.graph.output if value.name == output]
    del one.graph.output[:]
    one.graph.output.extend(kept)
    return one
