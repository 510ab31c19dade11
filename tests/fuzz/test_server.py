"""Bytes from anybody to the server's port: answered or cut off, never a traceback, and others are served on."""

import logging
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import strategies as st
from support.pipeline_parts import CAM
from websockets.sync.client import connect

from mtclar.stream.protocol.messages import Hello
from mtclar.stream.server.config import ServerConfig
from mtclar.stream.server.limits import Limits
from mtclar.stream.server.server import Server

from .conftest import Fuzz, damaged

SILENCE_S = 0.3  # of a server that waits for the rest of a request


@pytest.fixture
def server() -> Iterator[Server]:
    config = ServerConfig(
        port=0, limits=Limits(connections_per_s=1e9)
    )  # all connections are from one address
    with Server(config, hello=lambda: Hello((CAM,))) as running:
        yield running


def exchange(server: Server, *sent: bytes, hang_up: bool = False) -> bytes:
    """The server's answer until it closes or is silent for SILENCE_S; `hang_up` closes our half first."""
    received = b""
    with socket.create_connection((server.config.host, server.port), timeout=10) as client:
        try:
            for one in sent:
                client.sendall(one)
            if hang_up:
                client.shutdown(socket.SHUT_WR)
            client.settimeout(SILENCE_S if not sent[-1].endswith(b"\r\n\r\n") else 10)
            while part := client.recv(65536):
                received += part
                client.settimeout(SILENCE_S)
        except (TimeoutError, ConnectionError):
            pass
    return received


def is_served(server: Server) -> bool:
    with connect(server.ws_url, proxy=None, open_timeout=10) as client:
        return '"hello"' in client.recv(10)


def no_traceback(caplog: pytest.LogCaptureFixture) -> bool:
    return not any(record.exc_info for record in caplog.records if record.levelno >= logging.WARNING)


REQUESTS = [
    b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer x\r\n\r\n",
    b"GET /protocol/../../etc/passwd HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"GET /%2e%2e/%2e%2e/etc/passwd?x=1 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5\r\n\r\nhello",
]


def test_damaged_requests(fuzz: Fuzz, server: Server, caplog: pytest.LogCaptureFixture) -> None:
    def ask(asked: tuple[bytes, bool]) -> None:
        request, hang_up = asked
        answer = exchange(server, request, hang_up=hang_up)
        assert not answer or answer.startswith(b"HTTP/1.1 ")
        assert b"root:" not in answer
        assert b"Traceback" not in answer

    assert fuzz(st.tuples(damaged(REQUESTS), st.booleans()), ask)
    assert is_served(server)
    assert no_traceback(caplog)


def test_any_path(fuzz: Fuzz, server: Server, caplog: pytest.LogCaptureFixture) -> None:
    parts = st.sampled_from(
        [
            "..",
            ".",
            "%2e%2e",
            "%00",
            "etc",
            "passwd",
            "dashboard",
            "app.js",
            "protocol",
            "ws",
            "\\",
            "?",
            "#",
            "//",
            "~",
            "",
        ]
    )

    def ask(path: list[str]) -> None:
        target = "/" + "/".join(path)
        answer = exchange(server, f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        assert answer.startswith(b"HTTP/1.1 ")
        assert b"root:" not in answer

    assert fuzz(st.lists(parts, max_size=6), ask)
    assert is_served(server)
    assert no_traceback(caplog)


def frame(opcode: int, payload: bytes) -> bytes:
    """A masked frame (RFC 6455, 5.2), its mask of noughts."""
    length = len(payload)
    head = bytes([0x80 | opcode, 0x80 | (length if length < 126 else 126)])
    return head + (length.to_bytes(2, "big") if length >= 126 else b"") + bytes(4) + payload


def test_damaged_frames(fuzz: Fuzz, server: Server, caplog: pytest.LogCaptureFixture) -> None:
    handshake = REQUESTS[4]
    samples = [
        frame(1, b'{"type":"subscribe","max_hz":5}') + frame(9, b"ping"),
        frame(1, b'{"type":"mark","label":"\xc3\xa4"}'),
        frame(2, b"MTF1" + bytes(60)),
        frame(8, b"\x03\xe8bye"),
        frame(0, b"rest"),
    ]

    def send(data: Any) -> None:
        assert b"Traceback" not in exchange(server, handshake, data, hang_up=True)

    assert fuzz(damaged(samples) | st.binary(max_size=200), send)
    assert is_served(server)
    assert no_traceback(caplog)


def test_any_headers(fuzz: Fuzz, server: Server, caplog: pytest.LogCaptureFixture) -> None:
    """Of any names and lengths, also repeated ones and ones that do not end."""
    names = st.sampled_from(
        [
            "Host",
            "Origin",
            "Authorization",
            "Upgrade",
            "Connection",
            "Cookie",
            "Sec-WebSocket-Protocol",
            "X",
            "",
        ]
    )
    values = st.text(st.characters(codec="latin-1"), max_size=60) | st.integers(0, 20_000).map("a".__mul__)

    def ask(asked: tuple[list[tuple[str, str]], bool]) -> None:
        headers, ends = asked
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
        request = f"GET /ws HTTP/1.1\r\n{lines}" + ("\r\n" if ends else "")
        answer = exchange(server, request.encode("latin-1"), hang_up=True)
        assert not answer or answer.startswith(b"HTTP/1.1 ")
        assert b"Traceback" not in answer

    assert fuzz(st.tuples(st.lists(st.tuples(names, values), max_size=140), st.booleans()), ask)
    assert is_served(server)
    assert no_traceback(caplog)


def test_any_order_of_frames(fuzz: Fuzz, server: Server, caplog: pytest.LogCaptureFixture) -> None:
    """Control frames between parts of messages, too long, without FIN, with reserved bits, and many of them."""
    frames = st.builds(
        lambda first, payload, times: times * (bytes([first]) + frame(0, payload)[1:]),
        st.sampled_from(
            [fin | opcode for fin in (0x00, 0x80, 0xC0) for opcode in (0, 1, 2, 3, 8, 9, 10, 15)]
        ),
        st.binary(max_size=130),
        st.sampled_from([1, 1, 1, 2, 50, 300]),
    )

    def send(sent: list[bytes]) -> None:
        assert b"Traceback" not in exchange(server, REQUESTS[4], b"".join(sent), hang_up=True)

    assert fuzz(st.lists(frames, min_size=1, max_size=12), send)
    assert is_served(server)
    assert no_traceback(caplog)


def test_hanging_up_before_the_answer_is_no_error_of_ours(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(50):
        exchange(server, REQUESTS[0], hang_up=True)
    assert is_served(server)
    assert no_traceback(caplog)
