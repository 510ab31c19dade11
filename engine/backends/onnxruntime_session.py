"""The embedded default backend: ONNX Runtime on the CPU, or on a card through its CUDA and TensorRT providers."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from mtclar.engine import models
from mtclar.engine.backends.session import Arrays, BoundSession, Closeable, InferenceSession, Shape
from mtclar.engine.errors import BackendError, ModelError, UsageError

ERRORS_ONLY = 3  # ONNX Runtime's log levels: 0 verbose .. 4 fatal


# Variant -> its execution providers.
PROVIDERS = {
    "cpu": ("CPUExecutionProvider",),
    "int8": ("CPUExecutionProvider",),  # networks that have an int8 copy run it, the others as they are
    "cuda": ("CUDAExecutionProvider", "CPUExecutionProvider"),
    "tensorrt": ("TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"),
}
NAMES = {"cpu": "CPU", "int8": "CPU, int8", "cuda": "CUDA", "tensorrt": "TensorRT"}
GRAPH_ERRORS = frozenset({"InvalidProtobuf", "InvalidGraph", "NoSuchFile", "NoModel"})
"""ONNX Runtime's exceptions about a bad graph, as opposed to a device that cannot run it."""
MADE_FROM = "made_from_sha256"
"""Metadata key of an int8 copy: the sha256 of the graph that it was made from."""


class OnnxRuntimeSession(Closeable):
    """One graph on the CPU or a card, an InferenceSession with `bind`."""

    def __init__(
        self,
        path: Path,
        threads: int = 1,
        *,
        name: str = "onnxruntime",
        variant: str | None = None,
        progress: Callable[[str], None] | None = None,  # noqa: ARG002  # nothing here takes long
    ) -> None:
        """`variant` is the provider, or int8 for the int8 copies of the networks that have one, on the CPU.

        Raises UsageError for an unknown one, BackendError when it does not work here or a copy is not the graph's,
        ModelError when `path` is missing or no ONNX graph that this ONNX Runtime can run.
        """
        provider = variant or "cpu"
        if provider not in PROVIDERS:
            raise UsageError(f"there is no {name}:{provider}", f"a provider is one of {', '.join(PROVIDERS)}")
        if not path.is_file():
            raise ModelError(f"{path}: there is no such network", "install mtclar-stream again")
        eight_bits = provider == "int8" and path.stem in models.EIGHT_BITS
        source, path = path, int8_path(path) if eight_bits else path
        if not path.is_file():
            raise BackendError(f"there is no int8 copy of {source.name}", "use onnxruntime:cpu")
        if provider == "int8" and not eight_bits:
            provider = "cpu"
        wanted = PROVIDERS[provider]
        if wanted[0] not in onnxruntime.get_available_providers():
            raise BackendError(
                f"this ONNX Runtime was built without {NAMES[provider]}",
                "pip install onnxruntime-gpu in place of onnxruntime",
            )
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = ERRORS_ONLY
        # Waiting threads would spin a whole core between two frames, 33 ms apart.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            session = onnxruntime.InferenceSession(str(path), options, providers=list(wanted))
        except Exception as error:  # ONNX Runtime's own exceptions share no base class
            if wanted != PROVIDERS["cpu"] and type(error).__name__ not in GRAPH_ERRORS:
                raise BackendError(
                    f"ONNX Runtime's {NAMES[provider]} provider cannot take {path.name}: {_first_line(error)}",
                    "check the card with `nvidia-smi`, or use --backend onnxruntime",
                ) from error
            raise ModelError(
                f"{path} cannot be loaded: {_first_line(error)}",
                "install mtclar-stream again, or export it again",
            ) from error
        if wanted[0] not in session.get_providers():  # it falls back to the CPU silently
            raise BackendError(
                f"ONNX Runtime's {NAMES[provider]} provider does not start here",
                "see `mtclar-stream doctor`; it needs NVIDIA's driver and the CUDA version that it was built for",
            )
        made_from = session.get_modelmeta().custom_metadata_map.get(MADE_FROM)
        if eight_bits and made_from != models.sha256(source):
            raise BackendError(
                f"{path.name} was made from another {source.name}", "make it again: tools/convert/quantize.py"
            )
        self._session: onnxruntime.InferenceSession | None = session
        self.backend = f"onnxruntime ({NAMES[provider]})"
        self.device = "cpu" if wanted == PROVIDERS["cpu"] else "cuda"
        self.inputs: Mapping[str, Shape] = {node.name: _shape(node) for node in session.get_inputs()}
        self.outputs: Mapping[str, Shape] = {node.name: _shape(node) for node in session.get_outputs()}
        self._names = list(self.outputs)
        self._takes = ", ".join(f"{node.name} {node.type} {node.shape}" for node in session.get_inputs())

    def run(self, feeds: Arrays) -> dict[str, NDArray[np.generic]]:
        return self._try(lambda session: session.run(self._names, dict(feeds)))

    def bind(self, feeds: Arrays) -> InferenceSession:
        if self.device == "cpu":
            return BoundSession(self, feeds)
        return BoundOnnxRuntimeSession(self, feeds)

    def run_bound(
        self, feeds: Arrays, bound: Mapping[str, onnxruntime.OrtValue]
    ) -> dict[str, NDArray[np.generic]]:
        """As `run`, with `bound` inputs in device memory already."""

        def run_with_binding(session: onnxruntime.InferenceSession) -> list[NDArray[np.generic]]:
            binding = session.io_binding()
            for name, value in bound.items():
                binding.bind_ortvalue_input(name, value)
            for name, array in feeds.items():
                binding.bind_cpu_input(name, np.ascontiguousarray(array))
            for name in self._names:
                binding.bind_output(name)
            session.run_with_iobinding(binding)
            outputs: list[NDArray[np.generic]] = binding.copy_outputs_to_cpu()
            return outputs

        return self._try(run_with_binding)

    def _try(
        self, call: Callable[[onnxruntime.InferenceSession], list[NDArray[np.generic]]]
    ) -> dict[str, NDArray[np.generic]]:
        if self._session is None:
            raise BackendError("the session is closed")
        try:
            values = call(self._session)
        except Exception as error:  # as above
            raise BackendError(
                f"ONNX Runtime: {_first_line(error)}", f"the network takes {self._takes}"
            ) from error
        return dict(zip(self._names, values, strict=True))

    def close(self) -> None:
        self._session = None


