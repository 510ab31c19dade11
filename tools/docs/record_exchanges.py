"""Conversations between a client and a running server, recorded for authors of clients: docs/protocol/exchanges.

    python -m tools.docs.record_exchanges --write

One line a message: {"client": ...}, {"server": ...}, or {"closed": code}. What differs from run to run (the session's
name, the clocks) has a fixed value in them. The tests play every conversation again and compare.
"""

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from mtclar.engine.data_types import Affect, Estimate
from mtclar.stream.protocol.messages import (
    PROTOCOL,
    AffectMessage,
    ByeMessage,
    Hello,
    LatencyMs,
    ModelInfo,
    StatusMessage,
    StreamInfo,
    SubjectInfo,
    SubjectsMessage,
)
from mtclar.stream.server.clock import ClockPair
from mtclar.stream.server.config import ServerConfig
from mtclar.stream.server.extension import Extension
from mtclar.stream.server.server import Server

FOLDER = Path(__file__).parents[2] / "docs" / "protocol" / "exchanges"
WAIT_S = 20.0
NOW_S, SESSION, UNIX_S = 1250.0, "0" * 32, 1800000000.0
TOKEN = "an-example-of-a-token"

Line = dict[str, Any]


class Conversation:
    """One client of one server; every message of both sides becomes a line, in the order the client has them."""

    def __init__(self, server: Server, connection: ClientConnection) -> None:
        self.server = server
        self.lines: list[Line] = []
        self._connection = connection

    def send(self, message: object) -> None:
        """Sends the client's message as JSON, a str unchanged, and records it."""
        self._connection.send(message if isinstance(message, str) else json.dumps(message))
        self.lines.append({"client": message})

    def receive(self, kind: str) -> None:
        """Records the server's next message, which must be of that kind."""
        message = self.next()
        assert isinstance(message, dict)
        assert message["type"] == kind, f"waited for {kind}, got {message}"
        if kind == "hello":
            message["session"] = SESSION
        self.lines.append({"server": message})

    def next(self) -> Line | bytes:
        """The server's next message, not recorded; the bytes of a picture."""
        data = self._connection.recv(WAIT_S)
        return data if isinstance(data, bytes) else json.loads(data)

    def closed(self) -> None:
        """The connection's end."""
        try:
            message = self._connection.recv(WAIT_S)
        except ConnectionClosed:
            self.lines.append({"closed": self._connection.protocol.close_code})
        else:
            raise AssertionError(f"waited for the end, got {message!r}")


@contextmanager
def conversation(
    token: str | None = None,
    extension: Extension | None = None,
    unix_clock: Callable[[], float] = lambda: UNIX_S,
) -> Iterator[Conversation]:
    """A server with two streams and a client that has just connected."""
    streams = (
        StreamInfo("webcam-0", "webcam:0", True, (640, 480), 30.0, "latest", (SubjectInfo("anna", 16),)),
        StreamInfo("door", "rtsp://camera/door", True, None, None, "latest"),
    )
    pages = () if extension is None else ("calibrate",)
    hello = Hello(streams, ModelInfo("encoder", "5c2e" * 16, "onnxruntime (CPU)"), "mtclar-stream", pages)
    server = Server(
        ServerConfig(port=0, token=token), hello=lambda: hello, clocks=ClockPair(lambda: NOW_S, unix_clock)
    )
    if extension is not None:
        server.add_extension(extension, {})
    with (
        server,
        connect(
            server.ws_url,
            subprotocols=[Subprotocol(PROTOCOL)],
            proxy=None,
            open_timeout=WAIT_S,
            close_timeout=WAIT_S,
        ) as connection,
    ):
        yield Conversation(server, connection)


def affect(seq: int, *faces: Affect, stream: str = "webcam-0") -> AffectMessage:
    """The answer to frame `seq` of a camera of 25 frames a second."""
    latency = LatencyMs(queue=0.41, track=3.2, estimate=4.1)
    t_s = seq / 25
    return AffectMessage(stream, seq, seq, NOW_S + t_s, "arrival", t_s, (640, 480), latency, 0, faces)


def face(state: str = "ok", faults: tuple[str, ...] = ()) -> Affect:
    """One face, measured or (any state but ok) not."""
    measured = state == "ok"
    raw = (
        Estimate(0.53, 0.1, 0.05, 0.06, np.array([0.25, 0.93], np.float32), 1, True, (0.5, 0.1))
        if measured
        else None
    )
    box, pose = (210.0, 120.0, 390.5, 320.0), (3.1, -4.0, 0.7) if measured else None
    return Affect(0, "anna", state, box, pose, 0.51, 0.12, 0.05, 0.06, raw, faults, ())  # type: ignore[arg-type]


# --- the conversations --------------------------------------------------------------------------------------------


