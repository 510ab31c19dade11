"""The shipped graphs, compiled by TensorRT for RTX, which needs no card, and the properties of the engines."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from mtclar.engine import models
from mtclar.engine.backends.tensorrt import builder
from mtclar.engine.backends.tensorrt.ahead_of_time import compile_ahead, parts_of, precision_for, ranges_for
from mtclar.engine.backends.tensorrt.builder import MAX_BATCH, MAX_SUPPORT, profiles_of
from mtclar.engine.backends.tensorrt.cache import ANY_CARD, EngineCache
from mtclar.engine.backends.tensorrt.distribution import TrtDistribution, parse_capability
from mtclar.engine.backends.tensorrt.network import bindings_of, engine_key
from mtclar.engine.backends.typed_onnx import parse
from mtclar.engine.errors import BackendError, ModelError, UsageError
from mtclar.engine.estimate.encoder import OUTPUTS

TURING_FP32 = (
    "7.5",
    "fp32",
)  # the one combination that TensorRT for RTX 1.7 cannot: it says so, and so do we
CARDS = ("7.5", "8.0", "8.6", "8.9", "12.0", "12.1")  # Turing to Blackwell


@pytest.fixture(scope="module")
def rtx() -> TrtDistribution:
    pytest.importorskip(
        "tensorrt_rtx", reason="TensorRT for RTX is not installed; `make setup-all` brings it"
    )
    return TrtDistribution.load("tensorrt-rtx")


def graph(name: str) -> onnx.ModelProto:
    return parse(models.path(name).read_bytes())


def typed(name: str, precision: str) -> dict[str, onnx.ModelProto]:
    ranges = ranges_for(models.path(name), precision_for(name, precision))
    return dict(parts_of(name, graph(name), precision, ranges))


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@pytest.mark.parametrize("card", CARDS)
@pytest.mark.parametrize("name", ["encoder", "pair"])
def test_it_compiles_and_the_engine_has_the_precision(
    rtx: TrtDistribution, name: str, card: str, precision: str
) -> None:
    for label, model in typed(name, precision).items():
        if (card, precision) == TURING_FP32:
            with pytest.raises(BackendError, match="FP32 GEMM is not supported") as caught:
                builder.build(rtx, model, label=label, capability=parse_capability(card))
            assert "use fp16" in caught.value.hint
            continue
        plan = builder.build(rtx, model, label=label, capability=parse_capability(card))
        stored = builder.stored_precisions(plan)
        assert builder.main_precision(stored) == precision
        weights = sum(stored.values())
        assert stored[precision] > 0.9 * weights
        # The engine carries the network's weights, not a shell of them.
        carried = sum(
            onnx.numpy_helper.to_array(tensor).nbytes
            for tensor in model.graph.initializer
            if tensor.data_type in (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16)
        )
        assert weights > 0.8 * carried
        for binding in (*bindings_of(model.graph.input), *bindings_of(model.graph.output)):
            assert binding.name.encode() in plan


@pytest.mark.parametrize("name", ["face_detector", "face_mesh"])
@pytest.mark.parametrize("card", CARDS)
def test_face_networks_are_always_fp32(rtx: TrtDistribution, name: str, card: str) -> None:
    ((label, model),) = typed(name, "fp16").items()
    plan = builder.build(rtx, model, label=label, capability=parse_capability(card))
    assert set(builder.stored_precisions(plan)) == {"fp32"}


@pytest.mark.parametrize("precision", ["int8", "fp8"])
@pytest.mark.parametrize("card", CARDS)
def test_encoder_compiles_in_eight_bits(rtx: TrtDistribution, card: str, precision: str) -> None:
    ((label, model),) = typed("encoder", precision).items()
    if precision == "fp8" and parse_capability(card) < (8, 9):
        with pytest.raises(BackendError, match="fp8_e4m3") as caught:
            builder.build(rtx, model, label=label, capability=parse_capability(card))
        assert "8.9 and later" in caught.value.hint
        return
    plan = builder.build(rtx, model, label=label, capability=parse_capability(card))
    stored = builder.stored_precisions(plan)
    assert builder.main_precision(stored) == precision
    assert stored[precision] > 0.9 * sum(stored.values())
    eight = sum(
        int(np.prod(tensor.dims))
        for tensor in model.graph.initializer
        if tensor.data_type in (onnx.TensorProto.INT8, onnx.TensorProto.FLOAT8E4M3FN)
        and len(tensor.dims) == 4
    )
    assert stored[precision] > 0.95 * eight  # the weights are in it, in eight bits


def test_pair_network_is_never_in_eight_bits(rtx: TrtDistribution) -> None:
    for label, model in typed("pair", "int8").items():
        assert label.endswith("fp16")
        plan = builder.build(rtx, model, label=label, capability=(8, 6))
        assert builder.main_precision(builder.stored_precisions(plan)) == "fp16"


def test_fp16_engines_are_smaller(rtx: TrtDistribution) -> None:
    sizes = {
        precision: sum(
            sum(builder.stored_precisions(builder.build(rtx, m, label="x", capability=(8, 9))).values())
            for m in typed("encoder", precision).values()
        )
        for precision in ("fp32", "fp16")
    }
    assert sizes["fp16"] < 0.6 * sizes["fp32"]


@pytest.mark.parametrize("name", ["encoder", "pair"])
def test_profiles_cover_one_face_and_many(rtx: TrtDistribution, name: str) -> None:
    """As TensorRT's own objects say after they were set."""

    class Spy:
        """The builder, remembering the profiles that it made."""

        def __init__(self, real: Any) -> None:
            self._real = real
            self.made: list[Any] = []

        def create_optimization_profile(self) -> Any:
            self.made.append(self._real.create_optimization_profile())
            return self.made[-1]

        def __getattr__(self, attribute: str) -> Any:
            return getattr(self._real, attribute)

    logger, _ = builder.new_logger(rtx.api)
    model = graph(name)
    spy = Spy(rtx.api.Builder(logger))
    config = builder.configure(rtx, spy, model, (8, 6))
    assert config.num_optimization_profiles == len(spy.made) == 2
    assert not config.get_flag(rtx.api.BuilderFlag.TF32)
    for binding in bindings_of(model.graph.input):
        one, many = ([tuple(shape) for shape in profile.get_shape(binding.name)] for profile in spy.made)
        if "B" in binding.axes:
            assert {shape[0] for shape in one} == {1}
            assert (many[0][0], many[2][0]) == (1, MAX_BATCH)
        if "N" in binding.axes:
            assert (one[0][0], one[2][0]) == (many[0][0], many[2][0]) == (1, MAX_SUPPORT)


