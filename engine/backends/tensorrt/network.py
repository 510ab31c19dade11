"""One compiled network on one card: its engine, and per batch size a context with fixed buffers and a CUDA graph."""

import hashlib
import math
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from mtclar.engine.backends.tensorrt import builder
from mtclar.engine.backends.tensorrt.builder import BATCH, MAX_BATCH, axes_of, profiles_of
from mtclar.engine.backends.tensorrt.cache import ANY_CARD, EngineCache, EngineKey
from mtclar.engine.backends.tensorrt.device import Device, Pinned
from mtclar.engine.backends.tensorrt.distribution import TrtDistribution, dotted
from mtclar.engine.errors import BackendError

Array = NDArray[Any]
Axes = tuple[int | str, ...]
WARM_UP_RUNS = 2  # before a graph is recorded: the first run compiles kernels and allocates
# Execution contexts of one network: more than there are batch sizes, and bounded where support sets change every call.
MAX_SLOTS = 16


@dataclass(frozen=True, slots=True)
class Binding:
    """One input or output of a graph."""

    name: str
    dtype: np.dtype[Any]
    axes: Axes

    def shape(self, lengths: Mapping[str, int]) -> tuple[int, ...]:
        """The shape with the open axes at these lengths."""
        return tuple(lengths[axis] if isinstance(axis, str) else axis for axis in self.axes)

    def nbytes(self, lengths: Mapping[str, int]) -> int:
        return math.prod(self.shape(lengths)) * self.dtype.itemsize


@dataclass(frozen=True, slots=True, eq=False)
class DeviceTensor:
    """An array in device memory."""

    address: int
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class BuildContext:
    """The TensorRT distribution, device and engine cache that networks are compiled and run with."""

    distribution: TrtDistribution
    device: Device
    cache: EngineCache
    progress: builder.Progress

    def describe(self, precision: str) -> str:
        """Distribution, version, precision and card for people."""
        return f"{self.distribution.name} {self.distribution.version} ({precision}) on {self.device.name}"


def bindings_of(values: "onnx.ValueInfoProto") -> tuple[Binding, ...]:
    """The inputs or outputs of a graph."""
    return tuple(
        Binding(
            value.name,
            np.dtype(onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)),
            axes_of(value),
        )
        for value in values
    )


def engine_key(
    label: str, model: onnx.ModelProto, distribution: TrtDistribution, capability: tuple[int, int], card: str
) -> EngineKey:
    """The cache key of a typed graph's engine."""
    shapes = "; ".join(
        ", ".join(f"{name} {b.min}..{b.opt}..{b.max}" for name, b in sorted(profile.items()))
        for profile in profiles_of(model)
    )
    return EngineKey(
        label=label,
        graph_sha256=hashlib.sha256(model.SerializeToString()).hexdigest(),
        runtime=f"{distribution.name} {distribution.version}",
        capability=dotted(capability),
        card=card,
        shapes=shapes,
    )


