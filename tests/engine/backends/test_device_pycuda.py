"""Device memory through pycuda: its calls, on a fake of pycuda.driver that counts them."""

import numpy as np
import pytest
from support.networks.fake_cuda import FakeDriver
from support.networks.fake_pycuda import FakePycuda
from support.networks.fake_tensorrt import FakeTensorRt

from mtclar.engine import models
from mtclar.engine.backends.tensorrt.cache import EngineCache
from mtclar.engine.backends.tensorrt.cuda_driver import CudaDriver
from mtclar.engine.backends.tensorrt.device_pycuda import PycudaDevice
from mtclar.engine.backends.tensorrt.distribution import TrtDistribution
from mtclar.engine.backends.tensorrt_session import TensorRtSession
from mtclar.engine.errors import BackendError


@pytest.fixture
def driver() -> FakeDriver:
    return FakeDriver()


@pytest.mark.parametrize("beside", [True, False], ids=["graphs", "no graphs"])
def test_pycuda_equals_cuda_bindings(driver: FakeDriver, tmp_path, beside: bool) -> None:
    device = PycudaDevice(FakePycuda(driver), graphs=CudaDriver(driver) if beside else None)
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
    assert (driver.recorded("cuGraphLaunch") > 0) == beside


def test_its_errors_are_ours(driver: FakeDriver) -> None:
    device = PycudaDevice(FakePycuda(driver))
    driver.fail["cuMemAlloc"] = [2]  # type: ignore[list-item]
    with pytest.raises(BackendError, match="out of memory") as caught:
        device.allocate(8)
    assert "free memory" in caught.value.hint
    with pytest.raises(BackendError, match="invalid device") as caught:
        PycudaDevice(FakePycuda(driver), index=3)
    assert "onnxruntime" in caught.value.hint
