"""One connection to NATS, on a thread with an event loop of its own; it connects again by itself."""

import asyncio
import logging
import os
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, Self, TypeVar

import nats.errors
from nats.aio.client import Client

from mtclar.engine.errors import ServeError
from mtclar.stream.bus.address import Bus

log = logging.getLogger(__name__)

MOST_WAITING = 4096
"""Messages that wait for the loop; more than a server that answers ever leaves there."""

RETRY_S = 0.5
TIMES: dict[str, Any] = {
    "ping_interval": 1,
    "max_outstanding_pings": 2,  # a server that answers nothing for three seconds is away
    "connect_timeout": 2,
    "reconnect_time_wait": RETRY_S,
    "flush_timeout": 2.0,
}
CLOSE_S = 2.0
WORDS = {"authorization violation": "it refuses these credentials", "timeout": "it does not answer"}

T = TypeVar("T")


class _Client(Client):
    """Sends no credentials in the clear to a server that should speak TLS and does not: nats-py itself would."""

    def _connect_command(self) -> bytes:
        if "tls" in self.options and not self._server_info.get("tls_required"):
            raise nats.errors.SecureConnWantedError
        return super()._connect_command()


class BusConnection:
    """A context manager: `start`, `close`. `on_connect` is awaited on the loop after each connection.

    Its argument is True when the client is new, and has no subscriptions yet.
    """

    def __init__(
        self,
        bus: Bus,
        name: str,
        on_connect: Callable[["BusConnection", bool], Awaitable[None]] | None = None,
        *,
        log_level: int = logging.WARNING,
    ) -> None:
        self.bus = bus
        self.trouble: str | None = f"{bus.name} is away: not connected yet"
        self.lost = 0  # messages that were taken and could not be sent
        self._options = bus.connect_options()
        self._name = name
        self._on_connect = on_connect
        self._log_level = log_level  # of a bus that is away
        self._said = set[str]()  # since it was connected
        self._client: Client | None = None
        self._queue: deque[tuple[str, bytes]] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- any thread ---

    @property
    def connected(self) -> bool:
        """Whether messages reach the server now, as far as is known."""
        return self._client is not None and self._client.is_connected

    @property
    def client(self) -> Client:
        """The client of nats-py, for the loop's thread. Raises ConnectionError while there is none."""
        if self._client is None:
            raise ConnectionError(self.trouble)
        return self._client

    def start(self) -> None:
        """Begins to connect; a server that is away is tried again and again."""
        started = threading.Event()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._work(started)), name=f"nats-{self._name}", daemon=True
        )
        self._thread.start()
        started.wait()

    def wait_connected(self, for_s: float) -> bool:
        """Whether the server is reached within this time."""
        until_s = time.monotonic() + for_s
        while not self.connected and time.monotonic() < until_s:
            time.sleep(0.05)
        return self.connected

    def publish(self, subject: str, payload: bytes) -> None:
        """Sends a message; returns at once. Raises ConnectionError when it cannot be sent now."""
        loop = self._loop
        if loop is None or not self.connected:
            raise ConnectionError(self.trouble)
        if len(self._queue) >= MOST_WAITING:
            raise ConnectionError(f"{self.bus.name} takes no more messages")
        self._queue.append((subject, payload))
        if len(self._queue) == 1:
            with suppress(RuntimeError):  # the loop has just ended
                loop.call_soon_threadsafe(self._filled.set)

    def run(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Does `work` on the loop. Raises ServeError when the connection is closed."""
        loop = self._loop
        if loop is None:
            work.close()
            raise ServeError(f"the connection to {self.bus.name} is closed")
        return asyncio.run_coroutine_threadsafe(work, loop)

    def close(self) -> None:
        """Sends what waits, if the server takes it within CLOSE_S, and ends the thread; safe to call twice."""
        loop, thread, self._thread = self._loop, self._thread, None
        if loop is not None:
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(self._closing.set)
        if thread is not None:
            thread.join(3 * CLOSE_S)

    # --- the loop's thread ---

    async def _work(self, started: threading.Event) -> None:
        self._filled, self._closing, self._closed = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._loop = asyncio.get_running_loop()
        started.set()
        tasks = [asyncio.create_task(self._keep_connected()), asyncio.create_task(self._pump())]
        try:
            await self._closing.wait()
            if self._client is not None and self._client.is_connected:
                with suppress(TimeoutError, nats.errors.Error, OSError):
                    async with asyncio.timeout(CLOSE_S):
                        while self._queue:
                            self._filled.set()
                            await asyncio.sleep(0.01)
                        await self._client.flush(1)
        finally:
            self._loop = None
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            if self._client is not None:
                with suppress(TimeoutError, nats.errors.Error, OSError):
                    async with asyncio.timeout(CLOSE_S):
                        await self._client.close()

    async def _keep_connected(self) -> None:
        """Makes a new client when the last one has given up, as after a refused password."""
        while True:
            self._closed.clear()
            client = _Client()
            try:
                await client.connect(
                    **self._options,
                    name=self._name,
                    error_cb=self._on_error,
                    disconnected_cb=self._on_disconnect,
                    reconnected_cb=self._on_reconnect,
                    closed_cb=self._on_close,
                    max_reconnect_attempts=-1,
                    **TIMES,
                )
            except Exception as error:  # nats-py also raises OSError, ssl.SSLError and errors of nkeys
                self._lose(error)
                await asyncio.sleep(RETRY_S)
                continue
            self._client = client
            await self._found(new=True)
            await self._closed.wait()
            self._client = None

    async def _found(self, new: bool) -> None:
        if new or self.trouble is not None:
            log.info("%s is connected", self.bus.name)
        self.trouble = None
        self._said.clear()
        if self._on_connect is not None:
            try:
                await self._on_connect(self, new)
            except Exception as error:  # without JetStream, or away again
                log.warning("%s: %s", self.bus.name, words(error))

    async def _pump(self) -> None:
        """Sends what `publish` has queued."""
        while True:
            await self._filled.wait()
            self._filled.clear()
            while self._queue:
                subject, payload = self._queue.popleft()
                try:
                    await self.client.publish(subject, payload)
                except (nats.errors.Error, OSError) as error:
                    self.lost += 1
                    log.debug("a message was lost: %s", error)

    async def _on_error(self, error: Exception) -> None:
        if not self.connected:
            self._lose(error)

    async def _on_disconnect(self) -> None:
        if not self._closing.is_set():
            self._lose(ConnectionError("the connection was lost"))

    async def _on_reconnect(self) -> None:
        await self._found(new=False)

    async def _on_close(self) -> None:
        self._closed.set()

    def _lose(self, error: Exception) -> None:
        trouble = f"{self.bus.name} is away: {words(error)}"
        if trouble not in self._said and not self._closing.is_set():
            log.log(self._log_level, "%s", trouble)
            self._said.add(trouble)  # a refused password comes with a lost connection, again and again
        self.trouble = trouble


def words(error: Exception) -> str:
    """An error of nats-py for people."""
    if isinstance(error, socket.gaierror):
        return error.strerror or "its name is unknown"
    if isinstance(error, OSError) and error.errno is not None and not isinstance(error, ssl.SSLError):
        return os.strerror(error.errno)  # asyncio's own text repeats the address
    if isinstance(error, TimeoutError):
        return "it does not answer"
    said = str(error).removeprefix("nats: ").strip("'")
    return WORDS.get(said.lower(), said) or type(error).__name__
