"""The client for scripts and notebooks: a plain `for` loop over the values of a server, without asyncio."""

import asyncio
import atexit
import threading
from collections.abc import AsyncIterator, Callable, Generator, Iterable
from typing import Any, TypeVar

from mtclar.stream.client.client import Client
from mtclar.stream.protocol.messages import Delivery, OptionalField, ReceivedAffect

Item = TypeVar("Item")


def watch(
    url: str,
    *,
    token: str | None = None,
    streams: Iterable[str] | None = None,
    fields: Iterable[OptionalField] | None = None,
    max_hz: float | None = None,
    delivery: Delivery = "latest",
    reconnect: bool = True,
) -> Generator[ReceivedAffect, None, None]:
    """The `affect` messages of the server at `url`, until its source ends; options and errors as Client and `affect`.

        for message in watch("ws://127.0.0.1:8765", fields=["sd"]):
            print(message.pts_s, [(face.valence, face.arousal) for face in message.faces])

    Leaving the loop closes the connection. Works where an event loop is running, as in a notebook.
    """

    async def values() -> AsyncIterator[ReceivedAffect]:
        async with Client(url, token=token, reconnect=reconnect) as client:
            async for message in client.affect(streams, fields=fields, max_hz=max_hz, delivery=delivery):
                yield message

    return in_thread(values)


def in_thread(items: Callable[[], AsyncIterator[Item]]) -> Generator[Item, None, None]:
    """The items of an asynchronous iterator, whose event loop is on a thread of its own: it reads on between them."""
    ready = threading.Event()
    shared: dict[str, Any] = {}

    async def serve() -> None:
        shared["loop"], shared["stop"] = asyncio.get_running_loop(), asyncio.Event()
        ready.set()
        await shared["stop"].wait()  # asyncio.run then cancels what still runs and closes the iterator

    def stop() -> None:
        if thread.is_alive():
            shared["loop"].call_soon_threadsafe(shared["stop"].set)
            thread.join()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), name="mtclar client", daemon=True)
    thread.start()
    ready.wait()
    atexit.register(stop)  # a loop that was left half-way: later the interpreter has no threads any more
    iterator = items()

    async def following() -> tuple[bool, Any]:
        try:
            return True, await anext(iterator)
        except StopAsyncIteration:
            return False, None

    try:
        while True:
            more, item = asyncio.run_coroutine_threadsafe(following(), shared["loop"]).result()
            if not more:
                return
            yield item
    finally:
        atexit.unregister(stop)
        stop()
