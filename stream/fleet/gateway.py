"""A server that is fed by the bus in place of pipelines: any number of workers, the same protocol, pages and limits."""

import json
import logging
import os
import socket
import threading
import uuid
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any, Self

from mtclar.engine.errors import ServeError
from mtclar.stream.bus.address import Bus
from mtclar.stream.bus.connection import BusConnection
from mtclar.stream.bus.subjects import name_of, parse_stream_subject
from mtclar.stream.fleet.directory import Directory
from mtclar.stream.fleet.gateway_metrics import GatewayMetrics
from mtclar.stream.fleet.requests import ask, follow_thresholds, share_thresholds
from mtclar.stream.protocol.client_messages import Assign, Record, Thresholds
from mtclar.stream.protocol.events import EventMessage, Threshold, ThresholdsMessage
from mtclar.stream.protocol.messages import (
    AssignedMessage,
    ErrorMessage,
    Hello,
    MarkMessage,
    ProtocolError,
    StatusMessage,
    SubjectsMessage,
)
from mtclar.stream.protocol.relayed import RelayedAffect
from mtclar.stream.protocol.server_messages import decode_server
from mtclar.stream.server.clock import ClockPair
from mtclar.stream.server.config import ServerConfig
from mtclar.stream.server.extension import ClientHandle
from mtclar.stream.server.server import Server

log = logging.getLogger(__name__)

TICK_S = 0.5
WAITING_BYTES = 64 * 2**20
"""Messages of the bus that may wait here; beyond it nats-py drops the newest, which the numbers show."""

STUCK_S = 30.0
ANNOUNCE_S = 0.4


