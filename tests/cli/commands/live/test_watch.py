"""`watch` against servers that are not there, not ours, or say no; and against the real server."""

import json
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from websockets.http11 import Request, Response
from websockets.sync.server import Server as WebsocketServer
from websockets.sync.server import ServerConnection, serve
from websockets.typing import Subprotocol

from mtclar.cli.commands.live.watch import command
from mtclar.engine.data_types import Affect
from mtclar.engine.errors import MtclarError, UsageError
from mtclar.stream.protocol.messages import AffectMessage, ByeMessage, Hello, LatencyMs, StreamInfo
from mtclar.stream.server.config import ServerConfig
from mtclar.stream.server.server import Server

OURS = [Subprotocol("mtclar.v1")]
HELLO = json.loads(Hello((), session="s").encode())
AFFECT = {
    "type": "affect",
    "stream": "demo",
    "seq": 0,
    "pts": 0.0,
    "latency_ms": {"total": 1.0},
    "dropped": 0,
    "faces": [],
}
PROGRAM = [sys.executable, "-m", "mtclar.cli.main", "watch"]
TOKEN = "a-token-of-this-test"


def watch(address: str, **options: Any) -> None:
    command(address, **({"token": None, "as_json": True, "count": None, "reconnect": False} | options))


@contextmanager
def listening(handler: Callable[[ServerConnection], None], port: int = 0, **options: Any) -> Iterator[str]:
    """A websocket server that says what the test wants said."""
    server: WebsocketServer = serve(handler, "127.0.0.1", port, **({"subprotocols": OURS} | options))
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


@pytest.mark.parametrize("url", ["http://127.0.0.1:8765/ws", "ws://", "ws://h:99999/", "demo", ""])
def test_what_is_not_a_websocket_address_is_refused(url: str) -> None:
    with pytest.raises(UsageError) as refused:
        watch(url)
    assert "ws://127.0.0.1:8765/ws" in refused.value.hint


@pytest.mark.parametrize("url", ["ws://me:secret@h:1/ws", "ws://h:1/ws?token=secret"])
def test_secrets_do_not_belong_into_the_address(url: str) -> None:
    with pytest.raises(UsageError) as refused:
        watch(url)
    assert "secret" not in f"{refused.value.what} {refused.value.hint}"


def test_no_server_at_the_address(free_port: int) -> None:
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
                connection.recv(4096)
                connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")

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
    with listening(says(HELLO, bye)) as address, pytest.raises(MtclarError, match="the tracker stopped"):
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
        says(HELLO, *[{**AFFECT, "seq": seq} for seq in range(2)])(connection)

    watcher = threading.Thread(
        target=watch, args=(f"ws://127.0.0.1:{free_port}/ws",), kwargs={"count": 5, "reconnect": True}
    )
    watcher.start()
    assert not began.wait(0.7)  # nobody is there yet
    with listening(two_and_gone, port=free_port):
        watcher.join(timeout=30)
    assert not watcher.is_alive()
    assert capsys.readouterr().out.count('"affect"') == 5


# --- the real server -------------------------------------------------------------------------------------------------


@contextmanager
def speaking(token: str | None = None) -> Iterator[Server]:
    """The server with a message every 20 ms, until it is closed."""
    stream = StreamInfo("demo", "demo clip", False, (64, 48), 25.0, "paced")
    over = threading.Event()

    def speak() -> None:
        seq = 0
        while not over.wait(0.02):
            face = Affect(0, "anna", "ok", (0, 0, 9, 9), None, 0.25, -0.5, 0.1, 0.2, None, ())
            times = LatencyMs(1.0, 2.0, 3.0)
            server.publish(
                AffectMessage("demo", seq, seq, seq / 50, "file", seq / 50, (64, 48), times, 0, (face,))
            )
            seq += 1

    with Server(ServerConfig(port=0, token=token), hello=lambda: Hello((stream,))) as server:
        thread = threading.Thread(target=speak)
        thread.start()
        try:
            yield server
        finally:
            over.set()
            thread.join(timeout=10)


def test_json_lines(capsys: pytest.CaptureFixture[str]) -> None:
    with speaking() as server:
        watch(server.ws_url, count=5)
    messages = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert messages[0]["type"] == "hello"
    affects = [message for message in messages if message["type"] == "affect"]
    assert len(affects) == 5
    assert affects[-1]["faces"][0]["valence"] == 0.25
    assert [message["seq"] for message in affects] == sorted({message["seq"] for message in affects})


def test_live_lines_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with speaking() as server:
        watch(server.ws_url.removesuffix("/ws"), as_json=False, count=5)
    out = capsys.readouterr().out
    assert "anna V +0.25 ±0.10 A -0.50 ±0.20 ok" in out
    assert "\x1b" not in out


