"""The TensorRT back end: networks compiled for this card, bound inputs in its memory, runs replayed as CUDA graphs.

Engines are compiled on first use and kept (mtclar.engine.backends.tensorrt.cache), or come from `mtclar-stream export`.
"""

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtclar.engine.backends.session import Arrays, Closeable, Shape
from mtclar.engine.backends.tensorrt.ahead_of_time import part_labels, precision_for, ranges_for
from mtclar.engine.backends.tensorrt.builder import MAX_SUPPORT, SUPPORT, Progress
from mtclar.engine.backends.tensorrt.cache import EngineCache, default_folder
from mtclar.engine.backends.tensorrt.device import Device, open_device
from mtclar.engine.backends.tensorrt.distribution import MODULES, TrtDistribution
from mtclar.engine.backends.tensorrt.network import Binding, BuildContext, DeviceTensor, Network, bindings_of
from mtclar.engine.backends.typed_onnx import DEFAULT_PRECISION, PRECISIONS, parse, partition, with_precision
from mtclar.engine.errors import BackendError, ModelError, UsageError
from mtclar.engine.installation.extras import install_command


def open_distribution(name: str) -> TrtDistribution:
    """The distribution of that name; `tensorrt` falls back to the one for RTX cards where it is not installed."""
    try:
        return TrtDistribution.load(name)
    except BackendError as error:
        if name != "tensorrt":
            raise
        try:
            return TrtDistribution.load("tensorrt-rtx")
        except BackendError:
            pass
        if not isinstance(error.__cause__, ModuleNotFoundError):
            raise  # it is installed, and something is wrong with it
        raise BackendError(
            "neither tensorrt nor tensorrt-rtx is installed",
            f"{install_command('tensorrt-rtx')} for a GeForce or RTX card, {install_command('tensorrt')} for others",
        ) from None


class TensorRtSession(Closeable):
    """One graph on the card, an InferenceSession with `bind`; one thread at a time runs it."""

    def __init__(
        self,
        path: Path,
        threads: int = 1,  # noqa: ARG002  # the card has its own
        *,
        name: str = "tensorrt",
        variant: str | None = None,
        progress: Progress | None = None,
        distribution: TrtDistribution | None = None,
        device: Device | None = None,
        cache: EngineCache | None = None,
    ) -> None:
        """`variant` is the precision; `distribution`, `device` and `cache` are those of this machine unless given.

        Raises UsageError for an unknown precision, or eight bits where no ranges were measured; ModelError for a
        damaged graph; BackendError: not installed, no driver, no card, a card that this TensorRT does not support, no
        memory.
        """
        precision = variant or DEFAULT_PRECISION
        if name not in MODULES or precision not in PRECISIONS:
            raise UsageError(
                f"there is no {name}:{precision}", f"a precision is one of {', '.join(PRECISIONS)}"
            )
        if not path.is_file():
            raise ModelError(f"{path}: there is no such network", "install mtclar-stream again")
        self.label = path.stem
        self.requested_precision = precision_for(self.label, precision)
        try:
            self._model = parse(path.read_bytes())
        except ModelError as error:
            raise ModelError(f"{path} cannot be loaded: {error.what}", error.hint) from error
        self._ranges = ranges_for(path, self.requested_precision)
        distribution = distribution or open_distribution(name)
        report = progress or (lambda _: None)
        self._stack = ExitStack()
        with self._stack:
            opened = device or open_device()
            if device is None:
                self._stack.callback(opened.close)
            self._build = BuildContext(
                distribution, opened, cache or EngineCache(default_folder(), report), report
            )
            self._network: Network | None = None
            self._bound: set[BoundTensorRtSession] = set()
            self._read_bindings()
            if not any(SUPPORT in axes for axes in self._axes.values()):
                self._full_network()  # compiled now; a graph with a support set is compiled when that is bound
            self._stack = self._stack.pop_all()
        self._closed = False

    def _read_bindings(self) -> None:
        graph = self._model.graph
        self._bindings = {b.name: b for b in bindings_of(graph.input)}
        outputs = {b.name: b for b in bindings_of(graph.output)}
        self._axes = {name: b.axes for name, b in self._bindings.items()}
        self.inputs: Mapping[str, Shape] = {name: _shape(b) for name, b in self._bindings.items()}
        self.outputs: Mapping[str, Shape] = {name: _shape(b) for name, b in outputs.items()}

    @property
    def backend(self) -> str:
        """For people, with the precision read back from the engine, which may differ from the requested one."""
        if self._network is None:
            return self._build.describe(f"{self.requested_precision}, not compiled yet")
        return self._build.describe(self._network.precision)

    def run(self, feeds: Arrays) -> dict[str, NDArray[np.generic]]:
        if self._closed:
            raise BackendError("the session is closed")
        check_feeds(feeds, self._bindings)
        return dict(self._full_network().run(feeds))

    def bind(self, feeds: Arrays) -> "BoundTensorRtSession":
        """The same network with one input in the card's memory; what depends on it alone is computed once, here."""
        if self._closed:
            raise BackendError("the session is closed")
        check_feeds(feeds, {name: self._bindings[name] for name in feeds if name in self._bindings})
        return BoundTensorRtSession(self, feeds)

    @property
    def replayed(self) -> bool:
        """Whether runs replay recorded CUDA graphs."""
        return self._network is not None and self._network.replayed

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        with self._stack as stack:
            if self._network is not None:
                stack.callback(self._network.close)
            for bound in self._bound:
                stack.callback(bound.close)

    def _full_network(self) -> Network:
        if self._network is None:
            typed = with_precision(self._model, self.requested_precision, self._ranges)
            self._network = Network(
                self._build, typed, part_labels(self.label, self.requested_precision).whole
            )
        return self._network


