"""`--sink websocket://`: a second server, as its clients see it."""

from collections.abc import Callable

from support.peers.websocket_client import join, receive
from support.pipeline_parts import CAM

from mtclar.stream.protocol.messages import AffectMessage, MarkMessage, StatusMessage
from mtclar.stream.server.server import Server
from mtclar.stream.sinks import SinkGroup, open_sink


def test_clients_of_a_second_server_get_values_states_and_marks(
    make_message: Callable[..., AffectMessage],
) -> None:
    server = open_sink("websocket://127.0.0.1:0")
    assert isinstance(server, Server)
    with SinkGroup([server]) as sinks:
        sinks.open([CAM])
        with join(server) as client:
            assert receive(client)["streams"][0]["stream"] == "cam"
            for send, kind in (
                (lambda: sinks.status(StatusMessage("cam", "live")), "status"),
                (lambda: sinks.affect(make_message()), "affect"),
                (lambda: sinks.mark(MarkMessage("trial 1", 1.0)), "mark"),
            ):
                send()
                assert receive(client)["type"] == kind
