"""The running server, spoken to by real websocket clients and plain HTTP: messages, access, pages."""

import ssl
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from support.peers.certificates import make_certificate
from support.peers.held_server import HeldServer
from support.peers.websocket_client import (
    WAIT_S,
    Eventually,
    Make,
    join,
    receive,
    say,
    until,
    until_closed,
)
from websockets.exceptions import InvalidStatus

from mtclar.engine.errors import MtclarError, ServeError, UsageError
from mtclar.stream.protocol.messages import ErrorMessage, Hello, MarkMessage, StatusMessage
from mtclar.stream.server.config import ServerConfig
from mtclar.stream.server.server import Server

TOKEN = "a-long-enough-token"


def test_a_client_gets_hello_the_last_status_and_every_message(server: Server, make_message: Make) -> None:
    server.publish(StatusMessage("cam", "connecting"))
    server.publish(StatusMessage("cam", "live"))
    with join(server) as client:
        hello = receive(client)
        assert client.subprotocol == "mtclar.v1"
        assert (hello["type"], hello["protocol"]) == ("hello", "mtclar.v1")
        assert abs(hello["clock"]["monotonic"] - time.monotonic()) < WAIT_S
        status = receive(client)
        assert (status["type"], status["state"]) == ("status", "live")
        for seq in range(1, 5):
            server.publish(make_message(seq))
            assert receive(client)["seq"] == seq


def test_a_client_without_a_subprotocol_is_accepted_another_one_refused(server: Server) -> None:
    with join(server, subprotocols=None) as client:
        assert receive(client)["type"] == "hello"
    with pytest.raises(InvalidStatus) as refused:
        join(server, subprotocols=["mtclar.v9"])
    assert refused.value.response.status_code == 400


def test_fields_streams_and_rate_can_be_chosen(server: Server, make_message: Make) -> None:
    server.publish(StatusMessage("other", "live"))
    with join(server) as client:
        say(client, type="subscribe", streams=["cam"], fields=["similarity"], max_hz=10, delivery="all")
        answer = until(client, "subscribed")
        assert (
            answer | {"streams": ["cam"], "fields": ["similarity"], "max_hz": 10, "delivery": "all"} == answer
        )
        for seq in range(25):  # one second at 25 a second
            server.publish(make_message(seq, t_s=100 + seq / 25))
            server.publish(make_message(seq, stream="other"))
        server.publish(MarkMessage("end", 0.0))
        say(client, type="subscribe", streams=["other"])
        got: list[dict[str, Any]] = []
        while (message := receive(client))["type"] != "subscribed":
            if message["type"] == "affect":
                got.append(message)
        assert {message["stream"] for message in got} <= {"cam"}
        server.publish(make_message(99, stream="other"))
        while (message := receive(client))["stream"] != "other":
            got.append(message)
        cam = [message for message in got if message["stream"] == "cam"]
        assert 10 <= len(cam) <= 11
        assert "similarity" in cam[0]["faces"][0]
        assert "box" not in cam[0]["faces"][0]
        assert "box" in message["faces"][0]


def test_a_rate_holds_when_the_clock_of_a_source_is_set_back(server: Server, make_message: Make) -> None:
    with join(server) as client:
        say(client, type="subscribe", max_hz=10, delivery="all")
        until(client, "subscribed")
        for start_s in (5000.0, 100.0):
            for seq in range(25):  # one second at 25 a second
                server.publish(make_message(seq, t_s=start_s + seq / 25))
        server.publish(MarkMessage("end", 0.0))
        server.publish(make_message(99, t_s=200.0))
        times: list[float] = []
        while (message := receive(client)).get("seq") != 99:
            times += [message["t_capture"]] if message["type"] == "affect" else []
        for start_s in (5000.0, 100.0):
            assert 10 <= sum(start_s <= t_s < start_s + 1 for t_s in times) <= 11


def test_a_mark_reaches_everyone_and_the_hook() -> None:
    marks: list[MarkMessage] = []
    with (
        Server(ServerConfig(port=0), on_mark=marks.append) as server,
        join(server) as one,
        join(server) as two,
    ):
        until(two, "hello")
        say(one, type="mark", label="video starts")
        assert until(one, "mark")["label"] == until(two, "mark")["label"] == marks[0].label == "video starts"


def test_without_anybody_to_assign_it_is_said(server: Server) -> None:
    with join(server) as client:
        until(client, "hello")
        say(client, type="assign", stream="cam", face=0, subject=None)
        assert until(client, "error")["code"] == "cannot_assign"


def test_a_client_that_wants_all_and_reads_gets_all(server: Server, make_message: Make) -> None:
    with join(server) as client:
        say(client, type="subscribe", delivery="all")
        until(client, "subscribed")
        for seq in range(1000):
            server.publish(make_message(seq))
        assert [until(client, "affect")["seq"] for _ in range(1000)] == list(range(1000))


def test_an_error_of_the_server_reaches_the_clients(server: Server) -> None:
    with join(server) as client:
        until(client, "hello")
        server.publish(ErrorMessage("tracker_failed", "the encoder cannot run"))
        assert until(client, "error")["code"] == "tracker_failed"