class BoundTensorRtSession(Closeable):
    """A session with one input in the card's memory. Its owner closes it, at the latest with its session."""

    def __init__(self, session: TensorRtSession, feeds: Arrays) -> None:
        if len(feeds) != 1:
            raise BackendError("only one input can be bound", f"of {', '.join(session.inputs)}")
        ((name, array),) = feeds.items()
        build, model, precision = session._build, session._model, session.requested_precision
        labels = part_labels(session.label, precision)
        self._device = build.device
        self._closed = False
        self._owner = session
        with ExitStack() as stack:
            parts = partition(model, name)
            rest = model
            if parts is None:
                tensors = {name: self._upload(array, stack)}
            else:
                once = Network(build, with_precision(parts.once, precision), labels.once)
                try:
                    tensors = once.run_on_device(feeds)
                finally:
                    once.close()
                for tensor in tensors.values():
                    stack.callback(self._device.free, tensor.address)
                rest = parts.rest
            self._network = Network(build, with_precision(rest, precision), labels.rest, bound=tensors)
            stack.callback(self._network.close)
            self._stack = stack.pop_all()
        session._bound.add(self)
        self.backend = build.describe(self._network.precision)
        self.inputs: Mapping[str, Shape] = {n: s for n, s in session.inputs.items() if n != name}
        self.outputs: Mapping[str, Shape] = session.outputs

    def run(self, feeds: Arrays) -> dict[str, NDArray[np.generic]]:
        if self._closed:
            raise BackendError("the session is closed")
        check_feeds(feeds, self._network.fed_inputs)
        return dict(self._network.run(feeds))

    @property
    def replayed(self) -> bool:
        """Whether runs replay recorded CUDA graphs."""
        return self._network.replayed

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._owner._bound.discard(self)
            with self._stack:
                self._device.activate()

    def _upload(self, array: NDArray[Any], stack: ExitStack) -> DeviceTensor:
        """Copies an array to device memory; `stack` frees it."""
        data = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        device = self._device
        address = device.allocate(data.nbytes)
        stack.callback(device.free, address)
        with ExitStack() as temporary:
            stream = device.new_stream()
            temporary.callback(device.free_stream, stream)
            pinned = device.pin(data.nbytes)
            temporary.callback(device.unpin, pinned)
            pinned.array[:] = data
            device.upload(address, pinned.array, stream)
            device.synchronize(stream)
        return DeviceTensor(address, array.shape)


def check_feeds(feeds: Arrays, bindings: Mapping[str, Binding]) -> None:
    """Raises BackendError unless the feeds are exactly these inputs, of their types and shapes."""
    if set(feeds) != set(bindings):
        raise BackendError(
            f"TensorRT: inputs {sorted(feeds)} instead of {sorted(bindings)}", describe_inputs(bindings)
        )
    lengths: dict[str, int] = {}
    for name, array in feeds.items():
        b = bindings[name]
        fits = array.dtype == b.dtype and array.ndim == len(b.axes)
        if fits:
            for axis, length in zip(b.axes, array.shape, strict=True):
                wanted = lengths.setdefault(axis, length) if isinstance(axis, str) else axis
                fits = fits and wanted == length and length > 0
        if not fits:
            raise BackendError(
                f"TensorRT: {name} is {array.dtype.name} {list(array.shape)}", describe_inputs(bindings)
            )
    if lengths.get(SUPPORT, 1) > MAX_SUPPORT:
        raise BackendError(
            f"TensorRT: engines are compiled for at most {MAX_SUPPORT} support frames, not {lengths[SUPPORT]}",
            "use --backend onnxruntime, or fewer frames",
        )


def describe_inputs(bindings: Mapping[str, Binding]) -> str:
    """A network's inputs with types and axes, for an error's hint."""
    listed = ", ".join(f"{b.name} tensor({b.dtype.name}) {list(b.axes)}" for b in bindings.values())
    return f"the network takes {listed}"


def _shape(binding: Binding) -> Shape:
    return tuple(axis if isinstance(axis, int) else None for axis in binding.axes)
