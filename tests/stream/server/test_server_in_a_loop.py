"""`async with Server()`: on the loop of a notebook or an asyncio program, beside that program's own tasks."""

import asyncio
import functools
import json
import socket
import threading
import urllib.request
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from support.contract import STREAM
from support.peers.websocket_client import WAIT_S, Make
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedOK

from mtclar.engine.errors import ServeError
from mtclar.stream.protocol.messages import Hello, StatusMessage, StreamInfo
from mtclar.stream.server.config import ServerConfig
from mtclar.stream.server.http.pages import Page
from mtclar.stream.server.server import Server
from mtclar.stream.sinks import SinkGroup

INFO = StreamInfo("cam", "cam", True, None, None, "latest")
CONFIG = ServerConfig(port=0)


def in_a_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Runs an asynchronous test to its end."""

    @functools.wraps(test)
    def run(**fixtures: Any) -> None:
        asyncio.run(asyncio.wait_for(test(**fixtures), 3 * WAIT_S))

    return run


async def receive(client: Any) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(await asyncio.wait_for(client.recv(), WAIT_S))
    STREAM.from_server.validate(message)
    return message


@in_a_loop
async def test_it_serves_on_the_running_loop_beside_other_tasks(make_message: Make) -> None:
    loop_thread = threading.current_thread()
    ticks = 0

    async def count() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0.001)

    counting = asyncio.create_task(count())
    on_mark_threads: list[threading.Thread] = []
    async with Server(
        CONFIG,
        hello=lambda: Hello((INFO,)),
        on_mark=lambda _: on_mark_threads.append(threading.current_thread()),
    ) as server:
        async with connect(server.ws_url, proxy=None) as client:
            assert [stream["stream"] for stream in (await receive(client))["streams"]] == ["cam"]
            server.publish(make_message(0, stream="cam"))  # from the loop's own thread
            assert (await receive(client))["seq"] == 0
            await asyncio.to_thread(server.publish, make_message(1, stream="cam"))  # and from a worker
            assert (await receive(client))["seq"] == 1
            await client.send(json.dumps({"type": "mark", "label": "now"}))
            assert (await receive(client))["label"] == "now"
            before = ticks
            await asyncio.sleep(0.05)
            assert ticks > before
            await server.aclose()
            assert (await receive(client))["type"] == "bye"
            with pytest.raises(ConnectionClosedOK):
                await asyncio.wait_for(client.recv(), WAIT_S)
        await server.aclose()  # twice is allowed
    counting.cancel()
    assert on_mark_threads == [loop_thread]
    assert server.clients == 0
    with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.1", server.port)):
        pass


@in_a_loop
async def test_a_private_page_is_made_on_a_thread() -> None:
    made_on: list[threading.Thread] = []

    def page() -> Page:
        made_on.append(threading.current_thread())
        return Page(b"made")

    def get(url: str) -> bytes:
        with urllib.request.urlopen(url, timeout=WAIT_S) as answer:
            body: bytes = answer.read()
        return body

    async with Server(CONFIG, private={"/made": page}) as server:
        assert await asyncio.to_thread(get, f"{server.url}made") == b"made"
    assert made_on[0] is not threading.current_thread()


@in_a_loop
async def test_as_a_sink_of_a_group_it_keeps_running() -> None:
    async with Server(CONFIG) as server:
        with SinkGroup([server]) as sinks:
            sinks.open([INFO])
            async with connect(server.ws_url, proxy=None) as client:
                assert [stream["stream"] for stream in (await receive(client))["streams"]] == ["cam"]
                sinks.status(StatusMessage("cam", "live"))
                assert (await receive(client))["state"] == "live"
        async with connect(server.ws_url, proxy=None) as client:
            assert (await receive(client))["type"] == "hello"


@in_a_loop
async def test_a_port_in_use_is_an_error_of_the_server() -> None:
    async with Server(CONFIG) as server:
        with pytest.raises(ServeError, match="in use"):
            async with Server(ServerConfig(port=server.port)):
                pass