class Network:
    """Runs one typed graph. Bound inputs are in device memory already; each is given by name as a DeviceTensor."""

    def __init__(
        self,
        build: BuildContext,
        model: onnx.ModelProto,
        label: str,
        bound: Mapping[str, DeviceTensor] | None = None,
    ) -> None:
        """Raises BackendError when the graph cannot be compiled or the card refuses."""
        self._build = build
        self._device = build.device
        self._bound = dict(bound or {})
        self.inputs = {b.name: b for b in bindings_of(model.graph.input)}
        self.outputs = {b.name: b for b in bindings_of(model.graph.output)}
        self.fed_inputs = {name: b for name, b in self.inputs.items() if name not in self._bound}
        self._largest = MAX_BATCH if self._has_open_axis(BATCH) else 1
        self._slots: dict[tuple[tuple[str, int], ...], _ExecutionSlot] = {}  # least recently used first
        logger, self.messages = builder.new_logger(build.distribution.api)
        self._runtime: Any = build.distribution.api.Runtime(logger)
        plan, self.engine = self._engine(model, label)
        self.precision = self._read_precision(plan)

    def _has_open_axis(self, axis: str) -> bool:
        return any(axis in b.axes for b in self.fed_inputs.values())

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """Feeds of checked shapes -> every output; a batch that is larger than the engine's goes in several runs."""
        self._device.activate()
        lengths = self.lengths(feeds)
        batch = lengths.get(BATCH, 1)
        if batch <= self._largest:
            return self._run_once(feeds, lengths)
        parts = []
        for start in range(0, batch, self._largest):
            part = {
                name: array[start : start + self._largest] if BATCH in self.fed_inputs[name].axes else array
                for name, array in feeds.items()
            }
            parts.append(self._run_once(part, self.lengths(part)))
        return {
            name: np.concatenate([part[name] for part in parts]) if BATCH in b.axes else parts[0][name]
            for name, b in self.outputs.items()
        }

    def run_on_device(self, feeds: Mapping[str, Array]) -> dict[str, DeviceTensor]:
        """As `run`, but the outputs stay in device memory; the caller frees their addresses."""
        self._device.activate()
        lengths = self.lengths(feeds)
        outputs: dict[str, DeviceTensor] = {}
        with ExitStack() as stack:
            for name, b in self.outputs.items():
                address = self._device.allocate(b.nbytes(lengths))
                stack.callback(self._device.free, address)
                outputs[name] = DeviceTensor(address, b.shape(lengths))
            slot = _ExecutionSlot(
                self._build, self, lengths, bound=self._bound, device_outputs=outputs, record=False
            )
            try:
                slot.run(feeds)
            finally:
                slot.close()
            stack.pop_all()
        return outputs

    def lengths(self, feeds: Mapping[str, Array]) -> dict[str, int]:
        """The lengths of the open axes in these feeds and in the bound inputs."""
        shapes = {name: array.shape for name, array in feeds.items()}
        shapes |= {name: tensor.shape for name, tensor in self._bound.items()}
        return {
            axis: shapes[name][i]
            for name, b in self.inputs.items()
            for i, axis in enumerate(b.axes)
            if isinstance(axis, str)
        }

    @property
    def replayed(self) -> bool:
        """Whether runs replay a recorded CUDA graph."""
        return any(slot.replayed for slot in self._slots.values())

    def close(self) -> None:
        """Frees buffers, contexts and the engine; a failure to free one does not stop the others."""
        slots, self._slots = list(self._slots.values()), {}
        with ExitStack() as stack:
            stack.callback(self._release_engine)
            for slot in slots:
                stack.callback(slot.close)
            self._device.activate()

    def _release_engine(self) -> None:
        """TensorRT frees an object with its last reference; the device must still be open."""
        self.engine = None
        self._runtime = None

    def _run_once(self, feeds: Mapping[str, Array], lengths: Mapping[str, int]) -> dict[str, Array]:
        """Runs with the batch padded to the next power of two; each padded size has a context of its own."""
        padded = dict(lengths)
        if BATCH in padded:
            padded[BATCH] = 1 << (padded[BATCH] - 1).bit_length()
        shapes = tuple(sorted(padded.items()))
        slot = self._slots.pop(shapes, None)
        if slot is None:
            while len(self._slots) >= MAX_SLOTS:
                self._slots.pop(next(iter(self._slots))).close()
            slot = _ExecutionSlot(self._build, self, padded, bound=self._bound)
        self._slots[shapes] = slot  # most recently used last
        return slot.run(feeds, lengths.get(BATCH))

    def _engine(self, model: onnx.ModelProto, label: str) -> tuple[bytes, Any]:
        """The engine, from the cache or compiled. A cached engine that TensorRT refuses is compiled again, once."""
        build, device, runtime = self._build, self._device, self._runtime
        build.distribution.require_target(device.capability)
        key = engine_key(label, model, build.distribution, device.capability, device.name)
        ahead = replace(key, card=ANY_CARD)

        def compile_engine() -> bytes:
            build.progress(f"Compiling {label} for {device.name}: this is done once and takes a while.")
            return builder.build(build.distribution, model, label=label, progress=build.progress)

        plan = build.cache.load(ahead)
        if plan is not None:
            if (engine := runtime.deserialize_cuda_engine(plan)) is not None:
                return plan, engine
            build.progress(
                f"The engine of {label} compiled ahead of time does not fit this machine: {self.messages.last}"
            )
        plan = build.cache.get(key, compile_engine)
        engine = runtime.deserialize_cuda_engine(plan)
        if engine is None:
            build.progress(f"The cached engine of {label} does not fit this machine: {self.messages.last}")
            build.cache.discard(key)
            plan = build.cache.get(key, compile_engine)
            engine = runtime.deserialize_cuda_engine(plan)
        if engine is None:
            raise BackendError(
                f"{build.distribution.name} cannot load the engine that it compiled for {label}: {self.messages.last}",
                "update NVIDIA's driver, or use --backend onnxruntime",
            )
        return plan, engine

    def _read_precision(self, plan: bytes) -> str:
        """The precision that the engine itself reports."""
        if stored := builder.stored_precisions(plan):
            return builder.main_precision(stored)
        api = self._build.distribution.api
        inspector = self.engine.create_engine_inspector()
        found = builder.inspected_precisions(
            inspector.get_engine_information(api.LayerInformationFormat.JSON)
        )
        return builder.main_precision(found)


