"""Attacks on a server, each from many connections that come again at once when they are closed; a process of its own.

    python attackers.py NAME ws://HOST:PORT/ws [TOKEN]

It runs until stdin ends, at the lowest priority, because attackers elsewhere would not take this machine's processor.
Only the standard library is imported, so that it begins at once.
"""

import base64
import contextlib
import os
import select
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable
from urllib.parse import urlsplit

WAIT_S = 60.0
PING = b"\x89\xfd" + bytes(4 + 125)
SUBSCRIBE = b'{"type":"subscribe","streams":["synthetic"],"fields":["box"],"delivery":"latest"}'
CAMERA = b'{"type":"camera"}'
PICTURE_BYTES = 4_000_000
HEADERS = b"GET / HTTP/1.1\r\n" + (b"X-A: " + b"a" * 8000 + b"\r\n") * 120


def text(data: bytes) -> bytes:
    """A client's text frame, masked with zeros."""
    length = bytes([0x80 | len(data)]) if len(data) < 126 else b"\xfe" + struct.pack(">H", len(data))
    return b"\x81" + length + bytes(4) + data


class Attacker:
    """One connection after another, each in turn for one attack."""

    def __init__(self, url: str, token: str | None) -> None:
        parts = urlsplit(url)
        self.address = (parts.hostname, parts.port)
        given = "" if token is None else f"Authorization: Bearer {token}\r\n"
        key = base64.b64encode(os.urandom(16)).decode()
        self.handshake = (
            f"GET /ws HTTP/1.1\r\nHost: {parts.netloc}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n{given}"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
        ).encode()

    def connect(self, websocket: bool = True) -> socket.socket:
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.settimeout(WAIT_S)
        sock.connect(self.address)
        if websocket:
            sock.sendall(self.handshake)
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                more = sock.recv(1)
                if not more:
                    raise ConnectionError
                head += more
        return sock

    def pings(self) -> None:
        """Sends pings and never reads."""
        with self.connect() as sock:
            while True:
                sock.sendall(200 * PING)

    def frozen(self) -> None:
        """Never reads."""
        with self.connect() as sock:
            hold(sock)

    def pictures(self) -> None:
        """Begins a picture and does not end it; it has asked to be the camera."""
        with self.connect() as sock:
            sock.sendall(text(CAMERA))
            time.sleep(0.1)
            head = b"\x82\xff" + struct.pack(">Q", PICTURE_BYTES) + bytes(4)
            sock.sendall(head + bytes(PICTURE_BYTES - 1))
            hold(sock)

    def subscribes(self) -> None:
        """Forty times a second, and reads the answers."""
        with self.connect() as sock:
            while True:
                sock.sendall(text(SUBSCRIBE))
                sock.settimeout(0.025)
                with contextlib.suppress(TimeoutError):
                    if not sock.recv(65536):
                        return
                sock.settimeout(WAIT_S)
                time.sleep(0.02)

    def headers(self) -> None:
        """Sends 1 MB of headers that do not end."""
        with self.connect(websocket=False) as sock:
            sock.sendall(HEADERS)
            hold(sock)


def hold(sock: socket.socket) -> None:
    """Until the server ends the connection; nothing is read or sent."""
    ends = select.poll()
    ends.register(sock, select.POLLRDHUP)
    ends.poll()


ATTACKS: dict[str, tuple[Callable[[Attacker], None], int]] = {  # and how many at once
    "pings": (Attacker.pings, 16),
    "frozen": (Attacker.frozen, 64),
    "pictures": (Attacker.pictures, 50),
    "subscribes": (Attacker.subscribes, 50),
    "headers": (Attacker.headers, 300),
}


def main(name: str, url: str, token: str | None = None) -> None:
    os.nice(19)
    what, count = ATTACKS[name]

    def again() -> None:
        while True:
            with contextlib.suppress(OSError):
                what(Attacker(url, token))

    for _ in range(count):
        threading.Thread(target=again, daemon=True).start()
    print("begins", flush=True)
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
