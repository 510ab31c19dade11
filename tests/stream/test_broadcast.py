"""The running server, spoken to by real websocket clients and plain HTTP."""

import contextlib
import json
import socket
import ssl
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from mtclar.engine.errors import MtclarError, ServeError, UsageError
from mtclar.stream.broadcast import Broadcaster
from mtclar.stream.messages import AffectMessage, ByeMessage, ErrorMessage, Hello, MarkMessage, StatusMessage
from mtclar.stream.pages import Page

SCHEMA = json.loads((resources.files("mtclar.stream") / "mtclar.v1.schema.json").read_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
TOKEN = "a-long-enough-token"
WAIT_S = 20.0

Make = Callable[..., AffectMessage]
Eventually = Callable[[Callable[[], Any]], Any]


def join(server: Broadcaster, **options: Any) -> ClientConnection:
    options.setdefault("subprotocols", ["mtclar.v1"])
    return connect(server.ws_url, open_timeout=WAIT_S, close_timeout=WAIT_S, proxy=None, **options)


def receive(client: ClientConnection) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(client.recv(WAIT_S))
    VALIDATOR.validate(message)
    return message


def until(client: ClientConnection, kind: str) -> dict[str, Any]:
    while (message := receive(client))["type"] != kind:
        pass
    return message


def until_closed(client: ClientConnection) -> tuple[list[dict[str, Any]], int | None]:
    """What still comes, and the close code."""
    got = []
    with contextlib.suppress(ConnectionClosed):
        while True:
            got.append(receive(client))
    return got, client.protocol.close_code


def say(client: ClientConnection, **message: Any) -> None:
    client.send(json.dumps(message))


def get(server: Broadcaster, path: str) -> tuple[int, bytes, dict[str, str]]:
    try:
        with urllib.request.urlopen(server.url.rstrip("/") + path, timeout=WAIT_S) as answer:
            return answer.status, answer.read(), dict(answer.headers)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read(), dict(error.headers)


def test_a_client_gets_hello_the_last_status_and_every_message(
    server: Broadcaster, make_message: Make
) -> None:
    server.publish(StatusMessage("cam", "connecting"))
    server.publish(StatusMessage("cam", "live"))
    with join(server) as client:
        hello = receive(client)
        assert client.subprotocol == "mtclar.v1"
        assert (hello["type"], hello["protocol"]) == ("hello", "mtclar.v1")
        assert abs(hello["clock"]["monotonic"] - time.monotonic()) < WAIT_S
        status = receive(client)
        assert (status["type"], status["state"]) == ("status", "live")
        for seq in range(1, 5):
            server.publish(make_message(seq))
            assert receive(client)["seq"] == seq


def test_a_client_without_a_subprotocol_is_welcome_and_one_with_another_is_not(server: Broadcaster) -> None:
    with join(server, subprotocols=None) as client:
        assert receive(client)["type"] == "hello"
    with pytest.raises(InvalidStatus) as refused:
        join(server, subprotocols=["mtclar.v9"])
    assert refused.value.response.status_code == 400


def test_fields_streams_and_rate_can_be_chosen(server: Broadcaster, make_message: Make) -> None:
    server.publish(StatusMessage("other", "live"))
    with join(server) as client:
        say(client, type="subscribe", streams=["cam"], fields=["similarity"], max_hz=10, delivery="all")
        answer = until(client, "subscribed")
        assert (
            answer | {"streams": ["cam"], "fields": ["similarity"], "max_hz": 10, "delivery": "all"} == answer
        )
        for seq in range(25):  # one second at 25 a second
            server.publish(make_message(seq, t_s=100 + seq / 25))
            server.publish(make_message(seq, stream="other"))
        server.publish(MarkMessage("end", 0.0))
        say(client, type="subscribe", streams=["other"])
        got: list[dict[str, Any]] = []
        while (message := receive(client))["type"] != "subscribed":
            if message["type"] == "affect":
                got.append(message)
        assert {message["stream"] for message in got} <= {"cam"}
        server.publish(make_message(99, stream="other"))
        while (message := receive(client))["stream"] != "other":
            got.append(message)
        cam = [message for message in got if message["stream"] == "cam"]
        assert 10 <= len(cam) <= 11
        assert "similarity" in cam[0]["faces"][0]
        assert "box" not in cam[0]["faces"][0]
        assert "box" in message["faces"][0]


def test_junk_is_answered_and_too_much_of_it_ends_the_connection(server: Broadcaster) -> None:
    with join(server) as client:
        until(client, "hello")
        client.send("{")
        assert receive(client)["code"] == "bad_json"
        client.send(b"\x00\x01")
        assert receive(client)["code"] == "binary_not_expected"
        say(client, type="subscribe", streams=["nowhere"])
        assert receive(client)["code"] == "unknown_stream"
        say(client, type="subscribe")
        assert receive(client)["type"] == "subscribed"
        with contextlib.suppress(ConnectionClosed):  # it may be closed while it still talks
            for _ in range(20):
                client.send("junk")
        assert until_closed(client)[1] == 1008


def test_a_flood_and_a_huge_message_end_the_connection_of_the_one_who_sent_them(server: Broadcaster) -> None:
    with join(server) as bystander:
        for text, times, code in (("x" * 20_000, 1, 1009), ('{"type":"hello"}', 200, 1008)):
            with join(server) as client:
                with contextlib.suppress(ConnectionClosed):  # it may be closed while it still talks
                    for _ in range(times):
                        client.send(text)
                assert until_closed(client)[1] == code
        server.publish(MarkMessage("still here", 1.0))
        assert until(bystander, "mark")["label"] == "still here"


def test_a_mark_reaches_everyone_and_the_hook() -> None:
    marks: list[MarkMessage] = []
    with (
        Broadcaster(port=0, on_mark=marks.append) as server,
        join(server) as one,
        join(server) as two,
    ):
        until(two, "hello")
        say(one, type="mark", label="video starts")
        assert until(one, "mark")["label"] == until(two, "mark")["label"] == marks[0].label == "video starts"


def test_a_frozen_client_delays_nobody_and_loses_only_old_messages(
    server: Broadcaster, make_message: Make, eventually: Eventually
) -> None:
    frozen = raw_client(server)
    with join(server) as lively:
        until(lively, "hello")
        eventually(lambda: server.clients == 2)
        for seq in range(3000):  # 2 MB: more than all buffers on the way
            server.publish(make_message(seq))
            assert until(lively, "affect")["seq"] == seq
        # The frozen one wakes: what was on its way is old, then comes the newest and nothing in between.
        server.publish(MarkMessage("end", 0.0))
        seqs = read_until_mark(frozen)
    assert seqs == sorted(set(seqs))
    assert len(seqs) < 3000
    assert seqs[-1] == 2999


def test_a_client_that_wants_all_and_does_not_read_is_closed(
    server: Broadcaster, make_message: Make, eventually: Eventually
) -> None:
    greedy = raw_client(server, {"type": "subscribe", "delivery": "all"})
    with join(server) as lively:
        until(lively, "hello")
        eventually(lambda: server.clients == 2)
        seq = 0
        while server.clients == 2:
            server.publish(make_message(seq))
            assert until(lively, "affect")["seq"] == seq
            seq += 1
            assert seq < 20_000
    greedy.close()


def test_a_client_that_wants_all_and_reads_gets_all(server: Broadcaster, make_message: Make) -> None:
    with join(server, max_queue=None) as client:
        say(client, type="subscribe", delivery="all")
        until(client, "subscribed")
        for seq in range(1000):
            server.publish(make_message(seq))
        assert [until(client, "affect")["seq"] for _ in range(1000)] == list(range(1000))


def raw_client(server: Broadcaster, said: dict[str, Any] | None = None) -> socket.socket:
    """A client of bare bytes that has made its handshake and does not read any more."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.settimeout(WAIT_S)
    sock.connect((server.host, server.port))
    key = "dGhlIHNhbXBsZSBub25jZQ=="
    sock.sendall(
        f"GET /ws HTTP/1.1\r\nHost: {server.host}:{server.port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += sock.recv(1)
    if said is not None:
        text = json.dumps(said).encode()
        sock.sendall(bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text)
    return sock


def read_until_mark(sock: socket.socket) -> list[int]:
    """The seqs of the text frames that wait in a raw client's connection."""
    data = b""
    while b'"type":"mark"' not in data or not data.endswith(b"}"):
        data += sock.recv(65536)
    sock.settimeout(1.0)
    try:
        while more := sock.recv(65536):
            data += more
    except TimeoutError:
        pass
    finally:
        sock.close()
    return [int(part.split(b",")[0]) for part in data.split(b'"seq":')[1:]]


def test_a_killed_client_is_forgotten_and_the_others_go_on(
    server: Broadcaster, make_message: Make, eventually: Eventually
) -> None:
    with join(server) as lively:
        sock = raw_client(server)
        eventually(lambda: server.clients == 2)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")  # RST
        sock.close()
        eventually(lambda: server.clients == 1)
        server.publish(make_message(7))
        assert until(lively, "affect")["seq"] == 7


@pytest.mark.parametrize(
    "garbage", [b"\x00\xff" * 500, b"GET / HTTP/9.9\r\n\r\n", b"POST / HTTP/1.1\r\n\r\n", b"\r\n"]
)
def test_garbage_on_the_port_is_refused_without_a_trace_in_the_log(
    server: Broadcaster, garbage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_connection((server.host, server.port), timeout=WAIT_S) as sock:
        sock.sendall(garbage)
        sock.shutdown(socket.SHUT_WR)
        while sock.recv(4096):
            pass
    with join(server) as client:
        assert receive(client)["type"] == "hello"
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


def test_bye_comes_last_and_closing_does_not_hang_on_a_frozen_client(
    make_message: Make, eventually: Eventually
) -> None:
    server = Broadcaster(port=0)
    server.start()
    frozen = raw_client(server)
    with join(server) as client:
        until(client, "hello")
        eventually(lambda: server.clients == 2)
        for seq in range(1000):
            server.publish(make_message(seq))
            until(client, "affect")
        closing = threading.Thread(target=server.close, args=(ByeMessage("ended", "the file has ended"),))
        closing.start()
        got, code = until_closed(client)
        assert got[-1] == {"type": "bye", "code": "ended", "reason": "the file has ended"}
        assert code == 1001
    closing.join(WAIT_S)
    assert not closing.is_alive()
    assert server.close()  # twice is no fault
    frozen.close()
    server.publish(make_message(501))  # neither is publishing to a closed server


def test_an_error_of_the_server_reaches_the_clients(server: Broadcaster) -> None:
    with join(server) as client:
        until(client, "hello")
        server.publish(ErrorMessage("tracker_failed", "the encoder cannot run"))
        assert until(client, "error")["code"] == "tracker_failed"


def test_on_sent_is_called_once_a_message_with_clients_and_without(
    make_message: Make, eventually: Eventually
) -> None:
    sent: list[float] = []
    with Broadcaster(port=0, on_sent=sent.append) as server:
        server.publish(make_message(0, t_s=1.0))
        eventually(lambda: sent == [1.0])
        with join(server) as one, join(server) as two:
            until(one, "hello")
            until(two, "hello")
            server.publish(make_message(1, t_s=2.0))
            until(one, "affect")
            until(two, "affect")
        eventually(lambda: server.written == 2)
        assert sent == [1.0, 2.0]


# --- access ---


def test_a_token_by_header_or_by_the_first_message() -> None:
    with Broadcaster(port=0, token=TOKEN) as server:
        with join(server, additional_headers={"Authorization": f"Bearer {TOKEN}"}) as client:
            assert receive(client)["type"] == "hello"
        with join(server) as client:
            assert receive(client)["code"] == "token_required"
            say(client, type="hello", token=TOKEN)
            assert receive(client)["type"] == "hello"


@pytest.mark.parametrize(
    "said",
    ['{"type": "hello", "token": "wrong"}', '{"type": "hello"}', '{"type": "subscribe"}', "junk", "{}"],
)
def test_without_the_token_nothing_is_said(said: str, make_message: Make) -> None:
    with Broadcaster(port=0, token=TOKEN) as server, join(server) as client:
        assert receive(client)["code"] == "token_required"
        server.publish(make_message(0))
        client.send(said)
        assert receive(client)["type"] == "error"
        assert until_closed(client) == ([], 1008)
        assert server.clients == 0


def test_a_wrong_header_is_refused_at_once() -> None:
    with Broadcaster(port=0, token=TOKEN) as server, pytest.raises(InvalidStatus) as refused:
        join(server, additional_headers={"Authorization": "Bearer wrong"})
    assert refused.value.response.status_code == 401


@pytest.mark.parametrize(
    ("origin", "welcome"), [("own", True), ("https://evil.example", False), ("null", False)]
)
def test_a_browsers_origin(server: Broadcaster, origin: str, welcome: bool) -> None:
    origin = server.url.rstrip("/") if origin == "own" else origin
    if welcome:
        with join(server, origin=origin) as client:
            assert receive(client)["type"] == "hello"
    else:
        with pytest.raises(InvalidStatus) as refused:
            join(server, origin=origin)
        assert refused.value.response.status_code == 403


def test_a_port_in_use_is_named(server: Broadcaster) -> None:
    with pytest.raises(ServeError, match=str(server.port)) as caught:
        Broadcaster(port=server.port).start()
    assert "--port 0" in caught.value.hint


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ({"host": "0.0.0.0"}, UsageError),
        ({"host": "203.0.113.7", "token": TOKEN}, ServeError),
        ({"port": 70_000}, UsageError),
        ({"tls_cert": Path("cert.pem")}, UsageError),
        ({"tls_cert": Path("none.pem"), "tls_key": Path("none.pem")}, UsageError),
    ],
)
def test_what_cannot_be_served_is_said(options: dict[str, Any], kind: type[MtclarError]) -> None:
    with pytest.raises(kind) as caught:
        Broadcaster(**({"port": 0} | options)).start()
    assert caught.value.what
    assert caught.value.hint


