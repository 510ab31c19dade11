"""A thread that cannot reach the network, and whose own threads cannot: for a library that reports to its maker.

The kernel refuses it sockets (seccomp(2), a filter of its own for each thread, inherited by the threads that it
starts); the rest of the process is not affected.
"""

import ctypes
import errno
import logging
import platform
import struct
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

log = logging.getLogger(__name__)
T = TypeVar("T")

# Machine -> its number in seccomp_data (AUDIT_ARCH_*) and that of its system call `socket`.
ARCHITECTURES = {"x86_64": (0xC000003E, 41), "aarch64": (0xC00000B7, 198)}
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06  # BPF: load a word of seccomp_data, jump if equal, return
NUMBER, ARCHITECTURE = 0, 4  # offsets in seccomp_data
ALLOW, REFUSE = 0x7FFF0000, 0x00050000 | errno.EACCES


class OfflineThread:
    """Runs calls one after the other in one thread without sockets; logs a warning where that is not possible."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(1, "offline", initializer=_refuse_sockets)

    def run(self, work: Callable[[], T]) -> T:
        """What `work` returns or raises, called in the thread."""
        return self._executor.submit(work).result()

    def close(self) -> None:
        """Ends the thread; safe to call twice."""
        self._executor.shutdown()


def _refuse_sockets() -> None:
    """Lets the kernel refuse sockets to this thread, for good."""
    try:
        architecture, socket_call = ARCHITECTURES[platform.machine() if sys.platform == "linux" else ""]
        code = b"".join(
            struct.pack("HBBI", *instruction)
            for instruction in (
                (LOAD, 0, 0, ARCHITECTURE),
                (EQUAL, 0, 2, architecture),
                (LOAD, 0, 0, NUMBER),
                (EQUAL, 1, 0, socket_call),
                (RETURN, 0, 0, ALLOW),
                (RETURN, 0, 0, REFUSE),
            )
        )
        program = ctypes.create_string_buffer(code, len(code))
        head = struct.pack("HxxxxxxP", len(code) // 8, ctypes.addressof(program))
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(
            PR_SET_SECCOMP, SECCOMP_MODE_FILTER, head, 0, 0
        ):
            raise OSError(ctypes.get_errno(), "prctl")
    except (KeyError, OSError, AttributeError) as error:
        log.warning(
            "MediaPipe can report its use to its maker: its network cannot be closed here (%r)", error
        )
