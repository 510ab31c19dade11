"""The CUDA driver's interface through NVIDIA's cuda-bindings: checked calls, and CUDA graphs."""

from collections.abc import Callable
from importlib import import_module
from typing import Any

from mtclar.engine.backends.tensorrt.device import NO_CARD
from mtclar.engine.errors import BackendError
from mtclar.engine.installation.extras import install_command

NON_BLOCKING = 1  # CU_STREAM_NON_BLOCKING: a stream that does not wait for the default stream

HINTS = {
    "CUDA_ERROR_OUT_OF_MEMORY": "free memory on the card, or use --backend onnxruntime",
    "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH": "reboot, so that the driver's two halves are of one version",
    "CUDA_ERROR_INSUFFICIENT_DRIVER": "install a newer NVIDIA driver",
}
ANY_HINT = "check the card with `nvidia-smi`, or use --backend onnxruntime"


class CudaDriver:
    """Calls of the driver that raise instead of returning an error code. The calling thread needs a current context."""

    def __init__(self, module: Any = None) -> None:
        """Raises BackendError: cuda-bindings is not installed. `module` is cuda.bindings.driver unless given."""
        if module is None:
            try:
                module = import_module("cuda.bindings.driver")
            except ImportError as error:
                raise BackendError(
                    "device memory cannot be reached: the package cuda-bindings is missing",
                    install_command("tensorrt-rtx"),
                ) from error
        self.module = module

    def call(self, name: str, *arguments: Any) -> Any:
        """One call of the driver; its value, if it has one. Raises BackendError when CUDA refuses."""
        result, *values = getattr(self.module, name)(*arguments)
        if int(result) != 0:
            code = getattr(result, "name", str(result))
            if name == "cuInit" and code == "CUDA_ERROR_NO_DEVICE":
                raise BackendError(*NO_CARD)
            raise BackendError(f"CUDA: {name} failed with {code}", HINTS.get(code, ANY_HINT))
        return values[0] if values else None

    def capture(self, stream: int, queue: Callable[[], None]) -> Any:
        """Records what `queue` puts into the stream, without running it, as a CUDA graph."""
        mode = self.module.CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL
        self.call("cuStreamBeginCapture", stream, mode)
        try:
            queue()
        except BaseException:
            self._abandon_capture(stream)
            raise
        graph = self.call("cuStreamEndCapture", stream)
        try:
            return self.call("cuGraphInstantiate", graph, 0)
        finally:
            self.call("cuGraphDestroy", graph)

    def launch(self, graph: Any, stream: int) -> None:
        """Queues a recorded graph."""
        self.call("cuGraphLaunch", graph, stream)

    def free_graph(self, graph: Any) -> None:
        self.call("cuGraphExecDestroy", graph)

    def _abandon_capture(self, stream: int) -> None:
        """Ends a capture that failed, whose graph is of no use; the stream can be used again."""
        result, graph = self.module.cuStreamEndCapture(stream)
        if int(result) == 0:
            self.call("cuGraphDestroy", graph)