class _ExecutionSlot:
    """One execution context for one set of shapes, with buffers at fixed addresses, which a CUDA graph needs."""

    def __init__(
        self,
        build: BuildContext,
        network: Network,
        lengths: Mapping[str, int],
        *,
        bound: Mapping[str, DeviceTensor],
        device_outputs: Mapping[str, DeviceTensor] | None = None,
        record: bool = True,
    ) -> None:
        self._device = device = build.device
        self._network = network
        self._lengths = lengths
        self._device_outputs = device_outputs or {}
        self._graph: Any = None
        self._runs_before_capture = WARM_UP_RUNS if record and device.captures else -1
        self._uploads: list[tuple[Binding, int, Pinned]] = []
        self._downloads: list[tuple[Binding, int, Pinned]] = []
        with ExitStack() as stack:
            self._stream = device.new_stream()
            stack.callback(device.free_stream, self._stream)
            self._context = _new_context(build.distribution.api, network.engine)
            if self._context is None:
                raise BackendError(
                    f"{build.distribution.name} makes no context for {dict(lengths)}: {network.messages.last}",
                    "free memory on the card, or use --backend onnxruntime",
                )
            if (profile := 0 if lengths.get(BATCH, 1) == 1 else 1) < network.engine.num_optimization_profiles:
                self._require(
                    self._context.set_optimization_profile_async(profile, self._stream), "choose a profile"
                )
            for name, b in network.inputs.items():
                shape = b.shape(lengths)
                self._require(self._context.set_input_shape(name, shape), f"take {name} {list(shape)}")
                if name in bound:
                    self._bind(name, bound[name].address)
                else:
                    self._uploads.append((b, *self._buffers(b, stack)))
            for name, b in network.outputs.items():
                if name in self._device_outputs:
                    self._bind(name, self._device_outputs[name].address)
                else:
                    self._downloads.append((b, *self._buffers(b, stack)))
            device.synchronize(self._stream)
            self._stack = stack.pop_all()

    def run(self, feeds: Mapping[str, Array], batch: int | None = None) -> dict[str, Array]:
        """Uploads, runs and downloads; rows beyond `batch` are padding and are not returned."""
        for b, _, pinned in self._uploads:
            source = feeds[b.name]
            row = np.ascontiguousarray(source).reshape(-1).view(np.uint8)
            pinned.array[: row.nbytes] = row
        if self._graph is None and self._runs_before_capture == 0:
            self._record()
        try:
            if self._graph is not None:
                self._device.launch(self._graph, self._stream)
            else:
                self._runs_before_capture = max(self._runs_before_capture - 1, -1)
                self._queue()
        finally:  # also after a failure half way: the buffers may be freed next
            self._device.synchronize(self._stream)
        outputs = {}
        for b, _, pinned in self._downloads:
            whole = pinned.array.view(b.dtype).reshape(b.shape(self._lengths))
            outputs[b.name] = (whole[:batch] if BATCH in b.axes else whole).copy()
        return outputs

    @property
    def replayed(self) -> bool:
        """Whether runs replay a recorded CUDA graph."""
        return self._graph is not None

    def close(self) -> None:
        graph, self._graph, self._context = self._graph, None, None
        with self._stack:
            if graph is not None:
                self._device.free_graph(graph)

    def _queue(self) -> None:
        """Queues the uploads, the run and the downloads, in order."""
        for _, address, pinned in self._uploads:
            self._device.upload(address, pinned.array, self._stream)
        self._require(self._context.execute_async_v3(self._stream), "run")
        for _, address, pinned in self._downloads:
            self._device.download(pinned.array, address, self._stream)

    def _record(self) -> None:
        """Tries once to record a CUDA graph; where that fails, later runs are queued call by call as before."""
        self._runs_before_capture = -1
        capturable = getattr(self._context, "is_stream_capturable", None)
        if capturable is not None and not capturable(self._stream):
            return
        try:
            self._graph = self._device.capture(self._stream, self._queue)
        except BackendError:
            self._graph = None

    def _buffers(self, b: Binding, stack: ExitStack) -> tuple[int, Pinned]:
        nbytes = b.nbytes(self._lengths)
        address = self._device.allocate(nbytes)
        stack.callback(self._device.free, address)
        pinned = self._device.pin(nbytes)
        stack.callback(self._device.unpin, pinned)
        self._bind(b.name, address)
        return address, pinned

    def _bind(self, name: str, address: int) -> None:
        self._require(self._context.set_tensor_address(name, address), f"bind {name}")

    def _require(self, succeeded: bool, action: str) -> None:
        if not succeeded:
            raise BackendError(
                f"TensorRT could not {action}: {self._network.messages.last}", "use --backend onnxruntime"
            )


def _new_context(api: Any, engine: Any) -> Any:
    """An execution context; on TensorRT for RTX its kernels are compiled at once, not in the background."""
    strategies = getattr(api, "DynamicShapesKernelSpecializationStrategy", None)
    if strategies is None:
        return engine.create_execution_context()
    config = engine.create_runtime_config()
    config.dynamic_shapes_kernel_specialization_strategy = strategies.EAGER
    return engine.create_execution_context(config)
