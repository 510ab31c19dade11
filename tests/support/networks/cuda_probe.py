"""Compares the fakes of CUDA with the real modules, in the environment of `make setup-cuda`; prints JSON.

Real functions are called without a card, so each answers with an error code, unless its arguments do not fit.
"""

import inspect
import json
from typing import Any

import cuda.bindings.driver as bindings
import numpy as np
import pycuda.driver

from mtclar.engine.backends.tensorrt.device import open_device
from mtclar.engine.backends.tensorrt.device_cuda_bindings import CudaBindingsDevice
from mtclar.engine.errors import BackendError
from support.networks.fake_cuda import FakeDriver
from support.networks.fake_pycuda import FakePycuda

ENUMERATIONS = {
    "cuDeviceGetAttribute": (bindings.CUdevice_attribute.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, 0),
    "cuStreamBeginCapture": (0, bindings.CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL),
}


def bindings_functions() -> dict[str, Any]:
    """Parameters and values of each call of the fake driver, there and in the real module."""
    found = {}
    for method in (name for name in vars(FakeDriver) if name.startswith("_cu")):
        name = method[1:]
        fake = inspect.signature(getattr(FakeDriver, method))
        parameters = len(fake.parameters) - 1  # without self
        values = 0 if fake.return_annotation is None else 1
        result, *rest = getattr(bindings, name)(*ENUMERATIONS.get(name, (0,) * parameters))
        real = inspect.signature(getattr(bindings, name))
        found[name] = {
            "fake": [parameters, values],
            "real": [len(real.parameters), len(rest)],
            "result": result.name,
        }
    return found


def pycuda_calls() -> dict[str, str]:
    """The error of each call that the fake of pycuda offers, made on the real module."""
    data = np.zeros(4, np.uint8)
    arguments = {
        "init": (),
        "mem_alloc": (16,),
        "pagelocked_empty": (16, np.uint8),
        "memcpy_htod_async": (16, data, None),
        "memcpy_dtoh_async": (data, 16, None),
        "Device": (0,),
        "Stream": (1,),
    }
    errors = {}
    for name, values in arguments.items():
        try:
            getattr(pycuda.driver, name)(*values)
        except pycuda.driver.Error as error:
            errors[name] = str(error)
    return errors


def pycuda_attributes() -> dict[str, bool]:
    """Whether the real module has each attribute that the fake's objects have."""
    fake = FakePycuda(FakeDriver())
    device = fake.Device(0)
    context = device.retain_primary_context()
    context.push()
    objects = {
        "Device": device,
        "Context": context,
        "Stream": fake.Stream(),
        "DeviceAllocation": fake.mem_alloc(4),
        "PagelockedHostAllocation": fake.pagelocked_empty(4, np.uint8).base,
    }
    found = {name: hasattr(pycuda.driver, name) for name in dir(fake) if name[0] != "_" and name != "stack"}
    for name, value in objects.items():
        for attribute in dir(value):
            if attribute[0] != "_":
                found[f"{name}.{attribute}"] = hasattr(getattr(pycuda.driver, name), attribute)
    return found | {"Context.get_current": hasattr(pycuda.driver.Context, "get_current")}


def refusal(make: Any) -> list[str]:
    """The class that was opened, or what our error says and advises."""
    try:
        return [type(make()).__name__]
    except BackendError as error:
        return [str(error), error.hint]


def main() -> None:
    report = {
        "driver version": list(pycuda.driver.get_version()),
        "bindings": bindings_functions(),
        "pycuda calls": pycuda_calls(),
        "pycuda attributes": pycuda_attributes(),
        "our errors": {"pycuda": refusal(open_device), "cuda-bindings": refusal(CudaBindingsDevice)},
    }
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
