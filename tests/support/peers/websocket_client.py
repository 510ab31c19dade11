"""Real websocket clients for tests of the server; every message is checked against the schema."""

import contextlib
import json
from collections.abc import Callable
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from mtclar.stream.protocol.messages import AffectMessage
from mtclar.stream.server.server import Server
from support.contract import STREAM

WAIT_S = 60.0

Make = Callable[..., AffectMessage]
Eventually = Callable[[Callable[[], Any]], Any]


def join(server: Server, **options: Any) -> ClientConnection:
    """A client that reads all that comes, unless `max_queue` bounds it: then its close waits for room until WAIT_S."""
    options.setdefault("subprotocols", ["mtclar.v1"])
    options.setdefault("max_queue", None)
    return connect(server.ws_url, open_timeout=WAIT_S, close_timeout=WAIT_S, proxy=None, **options)


def receive(client: ClientConnection) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(client.recv(WAIT_S))
    STREAM.from_server.validate(message)
    return message


def until(client: ClientConnection, kind: str) -> dict[str, Any]:
    while (message := receive(client))["type"] != kind:
        pass
    return message


def until_closed(client: ClientConnection) -> tuple[list[dict[str, Any]], int | None]:
    """What still comes, and the close code."""
    got = []
    with contextlib.suppress(ConnectionClosed):
        while True:
            got.append(receive(client))
    return got, client.protocol.close_code


def say(client: ClientConnection, **message: Any) -> None:
    client.send(json.dumps(message))
