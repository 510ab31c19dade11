"""A real nats-server, alone or as a cluster on loopback, that can be frozen, killed and started again."""

import asyncio
import json
import shutil
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .server_program import WAIT_S, ServerProgram, free_port, installed


class NatsServer(ServerProgram):
    """A server with JetStream in `folder`; `settings` are further lines of its file."""

    def __init__(self, folder: Path, settings: str = "", *, name: str = "n1", jetstream: bool = True) -> None:
        port, file = free_port(), folder / f"{name}.conf"
        super().__init__([installed("nats-server"), "-c", str(file)], port, folder / f"{name}.log")
        self.store = folder / f"store-{name}"
        keep = f'jetstream {{ store_dir: "{self.store}" }}\n' if jetstream else ""
        file.write_text(f"server_name: {name}\nlisten: 127.0.0.1:{port}\n{keep}{settings}\n")

    @property
    def url(self) -> str:
        """Its address."""
        return f"nats://127.0.0.1:{self.port}"

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
