"""A client that sends too much, too slowly or reads nothing is disconnected, with and without TLS and the token."""

import contextlib
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.faults.bad_clients import frame, handshake
from support.peers.certificates import make_certificate
from support.peers.websocket_client import WAIT_S, Eventually, Make, join, receive, say, until, until_closed

from mtclar.stream.protocol.messages import Hello, StreamInfo
from mtclar.stream.server.config import ServerConfig
from mtclar.stream.server.limits import Limits
from mtclar.stream.server.server import Server
from mtclar.stream.server.uploads import UploadSlot, write_header
from mtclar.stream.sources.browser import BrowserSource

TOKEN = "a-long-enough-token"
PING = frame(9, bytes(125))
PATIENT = 10_000.0
Serve = Callable[..., Server]


@pytest.fixture(params=["plain", "TLS"])
def serve(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Serve]:
    """`serve(token=..., **limits)` starts a server whose time limits do not end, with and without TLS."""
    files: dict[str, Any] = {}
    if request.param == "TLS":
        files = dict(zip(("tls_cert", "tls_key"), make_certificate(tmp_path), strict=True))
    with contextlib.ExitStack() as stack:

        def start(token: str | None = None, **limits: Any) -> Server:
            patient = {"handshake_s": PATIENT, "ping_s": PATIENT, "unread_s": PATIENT, "message_s": PATIENT}
            config = ServerConfig(port=0, token=token, limits=Limits(**(patient | limits)), **files)
            return stack.enter_context(Server(config))

        yield start


