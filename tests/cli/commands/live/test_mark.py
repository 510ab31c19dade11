"""`mark` against the real server, and what it refuses."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support.peers.websocket_client import join, until

from mtclar.stream.protocol.messages import Hello, StreamInfo
from mtclar.stream.server.config import ServerConfig
from mtclar.stream.server.server import Server

Command = Callable[..., Any]
TOKEN, VIEW_TOKEN = "a-token-of-this-test", "another-of-this-test"


def serving(config: ServerConfig) -> Server:
    stream = StreamInfo("door", "webcam:0", True, (64, 48), 25.0, "latest")
    return Server(config, hello=lambda: Hello((stream,)))


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(ServerConfig(port=0)) as running:
        yield running


def test_all_clients_get_the_mark(server: Server, command: Command) -> None:
    with join(server) as client:
        until(client, "hello")
        for arguments, stream in (((), None), (("--stream", "door"), "door")):
            done = command("mark", "träge; trial 1", server.ws_url, *arguments)
            assert done.code == 0, done.err
            told = until(client, "mark")
            assert (told["label"], told["stream"]) == ("träge; trial 1", stream)
            assert done.out == f"Marked: träge; trial 1 (t = {told['t']:.4f} s)\n"


def test_a_refusal_is_one_error(server: Server, command: Command) -> None:
    done = command("mark", "x", server.ws_url, "--stream", "window")
    assert (done.code, done.err) == (1, "error: the server refused the mark: there is no stream 'window'\n")


def test_a_viewer_cannot_mark(command: Command) -> None:
    with serving(ServerConfig(port=0, token=TOKEN, view_token=VIEW_TOKEN)) as server:
        for token, code, words in (
            ((), 2, "requires a token"),
            (("--token", VIEW_TOKEN), 1, "is for operators"),
            (("--token", TOKEN), 0, ""),
        ):
            done = command("mark", "x", server.ws_url, *token)
            assert (done.code, words in done.err) == (code, True), done.err


@pytest.mark.parametrize(
    ("label", "url", "code"),
    [
        ("", "ws://127.0.0.1:9/ws", 2),
        (501 * "x", "ws://127.0.0.1:9/ws", 2),
        ("x", "http://127.0.0.1:9", 2),
        ("x", "ws://127.0.0.1:9/ws", 1),  # nobody is there
    ],
)
def test_what_is_wrong_is_said_before_anything_is_sent(
    command: Command, label: str, url: str, code: int
) -> None:
    done = command("mark", label, url)
    assert done.code == code
    assert done.err.startswith("error: ")
    assert "hint: " in done.err


def test_the_longest_label_arrives_whole(server: Server, command: Command) -> None:
    with join(server) as client:
        assert command("mark", 500 * "ü", server.ws_url).code == 0
        assert until(client, "mark")["label"] == 500 * "ü"
