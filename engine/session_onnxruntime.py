"""The embedded default backend: ONNX Runtime on the CPU."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from mtclar.engine.errors import BackendError, ModelError
from mtclar.engine.session import Arrays, Closing, Shape

ERRORS_ONLY = 3  # ONNX Runtime's log levels: 0 verbose .. 4 fatal


class OnnxRuntimeSession(Closing):
    """One graph on the CPU. Implements `mtclar.engine.session.Session`."""

    backend = "onnxruntime (CPU)"

    def __init__(self, path: Path, threads: int = 1) -> None:
        """Raises ModelError when `path` is missing or no ONNX graph that this ONNX Runtime can run."""
        if not path.is_file():
            raise ModelError(f"{path}: there is no such network", "install mtclar-stream again")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = ERRORS_ONLY
        # Waiting threads would spin a whole core between two frames, 33 ms apart.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session: onnxruntime.InferenceSession | None = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # ONNX Runtime's own exceptions share no base class
            raise ModelError(
                f"{path} cannot be loaded: {_first_line(error)}",
                "install mtclar-stream again, or export it again",
            ) from error
        self.inputs: Mapping[str, Shape] = {node.name: _shape(node) for node in self._session.get_inputs()}
        self.outputs: Mapping[str, Shape] = {node.name: _shape(node) for node in self._session.get_outputs()}
        self._names = list(self.outputs)
        self._takes = ", ".join(
            f"{node.name} {node.type} {node.shape}" for node in self._session.get_inputs()
        )

    def run(self, feeds: Arrays) -> dict[str, NDArray[np.generic]]:
        if self._session is None:
            raise BackendError("the session is closed")
        try:
            values = self._session.run(self._names, dict(feeds))
        except Exception as error:  # as above
            raise BackendError(
                f"ONNX Runtime: {_first_line(error)}", f"the network takes {self._takes}"
            ) from error
        return dict(zip(self._names, values, strict=True))

    def close(self) -> None:
        self._session = None


def _shape(node: onnxruntime.NodeArg) -> Shape:
    return tuple(axis if isinstance(axis, int) else None for axis in node.shape)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:300]
