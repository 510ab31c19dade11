"""The server: web pages and websocket on one port; each message is encoded once and enqueued for every client.

Worker threads call `publish`, which only queues. Everything else runs on one event loop: of the server's own thread
(`with Server() as server`), or the running one (`async with Server() as server`, in a notebook or an asyncio program).
"""

import asyncio
import logging
import secrets
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Self

from mtclar.stream.protocol.client_messages import Assign, Play, Record, Thresholds
from mtclar.stream.protocol.messages import (
    AffectMessage,
    ByeMessage,
    ClockMessage,
    ClockReading,
    Hello,
    MarkMessage,
    Role,
    StatusMessage,
    StreamInfo,
)
from mtclar.stream.protocol.relayed import RelayedAffect
from mtclar.stream.server.clients.client import Outgoing
from mtclar.stream.server.clients.client_hub import ClientHub, NewSession, ToAll
from mtclar.stream.server.clients.connection import CLOSE_TIMEOUT_S
from mtclar.stream.server.clients.quotas import allow_descriptors
from mtclar.stream.server.clients.websocket import WebsocketHandler
from mtclar.stream.server.clock import ClockPair
from mtclar.stream.server.config import ServerConfig
from mtclar.stream.server.extension import ClientHandle, Extension
from mtclar.stream.server.http.listener import (
    LimitedListener,
    on_loop_error,
    open_configured,
    reachable,
    serve_on,
)
from mtclar.stream.server.http.page_responder import PageResponder
from mtclar.stream.server.http.pages import Page, Pages, Route, camera_pages, health_page, readiness_page
from mtclar.stream.server.http.request_filter import WEBSOCKET_PATH, RequestFilter
from mtclar.stream.server.http.tls import certificate, keep_fresh
from mtclar.stream.server.limits import DESCRIPTORS_KEPT
from mtclar.stream.server.loop_thread import LoopThread
from mtclar.stream.server.outbox import Outbox
from mtclar.stream.server.router import Router
from mtclar.stream.server.uploads import FrameUploads, UploadSlot
from mtclar.stream.sinks.base import Sink

log = logging.getLogger(__name__)

TICK_S = 1.0
DOWNLOAD_PATH = "/download"
SHUTDOWN = ByeMessage("shutdown", "the server is stopping")

Published = AffectMessage | RelayedAffect | ToAll