class Gateway:
    """Serves the streams of a bus; a context manager that connects and listens from enter to exit.

    It keeps nothing: another one beside it, or after it, serves the same. Clients are slow or fast on their own, as on
    any server. Raises UsageError for credentials that cannot be read, ServeError when the port is taken.
    """

    def __init__(
        self,
        bus: Bus,
        config: ServerConfig | None = None,
        *,
        version: str = "",
        clocks: ClockPair | None = None,
    ) -> None:
        self._clocks = clocks or ClockPair()
        self._version = version
        self._name = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:6]}"
        self._offset_s = 0.0  # Unix time minus the monotonic clock, for the marks of other gateways
        self._announce_s = 0.0
        self._read_offset()
        clock = self._clocks.monotonic
        self.directory = Directory(clock, lambda worker: clock() - worker.monotonic_s)
        self.malformed = 0  # messages of the bus that are not mtclar.v1
        self._metrics = GatewayMetrics(self)
        self.connection = BusConnection(bus, "mtclar-stream gateway", self._subscribe)
        self.server = Server(
            config,
            hello=self._hello,
            private={"/metrics": self._metrics.page},
            failure=self.failure,
            on_sent=self._metrics.sent,
            on_mark=self._on_mark,
            on_assign=self._on_assign,
            on_thresholds=self._on_thresholds,
            on_record=_refuse_record,
            details=self._details,
            clocks=self._clocks,
        )
        self._lock = threading.Lock()  # of directory: the bus's thread changes it, others read
        self._stopping = threading.Event()
        self._following: Future[None] | None = None  # the thresholds
        self._ticker = threading.Thread(target=self._tick_on, name="gateway", daemon=True)

    def __enter__(self) -> Self:
        self.server.start()
        self.connection.start()
        self._following = self.connection.run(follow_thresholds(self.connection, self._publish_thresholds))
        self._ticker.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._ticker.join()
        if self._following is not None:
            self._following.cancel()
        self.connection.close()
        self.server.close()

    def failure(self) -> str | None:
        """Why the process should be restarted; a bus that is away is none: it is tried again."""
        if self.server.silent_s > STUCK_S:
            return f"the server's event loop has been blocked for {self.server.silent_s:.0f} s"
        return None

    def _hello(self) -> Hello:
        with self._lock:
            infos, model = self.directory.infos, self.directory.model
        return Hello(tuple(infos), model, f"mtclar-stream {self._version} gateway".replace("  ", " "))

    # --- the bus's thread ---

    async def _subscribe(self, connection: BusConnection, new: bool) -> None:
        if new:
            await connection.client.subscribe(
                f"{connection.bus.prefix}.>",
                cb=self._on_message,
                pending_msgs_limit=0,
                pending_bytes_limit=WAITING_BYTES,
            )

    async def _on_message(self, message: Any) -> None:
        try:
            self._take(message.subject, message.data)
        except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
            self.malformed += 1
            if self.malformed == 1:
                log.warning("a message of the bus is not mtclar.v1: %s: %s", message.subject, error)
        except ServeError as error:
            log.warning("%s", error.what)

    def _take(self, subject: str, payload: bytes) -> None:
        parts = subject.split(".")
        if parts[1] == "stream":
            self._take_of_stream(subject, payload)
        elif parts[1] == "worker" and len(parts) == 4:
            self._take_of_worker(name_of(parts[2]), parts[3], payload)
        elif parts[1] == "gateway" and name_of(parts[2]) != self._name:
            mark = decode_server(json.loads(payload))
            if isinstance(mark, MarkMessage):
                t_s = mark.t_s - self._offset_s
                self.server.publish(MarkMessage(mark.label, t_s, mark.stream))

    def _take_of_stream(self, subject: str, payload: bytes) -> None:
        place = parse_stream_subject(subject)
        if place is None:
            raise ValueError("its subject has another form")
        sent: Any = None
        if place.kind == "affect":
            relayed = RelayedAffect.parse(place.stream, payload)
            with self._lock:
                sent = self.directory.affect(place, relayed)
        else:
            message = decode_server(json.loads(payload))
            with self._lock:
                if isinstance(message, StatusMessage):
                    sent = self.directory.status(place, message)
                elif isinstance(message, MarkMessage):
                    sent = self.directory.mark(place, message)
                elif isinstance(message, SubjectsMessage):
                    sent = self.directory.subjects(place, message)
                elif isinstance(message, EventMessage):
                    sent = self.directory.event(place, message)
                elif isinstance(message, AssignedMessage):
                    sent = self.directory.assigned(place, message)
        self._announce_if_changed()
        if sent is not None:
            self.server.publish(sent)

    def _take_of_worker(self, worker: str, kind: str, payload: bytes) -> None:
        content = json.loads(payload)
        if kind == "health":
            with self._lock:
                trouble = content["trouble"]
                self.directory.health(
                    worker, float(content["load"]), None if trouble is None else str(trouble)
                )
            return
        message = decode_server(content)
        with self._lock:
            if isinstance(message, Hello):
                self.directory.hello(worker, message)
            else:
                self.directory.bye(worker)

    def _publish_thresholds(self, thresholds: tuple[Threshold, ...]) -> None:
        self.server.publish(ThresholdsMessage(thresholds))

    # --- other threads ---

    def _tick_on(self) -> None:
        while not self._stopping.wait(TICK_S):
            self._read_offset()
            with self._lock:
                waiting = self.directory.tick()
            self._announce_if_changed()
            for status in waiting:
                log.warning("%s: %s", status.stream, status.reason)
                try:
                    self.server.publish(status)
                except ServeError as error:  # the event loop hangs: `failure` says so
                    log.warning("%s", error.what)

    def _read_offset(self) -> None:
        unix_s, monotonic_s = self._clocks.read()
        self._offset_s = unix_s - monotonic_s

    def _announce_if_changed(self) -> None:
        """Tells clients of other streams, a few times a second at most: each time they get the whole list."""
        if not self.directory.changed or self._clocks.monotonic() < self._announce_s:
            return
        with self._lock:
            self.directory.changed = False
            statuses = self.directory.statuses
            self._announce_s = self._clocks.monotonic() + ANNOUNCE_S
        self.server.announce(statuses)

    def _details(self) -> dict[str, object]:
        """For /health: the bus, and the workers as their heartbeats say."""
        with self._lock:
            now_s = self.directory.clock()
            workers = {
                name: {
                    "heartbeat_age_s": round(now_s - worker.heard_s, 1),
                    "streams": len(worker.streams),
                    "load": worker.load,
                    "trouble": worker.trouble,
                }
                for name, worker in sorted(self.directory.workers.items())
            }
        return {"bus": self.connection.trouble or "connected", "workers": workers}

    def _on_assign(self, request: Assign, client: ClientHandle) -> None:
        """Asks the owner of the stream; the result goes to all clients, an error to this one."""
        with self._lock:
            state = self.directory.streams.get(request.stream)
            worker = "" if state is None or state.away else state.worker
        if not worker:
            raise ProtocolError("cannot_assign", f"no worker has '{request.stream}' at present")
        self._carry_out(client, ask(self.connection, worker, request))

    def _on_thresholds(self, request: Thresholds, client: ClientHandle) -> None:
        """Sets them for all workers; clients hear of it when the store has them."""
        self._carry_out(client, share_thresholds(self.connection, request))

    def _carry_out(self, client: ClientHandle, work: Coroutine[Any, Any, ErrorMessage | None]) -> None:
        """Does the work on the bus's thread, and sends the client its error."""

        def report(done: Future[ErrorMessage | None]) -> None:
            if not done.cancelled() and (error := done.result()) is not None:
                client.send_text(error.encode())

        self.connection.run(work).add_done_callback(report)

    def _on_mark(self, mark: MarkMessage) -> None:
        """A client's mark also goes to the other gateways, and into the history."""
        shared = MarkMessage(mark.label, mark.t_s + self._offset_s, mark.stream)
        try:
            subject = f"{self.connection.bus.prefix}.gateway.{self._name.replace('.', '%2E')}.mark"
            self.connection.publish(subject, shared.encode())
        except ConnectionError as error:
            log.warning("the mark '%s' reaches only the clients of this gateway: %s", mark.label, error)


def _refuse_record(_: Record) -> None:
    raise ProtocolError("cannot_record", "a gateway records nothing: `mtclar-stream fleet record` does")
