"""Notifies systemd (Type=notify, WatchdogSec=) by the protocol sd_notify(3); does nothing without systemd."""

import os
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

USEC = 1e-6
CHANGES_EVERY_S = 1.0


class Supervisor:
    """Reports ready, alive and stopping to the service manager that started this process, if any.

    `alive` may be called at any rate; it notifies twice per watchdog period, and within a second of a new status.
    """

    def __init__(
        self,
        environment: Mapping[str, str] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        given = os.environ if environment is None else environment
        self._address = given.get("NOTIFY_SOCKET", "")
        self._clock = clock
        self._due_s = 0.0
        self._last = ""
        self._last_s = -CHANGES_EVERY_S
        watched = given.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        period = given.get("WATCHDOG_USEC", "") if watched else ""
        self.period_s = int(period) * USEC if period.isdecimal() else None

    def ready(self, status: str) -> None:
        """Reports that the server listens and the networks are loaded."""
        self._notify(f"READY=1\nSTATUS={_one_line(status)}")

    def alive(self, status: str) -> None:
        """Resets the watchdog; without a call within its period, systemd restarts the service."""
        now_s = self._clock()
        changed = status != self._last and now_s - self._last_s >= CHANGES_EVERY_S
        if self.period_s is not None and (changed or now_s >= self._due_s):
            self._due_s = now_s + self.period_s / 2
            self._last, self._last_s = status, now_s
            self._notify(f"WATCHDOG=1\nSTATUS={_one_line(status)}")

    def stopping(self) -> None:
        """Reports an orderly stop."""
        self._notify("STOPPING=1")

    def _notify(self, text: str) -> None:
        if not self._address.startswith(("/", "@")):
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        # An unreachable service manager must not stop the work.
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out:
            out.settimeout(1.0)
            out.connect(address)
            out.send(text.encode())


def _one_line(text: str) -> str:
    return " ".join(text.split())
