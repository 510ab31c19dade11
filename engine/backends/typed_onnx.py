"""ONNX graphs for TensorRT: copies in other precisions, and graphs partitioned at a bound input.

TensorRT from 10.12 on takes the precision of each layer from the graph's types (NVIDIA, "Strongly Typed Networks"), so
the types are set here, from the shipped graph.
"""

from dataclasses import dataclass

import numpy as np
import onnx
import onnx.version_converter
from onnx import TensorProto, helper, numpy_helper
from onnx.utils import Extractor

from mtclar.engine.backends.quantized_onnx import KINDS, OPSET, Ranges, quantized
from mtclar.engine.errors import ModelError

PRECISIONS = ("fp32", "fp16", *KINDS)
DEFAULT_PRECISION = "fp16"
WEIGHTED = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})
HALF_MAX = float(np.finfo(np.float16).max)


def parse(graph: bytes) -> onnx.ModelProto:
    """A graph from its bytes. Raises ModelError when they are none."""
    try:
        model: onnx.ModelProto = onnx.load_from_string(graph)
        onnx.checker.check_model(model)
    except Exception as error:  # protobuf's and the checker's exceptions share no base class
        raise ModelError(f"not an ONNX graph: {error}", "export the network again") from error
    return model


def with_precision(model: onnx.ModelProto, precision: str, ranges: Ranges | None = None) -> onnx.ModelProto:
    """The same network in `precision`, one of PRECISIONS; inputs and outputs keep their types.

    Eight bits are those of the convolutions, need `ranges`, and leave the rest in fp16.
    """
    if precision == "fp32":
        return model
    if precision == "fp16":
        return _Fp16Converter(model).converted()
    if precision in KINDS and ranges is not None:
        newer = onnx.version_converter.convert_version(_without_aliases(model), OPSET)
        return quantized(_Fp16Converter(newer).converted(), ranges, precision)
    raise ValueError(f"no precision {precision!r}, or no ranges for it")


@dataclass(frozen=True)
class Partition:
    """A graph in two parts: the nodes that depend on a bound input alone, run once, and the rest, for every call."""

    once: onnx.ModelProto  # bound input -> `boundary`
    rest: onnx.ModelProto  # the other inputs and `boundary` -> the network's outputs
    boundary: tuple[str, ...]  # values that the first part hands to the second


def partition(model: onnx.ModelProto, bound: str) -> Partition | None:
    """Partitions where values stop depending on the input `bound` alone; None when nothing depends on it alone."""
    model = _without_aliases(model)
    constants = {tensor.name for tensor in model.graph.initializer}
    alone = {bound}
    for node in model.graph.node:
        sources = {name for name in node.input if name} - constants
        if not sources:
            constants |= set(node.output)
        elif sources <= alone:
            alone |= set(node.output)
    outputs = [value.name for value in model.graph.output]
    needed = {
        name
        for node in model.graph.node
        if not set(node.output) <= alone | constants
        for name in node.input
        if name in alone
    } | (set(outputs) & alone)
    if not needed or needed == {bound}:
        return None
    boundary = tuple(sorted(needed))
    others = [value.name for value in model.graph.input if value.name != bound]
    extractor = Extractor(onnx.shape_inference.infer_shapes(model))
    return Partition(
        once=extractor.extract_model([bound], list(boundary)),
        rest=extractor.extract_model([*others, *boundary], outputs),
        boundary=boundary,
    )


