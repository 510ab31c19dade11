"""A server that closes leaves no connection open, however far that has come."""

import asyncio
import gc
import socket
import warnings
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from support.peers.certificates import make_certificate
from support.peers.websocket_client import WAIT_S, Eventually

from mtclar.stream.server.config import ServerConfig
from mtclar.stream.server.server import Server

PAGE = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
HANDSHAKE = (
    b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
CONNECTIONS = 6  # more than the event loop accepts in a turn


@pytest.fixture(params=["plain", "TLS"])
def config(request: pytest.FixtureRequest, tmp_path: Path) -> ServerConfig:
    if request.param == "plain":
        return ServerConfig(port=0)
    certificate, key = make_certificate(tmp_path)
    return ServerConfig(port=0, tls_cert=certificate, tls_key=key)


def connected(server: Server, stack: ExitStack, said: bytes) -> list[socket.socket]:
    clients = [
        stack.enter_context(socket.create_connection(("127.0.0.1", server.port), WAIT_S))
        for _ in range(CONNECTIONS)
    ]
    for client in clients:
        client.sendall(said)
    return clients


def read_to_the_end(client: socket.socket) -> None:
    with suppress(ConnectionError):
        while client.recv(1 << 16):
            pass


@pytest.mark.parametrize("turns", range(4))
@pytest.mark.parametrize("said", [b"", PAGE, HANDSHAKE], ids=["nothing", "page", "handshake"])
def test_connections_that_have_just_come(config: ServerConfig, said: bytes, turns: int) -> None:
    """A connection needs some turns of the event loop from accepting it to its handler; TLS never begins here."""

    async def meet() -> None:
        server = Server(config)
        with ExitStack() as stack:
            async with server:
                clients = connected(server, stack, said)
                for _ in range(turns):
                    await asyncio.sleep(0)
            assert server.connections == 0
            for client in clients:
                read_to_the_end(client)

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        asyncio.run(meet())
        gc.collect()
    assert [str(warning.message) for warning in caught] == []


def test_strangers_that_send_nothing_do_not_delay_it(config: ServerConfig, eventually: Eventually) -> None:
    """As the connections that a browser opens in advance."""
    with ExitStack() as stack:
        with Server(config) as server:
            clients = connected(server, stack, b"")
            eventually(lambda: server.connections == CONNECTIONS)
            assert server.close()
        assert server.connections == 0
        for client in clients:
            read_to_the_end(client)
