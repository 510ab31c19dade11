"""Passwords and tokens: in no log of any level, no message, no page and no file that a run leaves behind."""

import contextlib
import json
import logging
import signal
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from mtclar.stream.pipeline.pipeline import Pipeline, PipelineOptions
from mtclar.stream.pipeline.reader import RetryPolicy
from mtclar.stream.protocol.messages import Hello, StatusMessage
from mtclar.stream.server.config import ServerConfig
from mtclar.stream.server.server import Server
from mtclar.stream.sinks import Sink, SinkGroup
from mtclar.stream.sources import open_source

Start = Callable[..., Any]
WAIT_S = 60.0
PASSWORD, QUERY, TOKEN = "hunter2-of-the-camera", "key-of-the-camera", "token-of-the-server"
WRONG = "token-of-a-guesser"
SECRETS = (PASSWORD, QUERY, TOKEN, WRONG)


@pytest.fixture(params=["refuses", "is silent", "wants a password", "babbles"])
def camera(request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a camera that does not work, each in another way, so that each gives another error."""
    answers = {
        "refuses": None,
        "is silent": b"",
        "wants a password": b'RTSP/1.0 401 Unauthorized\r\nCSeq: 1\r\nWWW-Authenticate: Basic realm="x"\r\n\r\n',
        "babbles": b"\x00\xff what?\r\n\r\n",
    }
    answer = answers[request.param]
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        listening.settimeout(0.1)

        def serve() -> None:
            with contextlib.ExitStack() as callers:
                while not over.is_set():
                    with contextlib.suppress(OSError):
                        caller = callers.enter_context(listening.accept()[0])
                        if answer:
                            caller.settimeout(0.5)
                            caller.recv(4096)
                            caller.sendall(answer)
                            caller.close()

        if answer is None:
            listening.close()
        thread = threading.Thread(target=serve)
        if answer is not None:
            thread.start()
        yield f"rtsp://anna:{PASSWORD}@127.0.0.1:{port}/live?key={QUERY}"
        over.set()
        if answer is not None:
            thread.join(WAIT_S)


def clean(text: str) -> None:
    for secret in SECRETS:
        assert secret not in text, f"a secret is in:\n{text}"


def everything_a_client_can_see(http: str, ws: str) -> str:
    """Pages with and without the token, and what the websocket says to the right and the wrong one."""
    seen = []
    for path in ("/", "/health", "/ready", "/metrics", "/nothing", f"/ws?token={TOKEN}"):
        for headers in ({}, {"Authorization": f"Bearer {TOKEN}"}, {"Authorization": f"Bearer {WRONG}"}):
            request = urllib.request.Request(http.rstrip("/") + path, headers=headers)
            try:
                with urllib.request.urlopen(request, timeout=WAIT_S) as answer:
                    seen.append(f"{answer.headers} {answer.read().decode()}")
            except urllib.error.HTTPError as error:
                with error:
                    seen.append(f"{error.headers} {error.read().decode()}")
    with (
        contextlib.suppress(InvalidStatus),
        connect(ws, proxy=None, additional_headers={"Authorization": f"Bearer {WRONG}"}),
    ):
        pass
    for said in ({"type": "hello", "token": WRONG}, {"type": "hello", "token": [TOKEN]}, {"type": TOKEN}):
        with connect(ws, proxy=None) as client, contextlib.suppress(ConnectionClosed):
            client.send(json.dumps(said))
            while True:
                seen.append(str(client.recv(WAIT_S)))
    with connect(ws, proxy=None) as client:
        client.send(json.dumps({"type": "hello", "token": TOKEN}))
        for unknown in ({"type": "subscribe", "streams": ["x"]}, {"type": "hello", "token": TOKEN}):
            client.send(json.dumps(unknown))
        with contextlib.suppress(TimeoutError):
            while True:
                seen.append(str(client.recv(1.0)))
    return "\n".join(seen)


def test_no_secret_leaves_a_run(camera: str, process: Start, tmp_path: Path) -> None:
    summary, token_file = tmp_path / "summary.json", tmp_path / "token"
    token_file.write_text(TOKEN)
    token_file.chmod(0o600)
    running = process(
        *("run", "--source", camera, "--support", "none", "--port", "0", "--token-file", token_file),
        *("--log", "json", "--summary-json", summary, "--csv", tmp_path / "out.csv"),
    )
    serving = json.loads(running.read_until('"event": "serving"'))
    assert serving["sources"] == [camera.replace(f"anna:{PASSWORD}@", "").partition("?")[0]]
    ws = serving["message"].removeprefix("serving ")
    clean(everything_a_client_can_see(serving["dashboard"], ws))
    running.read_until('"state": "reconnecting"')
    running.send(signal.SIGTERM)
    done = running.end()
    assert done.code == 0
    clean(done.out)
    for file in tmp_path.iterdir():
        if file != token_file:
            clean(file.read_text())


@pytest.mark.parametrize("sign", "/?")
def test_a_password_with_a_sign_of_its_own_leaves_no_run(sign: str, process: Start) -> None:
    """By the rules the host would be `localhost:9` and the password a part of the path or query."""
    source = f"rtsp://localhost:9{sign}{PASSWORD}@127.0.0.1:9/live"
    running = process("run", "--source", source, "--support", "none", "--port", "0", "--log", "json")
    ws = json.loads(running.read_until('"event": "serving"'))["message"].removeprefix("serving ")
    assert "%2F" in running.read_until('"state": "reconnecting"')
    with connect(ws, proxy=None) as client:
        clean(client.recv(WAIT_S) + client.recv(WAIT_S))  # type: ignore[operator]  # hello, status
    running.send(signal.SIGTERM)
    done = running.end()
    assert done.code == 0
    clean(done.out)


def test_no_secret_is_in_any_log_of_any_level(camera: str, caplog: pytest.LogCaptureFixture) -> None:
    """As they leave the code, before the command line's own formatter takes secrets out once more."""
    caplog.set_level(logging.DEBUG)
    statuses: list[StatusMessage] = []
    source = open_source(camera)
    retry = RetryPolicy(first_retry_s=0.05, max_retry_s=0.1, connect_timeout_s=0.3)
    tracker = Mock(overlaps=False)  # no picture ever comes
    with Server(ServerConfig(port=0, token=TOKEN), hello=lambda: Hello(())) as server:
        retried = threading.Event()

        class Statuses(Sink):
            own_thread = False

            def status(self, message: StatusMessage) -> None:
                statuses.append(message)
                if message.state == "reconnecting":
                    retried.set()

        sinks = SinkGroup([server, Statuses()])
        sinks.open([])
        with Pipeline(source, tracker, sinks, PipelineOptions(retry=retry)):
            assert retried.wait(WAIT_S)
        clean(everything_a_client_can_see(server.url, server.ws_url))
    ours = [record for record in caplog.records if not record.name.startswith("websockets.client")]
    clean("\n".join(f"{record.getMessage()} {record.exc_text or ''}" for record in ours))
    clean("\n".join(map(repr, statuses)))
