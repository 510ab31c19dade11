"""`watch` against servers that are not there, not ours, or say no; and against the real broadcaster."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

import pytest
from websockets.http11 import Request, Response
from websockets.sync.server import Server, ServerConnection, serve
from websockets.typing import Subprotocol

from mtclar.cli.watch import command, websocket_address
from mtclar.engine.errors import MtclarError, UsageError

OURS = [Subprotocol("mtclar.v1")]


def watch(address: str, **options: Any) -> None:
    command(address, **({"token": None, "as_json": True, "count": None, "reconnect": False} | options))


@contextmanager
def listening(handler: Callable[[ServerConnection], None], port: int = 0, **options: Any) -> Iterator[str]:
    """A websocket server that says what the test wants said."""
    server: Server = serve(handler, "127.0.0.1", port, **({"subprotocols": OURS} | options))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"ws://127.0.0.1:{server.socket.getsockname()[1]}/ws"
    finally:
        server.shutdown()
        thread.join(timeout=10)


def says(*messages: object) -> Callable[[ServerConnection], None]:
    def handler(connection: ServerConnection) -> None:
        for message in messages:
            connection.send(message if isinstance(message, str) else json.dumps(message))

    return handler


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8765/ws", "127.0.0.1:8765", "ws://", "ws://h:99999/", "demo", ""]
)
def test_what_is_not_a_websocket_address_is_refused(url: str) -> None:
    with pytest.raises(UsageError) as refused:
        watch(url)
    assert "ws://127.0.0.1:8765/ws" in refused.value.hint


@pytest.mark.parametrize("url", ["ws://me:secret@h:1/ws", "ws://h:1/ws?token=secret"])
def test_secrets_do_not_belong_into_the_address(url: str) -> None:
    with pytest.raises(UsageError) as refused:
        watch(url)
    assert "secret" not in f"{refused.value.what} {refused.value.hint}"


def test_path_is_added() -> None:
    assert websocket_address("ws://[::1]:8765") == "ws://[::1]:8765/ws"
    assert websocket_address("wss://host/") == "wss://host/ws"
    assert websocket_address("ws://host/other") == "ws://host/other"


def test_nobody_listens(free_port: int) -> None:
    with pytest.raises(MtclarError, match="cannot reach") as failed:
        watch(f"ws://127.0.0.1:{free_port}/ws")
    assert failed.value.exit_code == 1


def test_server_without_our_protocol() -> None:
    with listening(says("hi"), subprotocols=None) as address, pytest.raises(MtclarError, match=r"mtclar\.v1"):
        watch(address)


def test_something_that_is_no_websocket() -> None:
    def page(connection: ServerConnection, _request: Request) -> Response:
        return connection.respond(HTTPStatus.NOT_FOUND, "no such page\n")

    with listening(says(), process_request=page) as address, pytest.raises(MtclarError, match="HTTP 404"):
        watch(address)


def test_something_that_is_no_http() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")
                connection.recv(4096)

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(MtclarError, match=r"does not speak mtclar\.v1"):
            watch(f"ws://127.0.0.1:{listener.getsockname()[1]}/ws")
        thread.join(timeout=10)


@pytest.mark.parametrize("junk", ["not json", "[1]", "{}", "7"])
def test_server_that_sends_junk(junk: str) -> None:
    with listening(says(junk)) as address, pytest.raises(MtclarError, match=r"not mtclar\.v1"):
        watch(address)


def test_server_that_goes_without_a_word() -> None:
    with listening(says()) as address, pytest.raises(MtclarError, match="closed the connection"):
        watch(address)


def test_server_that_failed() -> None:
    bye = {"type": "bye", "code": "failed", "reason": "the tracker stopped"}
    with listening(says(bye)) as address, pytest.raises(MtclarError, match="the tracker stopped"):
        watch(address)


@pytest.mark.parametrize("code", [1008, 1011, 1013])
def test_server_that_throws_the_client_out(code: int) -> None:
    with listening(lambda connection: connection.close(code, "out")) as address, pytest.raises(MtclarError):
        watch(address)


def test_reconnect_waits_for_a_server_and_counts_on(
    free_port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    began = threading.Event()

    def two_and_gone(connection: ServerConnection) -> None:
        began.set()
        for _ in range(2):
            connection.send(json.dumps({"type": "affect"}))

    watcher = threading.Thread(
        target=watch, args=(f"ws://127.0.0.1:{free_port}/ws",), kwargs={"count": 5, "reconnect": True}
    )
    watcher.start()
    assert not began.wait(0.7)  # nobody is there yet
    with listening(two_and_gone, port=free_port):
        watcher.join(timeout=30)
    assert not watcher.is_alive()
    assert len(capsys.readouterr().out.splitlines()) == 5
