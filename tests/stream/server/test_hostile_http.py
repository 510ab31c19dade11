"""Strangers on the port who are no clients: slow, endless, half open, too many. All are let go, the log is quiet."""

import contextlib
import logging
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from support.peers.websocket_client import WAIT_S, Eventually, join, receive, say, until

from mtclar.stream.protocol.messages import MarkMessage
from mtclar.stream.server.config import ServerConfig
from mtclar.stream.server.limits import Limits
from mtclar.stream.server.server import Server

from .test_hostile_clients import raw_client

HASTY = Limits(handshake_s=0.3, ping_s=0.3)


@pytest.fixture
def server(caplog: pytest.LogCaptureFixture) -> Iterator[Server]:
    """A server without patience; what strangers do is not an error of ours."""
    with Server(ServerConfig(port=0, limits=HASTY)) as running:
        yield running
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def connected(server: Server) -> socket.socket:
    return socket.create_connection((server.config.host, server.port), timeout=WAIT_S)


def read_to_end(sock: socket.socket) -> bytes:
    data = b""
    with contextlib.suppress(ConnectionError):
        while more := sock.recv(65536):
            data += more
    return data


def test_a_request_that_trickles_in_is_cut(server: Server, eventually: Eventually) -> None:
    """Slow-loris: each byte is progress, the handshake's time is not extended by it."""
    with connected(server) as sock, contextlib.suppress(ConnectionError):
        sock.sendall(b"GET / HTTP/1.1\r\n")
        until_s = time.monotonic() + WAIT_S
        while server.connections:
            sock.sendall(b"X-A: b\r\n")
            time.sleep(0.02)
            assert time.monotonic() < until_s
    eventually(lambda: server.connections == 0)


def test_a_silent_connection_is_closed(server: Server) -> None:
    with connected(server) as sock:
        assert read_to_end(sock) == b""


@pytest.mark.parametrize(
    "flood",
    [
        b"GET / HTTP/1.1\r\n" + b"X-A: b\r\n" * 10_000,
        b"GET / HTTP/1.1\r\nX-A: " + b"a" * 1_000_000,
        b"GET /" + b"a" * 1_000_000,
        b"a" * 1_000_000,
    ],
    ids=["headers", "long header", "long path", "no line"],
)
def test_a_flood_of_headers_is_refused_and_not_kept(server: Server, flood: bytes) -> None:
    with connected(server) as sock:
        with contextlib.suppress(ConnectionError):  # it may be closed before all is said
            sock.sendall(flood)
        assert b"200" not in read_to_end(sock)[:20]


@pytest.mark.parametrize(
    "target", ["/../pyproject.toml", "/..%2f..%2fetc/passwd", "/....//x", "/\\..\\x", "*", "a:b"]
)
def test_no_path_leads_out_of_the_pages(server: Server, target: str) -> None:
    with connected(server) as sock:
        sock.sendall(f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        assert b" 404 " in read_to_end(sock).partition(b"\r\n")[0]


def test_a_page_that_is_not_read_is_abandoned(server: Server, eventually: Eventually) -> None:
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.settimeout(WAIT_S)
        sock.connect((server.config.host, server.port))
        for _ in range(50):  # pipelined, and none is read
            with contextlib.suppress(ConnectionError):
                sock.sendall(b"GET /dashboard/app.js HTTP/1.1\r\nHost: localhost\r\n\r\n")
        eventually(lambda: server.connections == 0)


def test_a_half_open_client_is_noticed_by_its_silence(server: Server, eventually: Eventually) -> None:
    """Its machine has gone without a word: nothing is closed, nothing is answered, a ping least of all."""
    with join(server) as lively:
        until(lively, "hello")
        gone = raw_client(server)
        eventually(lambda: server.clients == 2)
        eventually(lambda: server.clients == 1)
        server.publish(MarkMessage("still here", 1.0))
        assert until(lively, "mark")["label"] == "still here"
        gone.close()


def test_a_half_closed_client_is_let_go(server: Server, eventually: Eventually) -> None:
    sock = raw_client(server)
    eventually(lambda: server.clients == 1)
    sock.shutdown(socket.SHUT_WR)
    eventually(lambda: server.clients == 0 and server.connections == 0)
    sock.close()


def test_too_many_connections_of_one_address_leave_room_for_others(eventually: Eventually) -> None:
    limits = Limits(clients=30, clients_per_address=5, pages=3)
    with Server(ServerConfig(port=0, limits=limits)) as server, contextlib.ExitStack() as stack:
        for _ in range(40):
            stack.enter_context(connected(server))
        eventually(lambda: server.refused["room"] == 40 - 8)
        assert server.connections == 8
        other = stack.enter_context(join(server, source_address=("127.0.0.2", 0)))
        assert receive(other)["type"] == "hello"


def test_guesses_at_the_token_come_to_an_end() -> None:
    limits = Limits(wrong_tokens=2, wrong_token_s=1000)
    with Server(ServerConfig(port=0, token="a-long-enough-token", limits=limits)) as server:
        codes = []
        for number in range(4):
            with join(server) as client:
                code = receive(client)["code"]
                if code == "token_required":
                    say(client, type="hello", token=f"a-guess-of-a-token-{number}")
                    code = receive(client)["code"]
                codes.append(code)
        assert codes == ["bad_token", "bad_token", "too_many_guesses", "too_many_guesses"]


def test_guesses_are_counted_over_connections_that_are_open_together() -> None:
    token = "a-long-enough-token"
    with (
        Server(
            ServerConfig(port=0, token=token, limits=Limits(wrong_tokens=2, wrong_token_s=1000))
        ) as server,
        ExitStack() as stack,
    ):
        *strangers, owner = [stack.enter_context(join(server)) for _ in range(5)]
        codes = []
        for number, client in enumerate(strangers):
            assert receive(client)["code"] == "token_required"
            say(client, type="hello", token=f"a-guess-of-a-token-{number}")
            codes.append(receive(client)["code"])
        assert codes == ["bad_token", "bad_token", "too_many_guesses", "too_many_guesses"]
        assert receive(owner)["code"] == "token_required"
        say(owner, type="hello", token=token)  # strangers at the same address do not lock the owner out
        assert receive(owner)["type"] == "hello"
