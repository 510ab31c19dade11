"""A server of another project as a process on a port of 127.0.0.1, which can be frozen, killed and started again."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

WAIT_S = 60.0
DEBIAN_SBIN = "/usr/sbin"  # not in every user's PATH


def installed(name: str) -> str:
    """The path of a command; skips the test without it."""
    found = shutil.which(name, path=os.pathsep.join((os.environ.get("PATH", ""), DEBIAN_SBIN)))
    if found is None:
        pytest.skip(f"no {name} command: `.ci/system` installs it")
    return found


def free_port() -> int:
    """A port of 127.0.0.1 that nobody uses now."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


class ServerProgram:
    """Runs `command`, which listens on `port`; its output is added to the file `log`."""

    def __init__(self, command: Sequence[str], port: int, log: Path) -> None:
        self.port = port
        self._command = command
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        """What it has written."""
        return self._log.read_text()

    @property
    def pid(self) -> int:
        """Its process."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Returns when it listens."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)
        until_s = time.monotonic() + WAIT_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                assert self._process.poll() is None, self.log
                assert time.monotonic() < until_s
                time.sleep(0.01)

    def signal(self, number: int) -> None:
        """Sends a signal such as SIGSTOP."""
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        """Ends it at once, as a crash does; safe to call twice."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait(WAIT_S)
            self._process = None