def test_token(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with speaking(TOKEN) as server:
        with pytest.raises(UsageError, match="requires a token"):
            watch(server.ws_url)
        with pytest.raises(UsageError, match="wrong token for this server") as refused:
            watch(server.ws_url, token="another-token")
        assert "another-token" not in f"{refused.value.what} {refused.value.hint}"
        watch(server.ws_url, token=TOKEN, count=1)
        (tmp_path / "token").write_text(f"{TOKEN}\n")
        watch(server.ws_url, token_file=tmp_path / "token", count=1)
        with pytest.raises(UsageError, match="exclude each other"):
            watch(server.ws_url, token=TOKEN, token_file=tmp_path / "token")
        with pytest.raises(UsageError, match="cannot read the token file"):
            watch(server.ws_url, token_file=tmp_path / "none")
    assert capsys.readouterr().out.count('"affect"') == 2


def test_bye_of_a_file_that_ended_ends_it(capsys: pytest.CaptureFixture[str]) -> None:
    with speaking() as server:
        watcher = threading.Thread(target=watch, args=(server.ws_url,))
        watcher.start()
        assert _until_clients(server, 1)
        server.close(ByeMessage("ended", "the file has ended"))
        watcher.join(timeout=10)
    assert not watcher.is_alive()
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["type"] == "bye"


def test_why_the_server_said_bye_is_the_last_line(capsys: pytest.CaptureFixture[str]) -> None:
    with speaking() as server:
        watcher = threading.Thread(target=watch, args=(server.ws_url,), kwargs={"as_json": False})
        watcher.start()
        assert _until_clients(server, 1)
        server.close(ByeMessage("ended", "clip.mp4 has ended"))
        watcher.join(timeout=10)
    assert not watcher.is_alive()
    assert capsys.readouterr().out.splitlines()[-1] == "The server closed the connection: clip.mp4 has ended."


def test_what_reconnect_waits_for_is_said_once(free_port: int, capsys: pytest.CaptureFixture[str]) -> None:
    address = f"ws://127.0.0.1:{free_port}/ws"
    for as_json in (True, False):

        def bye(connection: ServerConnection) -> None:
            says(HELLO, {"type": "bye", "code": "ended", "reason": "the file has ended"})(connection)

        options = {"as_json": as_json, "reconnect": True, "count": 1}
        watcher = threading.Thread(target=watch, args=(address,), kwargs=options)
        watcher.start()
        threading.Event().wait(1.2)  # two tries
        said = threading.Event()
        with listening(lambda connection: (bye(connection), said.set()), port=free_port):  # noqa: B023
            assert said.wait(20)
        with listening(says(HELLO, AFFECT), port=free_port):
            watcher.join(timeout=30)
        assert not watcher.is_alive()
        captured = capsys.readouterr()
        words = captured.err if as_json else captured.out
        assert words.count("Connection refused") >= 1
        assert words.splitlines()[0].count("cannot reach") == 1
        assert "the file has ended" in words


def _until_clients(server: Server, count: int) -> bool:
    ticks = threading.Event()
    return any(server.clients >= count or ticks.wait(0.05) for _ in range(400))


@pytest.mark.parametrize("flags", [["--json"], []])
def test_ctrl_c_ends_it_cleanly(flags: list[str]) -> None:
    with speaking() as server:
        watching = subprocess.Popen(
            [*PROGRAM, server.ws_url, *flags], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert watching.stdout is not None
        watching.stdout.readline()
        watching.send_signal(signal.SIGINT)
        _, errors = watching.communicate(timeout=30)
    assert (watching.returncode, errors) == (0, "")


def test_a_reader_that_has_enough_ends_it_cleanly() -> None:
    with speaking() as server:
        watching = subprocess.Popen(
            [*PROGRAM, server.ws_url, "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert watching.stdout is not None
        assert watching.stderr is not None
        watching.stdout.readline()
        watching.stdout.close()
        errors = watching.stderr.read()
        watching.stderr.close()
        assert (watching.wait(timeout=30), errors) == (0, "")


@pytest.mark.parametrize(("url", "code"), [("http://127.0.0.1/", 2), ("ws://127.0.0.1:9/ws", 1)])
def test_exit_codes(url: str, code: int) -> None:
    done = subprocess.run([*PROGRAM, url], capture_output=True, text=True, timeout=60)
    assert done.returncode == code
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr


def test_an_untrusted_certificate_is_reported_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    if shutil.which("openssl") is None:
        pytest.skip("no openssl command")
    subprocess.run(
        f"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=localhost "
        f"-addext subjectAltName=IP:127.0.0.1 -keyout {key} -out {cert}".split(),
        capture_output=True,
        check=True,
    )
    with Server(ServerConfig(port=0, tls_cert=cert, tls_key=key)) as server:
        with pytest.raises(MtclarError, match=r"certificate of wss://.* is not trusted") as caught:
            watch(server.ws_url, reconnect=True)
        assert "SSL_CERT_FILE" in caught.value.hint
        # What the hint says leads on.
        monkeypatch.setenv("SSL_CERT_FILE", str(cert))
        threading.Timer(1.0, server.close).start()
        watch(server.ws_url)
    assert json.loads(capsys.readouterr().out.splitlines()[0])["type"] == "hello"
