"""The listening socket: its quota in all and by address; connections count until they are closed."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from mtclar.stream.server.http.listener import LimitedListener, open_listener
from mtclar.stream.server.limits import Limits

WAIT_S = 60.0


@pytest.fixture
def listener() -> Iterator[LimitedListener]:
    limits = Limits(clients=2, clients_per_address=1, pages=1, connections_per_s=1e9)
    with open_listener("127.0.0.1", 0, limits) as opened:
        opened.settimeout(WAIT_S)
        yield opened


def knock(listener: LimitedListener, stack: ExitStack, source: str = "127.0.0.1") -> socket.socket:
    return stack.enter_context(
        socket.create_connection(listener.getsockname(), timeout=WAIT_S, source_address=(source, 0))
    )


def test_no_more_than_there_is_room_for_and_the_others_are_closed_at_once(listener: LimitedListener) -> None:
    with ExitStack() as stack:
        inside = []
        for source in ("127.0.0.1", "127.0.0.1", "127.0.0.2"):
            knock(listener, stack, source)
            inside.append(stack.enter_context(listener.accept()[0]))
        assert len(listener.quota) == 3
        for source in ("127.0.0.1", "127.0.0.3"):  # one address is full, then all is
            refused = knock(listener, stack, source)
            with pytest.raises(ConnectionAbortedError):
                listener.accept()
            assert refused.recv(1) == b""
        assert (listener.refused, len(listener.quota)) == (2, 3)
        inside[0].close()
        inside[0].close()  # twice is no fault
        assert len(listener.quota) == 2
        knock(listener, stack)
        stack.enter_context(listener.accept()[0])
        assert len(listener.quota) == 3
    assert len(listener.quota) == 0


def test_what_is_accepted_is_a_connection_like_any_other(listener: LimitedListener) -> None:
    with ExitStack() as stack:
        outside = knock(listener, stack)
        connection, peer = listener.accept()
        with connection:
            assert peer == outside.getsockname()
            connection.sendall(b"hello")
            assert outside.recv(5) == b"hello"


@pytest.mark.parametrize(("host", "family"), [("127.0.0.1", socket.AF_INET), ("0.0.0.0", socket.AF_INET)])
def test_addresses(host: str, family: socket.AddressFamily) -> None:
    with open_listener(host, 0, Limits()) as listener:
        assert (listener.family, listener.getsockname()[0]) == (family, host)


def test_no_name_is_every_address_of_this_machine() -> None:
    with open_listener("", 0, Limits()) as listener, ExitStack() as stack:
        port = listener.getsockname()[1]
        stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=WAIT_S))
        listener.settimeout(WAIT_S)
        stack.enter_context(listener.accept()[0])


def test_what_cannot_be_opened_leaves_nothing_behind() -> None:
    with pytest.raises(OverflowError):
        open_listener("127.0.0.1", 70_000, Limits())
    with pytest.raises(OSError, match="assign"):
        open_listener("203.0.113.7", 0, Limits())


def test_an_address_that_comes_again_and_again_is_refused_for_a_while() -> None:
    limits = Limits(clients_per_address=3, pages=2, connections_per_s=1e-6)
    with open_listener("127.0.0.1", 0, limits) as listener, ExitStack() as stack:
        listener.settimeout(WAIT_S)
        for _ in range(5):
            knock(listener, stack)
            listener.accept()[0].close()
        refused = knock(listener, stack)
        with pytest.raises(ConnectionAbortedError):
            listener.accept()
        assert refused.recv(1) == b""
        knock(listener, stack, "127.0.0.2")
        listener.accept()[0].close()