def connected(server: Server) -> socket.socket:
    """A connection with a small buffer, after its TLS handshake if there is one."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.settimeout(WAIT_S)
    sock.connect((server.config.host, server.port))
    while not server.connections:  # accepted
        time.sleep(0.01)
    if server.url.startswith("https"):
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context.wrap_socket(sock)
    return sock


def websocket(server: Server) -> socket.socket:
    """The same after the handshake of the websocket."""
    sock = connected(server)
    sock.sendall(handshake(server.config.host, server.port))
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += sock.recv(1)
    return sock


def read_to_end(sock: socket.socket) -> bytes:
    data = b""
    with sock, contextlib.suppress(ConnectionError, ssl.SSLError):
        while more := sock.recv(65536):
            data += more
    return data


def send_until_closed(server: Server, sock: socket.socket, data: bytes, pause_s: float = 0.0) -> None:
    """Sends it again and again; fails if the server still has the connection after a minute."""
    until_s = time.monotonic() + WAIT_S
    sock.settimeout(0.1)  # a server that has stopped reading
    while server.connections:
        assert time.monotonic() < until_s
        with contextlib.suppress(OSError):
            sock.sendall(data)
        time.sleep(pause_s)
    sock.close()


@pytest.mark.parametrize("token", [None, TOKEN])
@pytest.mark.parametrize("data", [PING, frame(9, b""), frame(10, b""), b"\x00\x80" + bytes(4)])
def test_websocket_frames_without_end(serve: Serve, token: str | None, data: bytes) -> None:
    """Pings, empty pings, pongs, and empty parts of a message that does not end."""
    server = serve(token)
    sock = websocket(server)
    if data[0] == 0:
        sock.sendall(b"\x01\x80" + bytes(4))
    send_until_closed(server, sock, 50 * data)


def test_too_much_right_after_the_request(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    """The connection has ended before its request is answered."""
    server = serve()
    sock = connected(server)
    send_until_closed(server, sock, handshake(server.config.host, server.port) + 200 * PING)
    websocket(server).close()  # the next one is served
    assert not [record for record in caplog.records if record.exc_info]


def test_pings_are_answered_within_the_limit(serve: Serve) -> None:
    server = serve()
    sock = websocket(server)
    sock.sendall(50 * frame(9, b"now"))
    data = b""
    while data.count(b"\x8a\x03now") < 50:
        data += sock.recv(65536)
    sock.close()


def test_pings_of_a_client_that_does_not_read(
    serve: Serve, make_message: Make, eventually: Eventually
) -> None:
    server = serve()
    sock = websocket(server)
    eventually(lambda: server.clients == 1)
    for seq in range(3000):  # more than all buffers on the way hold
        server.publish(make_message(seq))
    send_until_closed(server, sock, PING, pause_s=0.01)


def test_a_client_that_does_not_read_with_delivery_latest(
    serve: Serve, make_message: Make, eventually: Eventually
) -> None:
    server = serve(unread_s=0.3)
    sock = websocket(server)
    eventually(lambda: server.clients == 1)
    seq = 0
    while server.clients:  # one at a time: a newer message would replace it before it fills a buffer
        written = server.written
        server.publish(make_message(seq := seq + 1))
        eventually(lambda before=written: server.written > before or server.clients == 0)
    eventually(lambda: server.connections == 0)
    sock.close()


def test_a_client_that_reads_now_and_then_stays(
    serve: Serve, make_message: Make, eventually: Eventually
) -> None:
    """Its buffers are full again and again, for longer than it may read nothing."""
    server = serve(unread_s=5.0)
    sock = websocket(server)
    eventually(lambda: server.clients == 1)
    until_s = time.monotonic() + 6.0
    seq = -1
    while time.monotonic() < until_s:
        written, replaced = server.written, 0
        while replaced < 5:  # in a row: its buffers are full
            server.publish(make_message(seq := seq + 1))
            # One message may wait in the mailbox, another one for room in the buffer.
            while server.written + server.missed < seq - 1 and server.clients:
                assert time.monotonic() < until_s + WAIT_S
                time.sleep(1e-4)
            assert server.clients == 1
            replaced = replaced + 1 if server.written == written else 0
            written = server.written
        data = b""
        while b'"seq":%d,' % seq not in data:
            data = data[-100:] + (more := sock.recv(65536))
            assert more
    sock.close()


@pytest.mark.parametrize("last", [frame(8, b"\x03\xe8"), frame(3, b""), b"\x01\x00"])
def test_a_connection_that_has_ended_is_not_kept_open(
    serve: Serve, eventually: Eventually, last: bytes
) -> None:
    """The client closes, or breaks the protocol, and keeps its socket."""
    server = serve()
    with websocket(server) as sock:
        sock.sendall(last)
        eventually(lambda: server.connections == 0)


@pytest.mark.parametrize("said", [b"", b"GET / HT", b"websocket", b"pings"])
def test_everything_before_the_token_has_one_deadline(serve: Serve, said: bytes) -> None:
    """Each thing that it says is progress, and none of it gives it more time."""
    server = serve(TOKEN, handshake_s=1.0)
    sock = websocket(server) if said in (b"websocket", b"pings") else connected(server)
    data = frame(9, b"") if said == b"pings" else said if said.startswith(b"GET") else b""
    send_until_closed(server, sock, data, pause_s=0.05)


def test_a_client_without_the_token_is_told_why(serve: Serve) -> None:
    server = serve(TOKEN, handshake_s=1.0)
    data = read_to_end(websocket(server))
    assert b"token_required" in data
    assert data.endswith(b"\x88\x0a\x03\xf0no token")  # close, 1008


def test_messages_before_the_token_have_a_budget(serve: Serve) -> None:
    server = serve(TOKEN)
    sock = websocket(server)
    send_until_closed(server, sock, frame(1, b" " * 2000)[:1000])


def test_headers_have_a_budget_in_all(serve: Serve) -> None:
    """Each line is short enough, and they are not too many."""
    server = serve()
    sock = connected(server)
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        sock.sendall(b"GET / HTTP/1.1\r\n" + (b"X-A: " + b"a" * 2000 + b"\r\n") * 9)
    assert b" 200 " not in read_to_end(sock)[:20]
    sock = connected(server)
    sock.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n" + (b"X-A: " + b"a" * 2000 + b"\r\n") * 7 + b"\r\n")
    assert b" 200 " in read_to_end(sock)[:20]


@pytest.fixture
def camera() -> Iterator[Callable[..., Server]]:
    """`camera(**limits)` starts a server with a browser as its source."""
    with contextlib.ExitStack() as stack:

        def start(**limits: Any) -> Server:
            info = StreamInfo("browser", "browser", True, None, None, "latest")
            server = Server(ServerConfig(port=0, limits=Limits(**limits)), hello=lambda: Hello((info,)))
            server.accept_uploads({0: UploadSlot(BrowserSource())})
            return stack.enter_context(server)

        yield start


def test_a_large_message_before_the_camera_was_accepted(camera: Callable[..., Server]) -> None:
    with join(camera()) as client:
        until(client, "hello")
        client.send(write_header(0, 0, 1.0) + bytes(20_000))
        assert until_closed(client)[1] == 1009


def test_a_picture_that_does_not_end(camera: Callable[..., Server]) -> None:
    server = camera(message_s=0.5)
    with join(server) as client:
        until(client, "hello")
        say(client, type="camera")
        until(client, "camera_ready")
        client.socket.sendall(frame(2, bytes(60_000))[:50_000])
        assert until_closed(client)[1] == 1008
    with join(server) as client:
        assert receive(client)["type"] == "hello"


def test_unfinished_pictures_have_a_budget_in_all(
    camera: Callable[..., Server], eventually: Eventually
) -> None:
    server = camera(unfinished_bytes=100_000)
    for _ in range(3):  # what a connection held is free when it has ended
        with join(server) as client:
            until(client, "hello")
            say(client, type="camera")
            until(client, "camera_ready")
            head = b"\x82\xff" + (1_000_000).to_bytes(8, "big") + bytes(4)
            with contextlib.suppress(ConnectionError):
                client.socket.sendall(head + bytes(200_000))
            assert until_closed(client)[1] in (1013, 1006)  # 1006: reset before it was read
        eventually(lambda: server.connections == 0)  # it is the camera until then
