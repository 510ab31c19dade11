"""OSC as a server of python-osc receives it."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from support.pipeline_parts import CAM, affect

from mtclar.engine.data_types import BLENDSHAPES
from mtclar.engine.errors import UsageError
from mtclar.stream.protocol.messages import AffectMessage, MarkMessage, StatusMessage
from mtclar.stream.sinks import SinkGroup, open_sink

pytest.importorskip("pythonosc", reason="python-osc is not installed; `make setup-all` brings it")
from pythonosc.dispatcher import Dispatcher
from pythonosc.osc_server import BlockingOSCUDPServer

DOOR = replace(CAM, stream="back door")
Received = list[tuple[Any, ...]]


@contextmanager
def osc_server(port: int = 0) -> Iterator[tuple[int, Received]]:
    """A running server's port, and what it has received: address and values."""
    received: Received = []
    dispatcher = Dispatcher()
    dispatcher.set_default_handler(lambda address, *values: received.append((address, *values)))
    with BlockingOSCUDPServer(("127.0.0.1", port), dispatcher) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.server_address[1], received
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def sending_to(port: int) -> Iterator[SinkGroup]:
    with SinkGroup([open_sink(f"osc://127.0.0.1:{port}")]) as sinks:
        sinks.open([CAM, DOOR])
        yield sinks


def test_a_server_gets_values_marks_and_states(
    make_message: Callable[..., AffectMessage], eventually: Any
) -> None:
    with osc_server() as (port, received), sending_to(port) as sinks:
        sinks.status(StatusMessage("cam", "live"))
        sinks.affect(make_message())
        sinks.mark(MarkMessage("start", 1.0))
        eventually(lambda: len(received) == 9)
    assert received[0] == ("/mtclar/cam/status", "live")
    assert dict(received[1:6]) == pytest.approx(
        {
            "/mtclar/cam/anna/valence": 0.25,
            "/mtclar/cam/anna/arousal": -0.5,
            "/mtclar/cam/anna/valence_sd": 0.05,
            "/mtclar/cam/anna/arousal_sd": 0.06,
            "/mtclar/cam/anna/in_support": 1,
        }
    )
    assert received[6:] == [
        ("/mtclar/cam/anna/state", "ok"),
        ("/mtclar/cam/mark", "start"),
        ("/mtclar/back%20door/mark", "start"),
    ]


def test_nothing_is_sent_where_there_is_no_value(
    make_message: Callable[..., AffectMessage], eventually: Any
) -> None:
    unmeasured = replace(
        affect(valence=None), arousal=None, valence_sd=None, arousal_sd=None, raw=None, state="held"
    )
    with osc_server() as (port, received), sending_to(port) as sinks:
        sinks.affect(replace(make_message(), faces=(unmeasured,)))
        sinks.status(StatusMessage("cam", "ended"))
        eventually(lambda: len(received) == 2)
    assert received == [("/mtclar/cam/anna/state", "held"), ("/mtclar/cam/status", "ended")]


def test_blendshapes_are_an_avatars_expression(
    make_message: Callable[..., AffectMessage], eventually: Any
) -> None:
    weights = np.linspace(0, 1, len(BLENDSHAPES), dtype=np.float32)
    face = replace(affect(), blendshapes=weights)
    with osc_server() as (port, received), sending_to(port) as sinks:
        sinks.affect(replace(make_message(stream="back door"), faces=(face,)))  # not the first stream
        sinks.affect(replace(make_message(), faces=(face, replace(face, subject="ben"))))
        eventually(lambda: received and received[-1] == ("/VMC/Ext/Blend/Apply",))
    vmc = [message for message in received if message[0].startswith("/VMC")]
    assert vmc[0] == ("/VMC/Ext/OK", 1)
    assert vmc[1] == ("/VMC/Ext/Blend/Val", "BrowDownLeft", pytest.approx(weights[1]))
    assert len(vmc) == len(BLENDSHAPES) + 1  # one person's, without `_neutral`


def test_a_receiver_that_is_away_loses_only_what_was_sent_meanwhile(
    make_message: Callable[..., AffectMessage], eventually: Any
) -> None:
    with osc_server() as (port, received):
        pass
    with sending_to(port) as sinks:
        for seq in range(20):
            sinks.affect(make_message(seq))  # nobody is there
            with osc_server(port) as (_, received):
                sinks.mark(MarkMessage(f"back {seq}", 0.0, "cam"))
                eventually(lambda: ("/mtclar/cam/mark", f"back {seq}") in received)  # noqa: B023
        (delivery,) = sinks.deliveries
        assert delivery.failures == 0


def test_a_network_that_is_down_is_counted_and_told(
    make_message: Callable[..., AffectMessage], eventually: Any
) -> None:
    with SinkGroup([open_sink("osc://127.0.0.1:9")]) as sinks:
        sinks.open([CAM])
        (delivery,) = sinks.deliveries
        sinks.mark(MarkMessage(70_000 * "x", 0.0, "cam"))  # larger than any datagram
        eventually(lambda: delivery.failures == 1)
        assert "OSC cannot be sent to 127.0.0.1:9" in (delivery.sink.trouble or "")
        sinks.affect(make_message())
        eventually(lambda: delivery.sink.trouble is None)
        assert delivery.failures == 1


@pytest.mark.parametrize(
    "argument", ["", "127.0.0.1", ":9000", "127.0.0.1:99999", "[::1", "h:1/path", "u:p@h:1"]
)
def test_what_is_no_address_is_refused(argument: str) -> None:
    with pytest.raises(UsageError, match="needs a host and a port"):
        open_sink(f"osc://{argument}")


def test_an_unknown_host_is_refused_before_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(UsageError, match="cannot send OSC to nowhere:9000: Name or service not known"):
        open_sink("osc://nowhere:9000").open([CAM])
