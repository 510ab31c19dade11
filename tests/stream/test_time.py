"""Times as a client uses them: mapped to Unix time by the clock pair of `hello`, from frame to message."""

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
from support.peers.websocket_client import Make, join, receive, say, until

from mtclar.engine.data_types import Clock, Frame
from mtclar.stream.pipeline.pipeline import Pipeline, PipelineOptions
from mtclar.stream.protocol.messages import Hello
from mtclar.stream.server.clock import ClockPair
from mtclar.stream.server.config import ServerConfig
from mtclar.stream.server.server import Server

PATIENCE_S = 5.0  # between two lines of this test on a busy machine; the clock is set by an hour


class TwoFrames:
    """A camera whose first picture has the time of its arrival and whose second that of its sender, 80 ms earlier."""

    stream_id = label = "cam"
    live = False
    size = (4, 4)
    fps = 25.0
    files = ()

    def __init__(self) -> None:
        self.taken_unix_s: list[float] = []

    def frames(self) -> Iterator[Frame]:
        clocks: tuple[tuple[Clock, float], ...] = (("arrival", 0.0), ("rtcp", 0.08))
        for seq, (clock, age_s) in enumerate(clocks):
            self.taken_unix_s.append(time.time() - age_s)
            yield Frame(np.zeros((4, 4, 3), np.uint8), seq, time.monotonic() - age_s, clock, seq / 25, "cam")

    def reachable(self) -> None:
        return None

    def close(self) -> None: ...


def test_who_is_connected_learns_that_the_wall_clock_was_set(make_message: Make) -> None:
    ahead_s = 0.0
    with (
        Server(
            ServerConfig(port=0), clocks=ClockPair(time.monotonic, lambda: time.time() + ahead_s)
        ) as server,
        join(server) as client,
    ):
        first = until(client, "hello")["clock"]
        ahead_s = 3600.0
        pair = until(client, "clock")
        assert abs(pair["unix"] - time.time() - 3600) < PATIENCE_S
        assert abs(pair["monotonic"] - time.monotonic()) < PATIENCE_S
        assert (pair["unix"] - pair["monotonic"]) - (first["unix"] - first["monotonic"]) > 3590
        server.publish(make_message(0))
        assert receive(client)["type"] == "affect"  # and not a second `clock`


def test_the_clock_pair_maps_capture_to_unix_time_and_says_whose_it_is(tracker: Any) -> None:
    source = TwoFrames()
    with Server(ServerConfig(port=0), hello=lambda: Hello(())) as server, join(server) as client:
        pair = until(client, "hello")["clock"]
        say(client, type="subscribe", delivery="all")
        until(client, "subscribed")
        with Pipeline(source, tracker, [server], PipelineOptions(freshness="all")):
            messages = [until(client, "affect") for _ in range(2)]
    assert [message["clock"] for message in messages] == ["arrival", "rtcp"]
    for message, taken_s in zip(messages, source.taken_unix_s, strict=True):
        unix_s = message["t_capture"] - pair["monotonic"] + pair["unix"]
        assert abs(unix_s - taken_s) < PATIENCE_S
        parts = message["latency_ms"]
        assert abs(parts["queue"] + parts["track"] + parts["estimate"] - parts["total"]) < 1e-3
    assert messages[1]["latency_ms"]["queue"] >= 80  # from the sender's time on, not from arrival
