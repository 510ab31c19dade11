"""The TensorRT backend: networks compiled for the card at hand, what is held stays in its memory, runs are replayed.

Engines are compiled on first use and kept (mtclar.engine.backends.tensorrt.cache), or come from `mtclar-stream export`.
"""

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtclar.engine.backends.session import Arrays, Closing, Shape
from mtclar.engine.backends.tensorrt.ahead_of_time import (
    DEFAULT_PRECISION,
    part_labels,
    precision_for,
    ranges_for,
)
from mtclar.engine.backends.tensorrt.builder import MAX_SUPPORT, SUPPORT, Progress
from mtclar.engine.backends.tensorrt.cache import EngineCache, default_folder
from mtclar.engine.backends.tensorrt.device import Device, open_device
from mtclar.engine.backends.tensorrt.distribution import MODULES, Flavour
from mtclar.engine.backends.tensorrt.network import Binding, Network, Resident, Workshop, bindings_of
from mtclar.engine.backends.typed_onnx import PRECISIONS, cut, parse, with_precision
from mtclar.engine.errors import BackendError, ModelError, UsageError


def open_flavour(name: str) -> Flavour:
    """The flavour of that name; `tensorrt` takes the one for RTX cards where the other is not installed."""
    try:
        return Flavour.load(name)
    except BackendError as error:
        if name != "tensorrt":
            raise
        try:
            return Flavour.load("tensorrt-rtx")
        except BackendError:
            pass
        if not isinstance(error.__cause__, ModuleNotFoundError):
            raise  # it is installed, and something is wrong with it
        raise BackendError(
            "neither tensorrt nor tensorrt-rtx is installed",
            "pip install 'mtclar-stream[tensorrt-rtx]' for a GeForce or RTX card, 'mtclar-stream[tensorrt]' for others",
        ) from None


