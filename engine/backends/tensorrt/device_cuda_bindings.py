"""Device memory through NVIDIA's cuda-bindings, the wheels of the CUDA driver's own interface."""

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np

from mtclar.engine.backends.tensorrt.cuda_driver import NON_BLOCKING, CudaDriver
from mtclar.engine.backends.tensorrt.device import NO_DRIVER, Bytes, Pinned
from mtclar.engine.errors import BackendError


class CudaBindingsDevice:
    """One card in its primary context, which TensorRT uses too. Implements device.Device."""

    captures = True

    def __init__(self, driver: Any = None, index: int = 0) -> None:
        """Raises BackendError: cuda-bindings is not installed, no driver, no such card.

        `driver` is the module cuda.bindings.driver unless given.
        """
        self._driver = CudaDriver(driver)
        self._call = self._driver.call
        try:
            self._call("cuInit", 0)
        except RuntimeError as error:  # cuda-bindings: libcuda cannot be found
            raise BackendError("there is no NVIDIA driver on this machine", NO_DRIVER) from error
        count = self._call("cuDeviceGetCount")
        if index >= count:
            raise BackendError(f"there is no CUDA device {index}: the driver sees {count}", NO_DRIVER)
        self._device = self._call("cuDeviceGet", index)
        self.name = self._call("cuDeviceGetName", 256, self._device).split(b"\0")[0].decode()
        attribute = self._driver.module.CUdevice_attribute
        major = self._call(
            "cuDeviceGetAttribute", attribute.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, self._device
        )
        minor = self._call(
            "cuDeviceGetAttribute", attribute.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, self._device
        )
        self.capability = (int(major), int(minor))
        self._context = self._call("cuDevicePrimaryCtxRetain", self._device)
        self._closed = False
        self.activate()

    def activate(self) -> None:
        self._call("cuCtxSetCurrent", self._context)

    def new_stream(self) -> int:
        return int(self._call("cuStreamCreate", NON_BLOCKING))

    def free_stream(self, stream: int) -> None:
        self._call("cuStreamDestroy", stream)

    def allocate(self, nbytes: int) -> int:
        return int(self._call("cuMemAlloc", nbytes))

    def free(self, address: int) -> None:
        self._call("cuMemFree", address)

    def pin(self, nbytes: int) -> Pinned:
        address = int(self._call("cuMemHostAlloc", nbytes, 0))
        array = np.ctypeslib.as_array((ctypes.c_uint8 * nbytes).from_address(address))
        return Pinned(array, address)

    def unpin(self, memory: Pinned) -> None:
        self._call("cuMemFreeHost", memory.handle)

    def upload(self, address: int, source: Bytes, stream: int) -> None:
        self._call("cuMemcpyHtoDAsync", address, source.ctypes.data, source.nbytes, stream)

    def download(self, target: Bytes, address: int, stream: int) -> None:
        self._call("cuMemcpyDtoHAsync", target.ctypes.data, address, target.nbytes, stream)

    def synchronize(self, stream: int) -> None:
        self._call("cuStreamSynchronize", stream)

    def capture(self, stream: int, queue: Callable[[], None]) -> Any:
        return self._driver.capture(stream, queue)

    def launch(self, graph: Any, stream: int) -> None:
        self._driver.launch(graph, stream)

    def free_graph(self, graph: Any) -> None:
        self._driver.free_graph(graph)

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._call("cuDevicePrimaryCtxRelease", self._device)
