"""Clients that freeze, flood, send garbage or die: the server and its other clients are not affected."""

import contextlib
import json
import socket
import threading
from typing import Any

import pytest
from support.peers.held_server import HeldServer
from support.peers.websocket_client import WAIT_S, Eventually, Make, join, receive, say, until, until_closed
from websockets.exceptions import ConnectionClosed, InvalidStatus

from mtclar.stream.protocol.messages import ByeMessage, MarkMessage
from mtclar.stream.server.config import ServerConfig
from mtclar.stream.server.limits import Limits
from mtclar.stream.server.server import Server


def raw_client(server: Server, said: dict[str, Any] | None = None) -> socket.socket:
    """A client of bare bytes that has made its handshake and does not read any more."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.settimeout(WAIT_S)
    sock.connect((server.config.host, server.port))
    key = "dGhlIHNhbXBsZSBub25jZQ=="
    sock.sendall(
        f"GET /ws HTTP/1.1\r\nHost: {server.config.host}:{server.port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += sock.recv(1)
    if said is not None:
        text = json.dumps(said).encode()
        sock.sendall(bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text)
    return sock


def read_until_mark(sock: socket.socket) -> list[int]:
    """The seqs of the text frames that wait in a raw client's connection."""
    data = b""
    while b'"type":"mark"' not in data or not data.endswith(b"}"):
        data += (more := sock.recv(65536))
        assert more, "closed before the mark"
    sock.settimeout(1.0)
    try:
        while more := sock.recv(65536):
            data += more
    except TimeoutError:
        pass
    finally:
        sock.close()
    return [int(part.split(b",")[0]) for part in data.split(b'"seq":')[1:]]


def test_junk_is_answered_and_too_much_of_it_ends_the_connection(server: Server) -> None:
    with join(server) as client:
        until(client, "hello")
        client.send("{")
        assert receive(client)["code"] == "bad_json"
        client.send(b"\x00\x01")
        assert receive(client)["code"] == "binary_not_expected"
        say(client, type="subscribe", streams=["nowhere"])
        assert receive(client)["code"] == "unknown_stream"
        say(client, type="subscribe")
        assert receive(client)["type"] == "subscribed"
        with contextlib.suppress(ConnectionClosed):  # it may be closed while it still talks
            for _ in range(20):
                client.send("junk")
        assert until_closed(client)[1] == 1008


def test_a_flood_and_a_huge_message_end_the_connection_of_the_one_who_sent_them(server: Server) -> None:
    with join(server) as bystander:
        for text, times, code in (("x" * 20_000, 1, 1009), ('{"type":"hello"}', 200, 1008)):
            with join(server) as client:
                with contextlib.suppress(ConnectionClosed):  # it may be closed while it still talks
                    for _ in range(times):
                        client.send(text)
                assert until_closed(client)[1] == code
        server.publish(MarkMessage("still here", 1.0))
        assert until(bystander, "mark")["label"] == "still here"


def test_many_marks_at_once_close_no_other_client(make_message: Make, eventually: Eventually) -> None:
    mark = b'{"type":"mark","label":"x"}'
    frame = bytes([0x81, 0x80 | len(mark), 0, 0, 0, 0]) + mark
    with HeldServer() as server, join(server) as bystander, contextlib.ExitStack() as stack:
        until(bystander, "hello")
        crowd = [stack.enter_context(contextlib.closing(raw_client(server))) for _ in range(25)]
        eventually(lambda: server.clients == 26)
        with server.held():
            for client in crowd:
                client.sendall(45 * frame)
        eventually(lambda: server.clients < 26)  # closed for its faults
        server.publish(make_message())
        assert until(bystander, "affect")["seq"] == 0


def test_a_frozen_client_delays_no_other_and_loses_only_old_messages(
    make_message: Make, eventually: Eventually
) -> None:
    limits = Limits(unread_s=1000)  # this may take a while, and it wakes in the end
    with (
        Server(ServerConfig(port=0, limits=limits)) as server,
        raw_client(server) as frozen,
        join(server) as lively,
    ):
        until(lively, "hello")
        eventually(lambda: server.clients == 2)
        for seq in range(sent := 800):  # 600 kB: more than all buffers on the way
            server.publish(make_message(seq))
            assert until(lively, "affect")["seq"] == seq
        # The frozen one wakes: what was on its way is old, then comes the newest and nothing in between.
        server.publish(MarkMessage("end", 0.0))
        seqs = read_until_mark(frozen)
    assert seqs == sorted(set(seqs))
    assert len(seqs) < sent / 2
    assert seqs[-1] == sent - 1


