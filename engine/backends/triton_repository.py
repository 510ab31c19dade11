"""A model repository for NVIDIA's Triton Inference Server: encoder, pair network and both as one ensemble.

Layout and fields: https://docs.nvidia.com/deeplearning/triton-inference-server/user-guide/docs/user_guide/model_repository.html
and model_config.proto of github.com/triton-inference-server/common. Face finding stays with the client.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

from mtclar.engine.backends.tensorrt.builder import BATCH, MAX_BATCH, SUPPORT
from mtclar.engine.backends.tensorrt.network import Binding, bindings_of
from mtclar.engine.backends.typed_onnx import parse, with_precision
from mtclar.engine.errors import ModelError
from mtclar.engine.files.writing import write_together

ENSEMBLE, ENCODER, PAIR = "mtclar", "mtclar_encoder", "mtclar_pair"
QUEUE_DELAY_US = 2000  # how long a request may wait for others to be answered with
PREFERRED_BATCHES = (8, 32)
PRECISIONS = (
    "fp32",
    "fp16",
)  # eight bits are TensorRT's: ONNX Runtime, which runs these, gives wrong answers in fp8
TYPES = {"uint8": "TYPE_UINT8", "float32": "TYPE_FP32"}


def write_repository(encoder: Path, pair: Path, folder: Path, precision: str) -> list[Path]:
    """Writes the repository into `folder`; the paths of its files. WriteError when the disk refuses, ModelError when
    the graphs are not encoder and pair.
    """
    graphs = {
        ENCODER: with_precision(parse(encoder.read_bytes()), precision),
        PAIR: with_precision(with_support_per_query(parse(pair.read_bytes())), precision),
    }
    files: list[tuple[Path, bytes]] = []
    for name, graph in graphs.items():
        files.append((folder / name / "1" / "model.onnx", graph.SerializeToString()))
        files.append((folder / name / "config.pbtxt", model_config(name, graph).encode()))
    files.append((folder / ENSEMBLE / "config.pbtxt", ensemble_config(graphs).encode()))
    # An ensemble has a version without a model in it; a file keeps the folder where empty ones are not kept.
    files.append((folder / ENSEMBLE / "1" / ".keep", b""))
    write_together(dict(files), private=False)
    return [path for path, content in files if content]


def with_support_per_query(pair: onnx.ModelProto) -> onnx.ModelProto:
    """The pair graph with a support set of its own for each query, support [B, N, D], as a batching server needs it.

    Requests of several people are batched; only those with equally many support frames go together.
    """
    graph = onnx.ModelProto()
    graph.CopyFrom(pair)
    takers = [node for node in graph.graph.node if "support" in node.input]
    if [node.op_type for node in takers] != ["Unsqueeze"]:
        raise ModelError(
            "the pair graph does not begin as expected: its support set is not unsqueezed once",
            "export the network again",
        )
    (unsqueeze,) = takers
    graph.graph.node.remove(unsqueeze)
    for node in graph.graph.node:
        node.input[:] = ["support" if name == unsqueeze.output[0] else name for name in node.input]
    for value in graph.graph.input:
        if value.name == "support":
            dim = value.type.tensor_type.shape.dim[1].dim_value
            value.CopyFrom(helper.make_tensor_value_info("support", TensorProto.FLOAT, [BATCH, SUPPORT, dim]))
    del graph.graph.value_info[:]
    onnx.checker.check_model(graph, full_check=True)
    return graph


def model_config(name: str, graph: onnx.ModelProto) -> str:
    """config.pbtxt of one network."""
    return (
        f'name: "{name}"\nbackend: "onnxruntime"\nmax_batch_size: {MAX_BATCH}\n'
        f"{_tensors('input', bindings_of(graph.graph.input))}"
        f"{_tensors('output', bindings_of(graph.graph.output))}"
        f"dynamic_batching {{\n  preferred_batch_size: [ {', '.join(map(str, PREFERRED_BATCHES))} ]\n"
        f"  max_queue_delay_microseconds: {QUEUE_DELAY_US}\n}}\n"
        "instance_group [ { kind: KIND_AUTO count: 1 } ]\n"
        "version_policy { latest { num_versions: 1 } }\n"
    )


def ensemble_config(graphs: Mapping[str, onnx.ModelProto]) -> str:
    """config.pbtxt of the ensemble: a face and a support set in, the outputs of both networks out."""
    encoder, pair = graphs[ENCODER].graph, graphs[PAIR].graph
    encoded, compared = bindings_of(encoder.output), bindings_of(pair.output)
    support = [b for b in bindings_of(pair.input) if b.name not in {b.name for b in encoded}]
    return (
        f'name: "{ENSEMBLE}"\nplatform: "ensemble"\nmax_batch_size: {MAX_BATCH}\n'
        f"{_tensors('input', [*bindings_of(encoder.input), *support])}"
        f"{_tensors('output', [*encoded, *compared])}"
        "ensemble_scheduling {\n"
        f"{_step(ENCODER, bindings_of(encoder.input), encoded)}"
        f"{_step(PAIR, bindings_of(pair.input), compared)}"
        "}\n"
    )


def _step(model: str, inputs: Sequence[Binding], outputs: Sequence[Binding]) -> str:
    maps = "".join(
        f'    {kind} {{ key: "{b.name}" value: "{b.name}" }}\n'
        for kind, bindings in (("input_map", inputs), ("output_map", outputs))
        for b in bindings
    )
    return f'  step {{\n    model_name: "{model}"\n    model_version: -1\n{maps}  }}\n'


def _tensors(kind: str, bindings: Sequence[Binding]) -> str:
    """Inputs or outputs, without their first axis: that is the batch."""
    return "".join(
        f'{kind} {{\n  name: "{b.name}"\n  data_type: {TYPES[np.dtype(b.dtype).name]}\n  dims: [ {_dims(b)} ]\n}}\n'
        for b in bindings
    )


def _dims(binding: Binding) -> str:
    batch, *rest = binding.axes
    if batch != BATCH:
        raise ModelError(f"the first axis of {binding.name} is not the batch", "export the network again")
    return ", ".join(str(axis) if isinstance(axis, int) else "-1" for axis in rest)
