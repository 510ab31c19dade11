"""Inference sessions behind one protocol: a backend is chosen by name and imported only when it is chosen."""

import ctypes
import importlib
import sys
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
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


class Runs(Protocol):
    """A network that answers named arrays with named arrays."""

    @property
    def backend(self) -> str:
        """For people: 'onnxruntime (CPU)'."""
        ...

    inputs: Mapping[str, Shape]
    outputs: Mapping[str, Shape]

    def run(self, feeds: Arrays) -> dict[str, NDArray[np.generic]]:
        """Every output for the named inputs. Raises BackendError when names, types or shapes do not fit."""
        ...

    def close(self) -> None:
        """Frees what the backend holds for it; safe to call twice."""
        ...


class Session(Runs, Protocol):
    """One network, ready to run. A context manager: leaving it frees what the backend holds."""

    def holding(self, feeds: Arrays) -> Runs:
        """The same network with these inputs fixed: a card keeps them in its memory until the result is closed, or the
        session is.
        """
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


BACKENDS = {
    "onnxruntime": "mtclar.engine.backends.onnxruntime_session:OnnxRuntimeSession",
    "tensorrt": "mtclar.engine.backends.tensorrt_session:TensorRtSession",
    "tensorrt-rtx": "mtclar.engine.backends.tensorrt_session:TensorRtSession",
    "torch": "mtclar.engine.backends.torch_session:TorchSession",
}
"""Name on the command line -> where its class is. A variant may follow a colon: tensorrt:fp32, onnxruntime:cuda."""

AUTO_ON_CARD: tuple[str, ...] = ("tensorrt", "onnxruntime:cuda", "torch:cuda")
AUTO_ON_CPU: tuple[str, ...] = ("onnxruntime:int8", "onnxruntime")
"""What `auto` tries, best first; the last one always works."""

EXTRAS = {"tensorrt": "tensorrt", "tensorrt-rtx": "tensorrt-rtx", "torch": "train"}
"""Backend -> the extra that brings its packages."""


@dataclass(frozen=True, slots=True, eq=False)
class Opened:
    """Networks on one backend, and why it was this one."""

    sessions: tuple[Session, ...]
    backend: str
    why: str  # '' when the user chose it


class HeldSession:
    """A session some inputs of which stay the same, for backends that gain nothing from knowing it."""

    def __init__(self, session: Session, feeds: Arrays) -> None:
        self._session = session
        self._feeds = dict(feeds)
        self.backend = session.backend
        self.inputs: Mapping[str, Shape] = {n: s for n, s in session.inputs.items() if n not in feeds}
        self.outputs: Mapping[str, Shape] = session.outputs

    def run(self, feeds: Arrays) -> dict[str, NDArray[np.generic]]:
        return self._session.run({**self._feeds, **feeds})

    def close(self) -> None:
        """Nothing is held but a reference; the session goes on."""


def open_session(
    path: Path, backend: str = "auto", threads: int = 1, progress: Callable[[str], None] | None = None
) -> Session:
    """The graph at `path`, loaded into a backend that computes with `threads` threads.

    `progress` is told what takes long. Raises UsageError for an unknown backend, BackendError when it cannot run here,
    ModelError for a damaged graph.
    """
    return open_sessions([path], backend, threads, progress).sessions[0]


def open_sessions(
    paths: Sequence[Path],
    backend: str = "auto",
    threads: int = 1,
    progress: Callable[[str], None] | None = None,
) -> Opened:
    """Several graphs, all on one backend: with `auto`, on the first that takes them all."""
    if backend != "auto":
        return Opened(_open_all(paths, backend, threads, progress), backend, "")
    driver = has_nvidia_driver()
    candidates = (*AUTO_ON_CARD, *AUTO_ON_CPU) if driver else AUTO_ON_CPU
    refused = [] if driver else ["there is no NVIDIA driver"]
    for candidate in candidates[:-1]:
        try:
            return Opened(_open_all(paths, candidate, threads, progress), candidate, "; ".join(refused))
        except BackendError as error:
            refused.append(f"not {candidate}: {error.what}")
    last = candidates[-1]
    return Opened(_open_all(paths, last, threads, progress), last, "; ".join(refused))


def has_nvidia_driver() -> bool:
    """Whether the driver's library is there; it is not called."""
    try:
        ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return False
    return True


def _open_all(
    paths: Sequence[Path], backend: str, threads: int, progress: Callable[[str], None] | None
) -> tuple[Session, ...]:
    name, _, variant = backend.partition(":")
    if name not in BACKENDS:
        raise UsageError(f"there is no backend {name!r}", f"one of: auto, {', '.join(BACKENDS)}")
    module, _, cls = BACKENDS[name].partition(":")
    try:
        session_type = getattr(importlib.import_module(module), cls)
    except ImportError as error:
        package = f"'mtclar-stream[{EXTRAS[name]}]'" if name in EXTRAS else name
        raise BackendError(
            f"the backend {name} cannot be imported: {error}", f"pip install {package}"
        ) from error
    with ExitStack() as stack:
        sessions = tuple(
            stack.enter_context(
                session_type(path, threads=threads, name=name, variant=variant or None, progress=progress)
            )
            for path in paths
        )
        stack.pop_all()
    return sessions
