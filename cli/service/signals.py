"""Signals of a running command: SIGINT and SIGTERM stop it in order, SIGHUP reloads the certificate."""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from mtclar.stream.server.server import Server


@contextmanager
def stop_on_signals() -> Iterator[threading.Event]:
    """An event that SIGINT and SIGTERM set; a second SIGINT interrupts at once. For the main thread."""
    stopped = threading.Event()

    def stop(number: int, _: FrameType | None) -> None:
        if stopped.is_set() and number == signal.SIGINT:
            raise KeyboardInterrupt
        stopped.set()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def reload_on_hangup(server: Server) -> Iterator[None]:
    """SIGHUP reloads the certificate, as is usual for services. On a terminal SIGHUP keeps its meaning, hang up."""
    if not hasattr(signal, "SIGHUP") or (sys.stdin is not None and sys.stdin.isatty()):
        yield
        return

    def reload(*_: object) -> None:
        # In a thread: a handler may interrupt one that holds the lock or writes the log.
        threading.Thread(target=server.reload_certificate, name="reload", daemon=True).start()

    before = signal.signal(signal.SIGHUP, reload)
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)