def test_messages_of_every_kind_keep_their_order(server: Server, make_message: Make) -> None:
    """An `affect` that is written at once must not overtake what was told before it."""
    with join(server) as client:
        say(client, type="subscribe", delivery="all")
        until(client, "subscribed")
        for seq in range(100):
            server.publish(MarkMessage(f"before {seq}", 0.0))
            server.publish(make_message(seq))
            server.publish(MarkMessage(f"after {seq}", 0.0))
        messages = [receive(client) for _ in range(300)]
    got = [message["label"] if message["type"] == "mark" else message["seq"] for message in messages]
    marks = [one for one in got if isinstance(one, str)]
    assert marks == [f"{when} {seq}" for seq in range(100) for when in ("before", "after")]
    assert [one for one in got if isinstance(one, int)] == list(range(100))
    assert all(got.index(f"before {seq}") < got.index(seq) for seq in range(100))


def test_a_client_that_wants_all_and_does_not_read_is_closed(
    server: Server, make_message: Make, eventually: Eventually
) -> None:
    greedy = raw_client(server, {"type": "subscribe", "delivery": "all"})
    with join(server) as lively:
        until(lively, "hello")
        eventually(lambda: server.clients == 2)
        seq = 0
        while server.clients == 2:
            server.publish(make_message(seq))
            assert until(lively, "affect")["seq"] == seq
            seq += 1
            assert seq < 20_000
    greedy.close()


def test_a_killed_client_is_forgotten_and_the_others_go_on(
    server: Server, make_message: Make, eventually: Eventually
) -> None:
    with join(server) as lively:
        sock = raw_client(server)
        eventually(lambda: server.clients == 2)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")  # RST
        sock.close()
        eventually(lambda: server.clients == 1)
        server.publish(make_message(7))
        assert until(lively, "affect")["seq"] == 7


@pytest.mark.parametrize(
    "garbage", [b"\x00\xff" * 500, b"GET / HTTP/9.9\r\n\r\n", b"POST / HTTP/1.1\r\n\r\n", b"\r\n"]
)
def test_garbage_on_the_port_is_refused_without_a_trace_in_the_log(
    server: Server, garbage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_connection((server.config.host, server.port), timeout=WAIT_S) as sock:
        sock.sendall(garbage)
        sock.shutdown(socket.SHUT_WR)
        while sock.recv(4096):
            pass
    with join(server) as client:
        assert receive(client)["type"] == "hello"
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


def test_bye_comes_last_and_closing_does_not_hang_on_a_frozen_client(
    make_message: Make, eventually: Eventually
) -> None:
    server = Server(ServerConfig(port=0))
    server.start()
    frozen = raw_client(server)
    with join(server) as client:
        until(client, "hello")
        eventually(lambda: server.clients == 2)
        for seq in range(1000):
            server.publish(make_message(seq))
            until(client, "affect")
        closing = threading.Thread(target=server.close, args=(ByeMessage("ended", "the file has ended"),))
        closing.start()
        got, code = until_closed(client)
        assert got[-1] == {"type": "bye", "code": "ended", "reason": "the file has ended"}
        assert code == 1001
    closing.join(WAIT_S)
    assert not closing.is_alive()
    assert server.close()  # twice is no fault
    frozen.close()
    server.publish(make_message(501))  # neither is publishing to a closed server


def test_more_clients_than_allowed_are_told_to_come_later(eventually: Eventually) -> None:
    with Server(ServerConfig(port=0, limits=Limits(clients=1))) as server, join(server) as client:
        until(client, "hello")
        eventually(lambda: server.clients == 1)
        with pytest.raises(InvalidStatus) as refused:
            join(server)
        assert refused.value.response.status_code == 503
