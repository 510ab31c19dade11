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
from mtclar.engine.backends.tensorrt.distribution import Flavour, dotted
from mtclar.engine.errors import BackendError

Array = NDArray[Any]
Axes = tuple[int | str, ...]
WARM_UP_RUNS = 2  # before a graph is recorded: the first run compiles kernels and allocates
MAX_LANES = (
    16  # contexts of one network: more than batch sizes, few enough for support sets that change every call
)


@dataclass(frozen=True, slots=True)
class Binding:
    """One input or output of a graph."""

    name: str
    dtype: np.dtype[Any]
    axes: Axes

    def shape(self, lengths: Mapping[str, int]) -> tuple[int, ...]:
        """With the open axes at these lengths."""
        return tuple(lengths[axis] if isinstance(axis, str) else axis for axis in self.axes)

    def nbytes(self, lengths: Mapping[str, int]) -> int:
        return math.prod(self.shape(lengths)) * self.dtype.itemsize


@dataclass(frozen=True, slots=True, eq=False)
class Resident:
    """An array that stays in device memory."""

    address: int
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Workshop:
    """What networks are compiled and run with."""

    flavour: Flavour
    device: Device
    cache: EngineCache
    progress: builder.Progress


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


def key_of(
    label: str, model: onnx.ModelProto, flavour: Flavour, capability: tuple[int, int], card: str
) -> EngineKey:
    """What the engine of a typed graph depends on."""
    shapes = "; ".join(
        ", ".join(f"{name} {b.least}..{b.likely}..{b.largest}" for name, b in sorted(profile.items()))
        for profile in profiles_of(model)
    )
    return EngineKey(
        label=label,
        graph_sha256=hashlib.sha256(model.SerializeToString()).hexdigest(),
        runtime=f"{flavour.name} {flavour.version}",
        capability=dotted(capability),
        card=card,
        shapes=shapes,
    )


