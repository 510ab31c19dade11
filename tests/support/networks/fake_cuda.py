"""A CUDA driver in plain memory that is stricter than the real one.

The driver does nothing when an operation is queued and everything when its stream is synchronised, so a result that
is read too early is still what was there before. It checks every call: the context of the thread, live handles, sizes
inside one allocation, pinned memory for copies, each thing freed once and not while work on it is queued.
"""

import ctypes
import enum
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

POISON_FRESH, POISON_FREED = 0xCD, 0xDD


class CUresult(enum.IntEnum):
    """The driver's codes that are used here."""

    CUDA_SUCCESS = 0
    CUDA_ERROR_OUT_OF_MEMORY = 2
    CUDA_ERROR_NO_DEVICE = 100
    CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED = 900


class Misuse(AssertionError):
    """The code under test did what real CUDA may punish with anything."""


@dataclass(eq=False)
class Operation:
    """Queued work: which device memory and pinned memory it touches, and what it does."""

    name: str
    device: list[tuple[int, int]]  # address, bytes
    host: list[tuple[int, int]]
    work: Callable[[], None]


@dataclass(eq=False)
class Stream:
    queue: list[Operation] = field(default_factory=list)
    recording: list[Operation] | None = None


class FakeDriver:
    """What `cuda.bindings.driver` offers, as far as it is used."""

    CUdevice_attribute = SimpleNamespace(
        CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR="major",
        CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR="minor",
    )
    CUstreamCaptureMode = SimpleNamespace(CU_STREAM_CAPTURE_MODE_THREAD_LOCAL=1)

    def __init__(self, capability: tuple[int, int] = (8, 6), cards: int = 1) -> None:
        self.capability = capability
        self.cards = cards
        self.fail: dict[str, list[CUresult]] = {}  # call -> results of its next calls
        self.calls: list[str] = []
        self.peak_bytes = 0
        self._memory: dict[int, bytearray] = {}
        self._pinned: dict[int, Any] = {}
        self._graveyard: list[
            Any
        ] = []  # freed pinned memory stays mapped: touching it must not crash the tests
        self._streams: dict[int, Stream] = {}
        self._graphs: dict[int, list[Operation]] = {}
        self._execs: dict[int, list[Operation]] = {}
        self._next = 0x1000
        self._contexts = 0
        self._current = threading.local()

    def __getattr__(self, name: str) -> Callable[..., tuple[Any, ...]]:
        """cuXyz -> the method _xyz, with its context checked and its errors injected."""
        if not name.startswith("cu"):
            raise AttributeError(name)
        method = getattr(self, f"_{name}")

        def call(*arguments: Any) -> tuple[Any, ...]:
            self.calls.append(name)
            if queued := self.fail.get(name):
                result = queued.pop(0)
                if result:
                    return (result, None)
            free = name in (
                "cuInit",
                "cuCtxSetCurrent",
                "cuDevicePrimaryCtxRetain",
                "cuDevicePrimaryCtxRelease",
            )
            if not free and not name.startswith("cuDevice") and not getattr(self._current, "context", None):
                raise Misuse(f"{name} in a thread without a context")
            value = method(*arguments)
            return (CUresult.CUDA_SUCCESS,) if value is None else (CUresult.CUDA_SUCCESS, value)

        return call

    # --- the device ---

    def _cuInit(self, flags: int) -> None:
        assert flags == 0

    def _cuDeviceGetCount(self) -> int:
        return self.cards

    def _cuDeviceGet(self, index: int) -> str:
        return f"device {index}"

    def _cuDeviceGetName(self, length: int, _: str) -> bytes:
        return b"NVIDIA Imaginary 3090".ljust(length, b"\0")

    def _cuDeviceGetAttribute(self, attribute: str, _: str) -> int:
        return self.capability[attribute == "minor"]

    def _cuDevicePrimaryCtxRetain(self, _: str) -> str:
        self._contexts += 1
        return "primary"

    def _cuDevicePrimaryCtxRelease(self, _: str) -> None:
        self._contexts -= 1
        if self._contexts < 0:
            raise Misuse("the context was released too often")

    def _cuCtxSetCurrent(self, context: str) -> None:
        if not self._contexts:
            raise Misuse("a released context was made current")
        self._current.context = context

    # --- memory ---

    def _cuMemAlloc(self, nbytes: int) -> int:
        if nbytes <= 0:
            raise Misuse(f"an allocation of {nbytes} bytes")
        address = self._handle(nbytes)
        self._memory[address] = bytearray([POISON_FRESH]) * nbytes
        self.peak_bytes = max(self.peak_bytes, sum(map(len, self._memory.values())))
        return address

    def _cuMemFree(self, address: int) -> None:
        self._idle("device", address)
        if self._memory.pop(address, None) is None:
            raise Misuse(f"{address:#x} is freed twice, or was never allocated")

    def _cuMemHostAlloc(self, nbytes: int, _: int) -> int:
        buffer = (ctypes.c_uint8 * nbytes)(*[POISON_FRESH] * nbytes)
        self._pinned[ctypes.addressof(buffer)] = buffer
        return ctypes.addressof(buffer)

    def _cuMemFreeHost(self, address: int) -> None:
        self._idle("host", address)
        buffer = self._pinned.pop(address, None)
        if buffer is None:
            raise Misuse(f"pinned memory {address:#x} is freed twice, or was never allocated")
        ctypes.memset(address, POISON_FREED, len(buffer))
        self._graveyard.append(buffer)

    def _cuMemcpyHtoDAsync(self, target: int, source: int, nbytes: int, stream: int) -> None:
        self.enqueue(
            stream,
            Operation(
                "upload",
                [(target, nbytes)],
                [(source, nbytes)],
                lambda: self.write(target, ctypes.string_at(source, nbytes)),
            ),
        )

    def _cuMemcpyDtoHAsync(self, target: int, source: int, nbytes: int, stream: int) -> None:
        self.enqueue(
            stream,
            Operation(
                "download",
                [(source, nbytes)],
                [(target, nbytes)],
                lambda: ctypes.memmove(target, self.read(source, nbytes), nbytes) and None,
            ),
        )

    # --- streams and graphs ---

    def _cuStreamCreate(self, _: int) -> int:
        handle = self._handle()
        self._streams[handle] = Stream()
        return handle

    def _cuStreamDestroy(self, handle: int) -> None:
        stream = self._streams.pop(handle, None)
        if stream is None:
            raise Misuse("a stream is destroyed twice, or was never created")
        if stream.queue or stream.recording is not None:
            raise Misuse("a stream is destroyed with work in it")

    def _cuStreamSynchronize(self, handle: int) -> None:
        stream = self._stream(handle)
        if stream.recording is not None:
            raise Misuse("a stream is synchronised while it is recorded")
        queue, stream.queue = stream.queue, []
        for operation in queue:
            self._check(operation)
            operation.work()

    def _cuStreamBeginCapture(self, handle: int, _: int) -> None:
        stream = self._stream(handle)
        if stream.recording is not None:
            raise Misuse("a stream is recorded twice at once")
        stream.recording = []

    def _cuStreamEndCapture(self, handle: int) -> int:
        stream = self._stream(handle)
        if stream.recording is None:
            raise Misuse("nothing was being recorded")
        graph = self._handle()
        self._graphs[graph], stream.recording = stream.recording, None
        return graph

    def _cuGraphInstantiate(self, graph: int, _: int) -> int:
        handle = self._handle()
        self._execs[handle] = list(self._graphs[graph])
        return handle

    def _cuGraphDestroy(self, graph: int) -> None:
        del self._graphs[graph]

    def _cuGraphExecDestroy(self, handle: int) -> None:
        if self._execs.pop(handle, None) is None:
            raise Misuse("a graph is destroyed twice, or was never made")

    def _cuGraphLaunch(self, handle: int, stream: int) -> None:
        if handle not in self._execs:
            raise Misuse("a destroyed graph is launched")
        for operation in self._execs[handle]:
            self.enqueue(stream, operation)

    # --- for the fake TensorRT, and for tests ---

    def enqueue(self, handle: int, operation: Operation) -> None:
        """Checked when queued, and again when done."""
        self._check(operation)
        stream = self._stream(handle)
        (stream.queue if stream.recording is None else stream.recording).append(operation)

    def read(self, address: int, nbytes: int) -> bytes:
        base = self._inside(address, nbytes)
        return bytes(self._memory[base][address - base : address - base + nbytes])

    def write(self, address: int, data: bytes) -> None:
        base = self._inside(address, len(data))
        self._memory[base][address - base : address - base + len(data)] = data

    @property
    def live(self) -> dict[str, int]:
        """Counts of what has not been freed yet."""
        return {
            "memory": len(self._memory),
            "pinned": len(self._pinned),
            "streams": len(self._streams),
            "graphs": len(self._graphs) + len(self._execs),
            "contexts": self._contexts,
        }

    def recorded(self, name: str) -> int:
        """How often a call was made."""
        return self.calls.count(name)

    def _handle(self, nbytes: int = 0) -> int:
        self._next += (nbytes // 256 + 2) * 256  # a gap behind each allocation: running over it is noticed
        return self._next - (nbytes // 256 + 2) * 256

    def _stream(self, handle: int) -> Stream:
        if handle not in self._streams:
            raise Misuse("a stream that is not there")
        return self._streams[handle]

    def _inside(self, address: int, nbytes: int) -> int:
        for base, memory in self._memory.items():
            if base <= address and address + nbytes <= base + len(memory):
                return base
        raise Misuse(f"{nbytes} bytes at {address:#x} are not inside one live allocation")

    def _check(self, operation: Operation) -> None:
        for address, nbytes in operation.device:
            self._inside(address, nbytes)
        for address, nbytes in operation.host:
            if not any(
                base <= address and address + nbytes <= base + len(buffer)
                for base, buffer in self._pinned.items()
            ):
                raise Misuse(f"{operation.name}: {nbytes} bytes at {address:#x} are not pinned")

    def _idle(self, side: str, address: int) -> None:
        for stream in self._streams.values():
            for operation in stream.queue:
                if any(touched == address for touched, _ in getattr(operation, side)):
                    raise Misuse(f"{side} memory is freed while {operation.name} is queued on it")
