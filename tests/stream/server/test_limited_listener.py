"""The entrance: so many in all, so many from one address, counted until they are closed."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from mtclar.stream.server.limited_listener import Entrance, open_entrance

WAIT_S = 20.0


@pytest.fixture
def entrance() -> Iterator[Entrance]:
    with open_entrance("127.0.0.1", 0, room=3, room_per_address=2) as opened:
        opened.settimeout(WAIT_S)
        yield opened


def knock(entrance: Entrance, stack: ExitStack, source: str = "127.0.0.1") -> socket.socket:
    return stack.enter_context(
        socket.create_connection(entrance.getsockname(), timeout=WAIT_S, source_address=(source, 0))
    )


def test_no_more_than_there_is_room_for_and_the_others_are_closed_at_once(entrance: Entrance) -> None:
    with ExitStack() as stack:
        inside = []
        for source in ("127.0.0.1", "127.0.0.1", "127.0.0.2"):
            knock(entrance, stack, source)
            inside.append(stack.enter_context(entrance.accept()[0]))
        assert entrance.inside == 3
        for source in ("127.0.0.1", "127.0.0.3"):  # one address is full, then all is
            refused = knock(entrance, stack, source)
            with pytest.raises(ConnectionAbortedError):
                entrance.accept()
            assert refused.recv(1) == b""
        assert (entrance.refused, entrance.inside) == (2, 3)
        inside[0].close()
        inside[0].close()  # twice is no fault
        assert entrance.inside == 2
        knock(entrance, stack)
        stack.enter_context(entrance.accept()[0])
        assert entrance.inside == 3
    assert entrance.inside == 0


def test_what_is_accepted_is_a_connection_like_any_other(entrance: Entrance) -> None:
    with ExitStack() as stack:
        outside = knock(entrance, stack)
        connection, peer = entrance.accept()
        with connection:
            assert peer == outside.getsockname()
            connection.sendall(b"hello")
            assert outside.recv(5) == b"hello"


@pytest.mark.parametrize(("host", "family"), [("127.0.0.1", socket.AF_INET), ("0.0.0.0", socket.AF_INET)])
def test_addresses(host: str, family: socket.AddressFamily) -> None:
    with open_entrance(host, 0, 1, 1) as entrance:
        assert (entrance.family, entrance.getsockname()[0]) == (family, host)


def test_no_name_is_every_address_of_this_machine() -> None:
    with open_entrance("", 0, 1, 1) as entrance, ExitStack() as stack:
        port = entrance.getsockname()[1]
        stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=WAIT_S))
        entrance.settimeout(WAIT_S)
        stack.enter_context(entrance.accept()[0])


def test_what_cannot_be_opened_leaves_nothing_behind() -> None:
    with pytest.raises(OverflowError):
        open_entrance("127.0.0.1", 70_000, 1, 1)
    with pytest.raises(OSError, match="assign"):
        open_entrance("203.0.113.7", 0, 1, 1)
