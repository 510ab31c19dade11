"""The client for asyncio against real servers: what it decodes and asks for, and what refusals say."""

import asyncio
import socket
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from support.peers.websocket_client import WAIT_S, Make
from support.pipeline_parts import CAM

from mtclar.engine.data_types import BLENDSHAPES
from mtclar.engine.errors import MtclarError, UsageError
from mtclar.stream.client import (
    Client,
    EventMessage,
    NotAServerError,
    ReceivedAffect,
    RefusedError,
    Threshold,
    TokenError,
    UnreachableError,
)
from mtclar.stream.client.connection import websocket_address
from mtclar.stream.protocol.client_messages import Thresholds
from mtclar.stream.protocol.events import ThresholdsMessage
from mtclar.stream.protocol.messages import ByeMessage, ClockMessage, Hello, StatusMessage, StreamInfo
from mtclar.stream.server.config import ServerConfig
from mtclar.stream.server.extension import ClientHandle
from mtclar.stream.server.server import Server

TOKEN = "a-token-of-this-test"


def run(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(WAIT_S):
            await work()

    asyncio.run(bounded())


def test_affect_messages_come_as_they_were_published(server: Server, make_message: Make) -> None:
    sent = [make_message(seq, faces=seq % 3, t_s=seq / 8) for seq in range(6)]
    shapes = np.linspace(0, 1, 52).astype(np.float32)
    face = replace(sent[1].faces[0], blendshapes=shapes, drift=("darker",), quality_issues=("blurred",))
    sent[1] = replace(sent[1], faces=(face,), truth=(0.5, -0.5))

    async def work() -> None:
        async with Client(server.ws_url) as client:
            fields = ["faults", "box", "pose", "raw", "sd", "drift", "similarity", "blendshapes"]
            await client.subscribe("cam", fields=fields, delivery="all")
            for message in sent:
                server.publish(message)
            got = [item async for item in first(client, 6) if isinstance(item, ReceivedAffect)]
            unix_s = client.hello.clock.unix_s - client.hello.clock.monotonic_s + 2.0
            assert client.unix_s(2.0) == pytest.approx(unix_s)
        assert [(one.seq, one.t_capture_s, one.pts_s, len(one.faces)) for one in got] == [
            (one.seq, one.t_capture_s, one.pts_s, len(one.faces)) for one in sent
        ]
        assert got[0].latency_ms.total == pytest.approx(sent[0].latency_ms.total, abs=1e-3)
        assert got[1].truth == (0.5, -0.5)
        (face,) = got[1].faces
        assert (face.valence, face.subject, face.state, face.calibrated) == (0.25, "anna", "ok", True)
        assert (face.faults, face.drift, face.raw, face.sd) == (
            ("blurred",),
            ("darker",),
            (0.3, -0.2),
            (0.05, 0.06),
        )
        assert (face.box, face.pose) == ((10.0, 20.0, 100.0, 120.0), (1.0, 2.0, 3.0))
        assert (face.in_support, face.nearest_similarity) == (None, None)  # not asked for
        assert face.similarity == pytest.approx((0.2, 0.9))
        assert list(face.blendshapes) == list(BLENDSHAPES)

    run(work)


async def first(client: Client, count: int) -> Any:
    """What comes until so many affect messages were among it."""
    async for item in client:
        yield item
        count -= isinstance(item, ReceivedAffect)
        if not count:
            return


def test_every_kind_of_message_comes_decoded(server: Server) -> None:
    async def work() -> None:
        async with Client(server.ws_url) as client:
            server.publish(StatusMessage("cam", "reconnecting", 1.5, "no picture", 3))
            server.publish(ClockMessage(1000.0, 1.0))
            mark = await client.mark("größer 😀", "cam")
            server.close(ByeMessage("ended", "the file has ended"))
            got = [item async for item in client]
        assert [type(item).__name__ for item in got] == [
            *("Hello", "StatusMessage", "ClockMessage", "MarkMessage", "ByeMessage")
        ]
        assert got[0] == client.hello
        assert got[0].streams[0] == CAM
        assert len(got[0].session) == 32
        assert got[1:] == [
            StatusMessage("cam", "reconnecting", 1.5, "no picture", 3),
            ClockMessage(1000.0, 1.0),
            mark,
            ByeMessage("ended", "the file has ended"),
        ]
        assert (mark.label, mark.stream) == ("größer 😀", "cam")
        assert client.unix_s(2.0) == 1001.0

    run(work)


def test_history_and_thresholds_are_answered(make_message: Make) -> None:
    def publish(request: Thresholds, _: ClientHandle) -> None:
        server.publish(ThresholdsMessage(request.chosen))
        server.publish(event)

    wanted = Threshold("valence", "below", -0.25, 2.0)
    event = EventMessage("threshold", True, 12.5, "cam", 3, None, wanted)

    async def work() -> None:
        async with Client(server.ws_url) as client:
            server.publish(make_message(5, t_s=100.0))
            await client.subscribe(fields=[])
            history = await client.history(10)
            assert [(one.seq, one.faces[0].sd) for one in history.affect] == [(5, None)]
            assert (await client.set_thresholds([wanted])).thresholds == (wanted,)
            async for message in client:
                if isinstance(message, EventMessage):
                    assert message == event
                    assert message.label == "valence below -0.25 for 2 s: face 3"
                    return

    with Server(ServerConfig(port=0), on_thresholds=publish) as server:
        run(work)


def test_raw_messages_are_what_the_server_sent(server: Server, make_message: Make) -> None:
    async def work() -> None:
        async with Client(server.ws_url) as client:
            raw = client.raw()
            assert (await anext(raw))["protocol"] == "mtclar.v1"
            server.publish(make_message())
            assert (await anext(raw))["faces"][0]["id"] == 0

    run(work)


def test_a_callback_gets_every_message(server: Server) -> None:
    plain: list[object] = []
    awaited: list[object] = []

    async def keep(item: object) -> None:
        awaited.append(item)

    async def work() -> None:
        async with Client(server.ws_url) as one, Client(server.ws_url) as two:
            server.close(ByeMessage("ended", "over"))
            await one.listen(plain.append)
            await two.listen(keep)

    run(work)
    assert (
        [type(item).__name__ for item in plain]
        == ["Hello", "ByeMessage"]
        == [type(x).__name__ for x in awaited]
    )


def test_only_what_was_subscribed_comes(make_message: Make) -> None:
    streams = [StreamInfo(name, name, True, None, None, "latest") for name in ("cam", "door")]

    async def work() -> None:
        with Server(ServerConfig(port=0), hello=lambda: Hello(tuple(streams))) as two:
            async with Client(two.ws_url) as client:
                values = client.affect(["door"], fields=["sd"], delivery="all")
                following = asyncio.ensure_future(anext(values))
                while not following.done():  # until the subscription holds, nothing comes
                    two.publish(make_message(stream="cam"))
                    two.publish(make_message(stream="door"))
                    await asyncio.sleep(0.01)
                message = following.result()
                assert (message.stream, message.faces[0].sd, message.faces[0].box) == (
                    "door",
                    (0.05, 0.06),
                    None,
                )

    run(work)


def test_a_wrong_subscription_is_refused_and_the_last_one_stays(server: Server, make_message: Make) -> None:
    async def work() -> None:
        async with Client(server.ws_url) as client:
            await client.subscribe("cam")
            with pytest.raises(RefusedError, match="there is no stream 'attic'"):
                await client.subscribe("attic")
            with pytest.raises(RefusedError, match="max_hz"):
                await client.subscribe(max_hz=-1)
            with pytest.raises(RefusedError, match="no faces to assign"):
                await client.assign("cam", 0, "anna")
            with pytest.raises(RefusedError, match="label"):
                await client.mark("")
            server.publish(make_message())
            assert [item.seq async for item in first(client, 1) if isinstance(item, ReceivedAffect)] == [0]

    run(work)


@pytest.mark.parametrize("token", [None, "another-token", "größer", "a\r\nb: c"])
def test_a_wrong_token_is_refused_at_once(token: str | None) -> None:
    async def connect_and_collect(wait: bool) -> None:
        async with Client(server.ws_url, token=token, wait=wait) as client:
            assert await collect(client) == []

    async def work() -> None:
        for wait in (True, False):
            with pytest.raises(TokenError, match="token") as refused:
                await connect_and_collect(wait)
            assert str(token) not in f"{refused.value.what} {refused.value.hint}"

    with Server(ServerConfig(port=0, token=TOKEN)) as server:
        run(work)


def test_a_right_token_is_let_in() -> None:
    async def work() -> None:
        async with Client(server.ws_url, token=TOKEN) as client:
            assert client.hello.role == "operator"

    with Server(ServerConfig(port=0, token=TOKEN)) as server:
        run(work)


def test_nobody_at_the_address() -> None:
    async def work() -> None:
        with socket.socket() as taken:  # bound, and not listening
            taken.bind(("127.0.0.1", 0))
            with pytest.raises(UnreachableError, match="cannot reach"):
                async with Client(f"ws://127.0.0.1:{taken.getsockname()[1]}"):
                    pass

    run(work)


def test_what_answers_is_another_kind_of_server(server: Server) -> None:
    async def work() -> None:
        with pytest.raises(NotAServerError, match="HTTP 404"):
            async with Client(server.ws_url.replace("/ws", "/elsewhere")):
                pass

    run(work)


def test_a_closed_client_ends_its_iteration(server: Server) -> None:
    async def work() -> None:
        async with Client(server.ws_url) as client:
            reading = asyncio.ensure_future(collect(client))
            await asyncio.sleep(0)
            await client.close()
            assert len(await reading) <= 1  # hello
            with pytest.raises(MtclarError, match="closed"):
                await client.mark("too late")

    run(work)


async def collect(client: Client) -> list[object]:
    return [item async for item in client]


@pytest.mark.parametrize("url", ["http://h", "h:x", "ws://", "ws://me:secret@h", "ws://h/ws?token=secret"])
def test_an_address_is_checked_before_anything_is_sent(url: str) -> None:
    with pytest.raises(UsageError) as refused:
        Client(url)
    assert "secret" not in f"{refused.value.what} {refused.value.hint}"


def test_the_path_is_added() -> None:
    assert websocket_address("ws://[::1]:8765") == "ws://[::1]:8765/ws"
    assert websocket_address("localhost:8765") == "ws://localhost:8765/ws"
    assert websocket_address("wss://host/") == "wss://host/ws"
    assert websocket_address("ws://host/other") == "ws://host/other"
