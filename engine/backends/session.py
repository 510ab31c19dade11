"""The protocol of an inference session, and its back ends: chosen by name, imported when chosen."""

import ctypes
import importlib
import sys
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from mtclar.engine.backends import BACKENDS
from mtclar.engine.errors import BackendError, UsageError
from mtclar.engine.installation.extras import install_command

Arrays = Mapping[str, NDArray[np.generic]]
Shape = tuple[int | None, ...]
"""A tensor's shape; None where the graph leaves an axis open (batch, support size)."""


class Closeable(AbstractContextManager[Any]):
    """A context manager with a `close` that may be called on its own; leaving the `with` block calls it."""

    @abstractmethod
    def close(self) -> None:
        """Releases what it holds; safe to call twice."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class InferenceSession(Protocol):
    """One network, loaded by one back end: named arrays in, named arrays out. A context manager; leaving it closes it.

    A back end may also offer `bind` (see BindableSession).
    """

    @property
    def backend(self) -> str:
        """Back end and device for people: 'onnxruntime (CPU)'."""
        ...

    inputs: Mapping[str, Shape]
    outputs: Mapping[str, Shape]

    def run(self, feeds: Arrays) -> dict[str, NDArray[np.generic]]:
        """Every output for the named inputs. Raises BackendError when names, types or shapes do not fit."""
        ...

    def close(self) -> None:
        """Frees the network's memory; safe to call twice."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


@runtime_checkable
class BindableSession(Protocol):
    """The optional part of a session: inputs bound once stay in device memory and are not uploaded with every run."""

    def bind(self, feeds: Arrays) -> InferenceSession:
        """The same network without these inputs. Close the result to free their memory, at the latest with the session.

        Raises BackendError when the device has no memory left.
        """
        ...


class BoundSession(Closeable):
    """A session with some inputs bound on the host, for back ends without `bind`."""

    def __init__(self, session: InferenceSession, feeds: Arrays) -> None:
        self._session = session
        self._feeds = dict(feeds)
        self.backend = session.backend
        self.inputs: Mapping[str, Shape] = {n: s for n, s in session.inputs.items() if n not in feeds}
        self.outputs: Mapping[str, Shape] = session.outputs

    def run(self, feeds: Arrays) -> dict[str, NDArray[np.generic]]:
        return self._session.run({**self._feeds, **feeds})

    def close(self) -> None:
        self._feeds = {}


def bind(session: InferenceSession, feeds: Arrays) -> InferenceSession:
    """The session with these inputs bound: in device memory where the back end can, otherwise on the host."""
    return session.bind(feeds) if isinstance(session, BindableSession) else BoundSession(session, feeds)


class Backend(Protocol):
    """The constructor that every back end offers; BACKENDS names its class. To add one: a file and an entry there."""

    def __call__(
        self,
        path: Path,
        threads: int = 1,
        *,
        name: str,
        variant: str | None = None,
        progress: Callable[[str], None] | None = None,
    ) -> InferenceSession:
        """Loads the ONNX graph at `path`, to run on `threads` CPU threads.

        `name` is the back end's key in BACKENDS, `variant` follows a colon on the command line (precision or device),
        `progress` receives messages about slow steps. Raises UsageError for an unknown variant, BackendError when it
        cannot run here, ModelError for a missing or damaged graph.
        """
        ...


ON_CPU = frozenset({"onnxruntime", "onnxruntime:cpu", "onnxruntime:int8", "torch:cpu"})
"""Those that compute in the calling thread: several streams that shared one encoder would use one core only."""

NO_DRIVER = "there is no NVIDIA driver"

AUTO_ON_CARD: tuple[str, ...] = ("tensorrt", "onnxruntime:cuda")
AUTO_ON_CPU: tuple[str, ...] = ("onnxruntime:int8", "onnxruntime")
"""The back ends that `auto` tries, fastest first; on the CPU, the first unless measured_choice finds the other faster.
torch is a yardstick and never chosen."""

EXTRAS = {"tensorrt": "tensorrt", "tensorrt-rtx": "tensorrt-rtx", "torch": "train"}
"""Backend -> the extra that brings its packages."""


@dataclass(frozen=True, slots=True, eq=False)
class OpenedSessions:
    """Networks on one back end."""

    sessions: tuple[InferenceSession, ...]
    backend: str
    why: str  # why `auto` chose no faster one; '' when the user chose


def open_session(
    path: Path, backend: str = "auto", threads: int = 1, progress: Callable[[str], None] | None = None
) -> InferenceSession:
    """The graph at `path`, loaded by a back end that computes with `threads` threads.

    `progress` receives messages about slow steps. Raises UsageError for an unknown back end, BackendError when it
    cannot run here, ModelError for a damaged graph.
    """
    return open_sessions([path], backend, threads, progress).sessions[0]


def open_sessions(
    paths: Sequence[Path],
    backend: str = "auto",
    threads: int = 1,
    progress: Callable[[str], None] | None = None,
) -> OpenedSessions:
    """Several graphs, all on one back end: with `auto`, on the first that loads them all. Raises as `open_session`."""
    if backend != "auto":
        return OpenedSessions(_open_all(paths, backend, threads, progress), backend, "")
    driver = has_nvidia_driver()
    refused = [] if driver else [NO_DRIVER]
    failure: BackendError | None = None
    for candidate in _automatic(paths, threads, progress, AUTO_ON_CARD if driver else ()):
        try:
            return OpenedSessions(
                _open_all(paths, candidate, threads, progress), candidate, "; ".join(refused)
            )
        except BackendError as error:
            failure = error
            refused.append(f"not {candidate}: {error.what}")
    assert failure is not None, "there is always a candidate"
    raise failure


def _automatic(
    paths: Sequence[Path],
    threads: int,
    progress: Callable[[str], None] | None,
    on_card: Sequence[str],
) -> Iterator[str]:
    """The back ends that `auto` tries: those on a card, then those on the processor, which are measured first."""
    from mtclar.engine.backends.measured_choice import fastest_first

    yield from on_card
    yield from fastest_first(AUTO_ON_CPU, paths, threads, progress)


def has_nvidia_driver() -> bool:
    """Whether NVIDIA's driver library can be loaded; no function of it is called."""
    try:
        ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return False
    return True


def _open_all(
    paths: Sequence[Path], backend: str, threads: int, progress: Callable[[str], None] | None
) -> tuple[InferenceSession, ...]:
    name, _, variant = backend.partition(":")
    if name not in BACKENDS:
        raise UsageError(f"there is no backend {name!r}", f"one of: auto, {', '.join(BACKENDS)}")
    module, _, cls = BACKENDS[name].partition(":")
    try:
        load: Backend = getattr(importlib.import_module(module), cls)
    except ImportError as error:
        hint = install_command(EXTRAS[name]) if name in EXTRAS else f"pip install {name}"
        raise BackendError(f"the backend {name} cannot be imported: {error}", hint) from error
    with ExitStack() as stack:
        sessions = tuple(
            stack.enter_context(
                load(path, threads=threads, name=name, variant=variant or None, progress=progress)
            )
            for path in paths
        )
        stack.pop_all()
    return sessions
