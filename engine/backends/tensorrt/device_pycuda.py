"""Device memory through pycuda, for those who have it; CUDA graphs, which it lacks, through cuda-bindings beside it."""

from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from typing import Any

import numpy as np

from mtclar.engine.backends.tensorrt.cuda_driver import NON_BLOCKING, CudaDriver
from mtclar.engine.backends.tensorrt.device import NO_CARD, NO_DRIVER, Bytes, Pinned
from mtclar.engine.errors import BackendError


class PycudaDevice:
    """One card in its primary context, which TensorRT uses too. Implements device.Device."""

    def __init__(self, driver: Any = None, index: int = 0, graphs: CudaDriver | None = None) -> None:
        """Raises BackendError when pycuda cannot be used here.

        `driver` is pycuda.driver, and `graphs` opened from cuda-bindings where they are installed, unless given.
        """
        if driver is None:
            try:
                driver = import_module("pycuda.driver")
            except ImportError as error:  # also: libcuda cannot be found
                raise BackendError(f"pycuda is installed and cannot be used: {error}", NO_DRIVER) from error
            with suppress(BackendError):  # without cuda-bindings there are no graphs
                graphs = CudaDriver()
        self._driver = driver
        self._graphs = graphs
        self.captures = graphs is not None
        try:
            driver.init()
            device = driver.Device(index)
            self.name = device.name()
            major, minor = device.compute_capability()
            self.capability = (int(major), int(minor))
            self._context = device.retain_primary_context()
        except driver.Error as error:
            if "no CUDA-capable device" in str(error):
                raise BackendError(*NO_CARD) from error
            raise BackendError(f"CUDA: {error}", NO_DRIVER) from error
        self._streams: dict[int, Any] = {}
        self._memory: dict[int, Any] = {}
        self._closed = False
        self.activate()

    def activate(self) -> None:
        if self._driver.Context.get_current() != self._context:
            self._try(self._context.push)

    def new_stream(self) -> int:
        stream = self._try(self._driver.Stream, NON_BLOCKING)
        self._streams[int(stream.handle)] = stream
        return int(stream.handle)

    def free_stream(self, stream: int) -> None:
        del self._streams[stream]  # pycuda destroys it with its last reference

    def allocate(self, nbytes: int) -> int:
        memory = self._try(self._driver.mem_alloc, nbytes)
        self._memory[int(memory)] = memory
        return int(memory)

    def free(self, address: int) -> None:
        self._try(self._memory.pop(address).free)

    def pin(self, nbytes: int) -> Pinned:
        array = self._try(self._driver.pagelocked_empty, nbytes, np.uint8)
        return Pinned(array, array.base)

    def unpin(self, memory: Pinned) -> None:
        self._try(memory.handle.free)

    def upload(self, address: int, source: Bytes, stream: int) -> None:
        self._try(self._driver.memcpy_htod_async, address, source, self._streams[stream])

    def download(self, target: Bytes, address: int, stream: int) -> None:
        self._try(self._driver.memcpy_dtoh_async, target, address, self._streams[stream])

    def synchronize(self, stream: int) -> None:
        self._try(self._streams[stream].synchronize)

    def capture(self, stream: int, queue: Callable[[], None]) -> Any:
        if self._graphs is None:
            raise BackendError(
                "pycuda has no CUDA graphs", "pip install cuda-bindings, whose graphs are used beside it"
            )
        return self._graphs.capture(stream, queue)

    def launch(self, graph: Any, stream: int) -> None:
        assert self._graphs is not None, "nothing was captured"
        self._graphs.launch(graph, stream)

    def free_graph(self, graph: Any) -> None:
        assert self._graphs is not None, "nothing was captured"
        self._graphs.free_graph(graph)

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            if self._driver.Context.get_current() == self._context:
                self._context.pop()
            self._context.detach()

    def _try(self, call: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return call(*arguments)
        except self._driver.Error as error:
            hint = (
                "free memory on the card, or use --backend onnxruntime"
                if isinstance(error, self._driver.MemoryError)
                else "check the card with `nvidia-smi`, or use --backend onnxruntime"
            )
            raise BackendError(f"CUDA: {error}", hint) from error