class BoundOnnxRuntimeSession(Closeable):
    """A session with some inputs in its device's memory, by ONNX Runtime's I/O binding."""

    def __init__(self, session: OnnxRuntimeSession, feeds: Arrays) -> None:
        self._session = session
        try:
            self._bound = {
                name: onnxruntime.OrtValue.ortvalue_from_numpy(np.ascontiguousarray(array), session.device, 0)
                for name, array in feeds.items()
            }
        except Exception as error:  # ONNX Runtime's own exceptions share no base class
            raise BackendError(
                f"ONNX Runtime could not keep {', '.join(feeds)} on the card: {_first_line(error)}",
                "free memory on the card, or use --backend onnxruntime",
            ) from error
        self._closed = False
        self.backend = session.backend
        self.inputs: Mapping[str, Shape] = {n: s for n, s in session.inputs.items() if n not in feeds}
        self.outputs: Mapping[str, Shape] = session.outputs

    def run(self, feeds: Arrays) -> dict[str, NDArray[np.generic]]:
        if self._closed:
            raise BackendError("the session is closed")
        return self._session.run_bound(feeds, self._bound)

    def close(self) -> None:
        """Frees the bound inputs; the session stays open."""
        self._closed = True
        self._bound = {}


def int8_path(graph: Path) -> Path:
    """Path of the int8 copy of a graph; tools/convert/quantize.py writes it."""
    return graph.with_suffix(".int8.onnx")


def _shape(node: onnxruntime.NodeArg) -> Shape:
    return tuple(axis if isinstance(axis, int) else None for axis in node.shape)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:300]