class Network:
    """Runs one typed graph. Held inputs lie on the device already and are given by name as Resident arrays."""

    def __init__(
        self, shop: Workshop, model: onnx.ModelProto, label: str, held: Mapping[str, Resident] | None = None
    ) -> None:
        """Raises BackendError when the graph cannot be compiled or the card refuses."""
        self._shop = shop
        self._device = shop.device
        self._held = dict(held or {})
        self.inputs = {b.name: b for b in bindings_of(model.graph.input)}
        self.outputs = {b.name: b for b in bindings_of(model.graph.output)}
        self.fed = {name: b for name, b in self.inputs.items() if name not in self._held}
        self._largest = MAX_BATCH if self._open(BATCH) else 1
        self._lanes: dict[tuple[tuple[str, int], ...], _Lane] = {}  # the longest unused first
        logger, self.messages = builder.new_logger(shop.flavour.api)
        self._runtime: Any = shop.flavour.api.Runtime(logger)
        plan, self.engine = self._engine(model, label)
        self.precision = self._read_precision(plan)

    def _open(self, axis: str) -> bool:
        return any(axis in b.axes for b in self.fed.values())

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
                name: array[start : start + self._largest] if BATCH in self.fed[name].axes else array
                for name, array in feeds.items()
            }
            parts.append(self._run_once(part, self.lengths(part)))
        return {
            name: np.concatenate([part[name] for part in parts]) if BATCH in b.axes else parts[0][name]
            for name, b in self.outputs.items()
        }

    def keep(self, feeds: Mapping[str, Array]) -> dict[str, Resident]:
        """As `run`, but the outputs stay on the device; the caller frees their addresses."""
        self._device.activate()
        lengths = self.lengths(feeds)
        kept: dict[str, Resident] = {}
        with ExitStack() as stack:
            for name, b in self.outputs.items():
                address = self._device.allocate(b.nbytes(lengths))
                stack.callback(self._device.free, address)
                kept[name] = Resident(address, b.shape(lengths))
            lane = _Lane(self._shop, self, lengths, held=self._held, kept=kept, record=False)
            try:
                lane.run(feeds)
            finally:
                lane.close()
            stack.pop_all()
        return kept

    def lengths(self, feeds: Mapping[str, Array]) -> dict[str, int]:
        """How long the open axes are in these feeds and in what is held."""
        shapes = {name: array.shape for name, array in feeds.items()}
        shapes |= {name: resident.shape for name, resident in self._held.items()}
        return {
            axis: shapes[name][i]
            for name, b in self.inputs.items()
            for i, axis in enumerate(b.axes)
            if isinstance(axis, str)
        }

    @property
    def replayed(self) -> bool:
        """Whether a run is a replayed CUDA graph by now."""
        return any(lane.replayed for lane in self._lanes.values())

    def close(self) -> None:
        """Frees buffers, contexts and the engine; what cannot be freed keeps nothing else from being freed."""
        lanes, self._lanes = list(self._lanes.values()), {}
        with ExitStack() as stack:
            stack.callback(self._forget_engine)
            for lane in lanes:
                stack.callback(lane.close)
            self._device.activate()

    def _forget_engine(self) -> None:
        """TensorRT frees an object with its last reference; the device must be there still."""
        self.engine = None
        self._runtime = None

    def _run_once(self, feeds: Mapping[str, Array], lengths: Mapping[str, int]) -> dict[str, Array]:
        """Padded to the next batch size that has, or now gets, a context of its own."""
        fixed = dict(lengths)
        if BATCH in fixed:
            fixed[BATCH] = 1 << (fixed[BATCH] - 1).bit_length()
        which = tuple(sorted(fixed.items()))
        lane = self._lanes.pop(which, None)
        if lane is None:
            while len(self._lanes) >= MAX_LANES:
                self._lanes.pop(next(iter(self._lanes))).close()
            lane = _Lane(self._shop, self, fixed, held=self._held)
        self._lanes[which] = lane  # behind all others: the last that was used
        return lane.run(feeds, lengths.get(BATCH))

    def _engine(self, model: onnx.ModelProto, label: str) -> tuple[bytes, Any]:
        """From the cache, or compiled; one that TensorRT does not take is compiled again, once."""
        shop, device, runtime = self._shop, self._device, self._runtime
        shop.flavour.require_target(device.capability)
        key = key_of(label, model, shop.flavour, device.capability, device.name)
        ahead = replace(key, card=ANY_CARD)

        def compile_it() -> bytes:
            shop.progress(f"Compiling {label} for {device.name}: this is done once and takes a while.")
            return builder.build(shop.flavour, model, label=label, progress=shop.progress)

        plan = shop.cache.load(ahead)
        if plan is not None:
            if (engine := runtime.deserialize_cuda_engine(plan)) is not None:
                return plan, engine
            shop.progress(
                f"The engine of {label} compiled ahead of time does not fit this machine: {self.messages.last}"
            )
        plan = shop.cache.get(key, compile_it)
        engine = runtime.deserialize_cuda_engine(plan)
        if engine is None:
            shop.progress(f"The kept engine of {label} does not fit this machine: {self.messages.last}")
            shop.cache.discard(key)
            plan = shop.cache.get(key, compile_it)
            engine = runtime.deserialize_cuda_engine(plan)
        if engine is None:
            raise BackendError(
                f"{shop.flavour.name} cannot load the engine that it compiled for {label}: {self.messages.last}",
                "update NVIDIA's driver, or use --backend onnxruntime",
            )
        return plan, engine

    def _read_precision(self, plan: bytes) -> str:
        """What the engine itself says."""
        if stored := builder.stored_precisions(plan):
            return builder.main_precision(stored)
        api = self._shop.flavour.api
        inspector = self.engine.create_engine_inspector()
        found = builder.inspected_precisions(
            inspector.get_engine_information(api.LayerInformationFormat.JSON)
        )
        return builder.main_precision(found)


