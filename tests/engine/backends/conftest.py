"""Fixtures of the back ends' tests: TensorRT sessions on a strict fake driver, which must be left empty."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.networks.fake_cuda import FakeDriver
from support.networks.fake_tensorrt import FakeTensorRt

from mtclar.engine.backends.tensorrt.cache import EngineCache
from mtclar.engine.backends.tensorrt.device_cuda_bindings import CudaBindingsDevice
from mtclar.engine.backends.tensorrt.distribution import TrtDistribution
from mtclar.engine.backends.tensorrt_session import TensorRtSession

Open = Callable[..., TensorRtSession]


@pytest.fixture
def driver() -> FakeDriver:
    return FakeDriver()


@pytest.fixture
def api(driver: FakeDriver) -> FakeTensorRt:
    return FakeTensorRt(driver)


@pytest.fixture
def opened(driver: FakeDriver, api: FakeTensorRt, tmp_path: Path) -> Iterator[Open]:
    """Opens sessions on the fake card; at the end nothing may be left on it."""
    sessions, devices = [], []

    def open_it(path: Path, **options: object) -> TensorRtSession:
        device = CudaBindingsDevice(driver)
        devices.append(device)
        session = TensorRtSession(
            path,
            distribution=TrtDistribution("tensorrt", api),
            device=device,
            cache=EngineCache(tmp_path),
            **options,
        )
        sessions.append(session)
        return session

    yield open_it
    for session in sessions:
        session.close()
    for device in devices:
        device.close()
    assert driver.live == {"memory": 0, "pinned": 0, "streams": 0, "graphs": 0, "contexts": 0}
