"""`record` of clients and `recording` for them: who may ask, and what new clients learn."""

from typing import Any

from support.peers.websocket_client import join, receive, say, until

from mtclar.stream.protocol.messages import RecordingMessage
from mtclar.stream.server.config import ServerConfig
from mtclar.stream.server.server import Server


def test_recording_is_for_operators_of_a_server_with_a_folder(server: Server) -> None:
    with join(server) as client:
        receive(client)
        say(client, type="record", recording=True, session="P07")
        assert until(client, "error")["code"] == "cannot_record"
    asked: list[Any] = []
    with Server(ServerConfig(port=0), on_record=asked.append) as other, join(other) as client:
        receive(client)
        say(client, type="record", recording=True, session="P07")
        say(client, type="record", recording=False)
        say(client, type="mark", label="done")
        until(client, "mark")
        assert [(one.recording, one.session) for one in asked] == [(True, "P07"), (False, "")]
    with Server(ServerConfig(port=0, read_only=True), on_record=asked.append) as other, join(other) as client:
        receive(client)
        say(client, type="record", recording=True)
        assert until(client, "error")["code"] == "not_allowed"
        assert len(asked) == 2


def test_new_clients_learn_whether_it_records(server: Server) -> None:
    with join(server) as client:
        receive(client)
        server.publish(RecordingMessage(True, "P07", 12.5))
        told = until(client, "recording")
    with join(server) as client:
        assert [receive(client)["type"], receive(client)] == ["hello", told]
    assert told == {"type": "recording", "recording": True, "session": "P07", "since": 12.5, "video": False}
