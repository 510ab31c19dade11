"""Blendshape V2 written with LayerNormalization and Gemm: the same numbers in .57 of the time.

The network is an MLP-Mixer (Tolstikhin et al. 2021): 146 points become 96 tokens of 64 numbers; with one learned token,
four blocks mix tokens and channels; the learned token gives the coefficients. tf2onnx writes each Gemm as a convolution
between transpositions and each normalisation as ten operators. Nothing but the learned token is read after the last
block, so the last block computes no other.
"""

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

BLOCKS = 4
Weights = NDArray[np.float32]


class _Graph:
    """Nodes and weights of a graph that is being built."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def weight(self, values: NDArray[np.generic]) -> str:
        name = f"weight_{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def node(self, operator: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        name = output or f"{operator}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [name], **attributes))
        return name


def plain_mixer(model: onnx.ModelProto) -> onnx.ModelProto:
    """The network as tf2onnx converts it -> the same with one input [1, 146, 2] and one output [52], opset 17."""
    tensors = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    # In the order in which they are used, which is that of the network.
    linear = [
        (tensors[node.input[1]].reshape(tensors[node.input[1]].shape[:2]), tensors[node.input[2]])
        for node in model.graph.node
        if node.op_type == "Conv"
    ]
    scales = [
        tensors[name].ravel()
        for node in model.graph.node
        if node.op_type == "Mul"
        for name in node.input
        if name in tensors and tensors[name].size == 64
    ]
    (learned,) = (tensors[node.input[0]] for node in model.graph.node if node.op_type == "Concat")
    epsilon = next(
        float(v.item()) for v in tensors.values() if v.shape == (1, 1, 1, 1) and 0 < v.item() < 1e-4
    )
    if len(linear) != 3 + 4 * BLOCKS or len(scales) != 2 * BLOCKS:
        raise ValueError("this is not Blendshape V2")

    graph = _Graph()
    node, weight = graph.node, graph.weight

    def gemm(x: str, layer: tuple[Weights, Weights], **attributes: Any) -> str:
        return node("Gemm", x, weight(layer[0].T), weight(layer[1]), **attributes)

    def normalized(x: str, scale: Weights) -> str:
        return node("LayerNormalization", x, weight(scale), axis=-1, epsilon=epsilon)

    (source,), (target,) = model.graph.input, model.graph.output
    points = node("Reshape", source.name, weight(np.array([146, 2], np.int64)))
    centred = node("Sub", points, node("ReduceMean", points, axes=[0], keepdims=1))
    # Of size one: divided by the mean distance from the centre.
    radius = node("ReduceMean", node("ReduceL2", centred, axes=[1], keepdims=1), axes=[0], keepdims=1)
    sized = node("Mul", node("Div", centred, radius), weight(np.array(0.5, np.float32)))
    embedded = node("Transpose", gemm(sized, linear[0], transA=1), perm=[1, 0])  # [96, 2]
    x = node("Concat", weight(learned.reshape(1, 64)), gemm(embedded, linear[1]), axis=0)  # [97, 64]
    for block in range(BLOCKS):
        tokens_in, tokens_out, channels_in, channels_out = linear[2 + 4 * block : 6 + 4 * block]
        if block == BLOCKS - 1:
            tokens_out = tokens_out[0][:1], tokens_out[1][:1]
        hidden = node("Relu", gemm(normalized(x, scales[2 * block]), tokens_in, transA=1))  # [64, 384]
        mixed = node("Transpose", gemm(hidden, tokens_out), perm=[1, 0])
        if block == BLOCKS - 1:
            x = node("Gather", x, weight(np.array([0], np.int64)), axis=0)
        x = node("Add", x, mixed)
        hidden = node("Relu", gemm(normalized(x, scales[2 * block + 1]), channels_in))
        x = node("Add", x, gemm(hidden, channels_out))
    coefficients = node("Sigmoid", gemm(x, linear[-1]))
    node("Reshape", coefficients, weight(np.array([52], np.int64)), output=target.name)
    inputs = [helper.make_tensor_value_info(source.name, TensorProto.FLOAT, [1, 146, 2])]
    outputs = [helper.make_tensor_value_info(target.name, TensorProto.FLOAT, [52])]
    made = helper.make_model(
        helper.make_graph(graph.nodes, "blendshapes", inputs, outputs, graph.weights),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )
    onnx.checker.check_model(made, full_check=True)
    return made
