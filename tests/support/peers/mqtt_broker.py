"""A real MQTT broker, mosquitto, that can be killed and started again, and mosquitto_sub as its subscriber."""

import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

WAIT_S = 60.0
DEBIAN_SBIN = "/usr/sbin"  # not in every user's PATH


def _command(name: str) -> str:
    found = shutil.which(name, path=os.pathsep.join((os.environ.get("PATH", ""), DEBIAN_SBIN)))
    if found is None:
        pytest.skip(f"no {name} command: `.ci/system` installs it")
    return found


class Mosquitto:
    """A broker on a port of 127.0.0.1 that keeps sessions on disk, so that subscribers lose nothing by a restart."""

    def __init__(self, folder: Path, settings: str = "allow_anonymous true") -> None:
        self._program = _command("mosquitto")
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self._config = folder / "mosquitto.conf"
        self._config.write_text(
            f"listener {self.port} 127.0.0.1\n{settings}\nuser root\npersistence true\n"
            f"persistence_location {folder}/\nautosave_on_changes true\nautosave_interval 1\n"
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Returns when it listens."""
        self._process = subprocess.Popen(
            [self._program, "-c", str(self._config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        until_s = time.monotonic() + WAIT_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                assert self._process.poll() is None, "mosquitto has ended"
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


@contextmanager
def mosquitto(folder: Path, settings: str = "allow_anonymous true") -> Iterator[Mosquitto]:
    """A running broker."""
    broker = Mosquitto(folder, settings)
    broker.start()
    try:
        yield broker
    finally:
        broker.kill()


@contextmanager
def subscriber(broker: Mosquitto, *options: str) -> Iterator[list[tuple[str, str]]]:
    """What mosquitto_sub receives of all topics, as (topic, payload); its session outlives the broker."""
    command = [_command("mosquitto_sub"), "-h", "127.0.0.1", "-p", str(broker.port)]
    command += ["-t", "#", "-q", "1", "-c", "-i", "test", "-F", "%t\t%p", *options]
    received: list[tuple[str, str]] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:

        def read() -> None:
            assert process.stdout is not None
            for line in process.stdout:
                topic, _, payload = line.rstrip("\n").partition("\t")
                received.append((topic, payload))

        thread = threading.Thread(target=read)
        thread.start()
        try:
            yield received
        finally:
            process.terminate()
            thread.join()
