"""The server: pages and websocket on one port, each message serialised once and handed to every client's mailbox.

`publish` is called by worker threads and only queues; one thread runs the event loop, and nothing computes there.
"""

import asyncio
import logging
import threading
import time
import uuid
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self

from websockets.asyncio.server import Server as WebsocketServer
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from mtclar.engine.errors import ServeError, UsageError
from mtclar.stream.protocol.client_messages import Assign
from mtclar.stream.protocol.messages import (
    AffectMessage,
    ByeMessage,
    ClockMessage,
    Hello,
    MarkMessage,
    StatusMessage,
    StreamInfo,
)
from mtclar.stream.server.access import Access, is_loopback
from mtclar.stream.server.client import CLOSE_TIMEOUT_S, Client, Outgoing
from mtclar.stream.server.client_hub import ClientHub, ToAll
from mtclar.stream.server.extension import ClientHandle, Extension
from mtclar.stream.server.health import health_page, readiness_page
from mtclar.stream.server.limited_listener import LimitedListener, open_listener
from mtclar.stream.server.listener import keep_little_unsent, open_server, reachable, start_error
from mtclar.stream.server.message_reader import TOO_BIG, MessageReader
from mtclar.stream.server.pages import Page, Pages, Route, camera_pages, response
from mtclar.stream.server.quotas import DESCRIPTORS_KEPT, Limits, address_of, allow_descriptors
from mtclar.stream.server.request_filter import WEBSOCKET_PATH, RequestFilter
from mtclar.stream.server.router import Router
from mtclar.stream.server.tls import certificate, keep_fresh
from mtclar.stream.server.uploads import FrameUploads, UploadSlot
from mtclar.stream.server.wall_clock import WallClock
from mtclar.stream.sinks.base import Sink

log = logging.getLogger(__name__)

DEFAULT_HOST, DEFAULT_PORT = "127.0.0.1", 8765
START_TIMEOUT_S = 10.0
TICK_S = 1.0
MAX_QUEUED = 1024  # from the workers to the event loop; more means that the loop is stuck

Published = AffectMessage | ToAll


def open_websocket(argument: str) -> "Server":
    """The sink of `websocket` or `websocket://HOST:PORT`: a server of its own, beside that of `run`."""
    host, _, port = argument.rpartition(":")
    if argument and not (host and port.isdecimal()):
        raise UsageError("the websocket sink takes an address", "write websocket://127.0.0.1:8765")
    return Server(host, int(port)) if argument else Server()