class _Lane:
    """One execution context for one set of shapes, with buffers that never move, so that it can be replayed."""

    def __init__(
        self,
        shop: Workshop,
        network: Network,
        lengths: Mapping[str, int],
        *,
        held: Mapping[str, Resident],
        kept: Mapping[str, Resident] | None = None,
        record: bool = True,
    ) -> None:
        self._device = device = shop.device
        self._network = network
        self._lengths = lengths
        self._kept = kept or {}
        self._graph: Any = None
        self._runs_before_graph = WARM_UP_RUNS if record and device.captures else -1
        self._up: list[tuple[Binding, int, Pinned]] = []
        self._down: list[tuple[Binding, int, Pinned]] = []
        with ExitStack() as stack:
            self._stream = device.new_stream()
            stack.callback(device.free_stream, self._stream)
            self._context = _new_context(shop.flavour.api, network.engine)
            if self._context is None:
                raise BackendError(
                    f"{shop.flavour.name} makes no context for {dict(lengths)}: {network.messages.last}",
                    "free memory on the card, or use --backend onnxruntime",
                )
            if (profile := 0 if lengths.get(BATCH, 1) == 1 else 1) < network.engine.num_optimization_profiles:
                self._must(
                    self._context.set_optimization_profile_async(profile, self._stream), "choose a profile"
                )
            for name, b in network.inputs.items():
                shape = b.shape(lengths)
                self._must(self._context.set_input_shape(name, shape), f"take {name} {list(shape)}")
                if name in held:
                    self._bind(name, held[name].address)
                else:
                    self._up.append((b, *self._buffers(b, stack)))
            for name, b in network.outputs.items():
                if name in self._kept:
                    self._bind(name, self._kept[name].address)
                else:
                    self._down.append((b, *self._buffers(b, stack)))
            device.synchronize(self._stream)
            self._stack = stack.pop_all()

    def run(self, feeds: Mapping[str, Array], batch: int | None = None) -> dict[str, Array]:
        """Copies in, runs, copies out; rows beyond `batch` are padding and are not returned."""
        for b, _, pinned in self._up:
            source = feeds[b.name]
            row = np.ascontiguousarray(source).reshape(-1).view(np.uint8)
            pinned.array[: row.nbytes] = row
        if self._graph is None and self._runs_before_graph == 0:
            self._record()
        try:
            if self._graph is not None:
                self._device.launch(self._graph, self._stream)
            else:
                self._runs_before_graph = max(self._runs_before_graph - 1, -1)
                self._queue()
        finally:  # also when half of it was queued: the buffers may be freed next
            self._device.synchronize(self._stream)
        outputs = {}
        for b, _, pinned in self._down:
            whole = pinned.array.view(b.dtype).reshape(b.shape(self._lengths))
            outputs[b.name] = (whole[:batch] if BATCH in b.axes else whole).copy()
        return outputs

    @property
    def replayed(self) -> bool:
        """Whether runs are replays of a CUDA graph by now."""
        return self._graph is not None

    def close(self) -> None:
        graph, self._graph, self._context = self._graph, None, None
        with self._stack:
            if graph is not None:
                self._device.free_graph(graph)

    def _queue(self) -> None:
        """Everything of one run, in order."""
        for _, address, pinned in self._up:
            self._device.upload(address, pinned.array, self._stream)
        self._must(self._context.execute_async_v3(self._stream), "run")
        for _, address, pinned in self._down:
            self._device.download(pinned.array, address, self._stream)

    def _record(self) -> None:
        """Tries once; a network that cannot be recorded is queued piece by piece, as before."""
        self._runs_before_graph = -1
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
        self._must(self._context.set_tensor_address(name, address), f"bind {name}")

    def _must(self, done: bool, what: str) -> None:
        if not done:
            raise BackendError(
                f"TensorRT could not {what}: {self._network.messages.last}", "use --backend onnxruntime"
            )


def _new_context(api: Any, engine: Any) -> Any:
    """An execution context; TensorRT for RTX compiles its kernels for these shapes at once, not in the background."""
    strategies = getattr(api, "DynamicShapesKernelSpecializationStrategy", None)
    if strategies is None:
        return engine.create_execution_context()
    config = engine.create_runtime_config()
    config.dynamic_shapes_kernel_specialization_strategy = strategies.EAGER
    return engine.create_execution_context(config)
