"""The Triton repository: its configuration against Triton's published schema, its graphs against the shipped ones."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from google.protobuf import text_format

from mtclar.engine import models
from mtclar.engine.backends.triton_repository import (
    ENCODER,
    ENSEMBLE,
    PAIR,
    with_support_per_query,
    write_repository,
)
from mtclar.engine.backends.typed_onnx import parse
from mtclar.engine.errors import ModelError


@pytest.fixture(scope="module", params=["fp32", "fp16"])
def repository(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("repository")
    write_repository(models.path("encoder"), models.path("pair"), folder, request.param)
    return folder


def config(repository: Path, name: str) -> Any:
    """Parsed by Triton's own schema: an unknown field, a wrong type or a wrong enumerator is an error."""
    from tritonclient.grpc import model_config_pb2

    text = (repository / name / "config.pbtxt").read_text()
    return text_format.Parse(text, model_config_pb2.ModelConfig())


def session(path: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


@pytest.mark.parametrize("name", [ENCODER, PAIR])
def test_a_model_is_what_its_configuration_says(repository: Path, name: str) -> None:
    from tritonclient.grpc import model_config_pb2

    said = config(repository, name)
    assert said.name == name
    assert said.backend == "onnxruntime"
    assert said.max_batch_size > 1
    assert said.dynamic_batching.max_queue_delay_microseconds > 0
    assert max(said.dynamic_batching.preferred_batch_size) <= said.max_batch_size
    onnx_types = {"tensor(float)": "TYPE_FP32", "tensor(uint8)": "TYPE_UINT8"}
    network = session(repository / name / "1" / "model.onnx")
    for tensors, nodes in ((said.input, network.get_inputs()), (said.output, network.get_outputs())):
        assert [tensor.name for tensor in tensors] == [node.name for node in nodes]
        for tensor, node in zip(tensors, nodes, strict=True):
            assert model_config_pb2.DataType.Name(tensor.data_type) == onnx_types[node.type]
            # dims lack the batch; -1 where the graph has a name
            assert list(tensor.dims) == [axis if isinstance(axis, int) else -1 for axis in node.shape[1:]]


def test_the_ensemble_is_connected(repository: Path) -> None:
    """Every tensor that a step takes is an input of the ensemble or comes from a step before; every output is made."""
    whole = config(repository, ENSEMBLE)
    assert whole.platform == "ensemble"
    assert (repository / ENSEMBLE / "1").is_dir()
    known = {tensor.name: tensor for tensor in whole.input}
    for step in whole.ensemble_scheduling.step:
        model = config(repository, step.model_name)
        assert model.max_batch_size == whole.max_batch_size
        assert set(step.input_map) == {tensor.name for tensor in model.input}
        assert set(step.output_map) == {tensor.name for tensor in model.output}
        for tensor in model.input:
            source = known[step.input_map[tensor.name]]
            assert (source.data_type, list(source.dims)) == (tensor.data_type, list(tensor.dims))
        known |= {step.output_map[tensor.name]: tensor for tensor in model.output}
    for tensor in whole.output:
        assert list(known[tensor.name].dims) == list(tensor.dims)
    assert {tensor.name for tensor in whole.output} == {
        "embedding",
        "absolute",
        "expression",
        "similarity",
        "delta",
    }


def test_batched_pair_graph_equals_the_shipped_one(repository: Path) -> None:
    rng = np.random.default_rng(0)
    dim = models.card("pair").embedding_dim
    query = rng.normal(size=(4, dim)).astype(np.float32)
    support = rng.normal(size=(4, 9, dim)).astype(np.float32)
    batched = session(repository / PAIR / "1" / "model.onnx").run(
        None, {"embedding": query, "support": support}
    )
    shipped = session(models.path("pair"))
    for i in range(4):
        alone = shipped.run(None, {"embedding": query[i : i + 1], "support": support[i]})
        for one, many in zip(alone, batched, strict=True):
            assert np.abs(one[0] - many[i]).max() <= 0.01


def test_a_graph_that_begins_otherwise_is_refused() -> None:
    pair = parse(models.path("pair").read_bytes())
    pair.graph.node.append(onnx.helper.make_node("Identity", ["support"], ["again"]))
    with pytest.raises(ModelError, match="begin as expected"):
        with_support_per_query(pair)
