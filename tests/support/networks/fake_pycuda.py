"""pycuda.driver on top of the fake CUDA driver: objects where the driver has handles."""

import ctypes
from types import SimpleNamespace
from typing import Any

import numpy as np

from support.networks.fake_cuda import FakeDriver


class FakePycuda:
    """What `pycuda.driver` offers, as far as it is used."""

    class Error(Exception):
        pass

    class MemoryError(Error):  # as pycuda calls it
        pass

    def __init__(self, driver: FakeDriver) -> None:
        self._driver = driver
        self.stack: list[Any] = []
        fake = self

        class PrimaryContext:
            def push(self) -> None:
                driver.cuCtxSetCurrent("primary")
                fake.stack.append(self)

            def pop(self) -> None:
                fake.stack.pop()

            def detach(self) -> None:
                driver.cuDevicePrimaryCtxRelease("device 0")

        class Device:
            def __init__(self, index: int) -> None:
                if index >= driver.cards:
                    raise fake.Error("cuDeviceGet failed: invalid device ordinal")

            def name(self) -> str:
                return "NVIDIA Imaginary 3090"

            def compute_capability(self) -> tuple[int, int]:
                return driver.capability

            def retain_primary_context(self) -> PrimaryContext:
                driver.cuDevicePrimaryCtxRetain("device 0")
                return PrimaryContext()

        class Stream:
            def __init__(self, flags: int = 0) -> None:
                self.handle = fake._call("cuStreamCreate", flags)

            def synchronize(self) -> None:
                fake._call("cuStreamSynchronize", self.handle)

            def __del__(self) -> None:
                fake._call("cuStreamDestroy", self.handle)

        self.Device, self.Stream = Device, Stream
        self.Context = SimpleNamespace(get_current=lambda: self.stack[-1] if self.stack else None)

    def init(self) -> None:
        pass

    def mem_alloc(self, nbytes: int) -> Any:
        address = self._call("cuMemAlloc", nbytes)

        class Allocation:
            def __int__(self) -> int:
                return address

            def free(allocation) -> None:
                self._call("cuMemFree", address)

        return Allocation()

    def pagelocked_empty(self, nbytes: int, _: type) -> np.ndarray:
        address = self._call("cuMemHostAlloc", nbytes, 0)

        class Pagelocked(np.ndarray):
            base = SimpleNamespace(free=lambda: self._call("cuMemFreeHost", address))

        return np.ctypeslib.as_array((ctypes.c_uint8 * nbytes).from_address(address)).view(Pagelocked)

    def memcpy_htod_async(self, target: int, source: np.ndarray, stream: Any) -> None:
        self._call("cuMemcpyHtoDAsync", target, source.ctypes.data, source.nbytes, stream.handle)

    def memcpy_dtoh_async(self, target: np.ndarray, source: int, stream: Any) -> None:
        self._call("cuMemcpyDtoHAsync", target.ctypes.data, source, target.nbytes, stream.handle)

    def _call(self, name: str, *arguments: Any) -> Any:
        result, *values = getattr(self._driver, name)(*arguments)
        if result:
            raise self.MemoryError(f"{name} failed: out of memory")
        return values[0] if values else None
