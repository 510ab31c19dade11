"""A client whose server is killed, restarted or cut off, and a program that reads slowly: what it is told."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, TypeVar

import pytest
from support.peers.server_process import Relay, ServerProcess
from support.peers.websocket_client import WAIT_S, Make

from mtclar.stream.client import (
    Client,
    Disconnected,
    Gap,
    ReceivedAffect,
    RefusedError,
    TokenError,
    UnreachableError,
)
from mtclar.stream.protocol.messages import ByeMessage, Hello, SubscribedMessage
from mtclar.stream.server.server import Server

TOKEN = "a-token-of-this-test"
Kind = TypeVar("Kind")


def run(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(WAIT_S):
            await work()

    asyncio.run(bounded())


async def until(items: AsyncIterator[Any], kind: type[Kind]) -> tuple[Kind, list[Any]]:
    """The next item of a kind, and everything before it."""
    before = []
    async for item in items:
        if isinstance(item, kind):
            return item, before
        before.append(item)
    raise AssertionError(f"it ended after {before}")


def test_a_killed_server_that_comes_back_is_found_again_with_the_same_subscription() -> None:
    async def work() -> None:
        first = ServerProcess(streams="cam,door", token=TOKEN)
        async with Client(first.url, token=TOKEN) as client:
            await client.subscribe("door", fields=["sd"], max_hz=20)
            items = aiter(client)
            await until(items, ReceivedAffect)
            session = client.hello.session
            first.kill()
            lost, _ = await until(items, Disconnected)
            assert "connection was lost" in lost.reason
            away, _ = await until(items, Disconnected)
            assert "cannot reach" in away.reason
            with ServerProcess(first.port, "cam,door", TOKEN):
                gap, before = await until(items, Gap)
                message = await anext(items)
        assert [item for item in before if isinstance(item, SubscribedMessage)] == [
            SubscribedMessage(("door",), 20.0, frozenset({"sd"}), "latest")
        ]
        assert client.hello.session != session
        assert (gap.stream, gap.missed) == ("door", None)  # the new server counts from 0 again
        assert gap.disconnected_s > 0
        assert (message.stream, message.faces[0].sd, message.faces[0].box) == ("door", (0.1, 0.2), None)

    run(work)


def test_after_a_cut_of_the_network_every_missed_message_is_counted() -> None:
    async def work() -> None:
        with ServerProcess() as server, Relay(server.port) as relay:
            async with Client(relay.url) as client:
                await client.subscribe(delivery="all")
                items = aiter(client)
                before, _ = await until(items, ReceivedAffect)
                relay.cut()
                gap, got = await until(items, Gap)
                after = await anext(items)
                last = [item for item in (before, *got) if isinstance(item, ReceivedAffect)][-1]
                assert gap == Gap("cam", after.seq - last.seq - 1, gap.disconnected_s)
                assert gap.missed > 0
                assert gap.disconnected_s > 0

    run(work)


def test_a_new_token_of_the_server_ends_it() -> None:
    async def work() -> None:
        first = ServerProcess(token=TOKEN)
        async with Client(first.url, token=TOKEN) as client:
            first.kill()
            with (
                ServerProcess(first.port, token="the-token-was-changed"),
                pytest.raises(TokenError, match="wrong token"),
            ):
                async for _ in client:
                    pass

    run(work)


def test_a_stream_that_the_restarted_server_lacks_ends_it() -> None:
    async def work() -> None:
        first = ServerProcess(streams="cam,door")
        async with Client(first.url) as client:
            await client.subscribe("door")
            first.kill()
            with ServerProcess(first.port), pytest.raises(RefusedError, match="there is no stream 'door'"):
                async for _ in client:
                    pass

    run(work)


def test_without_reconnection_a_killed_server_is_an_error() -> None:
    async def work() -> None:
        server = ServerProcess()
        async with Client(server.url, reconnect=False) as client:
            server.kill()
            with pytest.raises(UnreachableError, match="connection was lost"):
                async for _ in client:
                    pass

    run(work)


def test_a_client_that_waits_is_told_why_until_the_server_comes() -> None:
    async def work() -> None:
        with ServerProcess() as gone:
            pass
        async with Client(gone.url, wait=True) as client:
            items = aiter(client)
            reason = (await anext(items)).reason
            assert "cannot reach" in reason
            with ServerProcess(gone.port):
                hello, before = await until(items, Hello)
                assert before == []  # the same reason is not said twice
                assert [info.stream for info in hello.streams] == ["cam"]

    run(work)


@pytest.mark.parametrize("code", ["shutdown", "failed"])
def test_a_server_that_stops_is_waited_for_or_ends_it(server: Server, code: Any) -> None:
    async def work() -> None:
        async with Client(server.ws_url) as waiting, Client(server.ws_url, reconnect=False) as ending:
            server.close(ByeMessage(code, "it is over"))
            lost, _ = await until(aiter(waiting), Disconnected)
            assert "it is over" in lost.reason
            if code == "failed":
                with pytest.raises(UnreachableError, match="the server failed: it is over"):
                    await until(aiter(ending), Disconnected)
            else:
                assert [type(item) async for item in ending] == [Hello, ByeMessage]

    run(work)


def test_a_mark_on_a_lost_connection_is_an_error_and_not_lost_silently() -> None:
    async def work() -> None:
        server = ServerProcess()
        async with Client(server.url) as client:
            server.kill()
            await until(aiter(client), Disconnected)
            with pytest.raises(UnreachableError, match="no connection"):
                await client.mark("too late")

    run(work)


def test_a_slow_program_gets_the_latest_message_and_the_gap(server: Server, make_message: Make) -> None:
    async def work() -> None:
        async with Client(server.ws_url) as client:
            items = aiter(client)
            server.publish(make_message(0))
            await until(items, ReceivedAffect)
            for seq in range(1, 100):
                server.publish(make_message(seq))
            await client.mark("behind them")  # by now all of them were received
            gap, _ = await until(items, Gap)
            assert (await anext(items)).seq == gap.missed + 1
            assert (gap.missed, gap.disconnected_s) == (98, 0.0)

    run(work)


def test_delivery_all_gives_a_slow_program_every_message(server: Server, make_message: Make) -> None:
    async def work() -> None:
        async with Client(server.ws_url) as client:
            await client.subscribe(delivery="all")
            for seq in range(300):
                server.publish(make_message(seq))
            await client.mark("behind them")
            got = []
            async for item in client:
                assert not isinstance(item, Gap)
                got += [item.seq] if isinstance(item, ReceivedAffect) else []
                if len(got) == 300:
                    break
            assert got == list(range(300))

    run(work)


def test_a_program_that_falls_too_far_behind_loses_the_connection_and_is_told(
    server: Server, make_message: Make
) -> None:
    async def work() -> None:
        async with Client(server.ws_url) as client:
            await client.subscribe(delivery="all")
            seq = 0
            while server.clients:  # beyond the client's room, the sockets' buffers and the server's backlog
                for _ in range(500):
                    server.publish(make_message(seq, faces=8))
                    seq += 1
                await asyncio.sleep(0.01)
                while server.queued:  # its loop has not sent them yet
                    await asyncio.sleep(0.01)
            items = aiter(client)
            lost, before = await until(items, Disconnected)
            assert "too slow" in lost.reason
            got = [item.seq for item in before if isinstance(item, ReceivedAffect)]
            assert got == list(range(len(got)))
            await until(items, SubscribedMessage)
            server.publish(make_message(seq))
            gap, _ = await until(items, Gap)
            assert gap.missed == seq - len(got)

    run(work)
