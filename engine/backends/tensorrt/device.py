"""The protocol of device memory, streams and CUDA graphs, and the choice of its implementation."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]

NO_DRIVER = "install NVIDIA's driver on a machine with an NVIDIA card, or use --backend onnxruntime"
NO_CARD = (
    "NVIDIA's driver is installed and finds no card",
    "check with `nvidia-smi` (in a container: start it with access to the card), or use --backend onnxruntime",
)


@dataclass(frozen=True, slots=True, eq=False)
class Pinned:
    """Host memory that the card reads and writes directly."""

    array: Bytes  # [nbytes]
    handle: Any  # of the implementation


class Device(Protocol):
    """One CUDA device. Addresses, streams and graphs are freed once each, by the caller that created them.

    Copies are asynchronous: the host's side of one may be touched again only after `synchronize` of its stream. Every
    method raises BackendError when CUDA refuses.
    """

    name: str  # 'NVIDIA GeForce RTX 4070'
    capability: tuple[int, int]  # compute capability: (8, 9)
    captures: bool  # whether `capture` can be used

    def activate(self) -> None:
        """Makes the device current in the calling thread; needed once in each."""
        ...

    def new_stream(self) -> int: ...

    def free_stream(self, stream: int) -> None: ...

    def allocate(self, nbytes: int) -> int:
        """The address of `nbytes` of device memory."""
        ...

    def free(self, address: int) -> None: ...

    def pin(self, nbytes: int) -> Pinned:
        """Host memory for copies."""
        ...

    def unpin(self, memory: Pinned) -> None: ...

    def upload(self, address: int, source: Bytes, stream: int) -> None:
        """Queues a copy of pinned memory to the device."""
        ...

    def download(self, target: Bytes, address: int, stream: int) -> None:
        """Queues a copy from the device to pinned memory."""
        ...

    def synchronize(self, stream: int) -> None:
        """Waits until all that was queued is done."""
        ...

    def capture(self, stream: int, queue: Callable[[], None]) -> Any:
        """Records what `queue` puts into the stream, without running it, as a CUDA graph."""
        ...

    def launch(self, graph: Any, stream: int) -> None:
        """Queues a recorded graph."""
        ...

    def free_graph(self, graph: Any) -> None: ...

    def close(self) -> None:
        """Releases the device; everything else was freed before."""
        ...


def open_device(index: int = 0) -> Device:
    """The card `index`, through pycuda when it is installed, otherwise through cuda-bindings.

    Raises BackendError: neither is installed, no driver, no card.
    """
    if find_spec("pycuda") is not None:
        from mtclar.engine.backends.tensorrt.device_pycuda import PycudaDevice

        return PycudaDevice(index=index)
    from mtclar.engine.backends.tensorrt.device_cuda_bindings import CudaBindingsDevice

    return CudaBindingsDevice(index=index)
