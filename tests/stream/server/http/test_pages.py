"""The pages of a real server over HTTP: their headers, health and readiness, pages that take long."""

import gzip
import json
import threading
import urllib.error
import urllib.request
from importlib import resources
from types import SimpleNamespace
from typing import Any

import pytest
from support.contract import STREAM
from support.peers.websocket_client import WAIT_S, Eventually, Make, join, until

from mtclar.stream.protocol.messages import Hello, StatusMessage, StreamInfo
from mtclar.stream.server.config import ServerConfig
from mtclar.stream.server.http.pages import Page, response
from mtclar.stream.server.server import Server

TOKEN = "a-long-enough-token"


def test_files_are_compressed_for_who_takes_it(server: Server) -> None:
    url = f"{server.url}dashboard/app.js"
    answers = []
    for encodings in ("gzip, br", "identity"):
        request = urllib.request.Request(url, headers={"Accept-Encoding": encodings})
        with urllib.request.urlopen(request, timeout=WAIT_S) as answer:
            assert answer.headers["Vary"] == "Accept-Encoding"
            answers.append((answer.headers["Content-Encoding"], answer.read()))
    (packed, small), (plain, whole) = answers
    assert (packed, plain) == ("gzip", None)
    assert gzip.decompress(small) == whole
    assert len(small) < len(whole) / 2


def get(server: Server, path: str) -> tuple[int, bytes, dict[str, str]]:
    try:
        with urllib.request.urlopen(server.url.rstrip("/") + path, timeout=WAIT_S) as answer:
            return answer.status, answer.read(), dict(answer.headers)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read(), dict(error.headers)


@pytest.mark.parametrize(
    ("host", "connect"),
    [
        ("localhost:8765", " ws://localhost:8765 wss://localhost:8765"),
        ("[::1]:80", " ws://[::1]:80 wss://[::1]:80"),
        ("lab.example", " ws://lab.example wss://lab.example"),
        ("a; script-src *", ""),
        ("a b", ""),
        ("a/b", ""),
        ("", ""),
    ],
)
def test_pages_may_connect_to_their_own_server_alone(host: str, connect: str) -> None:
    headers = response(Page(b""), [host], tls=False).headers
    assert f"connect-src 'self'{connect};" in headers["Content-Security-Policy"]
    assert headers["Permissions-Policy"].startswith("camera=(self), microphone=()")
    assert "Strict-Transport-Security" not in headers


@pytest.mark.parametrize("host", ["localhost:8765", "127.0.0.1", "[::1]:8765", "[::1]", "", "a b"])
def test_names_of_this_machine_are_not_bound_to_tls(host: str) -> None:
    """The rule would hold for every other program's port there."""
    assert "Strict-Transport-Security" not in response(Page(b""), [host], tls=True).headers


def test_browsers_are_told_to_stay_with_tls() -> None:
    headers = response(Page(b""), ["lab.example:8765"], tls=True).headers
    assert headers["Strict-Transport-Security"].startswith("max-age=")
    assert "connect-src 'self' wss://lab.example:8765;" in headers["Content-Security-Policy"]


def test_the_pages_and_their_headers(server: Server) -> None:
    status, body, headers = get(server, "/")
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert body == (resources.files("mtclar.stream.web.dashboard") / "index.html").read_bytes()
    assert "default-src 'self'" in headers["Content-Security-Policy"]
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert get(server, "/dashboard/app.js")[2]["Content-Type"].startswith("text/javascript")
    assert get(server, "/client/client.js")[2]["Content-Type"].startswith("text/javascript")
    assert get(server, "/shared/style.css?v=1")[2]["Content-Type"].startswith("text/css")
    assert json.loads(get(server, "/protocol")[1]) == STREAM.schema
    assert json.loads(get(server, "/protocol/mtclar.v1.schema.json")[1]) == STREAM.schema
    status, body, headers = get(server, "/protocol/mtclar.v1.asyncapi.yaml")
    assert (status, headers["Content-Type"]) == (200, "application/yaml")
    assert b"'mtclar.v1.schema.json#/$defs/hello'" in body


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/../pyproject.toml",
        "/%2e%2e/pyproject.toml",
        "//etc/passwd",
        "/__init__.py",
        "/app.js",
        "/dashboard",
        "/dashboard/app.js/",
        "/shared/__init__.py",
        "/client/client.d.ts",
        "/ws/",
    ],
)
def test_no_other_path_is_answered(server: Server, path: str) -> None:
    assert get(server, path)[0] == 404


def test_health_and_pages_of_an_extension(make_message: Make, eventually: Eventually) -> None:
    extension: Any = SimpleNamespace(prefix="calibrate.", on_disconnect=lambda _: None)
    server = Server(ServerConfig(port=0))
    server.add_extension(extension, {"/calibrate": Page(b"hello")})
    with server:
        server.publish(StatusMessage("cam", "live"))
        server.publish(make_message(0))
        health = eventually(lambda: (h := json.loads(get(server, "/health")[1]))["messages"] and h)
        assert health["streams"] == {"cam": "live"}
        assert (health["status"], health["clients"]) == ("ok", 0)
        assert get(server, "/calibrate")[1] == b"hello"


def test_a_slow_page_delays_no_client_and_may_fail(make_message: Make) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slow() -> Page:
        begun.set()
        assert go_on.wait(WAIT_S)
        return Page(b"at last")

    def broken() -> Page:
        raise RuntimeError("no figures")

    got: list[bytes] = []
    with (
        Server(ServerConfig(port=0), private={"/slow": slow, "/broken": broken}) as server,
        join(server) as client,
    ):
        asking = threading.Thread(target=lambda: got.append(get(server, "/slow")[1]))
        asking.start()
        assert begun.wait(WAIT_S)
        server.publish(make_message(7))
        assert until(client, "affect")["seq"] == 7
        assert get(server, "/health")[0] == 200
        go_on.set()
        asking.join(WAIT_S)
        assert got == [b"at last"]
        assert get(server, "/broken")[0] == 500
        server.publish(make_message(8))
        assert until(client, "affect")["seq"] == 8


def test_health_reports_when_the_process_should_be_restarted() -> None:
    failing: list[str] = []
    with Server(ServerConfig(port=0), failure=lambda: failing[0] if failing else None) as server:
        assert get(server, "/health")[0] == 200
        failing.append("no answer to a frame for 30 s")
        status, body, _ = get(server, "/health")
        assert status == 503
        assert json.loads(body)["reason"] == "no answer to a frame for 30 s"


def test_ready_is_when_every_stream_is_live(server: Server, eventually: Eventually) -> None:
    status, body, _ = get(server, "/ready")
    assert (status, json.loads(body)["reason"]) == (503, "not live: cam")
    server.publish(StatusMessage("cam", "live"))
    assert eventually(lambda: get(server, "/ready")[0] == 200)
    server.publish(StatusMessage("cam", "stalled"))
    assert eventually(lambda: get(server, "/ready")[0] == 503)


def test_with_a_token_strangers_learn_only_whether_it_is_well() -> None:
    info = StreamInfo("bedroom", "rtsp://camera/bedroom", True, None, None, "latest")
    with Server(ServerConfig(port=0, token=TOKEN), hello=lambda: Hello((info,))) as server:
        for path in ("/health", "/ready"):
            assert b"bedroom" not in get(server, path)[1]


def test_a_plain_get_of_the_websocket_says_what_it_is(server: Server) -> None:
    assert get(server, "/ws")[0] == 426
