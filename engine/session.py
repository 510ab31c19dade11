"""Inference sessions behind one protocol: a backend is chosen by name and imported only when it is chosen."""

import importlib
from abc import abstractmethod
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from mtclar.engine.errors import BackendError, UsageError

Arrays = Mapping[str, NDArray[np.generic]]
Shape = tuple[int | None, ...]
"""A tensor's shape; None where the graph leaves an axis open (batch, support size)."""


class Closing(AbstractContextManager[Any]):
    """What holds something until `close`: a context manager that closes when it is left."""

    @abstractmethod
    def close(self) -> None:
        """Gives back what is held; safe to call twice."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Session(Protocol):
    """One network, ready to run. A context manager: leaving it frees what the backend holds."""

    backend: str  # for people: 'onnxruntime (CPU)'
    inputs: Mapping[str, Shape]
    outputs: Mapping[str, Shape]

    def run(self, feeds: Arrays) -> dict[str, NDArray[np.generic]]:
        """Every output for the named inputs. Raises BackendError when names, types or shapes do not fit."""
        ...

    def close(self) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


BACKENDS = {"onnxruntime": "mtclar.engine.session_onnxruntime:OnnxRuntimeSession"}
"""Name on the command line -> where its class is."""

AUTO = ("onnxruntime",)
"""What `auto` tries, best first."""


def open_session(path: Path, backend: str = "auto", threads: int = 1) -> Session:
    """The graph at `path`, loaded into a backend that computes with `threads` threads.

    Raises UsageError for an unknown backend, BackendError when its package is missing, ModelError for a damaged graph.
    """
    names = AUTO if backend == "auto" else (backend,)
    for name in names:
        if name not in BACKENDS:
            raise UsageError(f"there is no backend {name!r}", f"one of: auto, {', '.join(BACKENDS)}")
        module, _, cls = BACKENDS[name].partition(":")
        try:
            session_type = getattr(importlib.import_module(module), cls)
        except ImportError as error:
            if name == names[-1]:
                raise BackendError(
                    f"the backend {name} cannot be imported: {error}", f"pip install {name}"
                ) from error
            continue
        session: Session = session_type(path, threads=threads)
        return session
    raise AssertionError("AUTO is empty")
