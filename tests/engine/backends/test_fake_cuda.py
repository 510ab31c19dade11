"""The fake CUDA driver catches the errors that it promises to catch."""

import threading

import numpy as np
import pytest
from support.networks.fake_cuda import FakeDriver, Misuse

from mtclar.engine.backends.tensorrt.device_cuda_bindings import CudaBindingsDevice


@pytest.fixture
def driver() -> FakeDriver:
    return FakeDriver()


def test_memory_freed_twice(driver: FakeDriver) -> None:
    device = CudaBindingsDevice(driver)
    address = device.allocate(8)
    device.free(address)
    with pytest.raises(Misuse, match="freed twice"):
        device.free(address)


def test_a_copy_beyond_an_allocation(driver: FakeDriver) -> None:
    device = CudaBindingsDevice(driver)
    address, pinned, stream = device.allocate(8), device.pin(9), device.new_stream()
    with pytest.raises(Misuse, match="9 bytes"):
        device.upload(address, pinned.array, stream)


def test_a_copy_from_memory_that_is_not_pinned(driver: FakeDriver) -> None:
    device = CudaBindingsDevice(driver)
    with pytest.raises(Misuse, match="not pinned"):
        device.upload(device.allocate(8), np.zeros(8, np.uint8), device.new_stream())


def test_memory_freed_while_work_is_queued_on_it(driver: FakeDriver) -> None:
    device = CudaBindingsDevice(driver)
    address, pinned, stream = device.allocate(8), device.pin(8), device.new_stream()
    device.upload(address, pinned.array, stream)
    with pytest.raises(Misuse, match="while upload is queued"):
        device.free(address)


def test_a_result_read_before_the_stream_was_synchronised(driver: FakeDriver) -> None:
    device = CudaBindingsDevice(driver)
    address, pinned, stream = device.allocate(8), device.pin(8), device.new_stream()
    pinned.array[:] = 7
    device.upload(address, pinned.array, stream)
    device.download(pinned.array, address, stream)
    pinned.array[:] = 1
    assert pinned.array[0] == 1
    device.synchronize(stream)
    assert pinned.array[0] == 1  # the upload took what was there when it ran


def test_a_call_from_a_thread_without_the_context(driver: FakeDriver) -> None:
    device = CudaBindingsDevice(driver)
    caught: list[Misuse] = []

    def allocate() -> None:
        try:
            device.allocate(8)
        except Misuse as misuse:
            caught.append(misuse)

    thread = threading.Thread(target=allocate)
    thread.start()
    thread.join(10)
    assert "without a context" in str(caught[0])