def test_beyond_loopback_without_tls_is_warned_of() -> None:
    assert Broadcaster("0.0.0.0", 0, token=TOKEN).warnings
    assert not Broadcaster(port=0).warnings


def test_tls(tmp_path: Path) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    made = subprocess.run(
        f"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=localhost "
        f"-addext subjectAltName=IP:127.0.0.1 -keyout {key} -out {cert}".split(),
        capture_output=True,
        check=False,
    )
    if made.returncode:
        pytest.skip("no openssl command")
    with Broadcaster(port=0, tls_cert=cert, tls_key=key) as server:
        assert server.ws_url.startswith("wss://")
        with join(server, ssl=ssl.create_default_context(cafile=str(cert))) as client:
            assert receive(client)["type"] == "hello"


# --- pages ---


def test_the_pages_and_their_headers(server: Broadcaster) -> None:
    status, body, headers = get(server, "/")
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert body == (resources.files("mtclar.stream.dashboard") / "index.html").read_bytes()
    assert "default-src 'self'" in headers["Content-Security-Policy"]
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert get(server, "/app.js")[2]["Content-Type"].startswith("text/javascript")
    assert get(server, "/style.css?v=1")[2]["Content-Type"].startswith("text/css")
    assert json.loads(get(server, "/protocol")[1]) == SCHEMA


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/../pyproject.toml",
        "/%2e%2e/pyproject.toml",
        "//etc/passwd",
        "/__init__.py",
        "/app.js/",
        "/ws/",
    ],
)
def test_no_other_path_is_answered(server: Broadcaster, path: str) -> None:
    assert get(server, path)[0] == 404