class TensorRtSession(Closing):
    """One graph on the card. Implements `mtclar.engine.backends.session.Session`; one thread at a time runs it."""

    def __init__(
        self,
        path: Path,
        threads: int = 1,  # noqa: ARG002  # the card has its own
        *,
        name: str = "tensorrt",
        variant: str | None = None,
        progress: Progress | None = None,
        flavour: Flavour | None = None,
        device: Device | None = None,
        cache: EngineCache | None = None,
    ) -> None:
        """`variant` is the precision; `flavour`, `device` and `cache` are those of this machine unless given.

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
        self.asked = precision_for(self.label, precision)
        try:
            self._model = parse(path.read_bytes())
        except ModelError as error:
            raise ModelError(f"{path} cannot be loaded: {error.what}", error.hint) from error
        self._ranges = ranges_for(path, self.asked)
        flavour = flavour or open_flavour(name)
        say = progress or (lambda _: None)
        self._stack = ExitStack()
        with self._stack:
            opened = device or open_device()
            if device is None:
                self._stack.callback(opened.close)
            self._shop = Workshop(flavour, opened, cache or EngineCache(default_folder(), say), say)
            self._network: Network | None = None
            self._held: set[HeldTensorRtSession] = set()
            self._describe()
            if not any(SUPPORT in axes for axes in self._axes.values()):
                self._whole()  # compiled now; a graph with a support set is compiled when that is held
            self._stack = self._stack.pop_all()
        self._closed = False

    def _describe(self) -> None:
        graph = self._model.graph
        self._bindings = {b.name: b for b in bindings_of(graph.input)}
        outputs = {b.name: b for b in bindings_of(graph.output)}
        self._axes = {name: b.axes for name, b in self._bindings.items()}
        self.inputs: Mapping[str, Shape] = {name: _shape(b) for name, b in self._bindings.items()}
        self.outputs: Mapping[str, Shape] = {name: _shape(b) for name, b in outputs.items()}

    @property
    def backend(self) -> str:
        """For people, with the precision that was read back from the engine, not the one that was asked for."""
        shop = self._shop
        precision = (
            self._network.precision if self._network is not None else f"{self.asked}, not compiled yet"
        )
        return f"{shop.flavour.name} {shop.flavour.version} ({precision}) on {shop.device.name}"

    def run(self, feeds: Arrays) -> dict[str, NDArray[np.generic]]:
        if self._closed:
            raise BackendError("the session is closed")
        check_feeds(feeds, self._bindings)
        return dict(self._whole().run(feeds))

    def holding(self, feeds: Arrays) -> "HeldTensorRtSession":
        """The same network with these inputs on the card, and what follows from them alone computed once."""
        if self._closed:
            raise BackendError("the session is closed")
        check_feeds(feeds, {name: self._bindings[name] for name in feeds if name in self._bindings})
        return HeldTensorRtSession(self, feeds)

    @property
    def replayed(self) -> bool:
        """Whether runs are replays of CUDA graphs by now."""
        return self._network is not None and self._network.replayed

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        with self._stack as stack:
            if self._network is not None:
                stack.callback(self._network.close)
            for held in self._held:
                stack.callback(held.close)

    def _whole(self) -> Network:
        if self._network is None:
            typed = with_precision(self._model, self.asked, self._ranges)
            self._network = Network(self._shop, typed, part_labels(self.label, self.asked).whole)
        return self._network


class HeldTensorRtSession(Closing):
    """A session one input of which stays on the card. Closed by its owner, at the latest with its session."""

    def __init__(self, session: TensorRtSession, feeds: Arrays) -> None:
        if len(feeds) != 1:
            raise BackendError("one input can be held", f"of {', '.join(session.inputs)}")
        ((name, array),) = feeds.items()
        shop, model, asked = session._shop, session._model, session.asked
        labels = part_labels(session.label, asked)
        self._device = shop.device
        self._closed = False
        self._owner = session
        with ExitStack() as stack:
            parts = cut(model, name)
            rest = model
            if parts is None:
                resident = {name: self._upload(array, stack)}
            else:
                once = Network(shop, with_precision(parts.once, asked), labels.once)
                try:
                    resident = once.keep(feeds)
                finally:
                    once.close()
                for kept in resident.values():
                    stack.callback(self._device.free, kept.address)
                rest = parts.rest
            self._network = Network(shop, with_precision(rest, asked), labels.rest, held=resident)
            stack.callback(self._network.close)
            self._stack = stack.pop_all()
        session._held.add(self)
        self.backend = (
            f"{shop.flavour.name} {shop.flavour.version} ({self._network.precision}) on {shop.device.name}"
        )
        self.inputs: Mapping[str, Shape] = {n: s for n, s in session.inputs.items() if n != name}
        self.outputs: Mapping[str, Shape] = session.outputs

    def run(self, feeds: Arrays) -> dict[str, NDArray[np.generic]]:
        if self._closed:
            raise BackendError("the session is closed")
        check_feeds(feeds, self._network.fed)
        return dict(self._network.run(feeds))

    @property
    def replayed(self) -> bool:
        """Whether runs are replays of CUDA graphs by now."""
        return self._network.replayed

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._owner._held.discard(self)
            with self._stack:
                self._device.activate()

    def _upload(self, array: NDArray[Any], stack: ExitStack) -> Resident:
        """Copies an array to the card, where it stays."""
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
        return Resident(address, array.shape)


def check_feeds(feeds: Arrays, bindings: Mapping[str, Binding]) -> None:
    """Raises BackendError unless the feeds are exactly these inputs, of their types and shapes."""
    if set(feeds) != set(bindings):
        raise BackendError(f"TensorRT: inputs {sorted(feeds)} instead of {sorted(bindings)}", takes(bindings))
    lengths: dict[str, int] = {}
    for name, array in feeds.items():
        b = bindings[name]
        fits = array.dtype == b.dtype and array.ndim == len(b.axes)
        if fits:
            for axis, length in zip(b.axes, array.shape, strict=True):
                wanted = lengths.setdefault(axis, length) if isinstance(axis, str) else axis
                fits = fits and wanted == length and length > 0
        if not fits:
            raise BackendError(f"TensorRT: {name} is {array.dtype.name} {list(array.shape)}", takes(bindings))
    if lengths.get(SUPPORT, 1) > MAX_SUPPORT:
        raise BackendError(
            f"TensorRT: engines are compiled for at most {MAX_SUPPORT} support frames, not {lengths[SUPPORT]}",
            "use --backend onnxruntime, or fewer frames",
        )


def takes(bindings: Mapping[str, Binding]) -> str:
    """What a network takes, for people."""
    listed = ", ".join(f"{b.name} tensor({b.dtype.name}) {list(b.axes)}" for b in bindings.values())
    return f"the network takes {listed}"


def _shape(binding: Binding) -> Shape:
    return tuple(axis if isinstance(axis, int) else None for axis in binding.axes)
