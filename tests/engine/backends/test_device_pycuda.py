"""Device memory through pycuda: its calls, on a fake of pycuda.driver that counts them."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from support.networks.fake_cuda import FakeDriver
from support.networks.fake_tensorrt import FakeTensorRt

from mtclar.engine import models
from mtclar.engine.backends.tensorrt.cache import EngineCache
from mtclar.engine.backends.tensorrt.device_pycuda import PycudaDevice
from mtclar.engine.backends.tensorrt.distribution import TrtDistribution
from mtclar.engine.backends.tensorrt_session import TensorRtSession
from mtclar.engine.errors import BackendError


class FakePycuda:
    """pycuda.driver on top of the fake driver: objects where the driver has handles."""

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
            def __init__(self) -> None:
                self.handle = fake._call("cuStreamCreate", 1)

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
        import ctypes

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


@pytest.fixture
def driver() -> FakeDriver:
    return FakeDriver()


def test_pycuda_equals_cuda_bindings(driver: FakeDriver, tmp_path) -> None:
    device = PycudaDevice(FakePycuda(driver))
    assert (device.name, device.capability) == ("NVIDIA Imaginary 3090", (8, 6))
    rng = np.random.default_rng(0)
    dim = models.card("pair").embedding_dim
    query, support = (rng.normal(size=(n, dim)).astype(np.float32) for n in (2, 9))
    with TensorRtSession(
        models.path("pair"),
        variant="fp32",
        distribution=TrtDistribution("tensorrt", FakeTensorRt(driver)),
        device=device,
        cache=EngineCache(tmp_path),
    ) as session:
        whole = session.run({"embedding": query, "support": support})
        bound = session.bind({"support": support})
        for _ in range(4):
            np.testing.assert_allclose(bound.run({"embedding": query})["delta"], whole["delta"], atol=1e-6)
    device.close()
    device.close()
    assert driver.live == {"memory": 0, "pinned": 0, "streams": 0, "graphs": 0, "contexts": 0}
    assert not driver.recorded("cuStreamBeginCapture")


def test_its_errors_are_ours(driver: FakeDriver) -> None:
    device = PycudaDevice(FakePycuda(driver))
    driver.fail["cuMemAlloc"] = [2]  # type: ignore[list-item]
    with pytest.raises(BackendError, match="out of memory") as caught:
        device.allocate(8)
    assert "free memory" in caught.value.hint
    with pytest.raises(BackendError, match="invalid device") as caught:
        PycudaDevice(FakePycuda(driver), index=3)
    assert "onnxruntime" in caught.value.hint