def test_a_graph_of_fixed_shape_has_one_profile() -> None:
    (profile,) = profiles_of(graph("face_mesh"))
    (bounds,) = profile.values()
    assert bounds.min == bounds.opt == bounds.max


def test_an_unknown_axis_is_a_model_error() -> None:
    model = graph("encoder")
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_param = "height"
    with pytest.raises(ModelError, match="'height'"):
        profiles_of(model)


@pytest.mark.parametrize(
    ("name", "feeds"),
    [
        ("encoder", {"face": ("u1", "B", 48, 48)}),
        ("pair", {"embedding": ("f4", "B", 128), "support": ("f4", "N", 128)}),
    ],
)
@pytest.mark.parametrize(("batch", "support"), [(1, 1), (7, 16), (33, 200)])
def test_the_typed_graphs_answer_as_the_shipped_ones(
    name: str, feeds: dict[str, tuple], batch: int, support: int
) -> None:
    """Run by ONNX Runtime: V/A in fp16 moves by at most .01, and the parts of the pair graph by nothing."""
    rng = np.random.default_rng(batch)
    shapes = {
        n: tuple({"B": batch, "N": support}.get(axis, axis) for axis in axes)
        for n, (_, *axes) in feeds.items()
    }
    arrays = {
        n: rng.integers(0, 256, shape).astype("u1")
        if feeds[n][0] == "u1"
        else rng.normal(size=shape).astype("f4")
        for n, shape in shapes.items()
    }
    expected = run(graph(name), arrays)
    for precision, tolerance in (("fp32", 1e-6), ("fp16", 0.01)):
        parts = typed(name, precision)
        if len(parts) == 1:
            answers = run(next(iter(parts.values())), arrays)
        else:
            once, rest = parts.values()
            passed = run(once, {"support": arrays["support"]})
            answers = run(rest, {"embedding": arrays["embedding"], **passed})
        for output in OUTPUTS[1:2] if name == "encoder" else ("similarity", "delta"):
            assert np.abs(answers[output] - expected[output]).max() <= tolerance
            assert answers[output].dtype == np.float32


def run(model: onnx.ModelProto, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    names = [node.name for node in session.get_outputs()]
    return dict(zip(names, session.run(names, feeds), strict=True))


def test_ahead_of_time_engines_are_found(rtx: TrtDistribution, tmp_path: Path) -> None:
    cache = EngineCache(tmp_path)
    done = list(compile_ahead(rtx, [models.path("encoder"), models.path("pair")], [(8, 6)], "fp16", cache))
    assert [(one.label, one.precision) for one in done] == [
        ("encoder fp16", "fp16"),
        ("pair-once fp16", "fp16"),
        ("pair-rest fp16", "fp16"),
    ]
    for label, model in {**typed("encoder", "fp16"), **typed("pair", "fp16")}.items():
        assert cache.load(engine_key(label, model, rtx, (8, 6), ANY_CARD))


def test_progress_is_told(rtx: TrtDistribution) -> None:
    said: list[str] = []
    ((label, model),) = typed("encoder", "fp16").items()
    builder.build(rtx, model, label=label, capability=(8, 6), progress=said.append)
    assert said
    assert said[-1] == "Compiling encoder fp16: 100 %"


def test_an_unsupported_card_is_refused_before_compiling(rtx: TrtDistribution) -> None:
    ((label, model),) = typed("encoder", "fp16").items()
    with pytest.raises(BackendError, match=r"compute capability 9\.0") as caught:
        builder.build(rtx, model, label=label, capability=(9, 0))
    assert "--backend tensorrt," in caught.value.hint


def test_a_network_that_cannot_be_read_says_why(rtx: TrtDistribution) -> None:
    model = graph("encoder")
    model.graph.node[-1].op_type = "NotAnOperator"
    with pytest.raises(BackendError, match="cannot read the network broken"):
        builder.build(rtx, model, label="broken", capability=(8, 6))


@pytest.mark.parametrize(
    ("text", "capability"), [("8.6", (8, 6)), ("86", (8, 6)), ("sm_86", (8, 6)), ("SM120", (12, 0))]
)
def test_capabilities_are_read_as_people_write_them(text: str, capability: tuple[int, int]) -> None:
    assert parse_capability(text) == capability


@pytest.mark.parametrize("text", ["", "8", "ampere", "8.6.1.2", "-86"])
def test_what_is_no_capability_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError, match="compute capability"):
        parse_capability(text)
