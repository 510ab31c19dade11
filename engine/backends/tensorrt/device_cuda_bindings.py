"""Device memory through NVIDIA's cuda-bindings, the wheels of the CUDA driver's own interface."""

import ctypes
from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np

from mtclar.engine.backends.tensorrt.device import NO_DRIVER, Bytes, Pinned
from mtclar.engine.errors import BackendError

HINTS = {
    "CUDA_ERROR_OUT_OF_MEMORY": "free memory on the card, or use --backend onnxruntime",
    "CUDA_ERROR_NO_DEVICE": NO_DRIVER,
    "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH": "reboot, so that the driver's two halves are of one version",
    "CUDA_ERROR_INSUFFICIENT_DRIVER": "install a newer NVIDIA driver",
}
ANY_HINT = "check the card with `nvidia-smi`, or use --backend onnxruntime"


class CudaBindingsDevice:
    """One card in its primary context, which TensorRT uses too. Implements device.Device."""

    captures = True

    def __init__(self, driver: Any = None, index: int = 0) -> None:
        """Raises BackendError: cuda-bindings is not installed, no driver, no such card.

        `driver` is the module cuda.bindings.driver unless given.
        """
        if driver is None:
            try:
                driver = import_module("cuda.bindings.driver")
            except ImportError as error:
                raise BackendError(
                    "device memory cannot be reached: the package cuda-bindings is missing",
                    "pip install 'mtclar-stream[tensorrt-rtx]'",
                ) from error
        self._driver = driver
        try:
            self._call("cuInit", 0)
        except RuntimeError as error:  # cuda-bindings: libcuda cannot be found
            raise BackendError("there is no NVIDIA driver on this machine", NO_DRIVER) from error
        count = self._call("cuDeviceGetCount")
        if index >= count:
            raise BackendError(f"there is no CUDA device {index}: the driver sees {count}", NO_DRIVER)
        self._device = self._call("cuDeviceGet", index)
        self.name = self._call("cuDeviceGetName", 256, self._device).split(b"\0")[0].decode()
        attribute = driver.CUdevice_attribute
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
        return int(self._call("cuStreamCreate", self._driver.CUstream_flags.CU_STREAM_NON_BLOCKING.value))

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
        mode = self._driver.CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL
        self._call("cuStreamBeginCapture", stream, mode)
        try:
            queue()
        except BaseException:
            self._abandon_capture(stream)
            raise
        graph = self._call("cuStreamEndCapture", stream)
        try:
            return self._call("cuGraphInstantiate", graph, 0)
        finally:
            self._call("cuGraphDestroy", graph)

    def launch(self, graph: Any, stream: int) -> None:
        self._call("cuGraphLaunch", graph, stream)

    def free_graph(self, graph: Any) -> None:
        self._call("cuGraphExecDestroy", graph)

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._call("cuDevicePrimaryCtxRelease", self._device)

    def _abandon_capture(self, stream: int) -> None:
        """Ends a capture that failed, whose graph is of no use; the stream can be used again."""
        result, graph = self._driver.cuStreamEndCapture(stream)
        if int(result) == 0:
            self._call("cuGraphDestroy", graph)

    def _call(self, name: str, *arguments: Any) -> Any:
        """One call of the driver; its value, if it has one."""
        result, *values = getattr(self._driver, name)(*arguments)
        if int(result) != 0:
            code = getattr(result, "name", str(result))
            raise BackendError(f"CUDA: {name} failed with {code}", HINTS.get(code, ANY_HINT))
        return values[0] if values else None
