"""Who may do what: the operator's token, the view token, a read-only server; real clients and a real server."""

import json
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
from support.browser.tokens import OPERATOR, VIEWER
from support.peers.websocket_client import join, receive, say, until
from websockets.sync.client import ClientConnection

from mtclar.stream.protocol.client_messages import Assign
from mtclar.stream.protocol.messages import AffectMessage, Hello, MarkMessage, StreamInfo, SubjectInfo
from mtclar.stream.server.access import MAX_CAMERAS
from mtclar.stream.server.config import ServerConfig
from mtclar.stream.server.extension import ClientHandle
from mtclar.stream.server.server import Server
from mtclar.stream.server.uploads import UploadSlot
from mtclar.stream.sources.browser import BrowserSource

COMMANDS = (
    {"type": "mark", "label": "begins"},
    {"type": "assign", "stream": "cam", "face": 0, "subject": "anna"},
    {"type": "camera"},
    {"type": "calibrate.join"},
    {"type": "calibrate.clear"},
)


class Done:
    """What reached the parts behind the server; also an Extension."""

    prefix = "calibrate."

    def __init__(self) -> None:
        self.marks: list[MarkMessage] = []
        self.assigned: list[Assign] = []
        self.messages: list[str] = []

    def on_message(self, _: ClientHandle, message: Mapping[str, Any]) -> None:
        self.messages.append(message["type"])

    def on_disconnect(self, client: ClientHandle) -> None:
        pass


def serving(done: Done, *, subjects: bool = False, **options: Any) -> Server:
    people = (SubjectInfo("anna", 1, ((0.5, 0.5),)),) if subjects else ()
    info = StreamInfo("cam", "browser", True, None, None, "latest", people)
    server = Server(
        ServerConfig(port=0, **options),
        hello=lambda: Hello((info,), pages=("camera", "calibrate")),
        on_mark=done.marks.append,
        on_assign=lambda request, _: done.assigned.append(request),
    )
    server.accept_uploads({0: UploadSlot(BrowserSource("cam"))})
    server.add_extension(done, {})
    return server


@contextmanager
def joined(server: Server, token: str | None) -> Iterator[tuple[ClientConnection, dict[str, Any]]]:
    """A client and its `hello`."""
    with join(server) as client:
        if token is not None:
            assert receive(client)["code"] == "token_required"
            say(client, type="hello", token=token)
        yield client, receive(client)


@pytest.fixture(params=["view token", "read-only", "read-only with a token"])
def viewer(request: pytest.FixtureRequest) -> Iterator[tuple[Server, Done, ClientConnection, dict[str, Any]]]:
    done = Done()
    options: dict[str, dict[str, Any]] = {
        "view token": {"token": OPERATOR, "view_token": VIEWER},
        "read-only": {"read_only": True},
        "read-only with a token": {"token": VIEWER, "read_only": True},
    }
    chosen = options[request.param]
    token = VIEWER if "token" in chosen else None
    with serving(done, **chosen) as server, joined(server, token) as (client, hello):
        yield server, done, client, hello


def test_a_viewer_subscribes_and_commands_nothing(
    viewer: tuple[Server, Done, ClientConnection, dict[str, Any]], make_message: Callable[..., AffectMessage]
) -> None:
    server, done, client, hello = viewer
    assert hello["role"] == "viewer"
    assert "pages" not in hello
    for command in COMMANDS:
        client.send(json.dumps(command))
        refused = until(client, "error")
        assert refused["code"] == "not_allowed"
        assert "only views" in refused["message"]
    say(client, type="subscribe", max_hz=1000)
    until(client, "subscribed")
    server.publish(make_message(0))
    until(client, "affect")
    assert (done.marks, done.assigned, done.messages) == ([], [], [])


@pytest.mark.parametrize("options", [{}, {"token": OPERATOR, "view_token": VIEWER}])
def test_an_operator_may_do_all_and_the_log_says_who_did_what(
    options: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    done = Done()
    with serving(done, **options) as server, joined(server, options.get("token")) as (client, hello):
        assert (hello["role"], hello["pages"]) == ("operator", ["camera", "calibrate"])
        for command in COMMANDS:
            client.send(json.dumps(command))
        until(client, "camera_ready")
        say(client, type="subscribe")
        until(client, "subscribed")
    assert [mark.label for mark in done.marks] == ["begins"]
    assert [request.subject for request in done.assigned] == ["anna"]
    assert done.messages == ["calibrate.join", "calibrate.clear"]
    actions = [
        fields
        for record in caplog.records
        if (fields := getattr(record, "fields", {})).get("event") == "action"
    ]
    assert [fields["action"] for fields in actions] == ["mark", "assign", "camera"]
    assert {(fields["address"], fields["role"]) for fields in actions} == {("127.0.0.1", "operator")}
    assert actions[0]["label"] == "begins"


def test_a_camera_sends_pictures_and_learns_nothing(make_message: Callable[..., AffectMessage]) -> None:
    done = Done()
    with serving(done, token=OPERATOR, subjects=True) as server:
        token = server.access.add_camera()
        with joined(server, token) as (client, hello):
            assert hello["role"] == "camera"
            assert "pages" not in hello
            assert [stream["subjects"] for stream in hello["streams"]] == [[]]
            for command in (*COMMANDS, {"type": "subscribe"}, {"type": "history", "seconds": 10}):
                if command["type"] != "camera":
                    client.send(json.dumps(command))
                    assert until(client, "error")["code"] == "not_allowed"
            say(client, type="subscribe", streams=[])
            until(client, "subscribed")
            server.publish(make_message(0))
            server.publish(MarkMessage("secret", 1.0))
            say(client, type="camera")
            following = receive(client)
            assert following["type"] == "camera_ready"  # neither the values nor the mark
    assert (done.marks, done.assigned, done.messages) == ([], [], [])


def test_the_oldest_token_of_many_cameras_ends() -> None:
    with serving(Done(), token=OPERATOR) as server:
        tokens = [server.access.add_camera() for _ in range(MAX_CAMERAS + 1)]
        assert [server.access.role_of(token) for token in tokens] == [None, *["camera"] * MAX_CAMERAS]