class _Fp16Converter:
    """Converts one graph to fp16 from its first weighted layer on.

    The nodes before it, which remove an image's mean and contrast, stay in fp32: squares of grey levels reach 65,025
    and their sums leave the range of fp16 (65,504).
    """

    def __init__(self, model: onnx.ModelProto) -> None:
        self._model = _without_aliases(model)
        inferred = onnx.shape_inference.infer_shapes(self._model, strict_mode=True).graph
        self._type = {
            value.name: value.type.tensor_type.elem_type
            for values in (inferred.input, inferred.output, inferred.value_info)
            for value in values
        }
        self._weights = {tensor.name: tensor for tensor in self._model.graph.initializer}
        self._now: dict[str, int] = {}  # value -> its type in the new graph, for those that were fp32
        self._made: dict[tuple[str, int], str] = {}  # (value, type) -> its copy of that type
        self._nodes: list[onnx.NodeProto] = []
        self._new_weights: list[onnx.TensorProto] = []

    def converted(self) -> onnx.ModelProto:
        graph = self._model.graph
        outputs = {value.name for value in graph.output}
        below: set[str] = set()  # values at or behind a weighted layer
        for node in graph.node:
            half = node.op_type in WEIGHTED or any(name in below for name in node.input)
            new = onnx.NodeProto()
            new.CopyFrom(node)
            wanted = TensorProto.FLOAT16 if half else TensorProto.FLOAT
            new.input[:] = [self._as(name, wanted) for name in node.input]
            if half:
                below |= set(node.output)
                _cast_to_fp16(new)
                for i, name in enumerate(node.output):
                    if self._type.get(name) == TensorProto.FLOAT:
                        self._now[name] = TensorProto.FLOAT16
                        if name in outputs:
                            new.output[i] = self._made[name, TensorProto.FLOAT16] = f"{name}_fp16"
            self._nodes.append(new)
        for name in sorted(outputs):
            if self._now.get(name) == TensorProto.FLOAT16:
                self._nodes.append(helper.make_node("Cast", [f"{name}_fp16"], [name], to=TensorProto.FLOAT))
        used = {name for node in self._nodes for name in node.input}
        kept = [tensor for tensor in [*graph.initializer, *self._new_weights] if tensor.name in used]
        converted = helper.make_graph(self._nodes, graph.name, graph.input, graph.output, kept)
        model = helper.make_model(
            converted, opset_imports=self._model.opset_import, ir_version=self._model.ir_version
        )
        onnx.checker.check_model(model, full_check=True)
        return model

    def _as(self, name: str, wanted: int) -> str:
        """The name under which a value has the wanted type; one that was never fp32 stays as it is."""
        if (name, wanted) in self._made:
            return self._made[name, wanted]
        if name in self._weights:
            tensor = self._weights[name]
            if tensor.data_type != TensorProto.FLOAT or wanted == TensorProto.FLOAT:
                return name
            values = np.clip(numpy_helper.to_array(tensor), -HALF_MAX, HALF_MAX).astype(np.float16)
            copy = f"{name}_fp16"
            self._new_weights.append(numpy_helper.from_array(values, copy))
        elif self._type.get(name) != TensorProto.FLOAT or self._now.get(name, TensorProto.FLOAT) == wanted:
            return name
        else:
            copy = f"{name}_as_{'fp16' if wanted == TensorProto.FLOAT16 else 'fp32'}"
            self._nodes.append(helper.make_node("Cast", [name], [copy], to=wanted))
        self._made[name, wanted] = copy
        return copy


def _cast_to_fp16(node: onnx.NodeProto) -> None:
    if node.op_type == "Cast":
        for attribute in node.attribute:
            if attribute.name == "to" and attribute.i == TensorProto.FLOAT:
                attribute.i = TensorProto.FLOAT16


def _without_aliases(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same graph with its constants as initializers and without Identity nodes on them."""
    clean = onnx.ModelProto()
    clean.CopyFrom(model)
    weights = {tensor.name: tensor for tensor in clean.graph.initializer}
    outputs = {value.name for value in clean.graph.output}
    alias: dict[str, str] = {}
    kept = []
    for node in clean.graph.node:
        node.input[:] = [alias.get(name, name) for name in node.input]
        if node.op_type == "Identity" and node.input[0] in weights and node.output[0] not in outputs:
            alias[node.output[0]] = node.input[0]
        elif node.op_type == "Constant" and node.attribute[0].name == "value":
            tensor = onnx.TensorProto()
            tensor.CopyFrom(node.attribute[0].t)
            tensor.name = node.output[0]
            weights[tensor.name] = tensor
            clean.graph.initializer.append(tensor)
        else:
            kept.append(node)
    del clean.graph.node[:]
    clean.graph.node.extend(kept)
    return clean