class Server(Sink):
    """Serves the dashboard at `/` and `mtclar.v1` at `/ws`; a sink for Pipeline, and its `on_status`.

    An unsafe address is refused at once (see Access); `start` raises ServeError when the port is taken. `hello` is
    asked for each client that joins. `on_sent(t_capture_s)` is called once per `affect`: when it was first written to
    a socket, or when no client wanted it. `private` adds pages by path that need the token; a thread of their own makes
    them. `failure` says why whoever runs this should start it anew, for /health; None while all is well.
    `on_assign` gets each `assign` with the client that said it; what came of it goes back through that, or as
    `assigned` to all.

    Compression is off: docs/results/performance.md ("Deflate") has what it would save and cost.
    """

    own_thread = False  # `publish` only queues
    required = True

    def __init__(
        self,
        host: str = DEFAULT_HOST,
        port: int = DEFAULT_PORT,
        *,
        hello: Callable[[], Hello] | None = None,
        token: str | None = None,
        tls_cert: Path | None = None,
        tls_key: Path | None = None,
        origins: Sequence[str] = (),
        limits: Limits | None = None,
        private: Mapping[str, Route] | None = None,
        failure: Callable[[], str | None] | None = None,
        on_sent: Callable[[float], None] | None = None,
        on_mark: Callable[[MarkMessage], None] | None = None,
        on_assign: Callable[[Assign, ClientHandle], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
        unix_clock: Callable[[], float] = time.time,
    ) -> None:
        self.host = host
        self.access = Access(host, token, tuple(origins))
        self.warnings: list[str] = []
        if not is_loopback(host) and tls_cert is None:
            self.warnings.append(
                "the stream leaves this machine unencrypted: add --tls-cert and --tls-key, or use a tunnel"
            )
        self._requested_port = port
        self._streams: tuple[StreamInfo, ...] = ()
        self._hello = hello or (lambda: Hello(self._streams))
        self._certificate = certificate(tls_cert, tls_key)
        self._failure = failure or (lambda: None)
        self._clock = clock
        self._wall_clock = WallClock(clock, unix_clock)
        self._session = uuid.uuid4().hex
        self._hub = ClientHub(on_sent)
        self._router = Router(self._hub, self._stream_names, self._enqueue, clock, on_mark, on_assign)
        states = {"/health": self._health, "/ready": self._readiness}
        wanted = limits or Limits()
        # A descriptor for each connection: beyond what the system lets us have, cameras could not reconnect either.
        most = allow_descriptors(wanted.clients + wanted.pages + DESCRIPTORS_KEPT)
        self.limits = wanted.for_descriptors(most)
        if self.limits.clients < wanted.clients:
            self.warnings.append(
                f"only {self.limits.clients} clients fit into this process's {most} open files: raise `ulimit -n`"
            )
        self._filter = RequestFilter(self.access, self.limits, Pages(states, private))
        self._listener: LimitedListener | None = None
        self._last_tick_s = 0.0  # when the event loop last turned
        self._queued: deque[Outgoing | ToAll] = deque()
        self._lock = threading.Lock()  # of _queued, and of starting and closing
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._closing: asyncio.Future[ByeMessage] | None = None
        self._addresses: list[tuple[str, int]] = []

    # --- any thread ---

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def port(self) -> int:
        """The port it listens on; the free one that the system chose for port 0."""
        return self._addresses[0][1] if self._addresses else self._requested_port

    @property
    def url(self) -> str:
        """The dashboard's address, as one types it on this machine."""
        return f"{'https' if self._certificate else 'http'}://{reachable(self.host)}:{self.port}/"

    @property
    def ws_url(self) -> str:
        """The websocket's address."""
        return f"{'wss' if self._certificate else 'ws'}://{reachable(self.host)}:{self.port}{WEBSOCKET_PATH}"

    @property
    def clients(self) -> int:
        """How many clients are connected."""
        return len(self._hub)

    @property
    def written(self) -> int:
        """How many `affect` messages were written to sockets, over all clients."""
        return self._hub.written

    def accept_uploads(self, slots: Mapping[int, UploadSlot]) -> None:
        """Before `start`: serves the camera page, and hands its pictures to the streams, by their place in `hello`."""
        self._router.uploads = FrameUploads(slots, self._clock)
        self._filter.pages.add(camera_pages())

    @property
    def missed(self) -> int:
        """How many `affect` messages a newer one replaced before they were written, over all clients."""
        return self._hub.missed

    @property
    def silent_s(self) -> float:
        """For how long the event loop has not turned."""
        return 0.0 if self._loop is None else self._clock() - self._last_tick_s

    @property
    def refused(self) -> dict[str, int]:
        """How many requests and connections were refused so far, by reason."""
        return {"room": self._listener.refused if self._listener else 0, **self._filter.refused}

    @property
    def connections(self) -> int:
        """How many connections are open, those of pages and unfinished handshakes included."""
        return self._listener.inside if self._listener else 0

    def reload_certificate(self) -> None:
        """Loads the TLS files again for connections from now on; a warning in the log if they are unusable."""
        if self._certificate is not None:
            self._certificate.reload()

    def add_extension(self, extension: Extension, pages: Mapping[str, Page]) -> None:
        """Before `start`: hands the messages of its prefix to the extension, and serves its pages."""
        self._router.extensions[extension.prefix] = extension
        self._filter.pages.add(pages)

    def start(self) -> None:
        """Listens; returns when clients can connect."""
        outcome: deque[Exception] = deque(maxlen=1)
        ready = threading.Event()

        def run() -> None:
            try:
                asyncio.run(self._serve(ready))
            except Exception as error:  # raised by start if it happens there
                outcome.append(error)
                if ready.is_set():
                    log.exception("the server ended unexpectedly")
            finally:
                ready.set()

        self._thread = threading.Thread(target=run, name="broadcast", daemon=True)
        self._thread.start()
        if not ready.wait(START_TIMEOUT_S):
            raise ServeError(
                f"{self.host}:{self._requested_port} could not be opened in {START_TIMEOUT_S:g} s"
            )
        if outcome:
            raise start_error(outcome[0], self.host, self._requested_port) from outcome[0]

    def open(self, streams: Sequence[StreamInfo]) -> None:
        """Starts to listen unless it does; announces these streams where no `hello` was given."""
        self._streams = tuple(streams)
        if self._loop is None:
            self.start()

    def affect(self, message: AffectMessage) -> None:
        self.publish(message)

    def status(self, message: StatusMessage) -> None:
        self.publish(message)

    def publish(self, message: Published) -> None:
        """Hands a message to all clients that want it; returns at once. An `affect` is serialised here."""
        if isinstance(message, AffectMessage):
            self._enqueue(Outgoing(message, message.encode_each(self._hub.wanted_fields)))
        else:
            self._enqueue(message)

    def close(self, bye: ByeMessage | None = None, timeout_s: float = 5.0) -> bool:
        """Sends what waits and `bye`, closes every connection; within about `timeout_s`, and twice is no fault."""
        thread, loop = self._thread, self._loop
        if thread is None or loop is None:
            return True
        with self._lock:
            if self._loop is not None:
                loop.call_soon_threadsafe(
                    self._request_close, bye or ByeMessage("shutdown", "the server is stopping")
                )
        thread.join(timeout_s)
        return not thread.is_alive()

    def _enqueue(self, item: Outgoing | ToAll) -> None:
        with self._lock:
            if self._loop is None:  # not started, or closed: nobody can be listening
                return
            if len(self._queued) >= MAX_QUEUED:
                raise ServeError("the server's event loop does not take messages any more")
            self._queued.append(item)
            if len(self._queued) == 1:  # else a wake-up is on its way already
                self._loop.call_soon_threadsafe(self._distribute)

    def _call_soon(self, work: Callable[[bytes], None], data: bytes) -> None:
        """On the event loop, from any thread; nothing once it has ended."""
        with self._lock:
            if self._loop is not None:
                self._loop.call_soon_threadsafe(work, data)

    # --- the event loop's thread ---

    async def _serve(self, ready: threading.Event) -> None:
        loop = asyncio.get_running_loop()
        loop.set_default_executor(
            ThreadPoolExecutor(1, "pages")
        )  # one thread: whoever wants such a page waits
        self._closing = loop.create_future()
        limits, tls = self.limits, self._certificate
        # 'localhost' is two addresses, and port 0 would give each a port of its own.
        host = DEFAULT_HOST if self.host == "localhost" else self.host
        self._listener = open_listener(
            host,
            self._requested_port,
            room=limits.clients + limits.pages,
            room_per_address=limits.clients_per_address + limits.pages,
        )
        server = await open_server(self._listener, limits, tls, self._handle, self._answer_request)
        tasks = [asyncio.create_task(self._tick())]
        if tls is not None:
            tasks.append(asyncio.create_task(keep_fresh(tls)))
        self._addresses = [listener.getsockname()[:2] for listener in server.sockets]
        self._last_tick_s = self._clock()
        self._loop = loop
        ready.set()
        try:
            bye = await self._closing
        finally:
            for task in tasks:
                task.cancel()
            with self._lock:
                self._loop = None
            self._distribute()
        await self._shut_down(server, bye)

    def _request_close(self, bye: ByeMessage) -> None:
        if self._closing is not None and not self._closing.done():
            self._closing.set_result(bye)

    async def _shut_down(self, server: WebsocketServer, bye: ByeMessage) -> None:
        writers = [writer for client in self._hub.clients if (writer := client.finish(bye)) is not None]
        if writers:
            await asyncio.wait(writers, timeout=CLOSE_TIMEOUT_S)
        server.close()
        try:
            async with asyncio.timeout(2 * CLOSE_TIMEOUT_S):
                await server.wait_closed()
        except TimeoutError:  # someone does not read: closing would wait for the room to say so
            for client in self._hub.clients:
                client.connection.transport.abort()
            await server.wait_closed()

    def _distribute(self) -> None:
        with self._lock:
            items = list(self._queued)
            self._queued.clear()
        self._hub.distribute(items)

    async def _tick(self) -> None:
        while True:
            self._last_tick_s = self._clock()
            if (pair := self._wall_clock.set_since()) is not None:
                log.info("the wall clock was set", extra={"fields": {"event": "clock", "unix_s": pair[0]}})
                self._hub.distribute([ClockMessage(*pair)])
            await asyncio.sleep(TICK_S)

    def _answer_request(
        self, connection: ServerConnection, request: Request
    ) -> Response | Awaitable[Response] | None:
        """None lets the websocket handshake go on; a response is a page or a refusal."""
        address = address_of(connection.remote_address)
        page = self._filter.answer(request.method, request.path, request.headers, address)
        if page is None:
            keep_little_unsent(connection.transport)
            return None
        return response(page) if isinstance(page, Page) else self._make(page)

    async def _make(self, route: Route) -> Response:
        return response(await asyncio.to_thread(route))

    async def _handle(self, connection: ServerConnection) -> None:
        address = address_of(connection.remote_address)
        leave = self._filter.enter(address)
        reader = MessageReader(connection, self.access, self._filter.throttle, address)
        client = Client(connection, self._hub.on_written)
        handle = _Handle(self, client)
        uploads = self._router.uploads
        try:
            if not await reader.authenticate(self.limits.handshake_s):
                return
            self._hub.add(client, self._hello().encode(self._session, *self._wall_clock.pair()))
            log.info("a client joined", extra=self._log_fields(address))
            client.start()
            if uploads is not None:
                reader.expect_frames()
            await reader.listen(
                lambda message: self._router.dispatch(client, handle, message),
                client.send_text,
                None if uploads is None else lambda data: uploads.take(client, data, handle.send_text),
                self._router.extensions,
            )
        except ConnectionClosed as error:  # the client went: that is how connections end
            if uploads is not None and error.sent is not None and error.sent.code == TOO_BIG:
                uploads.too_large()
        finally:
            leave()
            if client in self._hub:
                self._hub.remove(client)
                log.info("a client left", extra=self._log_fields(address))
            self._router.on_disconnect(client, handle)
            await client.stop()

    def _log_fields(self, address: str) -> dict[str, object]:
        return {"fields": {"event": "client", "address": address, "clients": self.clients}}

    def _stream_names(self) -> list[str]:
        return [stream.stream for stream in self._hello().streams]

    def _health(self, trusted: bool) -> Page:
        return health_page(self._failure(), self._details() if trusted else None)

    def _readiness(self, trusted: bool) -> Page:
        details = self._details() if trusted else None
        return readiness_page(self._stream_names(), self._hub.statuses, details)

    def _details(self) -> dict[str, object]:
        uploads = self._router.uploads
        return {
            "streams": {name: status.state for name, status in self._hub.statuses.items()},
            "clients": self.clients,
            "messages": self._hub.published,
            **({} if uploads is None else {"pictures": uploads.counts()}),
        }


class _Handle:
    """One client, for other threads."""

    def __init__(self, server: Server, client: Client) -> None:
        self._broadcaster = server
        self._client = client

    def send_text(self, message: bytes) -> None:
        self._broadcaster._call_soon(self._client.send_text, message)

    def send_binary(self, data: bytes) -> None:
        self._broadcaster._call_soon(self._client.send_binary, data)