def test_health_and_plugged_in_routes(make_message: Make, eventually: Eventually) -> None:
    with Broadcaster(port=0, routes={"/calibrate": lambda: Page(b"hello")}) as server:
        server.publish(StatusMessage("cam", "live"))
        server.publish(make_message(0))
        health = eventually(lambda: (h := json.loads(get(server, "/health")[1]))["messages"] and h)
        assert health["streams"] == {"cam": "live"}
        assert health["clients"] == 0
        assert get(server, "/calibrate")[1] == b"hello"


def test_a_plain_get_of_the_websocket_says_what_it_is(server: Broadcaster) -> None:
    assert get(server, "/ws")[0] == 426


def test_more_clients_than_allowed_are_told_to_come_later(eventually: Eventually) -> None:
    with Broadcaster(port=0, max_clients=1) as server, join(server) as client:
        until(client, "hello")
        eventually(lambda: server.clients == 1)
        with pytest.raises(InvalidStatus) as refused:
            join(server)
        assert refused.value.response.status_code == 503


def test_hello_is_asked_for_each_client() -> None:
    calls: list[int] = []

    def hello() -> Hello:
        calls.append(threading.get_ident())
        return Hello(())

    with Broadcaster(port=0, hello=hello) as server:
        for _ in range(2):
            with join(server) as client:
                receive(client)
    assert len(calls) == 2


def test_nothing_is_left_running_after_close(make_message: Make) -> None:
    before = set(threading.enumerate())
    with Broadcaster(port=0) as server, join(server) as client:
        server.publish(make_message(0))
        until(client, "hello")
    assert {thread for thread in set(threading.enumerate()) - before if thread.name == "broadcast"} == set()