class Server(Sink):
    """Serves the dashboard at `/` and `mtclar.v1` at `/ws`; a sink, and a context manager of both kinds.

    `hello` makes the first message of each client; by default it announces the streams given to `open`. `private` are
    pages by path that need the token; a thread makes them. `failure` returns why the process should be restarted, for
    /health, or None. `on_sent(t_capture_s)` is called once per `affect`, when it is first written to a socket or no
    client wants it; `on_mark` for each `mark`; `on_assign` for each `assign` with its client, which gets an `error`,
    or all clients get `assigned`; `on_record` for each `record`, `on_play` for each `play`, `on_thresholds` for each
    `thresholds`, `on_preview` for each `preview` with its client. Raises ServeError when it cannot listen.

    There is no compression: docs/results/performance.md ("Deflate") has what it would save and cost.
    """

    own_thread = False  # `publish` only queues
    required = True

    def __init__(
        self,
        config: ServerConfig | None = None,
        *,
        hello: Callable[[], Hello] | None = None,
        private: Mapping[str, Route] | None = None,
        failure: Callable[[], str | None] | None = None,
        on_sent: Callable[[float], None] | None = None,
        on_mark: Callable[[MarkMessage], None] | None = None,
        on_assign: Callable[[Assign, ClientHandle], None] | None = None,
        on_record: Callable[[Record], None] | None = None,
        on_play: Callable[[Play], None] | None = None,
        on_thresholds: Callable[[Thresholds, ClientHandle], None] | None = None,
        on_preview: Callable[[ClientHandle, str | None], None] | None = None,
        details: Callable[[], Mapping[str, object]] = dict,
        clocks: ClockPair | None = None,
    ) -> None:
        self.config = config or ServerConfig()
        self.access = self.config.access
        self.warnings = self.config.warnings()
        wanted = self.config.limits
        # A descriptor for each connection: beyond the system's limit cameras could not reconnect either.
        most = allow_descriptors(wanted.clients + wanted.pages + DESCRIPTORS_KEPT)
        self.limits = wanted.for_descriptors(most)
        if self.limits.clients < wanted.clients:
            self.warnings.append(
                f"only {self.limits.clients} clients fit into this process's {most} open files: raise `ulimit -n`"
            )
        self._streams: tuple[StreamInfo, ...] = ()
        self._hello = hello or (lambda: Hello(self._streams))
        self._failure = failure or (lambda: None)
        self._more_details = details
        self._user_on_mark = on_mark
        self._own_clocks = self._clocks = clocks or ClockPair()
        self._session = uuid.uuid4().hex
        self._certificate = certificate(self.config.tls_cert, self.config.tls_key)
        self._hub = ClientHub(on_sent, self.limits)
        self._router = Router(
            self._hub,
            self.limits,
            self._stream_names,
            lambda: self._clocks.monotonic(),
            self._on_mark,
            on_assign,
            on_record,
            on_play,
            on_thresholds,
            on_preview,
        )
        states = {"/health": self._health, "/ready": self._readiness}
        self._filter = RequestFilter(self.access, self.limits, Pages(states, private))
        self._outbox: Outbox[Outgoing | ToAll | NewSession] = Outbox(self._distribute)
        self._handler = WebsocketHandler(
            self._filter, self._hub, self._router, self._encode_hello, self._outbox.call
        )
        self._listener: LimitedListener | None = None
        self._last_tick_s = 0.0  # when the event loop last ran
        self._thread: LoopThread | None = None

    # --- before it serves ---

    def accept_uploads(self, slots: Mapping[int, UploadSlot]) -> None:
        """Serves the camera page and passes its pictures to the streams, by their place in `hello`; no others do."""
        self._router.uploads = FrameUploads(slots, lambda: self._clocks.monotonic())
        self._filter.pages.add(camera_pages())

    def add_extension(self, extension: Extension, pages: Mapping[str, Page]) -> None:
        """Passes messages with its prefix to the extension and serves its pages."""
        self._router.extensions[extension.prefix] = extension
        self._filter.pages.add(pages)

    # --- any thread ---

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> None:
        """Starts a thread that serves; returns when clients can connect."""
        self._thread = LoopThread(self._serve, f"{self.config.host}:{self.config.usual_port}")
        self._thread.start()

    def open(self, streams: Sequence[StreamInfo]) -> None:
        """Announces these streams, unless `hello` was given, and starts if it does not serve yet."""
        self._streams = tuple(streams)
        if not self._outbox.is_open:
            self.start()

    def affect(self, message: AffectMessage) -> None:
        """Publishes the message."""
        self.publish(message)

    def status(self, message: StatusMessage) -> None:
        """Publishes the message."""
        self.publish(message)

    def mark(self, message: MarkMessage) -> None:
        """Publishes the message."""
        self.publish(message)

    def publish(self, message: Published) -> None:
        """Queues a message for all clients that want it; an `affect` is encoded here, on the caller's thread."""
        if isinstance(message, AffectMessage | RelayedAffect):
            self._outbox.put(Outgoing(message, message.encode_each(self._hub.wanted_fields)))
        else:
            self._outbox.put(message)

    def announce(self, statuses: Sequence[StatusMessage] = ()) -> None:
        """Sends `hello` again to every client, because the streams have changed, and the states that still hold."""
        self._outbox.call(self._announce, statuses)

    def begin_session(self, session: NewSession) -> None:
        """As `announce`, with another `session` in `hello`."""
        self._outbox.put(session)

    def add_private(self, path: str, route: Route) -> None:
        """Serves a page that needs the token, from now on; from any thread."""
        self._outbox.call(self._filter.pages.add_private, path, route)

    def add_download(self, page: Page) -> str:
        """Serves a page once at a path that nobody can guess, and returns the path; from any thread."""
        path = f"{DOWNLOAD_PATH}/{secrets.token_urlsafe(24)}"
        self._outbox.call(self._filter.pages.add_download, path, page)
        return path

    def close(self, bye: ByeMessage | None = None, timeout_s: float = 5.0) -> bool:
        """Ends the thread that `start` made: sends what is queued and `bye`, and closes every connection.

        False when that takes longer than `timeout_s`. Safe to call twice; after `async with` it does nothing.
        """
        thread = self._thread
        if thread is None:
            return True
        self._outbox.call(self._request_stop, bye or SHUTDOWN)
        thread.join(timeout_s)
        return not thread.is_alive()

    def reload_certificate(self) -> None:
        """Loads the TLS files again for new connections; logs a warning if they cannot be used."""
        if self._certificate is not None:
            self._certificate.reload()

    @property
    def port(self) -> int:
        """The port it listens on; for port 0 the one that the system chose."""
        return self.config.usual_port if self._listener is None else self._port

    @property
    def url(self) -> str:
        """The dashboard's address on this machine."""
        return f"{'https' if self._certificate else 'http'}://{reachable(self.config.host)}:{self.port}/"

    @property
    def ws_url(self) -> str:
        """The websocket's address on this machine."""
        scheme = "wss" if self._certificate else "ws"
        return f"{scheme}://{reachable(self.config.host)}:{self.port}{WEBSOCKET_PATH}"

    @property
    def clients(self) -> int:
        """How many clients are connected."""
        return len(self._hub)

    @property
    def written(self) -> int:
        """How many `affect` messages were written to sockets, over all clients."""
        return self._hub.written

    @property
    def missed(self) -> int:
        """How many `affect` messages a newer one replaced before they were written, over all clients."""
        return self._hub.missed

    @property
    def silent_s(self) -> float:
        """For how many seconds the event loop has not run."""
        return time.monotonic() - self._last_tick_s if self._outbox.is_open else 0.0

    @property
    def refused(self) -> dict[str, int]:
        """How many requests and connections were refused so far, by reason."""
        return {"room": 0 if self._listener is None else self._listener.refused, **self._filter.refused}

    @property
    def queued(self) -> int:
        """How many messages wait for the event loop; `publish` raises ServeError beyond MAX_QUEUED."""
        return len(self._outbox)

    @property
    def connections(self) -> int:
        """How many connections are open, including those of pages and unfinished handshakes."""
        return 0 if self._listener is None else len(self._listener.quota)

    # --- the event loop's thread ---

    async def __aenter__(self) -> Self:
        await self._listen()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self, bye: ByeMessage | None = None) -> None:
        """Ends serving on the running loop: as `close`, for `async with`. Safe to call twice."""
        if not self._outbox.close():
            return
        for task in self._tasks:
            task.cancel()
        self._distribute()
        self._responder.close()
        writers = [
            writer for client in self._hub.clients if (writer := client.finish(bye or SHUTDOWN)) is not None
        ]
        if writers:
            await asyncio.wait(writers, timeout=CLOSE_TIMEOUT_S)
        await self._serving.end()

    async def _serve(self, ready: threading.Event) -> None:
        """The whole life of the server's own thread."""
        asyncio.get_running_loop().set_exception_handler(on_loop_error)
        await self._listen()
        ready.set()
        bye = None
        try:
            bye = await self._stop_requested
        finally:
            await self.aclose(bye)

    async def _listen(self) -> None:
        loop = asyncio.get_running_loop()
        limits, tls = self.limits, self._certificate
        self._listener = open_configured(self.config, limits)
        self._port: int = self._listener.getsockname()[1]
        if self.config.port is None and self._port != self.config.usual_port:
            self.warnings.append(f"port {self.config.usual_port} is in use, so this server has another one")
        self._responder = PageResponder(self._filter, tls is not None)
        self._serving = await serve_on(self._listener, limits, tls, self._handler.handle, self._responder)
        self._stop_requested: asyncio.Future[ByeMessage] = loop.create_future()
        self._tasks = [asyncio.create_task(self._tick())]
        if tls is not None:
            self._tasks.append(asyncio.create_task(keep_fresh(tls)))
        self._last_tick_s = time.monotonic()
        self._outbox.open(loop)

    def _request_stop(self, bye: ByeMessage) -> None:
        if not self._stop_requested.done():
            self._stop_requested.set_result(bye)

    def _distribute(self) -> None:
        before: list[Outgoing | ToAll] = []
        for item in self._outbox.take():
            if isinstance(item, NewSession):
                self._hub.distribute(before)
                before = []
                self._begin_session(item)
            else:
                before.append(item)
        self._hub.distribute(before)

    def _announce(self, statuses: Sequence[StatusMessage]) -> None:
        self._distribute()  # messages of the streams before
        self._hub.announce(self._encode_hello, frozenset(self._stream_names()))
        self._hub.distribute(statuses)

    def _begin_session(self, new: NewSession) -> None:
        self._clocks, self._session = new.clocks or self._own_clocks, uuid.uuid4().hex
        self._hub.begin_session(self._encode_hello, frozenset(self._stream_names()), new)

    async def _tick(self) -> None:
        while True:
            self._last_tick_s = time.monotonic()
            if (pair := self._clocks.read_if_set()) is not None:
                log.info("the wall clock was set", extra={"fields": {"event": "clock", "unix_s": pair[0]}})
                self._hub.distribute([ClockMessage(*pair)])
            await asyncio.sleep(TICK_S)

    def _encode_hello(self, role: Role) -> bytes:
        clock = ClockReading(*self._clocks.read())
        return replace(self._hello(), session=self._session, role=role, clock=clock).encode()

    def _on_mark(self, mark: MarkMessage) -> None:
        if self._user_on_mark is not None:
            self._user_on_mark(mark)
        self._outbox.put(mark)

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
            **self._more_details(),
        }
