"""int8 and fp8 copies of a network: convolutions between quantise/dequantise pairs, scaled by measured ranges.

TensorRT computes a layer in eight bits when the graph's types say so (NVIDIA, "Working with Quantized Types"). Weights
are scaled by their largest value, for each output channel; activations by their largest value on calibration images.
The small layers after the convolutions stay as they are, since they decide much.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from mtclar.engine.errors import ModelError, UsageError
from mtclar.engine.files.writing import write_json
from mtclar.engine.models import sha256

KINDS = ("int8", "fp8")
LARGEST = {"int8": 127.0, "fp8": 448.0}  # of what the type holds; symmetric, so that zero is exact
TYPES = {"int8": TensorProto.INT8, "fp8": TensorProto.FLOAT8E4M3FN}
QUANTISED = "Conv"
OPSET = 19  # the first with fp8, and with scales in half precision


@dataclass(frozen=True, slots=True)
class Ranges:
    """The largest magnitude of each convolution's input in one network."""

    sha256: str  # of the measured graph's file
    pictures: str  # the images of the measurement
    largest: Mapping[str, float]  # by the convolution's name

    def write(self, path: Path) -> None:
        """As JSON. Raises WriteError when the disk refuses."""
        write_json(path, asdict(self), private=False, indent=1)

    @classmethod
    def of(cls, graph: Path) -> Self:
        """Reads the ranges in the graph's folder. Raises UsageError when there are none, or those of another graph."""
        path = ranges_path(graph)
        hint = "measure them: tools/convert/quantize.py; or use fp16"
        try:
            ranges = cls(**json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError as error:
            raise UsageError(f"{graph.stem} has no measured ranges, which eight bits need", hint) from error
        except (ValueError, TypeError) as error:
            raise ModelError(f"{path} does not hold the ranges of a network: {error}", hint) from error
        if ranges.sha256 != sha256(graph):
            raise UsageError(f"{path.name} was measured on another {graph.name}", hint)
        return ranges


def ranges_path(graph: Path) -> Path:
    """Path of a graph's ranges."""
    return graph.with_suffix(".ranges.json")


def measure(model: onnx.ModelProto, feeds: Iterable[Mapping[str, NDArray[Any]]]) -> dict[str, float]:
    """The largest magnitude of each convolution's input over all feeds, computed by ONNX Runtime."""
    import onnxruntime

    probed = onnx.ModelProto()
    probed.CopyFrom(model)
    inputs = {node.name: node.input[0] for node in _convolutions(probed)}
    del probed.graph.output[:]
    for name in sorted(set(inputs.values())):
        probed.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        probed.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    names = [output.name for output in session.get_outputs()]
    largest = dict.fromkeys(names, 0.0)
    for feed in feeds:
        for name, array in zip(names, session.run(names, dict(feed)), strict=True):
            largest[name] = max(largest[name], float(np.abs(array).max()))
    return {node: round(largest[name], 5) for node, name in inputs.items()}


def quantized(model: onnx.ModelProto, ranges: Ranges, kind: str) -> onnx.ModelProto:
    """The same network with its convolutions in `kind`, one of KINDS; the others keep their types, as do inputs and
    outputs. `model` is of opset 19 or later. Raises ModelError when a convolution was not measured.
    """
    return _Quantizer(model, ranges, kind).quantized()


def _convolutions(model: onnx.ModelProto) -> list[onnx.NodeProto]:
    return [node for node in model.graph.node if node.op_type == QUANTISED]


class _Quantizer:
    """Makes one graph; its convolutions' weights are constants."""

    def __init__(self, model: onnx.ModelProto, ranges: Ranges, kind: str) -> None:
        self._model, self._ranges, self._kind = model, ranges, kind
        self._weights = {tensor.name: tensor for tensor in model.graph.initializer}
        self._nodes: list[onnx.NodeProto] = []
        self._made: dict[tuple[str, float], str] = {}  # value and its range -> its quantised copy
        self._new_weights: list[onnx.TensorProto] = []

    def quantized(self) -> onnx.ModelProto:
        graph = self._model.graph
        for node in graph.node:
            new = onnx.NodeProto()
            new.CopyFrom(node)
            if node.op_type == QUANTISED:
                weight = self._weights[node.input[1]]
                new.input[0] = self._activation(node, weight.data_type)
                new.input[1] = self._weight(weight)
            self._nodes.append(new)
        used = {name for node in self._nodes for name in node.input}
        kept = [t for t in [*graph.initializer, *self._new_weights] if t.name in used]
        made = helper.make_graph(self._nodes, graph.name, graph.input, graph.output, kept)
        model = helper.make_model(
            made, opset_imports=self._model.opset_import, ir_version=max(self._model.ir_version, 9)
        )
        onnx.checker.check_model(model, full_check=True)
        return model

    def _activation(self, node: onnx.NodeProto, of_type: int) -> str:
        """A convolution's input, quantised and dequantised; once for all convolutions with the same input."""
        if not (largest := self._ranges.largest.get(node.name)):
            raise ModelError(
                f"no range was measured for {node.name or 'a convolution without a name'}",
                "measure them again: tools/convert/quantize.py",
            )
        name = node.input[0]
        if (name, largest) not in self._made:
            scale = np.array(largest / LARGEST[self._kind])
            self._made[name, largest] = copy = f"{name}_dequantised"
            names = [
                self._constant(f"{name}_scale", scale, of_type),
                self._constant(f"{name}_zero", np.zeros(()), TYPES[self._kind]),
            ]
            self._nodes += [
                helper.make_node("QuantizeLinear", [name, *names], [f"{name}_{self._kind}"]),
                helper.make_node("DequantizeLinear", [f"{name}_{self._kind}", *names], [copy]),
            ]
        return self._made[name, largest]

    def _weight(self, tensor: onnx.TensorProto) -> str:
        """Weights [O, ...] in eight bits, with a scale for each output channel, and back."""
        values = numpy_helper.to_array(tensor).astype(np.float64)
        scale = np.abs(values).reshape(len(values), -1).max(1) / LARGEST[self._kind]
        scale[scale == 0] = 1.0
        scaled = values / scale.reshape(-1, *[1] * (values.ndim - 1))
        name = f"{tensor.name}_{self._kind}"
        names = [
            self._constant(name, scaled, TYPES[self._kind]),
            self._constant(f"{name}_scale", scale, tensor.data_type),
            self._constant(f"{name}_zero", np.zeros(len(values)), TYPES[self._kind]),
        ]
        self._nodes.append(helper.make_node("DequantizeLinear", names, [f"{name}_dequantised"], axis=0))
        return f"{name}_dequantised"

    def _constant(self, name: str, values: NDArray[np.float64], of_type: int) -> str:
        if of_type == TensorProto.INT8:
            values = np.clip(np.rint(values), -LARGEST["int8"], LARGEST["int8"])
        typed = values.astype(helper.tensor_dtype_to_np_dtype(of_type))
        self._new_weights.append(
            numpy_helper.from_array(np.ascontiguousarray(typed).reshape(values.shape), name)
        )
        return name