def ordinary() -> list[Line]:
    """A client that sends nothing: hello, how the sources are, frames with and without a face, bye."""
    with conversation() as client:
        client.receive("hello")
        for message in (
            StatusMessage("webcam-0", "live"),
            affect(0, face()),
            affect(1, face("low_quality", ("too dark",))),
            affect(2, face("held", ("unseen",))),
            affect(3, face("lost", ("unseen",))),
            affect(4),
            StatusMessage("door", "reconnecting", 2.1, "no picture for 2.0 s", 3),
        ):
            client.server.publish(message)
            client.receive("status" if isinstance(message, StatusMessage) else "affect")
        client.server.close(ByeMessage("ended", "the file has ended"))
        client.receive("bye")
        client.closed()
        return client.lines


def subscribing() -> list[Line]:
    """Fewer fields, one stream, at most ten messages a second; then the defaults again."""
    with conversation() as client:
        client.receive("hello")
        client.send(
            {"type": "subscribe", "streams": ["webcam-0"], "max_hz": 10, "fields": ["sd", "similarity"]}
        )
        client.receive("subscribed")
        for seq in (0, 1, 2, 3):  # 25 a second: the 3rd and 4th pictures are 80 and 120 ms after the first
            client.server.publish(affect(seq, face(), stream="door"))
            client.server.publish(affect(seq, face()))
            if seq in (0, 3):
                client.receive("affect")
        client.send({"type": "subscribe", "delivery": "all"})
        client.receive("subscribed")
        client.server.publish(affect(4, face(), stream="door"))
        client.receive("affect")
        return client.lines


def marking() -> list[Line]:
    """A mark, sent to every client."""
    with conversation() as client:
        client.receive("hello")
        client.send({"type": "mark", "label": "video starts", "stream": "webcam-0"})
        client.receive("mark")
        return client.lines


def clock_set() -> list[Line]:
    """The server's wall clock is put forward by an hour."""
    unix_s = UNIX_S
    with conversation(unix_clock=lambda: unix_s) as client:
        client.receive("hello")
        client.server.publish(affect(0, face()))
        client.receive("affect")
        unix_s += 3600.0
        client.receive("clock")
        client.server.publish(affect(1, face()))
        client.receive("affect")
        return client.lines


def calibrated_anew() -> list[Line]:
    """A support set is saved while the stream runs: other labels stand behind the second frame."""
    with conversation() as client:
        client.receive("hello")
        client.server.publish(affect(0, face()))
        client.receive("affect")
        labels = ((0.6, 0.4), (-0.5, 0.1), (0.0, 0.0))
        client.server.publish(SubjectsMessage("webcam-0", 1, (SubjectInfo("anna", 3, labels),)))
        client.receive("subjects")
        client.server.publish(affect(1, face()))
        client.receive("affect")
        return client.lines


def faults() -> list[Line]:
    """Refused messages, each with its code; the connection stays open."""
    with conversation() as client:
        client.receive("hello")
        for message in (
            "{",
            {"type": "affect"},
            {"type": "subscribe", "max_hz": 0},
            {"type": "subscribe", "max_hertz": 10},
            {"type": "subscribe", "streams": ["garden"]},
        ):
            client.send(message)
            client.receive("error")
        client.send({"type": "subscribe"})
        client.receive("subscribed")
        return client.lines


def token() -> list[Line]:
    """The token as the first message, where the client cannot send a header."""
    with conversation(TOKEN) as client:
        client.receive("error")
        client.send({"type": "hello", "token": TOKEN})
        client.receive("hello")
        return client.lines


def wrong_token() -> list[Line]:
    """Not the token."""
    with conversation(TOKEN) as client:
        client.receive("error")
        client.send({"type": "hello", "token": "a-wrong-one"})
        client.receive("error")
        client.closed()
        return client.lines


CONVERSATIONS: tuple[Callable[[], list[Line]], ...] = (
    ordinary,
    subscribing,
    marking,
    clock_set,
    calibrated_anew,
    faults,
    token,
    wrong_token,
)


def path_of(take_down: Callable[[], list[Line]], folder: Path = FOLDER) -> Path:
    """Where a conversation is kept."""
    return folder / f"{take_down.__name__.replace('_', '-')}.jsonl"


def main(description: str, conversations: Sequence[Callable[[], list[Line]]], folder: Path = FOLDER) -> None:
    """Takes all of them down, and prints them or writes them into the folder."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--write", action="store_true", help=f"replace the files of {folder.name}")
    wanted = parser.parse_args()
    for take_down in conversations:
        text = "".join(f"{json.dumps(line)}\n" for line in take_down())
        if wanted.write:
            folder.mkdir(exist_ok=True)
            path_of(take_down, folder).write_text(text)
        else:
            print(f"# {take_down.__name__}\n{text}")


if __name__ == "__main__":
    main(str(__doc__), CONVERSATIONS)
