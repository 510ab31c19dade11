"""Clients that misbehave on purpose, of bare sockets: never read, send junk, half-close, vanish, come in crowds."""

import contextlib
import os
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from urllib.parse import urlsplit

WAIT_S = 60.0
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: closing sends RST instead of FIN

_CROWD = """
import resource, socket, sys
host, port, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
crowd, failed = [], 0
for _ in range(count):
    one = socket.socket()
    one.setblocking(False)
    try:
        one.connect((host, port))
    except BlockingIOError:
        pass
    except OSError:
        failed += 1
    crowd.append(one)
print(len(crowd) - failed, flush=True)
sys.stdin.read()
"""


def address(url: str) -> tuple[str, int]:
    """Host and port of a websocket's address."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    return parts.hostname, parts.port


def handshake(host: str, port: int) -> bytes:
    """A client's request for a websocket."""
    return (
        f"GET /ws HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    ).encode()


def silent_connection(url: str) -> socket.socket:
    """A connection that has sent nothing."""
    return socket.create_connection(address(url), timeout=WAIT_S)


def silent_websocket(url: str) -> socket.socket:
    """A websocket after its handshake, with a small buffer, that is never read."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.settimeout(WAIT_S)
    host, port = address(url)
    sock.connect((host, port))
    sock.sendall(handshake(host, port))
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        more = sock.recv(1)
        assert more, f"refused: {head!r}"
        head += more
    return sock


def frame(opcode: int, payload: bytes) -> bytes:
    """A client's websocket frame, masked with zeros."""
    size = len(payload)
    length = bytes([0x80 | size]) if size < 126 else b"\xfe" + struct.pack(">H", size)
    return bytes([0x80 | opcode]) + length + bytes(4) + payload


def send_junk(url: str, seed: int) -> None:
    """A handshake, then bytes that are no websocket frames (or are, by chance), until the server hangs up."""
    with silent_websocket(url) as sock, contextlib.suppress(ConnectionError, TimeoutError):
        sock.sendall(random_bytes(seed, 64 * 1024))
        while sock.recv(65536):
            pass


def random_bytes(seed: int, count: int) -> bytes:
    """The same for the same seed."""
    import random

    return random.Random(seed).randbytes(count)


def half_close(url: str) -> None:
    """Says that it will not speak any more, and reads what still comes."""
    with silent_websocket(url) as sock, contextlib.suppress(ConnectionError):
        sock.shutdown(socket.SHUT_WR)
        while sock.recv(65536):
            pass


def vanish(url: str) -> None:
    """Resets the connection in the middle of a frame."""
    sock = silent_websocket(url)
    sock.sendall(frame(1, b'{"type":"subscribe"}')[:7])
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    sock.close()


@contextlib.contextmanager
def crowd(url: str, count: int) -> Iterator[int]:
    """So many connections at once, from a process of its own; gives how many the system did not refuse there."""
    host, port = address(url)
    command = [sys.executable, "-c", _CROWD, host, str(port), str(count)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=dict(os.environ)
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.stdin.close()
            process.wait(WAIT_S)
