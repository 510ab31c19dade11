"""Encoder and pair graphs small enough to reason about, with the names and shapes of the real ones.

encoder: embedding = four quadrant means of the crop less their mean, absolute = its first two / 255, expression = 0.
pair: similarity = (1 + cosine) / 2, delta = difference of the first two components / 255.
"""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SIZE = 8
EMBEDDING_DIM = 4


def _initializer(name: str, values: object, dtype: type = np.float32) -> onnx.TensorProto:
    return numpy_helper.from_array(np.asarray(values, dtype), name)


def _save(path: Path, nodes: list, inputs: list, outputs: list, constants: list) -> Path:
    graph = helper.make_graph(nodes, path.stem, inputs, outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
    return path


def write_encoder(path: Path) -> Path:
    """The encoder graph, written to `path`."""
    nodes = [
        helper.make_node("Cast", ["face"], ["grey"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["grey", "one"], ["picture"]),
        helper.make_node(
            "AveragePool", ["picture"], ["quadrants"], kernel_shape=[SIZE // 2] * 2, strides=[SIZE // 2] * 2
        ),
        helper.make_node("Flatten", ["quadrants"], ["flat"]),
        helper.make_node("ReduceMean", ["flat"], ["mean"], axes=[1], keepdims=1),
        helper.make_node("Sub", ["flat", "mean"], ["embedding"]),
        helper.make_node("MatMul", ["embedding", "first_two"], ["absolute"]),
        helper.make_node("MatMul", ["embedding", "nothing"], ["expression"]),
    ]
    return _save(
        path,
        nodes,
        [helper.make_tensor_value_info("face", TensorProto.UINT8, ["B", SIZE, SIZE])],
        [
            helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["B", EMBEDDING_DIM]),
            helper.make_tensor_value_info("absolute", TensorProto.FLOAT, ["B", 2]),
            helper.make_tensor_value_info("expression", TensorProto.FLOAT, ["B", 8]),
        ],
        [
            _initializer("one", [1], np.int64),
            _initializer("first_two", np.eye(EMBEDDING_DIM, 2) / 255),
            _initializer("nothing", np.zeros((EMBEDDING_DIM, 8))),
        ],
    )


def write_pair(path: Path) -> Path:
    """The pair graph, written to `path`."""
    unit = [
        node
        for name in ("embedding", "support")
        for node in (
            helper.make_node("ReduceL2", [name], [f"{name}_length"], axes=[1], keepdims=1),
            helper.make_node("Add", [f"{name}_length", "tiny"], [f"{name}_safe"]),
            helper.make_node("Div", [name, f"{name}_safe"], [f"{name}_unit"]),
            helper.make_node("MatMul", [name, "first_two"], [f"{name}_va"]),
        )
    ]
    nodes = [
        *unit,
        helper.make_node("Transpose", ["support_unit"], ["support_columns"], perm=[1, 0]),
        helper.make_node("MatMul", ["embedding_unit", "support_columns"], ["cosine"]),
        helper.make_node("Mul", ["cosine", "half"], ["halved"]),
        helper.make_node("Add", ["halved", "half"], ["shifted"]),
        helper.make_node("Clip", ["shifted", "zero", "one"], ["similarity"]),
        helper.make_node("Unsqueeze", ["embedding_va", "axis_one"], ["query_va"]),
        helper.make_node("Sub", ["query_va", "support_va"], ["delta"]),
    ]
    return _save(
        path,
        nodes,
        [
            helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["B", EMBEDDING_DIM]),
            helper.make_tensor_value_info("support", TensorProto.FLOAT, ["N", EMBEDDING_DIM]),
        ],
        [
            helper.make_tensor_value_info("similarity", TensorProto.FLOAT, ["B", "N"]),
            helper.make_tensor_value_info("delta", TensorProto.FLOAT, ["B", "N", 2]),
        ],
        [
            _initializer("axis_one", [1], np.int64),
            _initializer("tiny", 1e-6),
            _initializer("half", 0.5),
            _initializer("zero", 0.0),
            _initializer("one", 1.0),
            _initializer("first_two", np.eye(EMBEDDING_DIM, 2) / 255),
        ],
    )
