"""What systemd (Type=notify, WatchdogSec=) wants to hear; without it nothing is said. Protocol: sd_notify(3)."""

import os
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

USEC = 1e-6
CHANGES_EVERY_S = 1.0


class Supervisor:
    """Says ready, alive and stopping to the service manager that started this process, if one did.

    `alive` may be called as often as one likes; it says so twice a watchdog's period, and within a second when the
    status has changed.
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
        """The server listens and the networks are loaded."""
        self._say(f"READY=1\nSTATUS={_one_line(status)}")

    def alive(self, status: str) -> None:
        """All is well; left out, the service is started anew after a watchdog's period."""
        now_s = self._clock()
        changed = status != self._last and now_s - self._last_s >= CHANGES_EVERY_S
        if self.period_s is not None and (changed or now_s >= self._due_s):
            self._due_s = now_s + self.period_s / 2
            self._last, self._last_s = status, now_s
            self._say(f"WATCHDOG=1\nSTATUS={_one_line(status)}")

    def stopping(self) -> None:
        """It ends by itself."""
        self._say("STOPPING=1")

    def _say(self, text: str) -> None:
        if not self._address.startswith(("/", "@")):
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        # A manager that does not listen must not stop the work.
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out:
            out.settimeout(1.0)
            out.connect(address)
            out.send(text.encode())


def _one_line(text: str) -> str:
    return " ".join(text.split())