def test_on_sent_is_called_once_a_message_with_clients_and_without(
    make_message: Make, eventually: Eventually
) -> None:
    sent: list[float] = []
    with Server(ServerConfig(port=0), on_sent=sent.append) as server:
        server.publish(make_message(0, t_s=1.0))
        eventually(lambda: sent == [1.0])
        with join(server) as one, join(server) as two:
            until(one, "hello")
            until(two, "hello")
            server.publish(make_message(1, t_s=2.0))
            until(one, "affect")
            until(two, "affect")
        eventually(lambda: server.written == 2)
        assert sent == [1.0, 2.0]


# --- access ---


def test_a_token_by_header_or_by_the_first_message() -> None:
    with Server(ServerConfig(port=0, token=TOKEN)) as server:
        with join(server, additional_headers={"Authorization": f"Bearer {TOKEN}"}) as client:
            assert receive(client)["type"] == "hello"
        with join(server) as client:
            assert receive(client)["code"] == "token_required"
            say(client, type="hello", token=TOKEN)
            assert receive(client)["type"] == "hello"


@pytest.mark.parametrize(
    "said",
    ['{"type": "hello", "token": "wrong"}', '{"type": "hello"}', '{"type": "subscribe"}', "junk", "{}"],
)
def test_without_the_token_nothing_is_said(said: str, make_message: Make) -> None:
    with Server(ServerConfig(port=0, token=TOKEN)) as server, join(server) as client:
        assert receive(client)["code"] == "token_required"
        server.publish(make_message(0))
        client.send(said)
        assert receive(client)["type"] == "error"
        assert until_closed(client) == ([], 1008)
        assert server.clients == 0


def test_a_wrong_header_is_refused_at_once() -> None:
    with Server(ServerConfig(port=0, token=TOKEN)) as server, pytest.raises(InvalidStatus) as refused:
        join(server, additional_headers={"Authorization": "Bearer wrong"})
    assert refused.value.response.status_code == 401


@pytest.mark.parametrize(
    ("origin", "welcome"), [("own", True), ("https://evil.example", False), ("null", False)]
)
def test_a_browsers_origin(server: Server, origin: str, welcome: bool) -> None:
    origin = server.url.rstrip("/") if origin == "own" else origin
    if welcome:
        with join(server, origin=origin) as client:
            assert receive(client)["type"] == "hello"
    else:
        with pytest.raises(InvalidStatus) as refused:
            join(server, origin=origin)
        assert refused.value.response.status_code == 403


def test_a_port_in_use_is_named(server: Server) -> None:
    with pytest.raises(ServeError, match=str(server.port)) as caught:
        Server(ServerConfig(port=server.port)).start()
    assert "--port 0" in caught.value.hint


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ({"host": "0.0.0.0"}, UsageError),
        ({"host": "203.0.113.7", "token": TOKEN}, ServeError),
        ({"port": 70_000}, UsageError),
        ({"tls_cert": Path("cert.pem")}, UsageError),
        ({"tls_cert": Path("none.pem"), "tls_key": Path("none.pem")}, UsageError),
    ],
)
def test_what_cannot_be_served_is_said(options: dict[str, Any], kind: type[MtclarError]) -> None:
    with pytest.raises(kind) as caught:
        Server(ServerConfig(**({"port": 0} | options))).start()
    assert caught.value.what
    assert caught.value.hint


def test_beyond_loopback_without_tls_is_warned_of() -> None:
    assert Server(ServerConfig("0.0.0.0", 0, token=TOKEN)).warnings
    assert not Server(ServerConfig(port=0)).warnings


def test_tls(tmp_path: Path) -> None:
    cert, key = make_certificate(tmp_path)
    with Server(ServerConfig(port=0, tls_cert=cert, tls_key=key)) as server:
        assert server.ws_url.startswith("wss://")
        with join(server, ssl=ssl.create_default_context(cafile=str(cert))) as client:
            assert receive(client)["type"] == "hello"


# --- pages ---


def test_hello_is_asked_for_each_client() -> None:
    calls: list[int] = []

    def hello() -> Hello:
        calls.append(threading.get_ident())
        return Hello(())

    with Server(ServerConfig(port=0), hello=hello) as server:
        for _ in range(2):
            with join(server) as client:
                receive(client)
    assert len(calls) == 2


def test_nothing_is_left_running_after_close(make_message: Make) -> None:
    before = set(threading.enumerate())
    with Server(ServerConfig(port=0)) as server, join(server) as client:
        server.publish(make_message(0))
        until(client, "hello")
    assert {thread for thread in set(threading.enumerate()) - before if thread.name == "broadcast"} == set()


def test_what_a_client_did_not_ask_for_is_not_counted_as_missed(
    make_message: Make, eventually: Eventually
) -> None:
    with HeldServer() as server, join(server) as client:
        until(client, "hello")
        say(client, type="subscribe", streams=["cam"])
        until(client, "subscribed")
        with server.held():
            for seq in range(3):
                server.publish(make_message(seq, stream="door"))
                server.publish(make_message(seq))
        assert until(client, "affect")["seq"] == 2
        assert eventually(lambda: server.missed) == 2
