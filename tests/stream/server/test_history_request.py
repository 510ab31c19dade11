"""`history` of a client: what was sent lately, thinned and bounded, with its streams and fields."""

import json
from collections.abc import Callable

from support.contract import STREAM
from support.peers.websocket_client import join, receive, say, until

from mtclar.stream.protocol.messages import AffectMessage, Hello, MarkMessage, StreamInfo
from mtclar.stream.server.config import ServerConfig
from mtclar.stream.server.limits import Limits
from mtclar.stream.server.server import Server

Make = Callable[..., AffectMessage]


def test_a_late_client_gets_the_last_half_minute(server: Server, make_message: Make) -> None:
    for seq in range(2000):  # 50 s at 40 a second
        server.publish(make_message(seq, t_s=100.0 + seq / 40))
    server.publish(make_message(7, stream="other", t_s=149.0))
    server.publish(MarkMessage("old", 110.0))
    server.publish(MarkMessage("new", 140.0, "cam"))
    with join(server) as client:
        receive(client)
        say(client, type="subscribe", streams=["cam"], fields=["similarity"])
        until(client, "subscribed")
        say(client, type="history")
        history = until(client, "history")
        STREAM.from_server.validate(history)
        times = [message["t_capture"] for message in history["affect"]]
        assert {message["stream"] for message in history["affect"]} == {"cam"}
        assert times == sorted(times)
        assert 119.7 <= times[0] <= 120.2
        assert times[-1] >= 149.8
        assert 230 <= len(times) <= 301
        assert "similarity" in history["affect"][0]["faces"][0]
        assert "box" not in history["affect"][0]["faces"][0]
        assert [mark["label"] for mark in history["marks"]] == ["new"]
        say(client, type="history", seconds=5)
        assert min(one["t_capture"] for one in until(client, "history")["affect"]) >= 144.7
        say(client, type="history", seconds=31)
        assert until(client, "error")["code"] == "bad_message"


def test_the_newest_message_is_among_them(server: Server, make_message: Make) -> None:
    for seq in range(6):
        server.publish(make_message(seq, t_s=100.0 + seq / 25))
    with join(server) as client:
        receive(client)
        say(client, type="history")
        assert [one["seq"] for one in until(client, "history")["affect"]] == [0, 3, 5]


def test_what_was_kept_of_streams_that_are_gone_is_freed(make_message: Make) -> None:
    names = ["cam", "old"]

    def hello() -> Hello:
        return Hello(tuple(StreamInfo(name, name, True, None, None, "latest") for name in names))

    with Server(ServerConfig(port=0), hello=hello) as server, join(server) as client:
        receive(client)
        for number in range(3):
            names[1] = f"old-{number}"
            server.announce()
            until(client, "hello")
            for stream in names:
                server.publish(make_message(number, stream=stream, t_s=100.0 + number))
                until(client, "affect")
        say(client, type="history")
        kept = {message["stream"] for message in until(client, "history")["affect"]}
        assert kept == {"cam", "old-2"}
        names[:] = ["cam", "old-0"]  # it is back, without what there was
        server.announce()
        until(client, "hello")
        say(client, type="history")
        assert [one["stream"] for one in until(client, "history")["affect"]] == ["cam"] * 3


def test_an_answer_is_bounded(make_message: Make) -> None:
    with Server(ServerConfig(port=0, limits=Limits(histories_per_s=1.0))) as server:
        for seq in range(300):
            server.publish(make_message(seq, faces=12, t_s=100.0 + seq / 10))
        with join(server) as client:
            receive(client)
            for _ in range(8):
                say(client, type="history")
            answers = [receive(client) for _ in range(8)]
            assert "busy" in {answer.get("code") for answer in answers}
            history = next(answer for answer in answers if answer["type"] == "history")
            assert len(json.dumps(history, separators=(",", ":"))) < 600_000
            assert 50 < len(history["affect"]) < 300
            assert history["affect"][-1]["seq"] == 299


def test_a_viewer_may_ask() -> None:
    with Server(ServerConfig(port=0, read_only=True)) as server, join(server) as client:
        receive(client)
        say(client, type="history")
        assert until(client, "history") == {"type": "history", "affect": [], "marks": [], "events": []}
        say(client, type="thresholds", thresholds=[])
        assert until(client, "error")["code"] == "not_allowed"
