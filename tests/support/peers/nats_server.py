"""A real nats-server, alone or as a cluster on loopback, that can be frozen, killed and started again."""

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

WAIT_S = 60.0
DEBIAN_SBIN = "/usr/sbin"  # not in every user's PATH


def _program() -> str:
    found = shutil.which("nats-server", path=os.pathsep.join((os.environ.get("PATH", ""), DEBIAN_SBIN)))
    if found is None:
        pytest.skip("no nats-server command: `.ci/system` installs it")
    return found


def free_port() -> int:
    """A port of 127.0.0.1 that nobody uses now."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


class NatsServer:
    """A server on a port of 127.0.0.1, with JetStream in `folder`; `settings` are further lines of its file."""

    def __init__(self, folder: Path, settings: str = "", *, name: str = "n1", jetstream: bool = True) -> None:
        self._program = _program()
        self.port = free_port()
        self.store = folder / f"store-{name}"
        self._config = folder / f"{name}.conf"
        keep = f'jetstream {{ store_dir: "{self.store}" }}\n' if jetstream else ""
        self._config.write_text(f"server_name: {name}\nlisten: 127.0.0.1:{self.port}\n{keep}{settings}\n")
        self._log = folder / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        """What it has logged."""
        return self._log.read_text()

    @property
    def pid(self) -> int:
        """Its process."""
        assert self._process is not None
        return self._process.pid

    @property
    def url(self) -> str:
        """Its address."""
        return f"nats://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Returns when it listens."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen([self._program, "-c", str(self._config)], stdout=log, stderr=log)
        until_s = time.monotonic() + WAIT_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                assert self._process.poll() is None, self._log.read_text()
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

    def forget(self) -> None:
        """Deletes what JetStream kept, while it does not run."""
        shutil.rmtree(self.store, ignore_errors=True)


@contextmanager
def nats_server(folder: Path, settings: str = "", *, jetstream: bool = True) -> Iterator[NatsServer]:
    """A running server."""
    server = NatsServer(folder, settings, jetstream=jetstream)
    server.start()
    try:
        yield server
    finally:
        server.kill()


@contextmanager
def nats_cluster(folder: Path) -> Iterator[list[NatsServer]]:
    """Three running servers with one JetStream."""
    routes = [free_port() for _ in range(3)]
    urls = ", ".join(f'"nats://127.0.0.1:{port}"' for port in routes)
    servers = [
        NatsServer(
            folder,
            f'cluster {{ name: "c", listen: "127.0.0.1:{port}", routes: [{urls}] }}',
            name=f"n{number}",
        )
        for number, port in enumerate(routes, 1)
    ]
    with ExitStack() as stack:
        for server in servers:
            stack.callback(server.kill)
            server.start()
        yield servers


@dataclass(frozen=True)
class Heard:
    """One message of the bus."""

    subject: str
    content: Any


@contextmanager
def listener(server: NatsServer, subject: str = ">", **options: Any) -> Iterator[list[Heard]]:
    """What another client of the server hears, from now on."""
    import nats

    heard: list[Heard] = []
    ready, done = threading.Event(), threading.Event()

    async def listen() -> None:
        client = await nats.connect(server.url, **options)

        async def on_message(message: Any) -> None:
            heard.append(Heard(message.subject, json.loads(message.data)))

        await client.subscribe(subject, cb=on_message)
        await client.flush()
        ready.set()
        while not done.is_set():
            await asyncio.sleep(0.02)
        await client.close()

    thread = threading.Thread(target=lambda: asyncio.run(listen()))
    thread.start()
    try:
        assert ready.wait(WAIT_S)
        yield heard
    finally:
        done.set()
        thread.join()
