"""What clients share: subscriptions, marks and choices of fields are limited, for one client and for all together."""

import contextlib
from collections import Counter
from typing import Any

from support.peers.websocket_client import Eventually, Make, join, receive, say, until
from support.pipeline_parts import CAM

from mtclar.stream.protocol.messages import Hello, MarkMessage, StreamInfo
from mtclar.stream.server.config import ServerConfig
from mtclar.stream.server.limits import Limits
from mtclar.stream.server.server import Server


def answers(client: Any, count: int) -> Counter[str]:
    """How many of the next answers had which type or error code."""
    messages = [receive(client) for _ in range(count)]
    return Counter(message.get("code", message["type"]) for message in messages)


def test_further_subscriptions_share_a_limit_and_the_first_one_is_free() -> None:
    limits = Limits(shared_per_s=3.0, protocol_errors=1000)
    with Server(ServerConfig(port=0, limits=limits)) as server, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(join(server)) for _ in range(8)]
        for client in clients:
            until(client, "hello")
            say(client, type="subscribe")
            assert receive(client)["type"] == "subscribed"
        for client in clients:
            for _ in range(5):
                say(client, type="subscribe")
        got = sum((answers(client, 5) for client in clients), Counter[str]())
        assert got["subscribed"] >= 3
        assert got["busy"] >= 20


def test_a_subscription_does_not_make_hello_again() -> None:
    made: list[int] = []

    def hello() -> Hello:
        made.append(1)
        return Hello((CAM,))

    with Server(ServerConfig(port=0), hello=hello) as server, join(server) as client:
        until(client, "hello")
        for _ in range(20):
            say(client, type="subscribe", streams=["cam"], fields=["box"])
            until(client, "subscribed")
    assert len(made) <= 2  # for the client, and once for the names


def test_a_stream_that_is_announced_later_can_be_chosen() -> None:
    streams = [CAM]
    with Server(ServerConfig(port=0), hello=lambda: Hello(tuple(streams))) as server, join(server) as client:
        until(client, "hello")
        say(client, type="subscribe", streams=["cam"])
        assert receive(client)["type"] == "subscribed"
        say(client, type="subscribe", streams=["door"])
        assert receive(client)["code"] == "unknown_stream"
        streams.append(StreamInfo("door", "webcam:1", True, None, None, "latest"))
        say(client, type="subscribe", streams=["cam", "door"])
        assert receive(client)["type"] == "subscribed"


def test_the_marks_of_one_client_are_limited_and_those_of_others_go_on() -> None:
    published: list[MarkMessage] = []
    limits = Limits(marks_at_once=3.0, marks_per_s=0.001, protocol_errors=1000)
    with (
        Server(ServerConfig(port=0, limits=limits), on_mark=published.append) as server,
        join(server) as flooder,
        join(server) as bystander,
    ):
        until(flooder, "hello")
        until(bystander, "hello")
        for _ in range(10):
            say(flooder, type="mark", label="flood")
        assert answers(flooder, 10) == {"mark": 3, "busy": 7}
        say(bystander, type="mark", label="onset")
        while until(bystander, "mark")["label"] != "onset":
            pass
    assert [mark.label for mark in published] == ["flood"] * 3 + ["onset"]


def test_choices_of_fields_are_limited_and_free_again(make_message: Make, eventually: Eventually) -> None:
    """Each choice is encoded for each message; the default can always be had."""
    with Server(ServerConfig(port=0, limits=Limits(field_choices=3))) as server, join(server) as late:
        until(late, "hello")
        with contextlib.ExitStack() as stack:
            for fields in (["box"], ["pose"]):
                client = stack.enter_context(join(server))
                until(client, "hello")
                say(client, type="subscribe", fields=fields)
                until(client, "subscribed")
            say(late, type="subscribe", fields=["box", "pose"])
            assert receive(late)["code"] == "busy"
            say(late, type="subscribe", fields=["pose"])
            until(late, "subscribed")
            newcomer = stack.enter_context(join(server))  # with the default
            until(newcomer, "hello")
            server.publish(make_message())
            assert until(newcomer, "affect")["seq"] == 0
        eventually(lambda: server.clients == 1)
        say(late, type="subscribe", fields=["box", "pose"])
        until(late, "subscribed")
