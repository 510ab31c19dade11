"""A TensorRT on the fake CUDA driver that runs ONNX Runtime: plans, engines and contexts, as far as they are used."""

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import helper

from support.networks.fake_cuda import FakeDriver, Operation


class FakeTensorRt:
    """The module `tensorrt`, as far as it is used: a plan is the ONNX graph, an engine runs it on fake memory."""

    __version__ = "10.99"
    MAGIC = b"imaginary plan\n"

    def __init__(self, driver: FakeDriver, *, capturable: bool = True) -> None:
        self.driver = driver
        self.capturable = capturable
        self.builds = 0
        self.takes_plans_of = self.__version__
        self.on_build: Callable[[], None] = lambda: None
        self.refuses_to_run = ""  # the reason that it gives
        self.NetworkDefinitionCreationFlag = SimpleNamespace(STRONGLY_TYPED=1)
        self.ProfilingVerbosity = SimpleNamespace(DETAILED=2)
        self.BuilderFlag = SimpleNamespace(TF32="tf32")
        self.LayerInformationFormat = SimpleNamespace(JSON="json")
        self.ILogger = _ILogger
        self.IProgressMonitor = object

    def Builder(self, logger: Any) -> "_Builder":
        return _Builder(self, logger)

    def OnnxParser(self, network: SimpleNamespace, _: Any) -> SimpleNamespace:
        def parse(data: bytes) -> bool:
            network.model = data
            return True

        return SimpleNamespace(parse=parse)

    def Runtime(self, logger: Any) -> SimpleNamespace:
        def deserialize(plan: bytes) -> "_Engine | None":
            head, _, graph = plan.removeprefix(self.MAGIC).partition(b"\n")
            if not plan.startswith(self.MAGIC) or json.loads(head)["version"] != self.takes_plans_of:
                logger.log(self.ILogger.Severity.ERROR, "the plan is of another version")
                return None
            return _Engine(self, graph, json.loads(head)["profiles"], logger)

        return SimpleNamespace(deserialize_cuda_engine=deserialize)


class _ILogger:
    Severity = SimpleNamespace(INTERNAL_ERROR=0, ERROR=1, WARNING=2)


class _Builder:
    def __init__(self, api: FakeTensorRt, logger: Any) -> None:
        self._api, self._logger = api, logger

    def create_network(self, flags: int) -> SimpleNamespace:
        assert flags == 1 << 1, "the network is not strongly typed"
        return SimpleNamespace(model=b"")

    def create_builder_config(self) -> SimpleNamespace:
        config = SimpleNamespace(profiles=[], cleared=[])
        config.add_optimization_profile = config.profiles.append
        config.clear_flag = config.cleared.append
        return config

    def create_optimization_profile(self) -> dict[str, Any]:
        class Profile(dict):
            def set_shape(self, name: str, *bounds: tuple[int, ...]) -> None:
                self[name] = bounds

        return Profile()

    def build_serialized_network(self, network: SimpleNamespace, config: SimpleNamespace) -> bytes:
        self._api.builds += 1
        self._api.on_build()
        assert config.cleared == ["tf32"]
        head = json.dumps({"version": self._api.__version__, "profiles": config.profiles}).encode()
        return self._api.MAGIC + head + b"\n" + network.model


class _Engine:
    def __init__(self, api: FakeTensorRt, graph: bytes, profiles: list[dict[str, Any]], logger: Any) -> None:
        self.api, self.profiles, self.logger = api, profiles, logger
        self.num_optimization_profiles = len(profiles)
        self.model = onnx.load_from_string(graph)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])

    def create_execution_context(self) -> "_Context":
        return _Context(self)

    def create_engine_inspector(self) -> SimpleNamespace:
        kinds = {1: "Float", 10: "Half"}
        layers = [
            {"Name": tensor.name, "Outputs": [{"Format/Datatype": kinds[tensor.data_type]}]}
            for tensor in self.model.graph.initializer
            if tensor.data_type in kinds
        ]
        return SimpleNamespace(get_engine_information=lambda _: json.dumps({"Layers": layers}))


class _Context:
    def __init__(self, engine: _Engine) -> None:
        self._engine = engine
        self._api = engine.api
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._addresses: dict[str, int] = {}
        self._profile = 0

    def set_optimization_profile_async(self, index: int, stream: int) -> bool:
        self._engine.api.driver._stream(stream)
        self._profile = index
        return True

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        least, _, largest = self._engine.profiles[self._profile][name]
        self._shapes[name] = shape
        return all(low <= n <= high for low, n, high in zip(least, shape, largest, strict=True))

    def set_tensor_address(self, name: str, address: int) -> bool:
        self._addresses[name] = address
        return True

    def is_stream_capturable(self, _: int) -> bool:
        return self._engine.api.capturable

    def execute_async_v3(self, stream: int) -> bool:
        if self._api.refuses_to_run:
            self._engine.logger.log(self._api.ILogger.Severity.ERROR, self._api.refuses_to_run)
            return False
        driver, graph, session = self._engine.api.driver, self._engine.model.graph, self._engine.session
        sources, targets = [], []
        axes: dict[str, int] = {}
        for value in graph.input:
            shape, address = self._shapes[value.name], self._addresses[value.name]
            dtype = helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)
            sources.append((value.name, address, shape, np.dtype(dtype)))
            for dim, length in zip(value.type.tensor_type.shape.dim, shape, strict=True):
                axes[dim.dim_param] = length
        for value in graph.output:
            dims = value.type.tensor_type.shape.dim
            shape = tuple(dim.dim_value or axes[dim.dim_param] for dim in dims)
            dtype = np.dtype(helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type))
            targets.append((value.name, self._addresses[value.name], shape, dtype))

        def size(shape: tuple[int, ...], dtype: np.dtype) -> int:
            return int(np.prod(shape)) * dtype.itemsize

        def work() -> None:
            feeds = {
                name: np.frombuffer(driver.read(address, size(shape, dtype)), dtype).reshape(shape)
                for name, address, shape, dtype in sources
            }
            answers = session.run([target[0] for target in targets], feeds)
            for (_, address, shape, dtype), answer in zip(targets, answers, strict=True):
                assert answer.shape == shape
                assert answer.dtype == dtype
                driver.write(address, answer.tobytes())

        touched = [(address, size(shape, dtype)) for _, address, shape, dtype in [*sources, *targets]]
        driver.enqueue(stream, Operation("execute", touched, [], work))
        return True
