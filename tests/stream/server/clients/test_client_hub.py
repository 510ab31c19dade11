"""The client hub without sockets: messages to a new client, delivery policies, counts."""

from typing import Any

from support.peers.websocket_client import Make

from mtclar.stream.protocol.messages import DEFAULT_FIELDS, StatusMessage
from mtclar.stream.server.clients.client import Outgoing, Subscription
from mtclar.stream.server.clients.client_hub import ClientHub


class Listener:
    """A client that keeps what it is handed; `wants` says whether it takes an `affect`."""

    def __init__(self, wants: bool = True, fields: frozenset[str] = DEFAULT_FIELDS) -> None:
        self.subscription = Subscription(fields=fields)
        self.role = "operator"
        self.missed = 0
        self.sent: list[bytes] = []
        self.enqueued: list[tuple[int, bool]] = []
        self._wants = wants

    def send_text(self, message: bytes) -> None:
        self.sent.append(message)

    def enqueue(self, item: Outgoing, outdated: bool) -> bool:
        self.enqueued.append((item.message.seq, outdated))
        return self._wants


def join(hub: ClientHub, *listeners: Listener) -> None:
    for listener in listeners:
        client: Any = listener
        hub.add(client, b"hello")


def outgoing(make_message: Make, seq: int, stream: str = "cam") -> Outgoing:
    return Outgoing(make_message(seq, stream=stream), {})


def test_a_newcomer_hears_hello_and_how_each_stream_is_now() -> None:
    hub, early, late = ClientHub(), Listener(), Listener()
    join(hub, early)
    news = [StatusMessage("cam", "connecting"), StatusMessage("door", "live"), StatusMessage("cam", "live")]
    hub.distribute(news)
    join(hub, late)
    assert early.sent == [b"hello", *(one.encode() for one in news)]
    assert late.sent == [b"hello", news[2].encode(), news[1].encode()]


def test_of_several_at_once_only_the_newest_of_each_stream_is_fresh(make_message: Make) -> None:
    hub, listener = ClientHub(), Listener()
    join(hub, listener)
    hub.distribute(
        outgoing(make_message, seq, stream) for seq, stream in enumerate(["cam", "door", "cam", "cam"])
    )
    assert listener.enqueued == [(0, True), (1, False), (2, True), (3, False)]
    assert hub.published == 4


def test_what_was_missed_never_falls_while_a_client_leaves() -> None:
    hub, listener = ClientHub(), Listener()
    join(hub, listener)
    listener.missed = 7
    assert hub.missed == 7
    listener.missed = 0  # as another thread may see it: neither here nor among those that have gone
    assert hub.missed == 7


def test_each_message_is_reported_once_when_written_or_unwanted(make_message: Make) -> None:
    noted: list[float] = []
    hub = ClientHub(noted.append)
    first, second = outgoing(make_message, 0), outgoing(make_message, 1)
    hub.distribute([first])  # nobody is there
    assert noted == [first.message.t_capture_s]
    join(hub, Listener(), Listener(wants=False))
    hub.distribute([second])
    assert len(noted) == 1
    for _ in range(2):  # two sockets have it
        hub.on_written(second)
    assert noted == [first.message.t_capture_s, second.message.t_capture_s]
    assert hub.written == 2


def test_what_the_gone_have_missed_and_wanted() -> None:
    hub = ClientHub()
    stays, goes = Listener(), Listener(fields=frozenset({"box"}))
    join(hub, stays, goes)
    assert hub.wanted_fields == {DEFAULT_FIELDS, frozenset({"box"})}
    stays.missed, goes.missed = 2, 5
    gone: Any = goes
    hub.remove(gone)
    assert (len(hub), gone in hub, hub.missed) == (1, False, 7)
    assert hub.wanted_fields == {DEFAULT_FIELDS}
