"""Publishes the messages of streams, their states and the heartbeat of this process."""

import json
import logging
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

from mtclar.stream.bus.address import Bus
from mtclar.stream.bus.connection import BusConnection, words
from mtclar.stream.bus.history import keep_history
from mtclar.stream.bus.subjects import HEARTBEAT_S, stream_subject, worker_subject
from mtclar.stream.protocol.events import EventMessage
from mtclar.stream.protocol.messages import (
    AffectMessage,
    AssignedMessage,
    ByeMessage,
    ClockReading,
    Hello,
    MarkMessage,
    Message,
    ModelInfo,
    StatusMessage,
    StreamInfo,
    SubjectsMessage,
)

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Published:
    """A stream that this process publishes."""

    info: StreamInfo
    epoch: int
    status: StatusMessage | None = None


class Publisher:
    """The streams of one process on the bus. `worker` names it; the methods are for any thread.

    `health` goes out with each heartbeat: `load`, 0..1, and `trouble`, a text or None.
    What cannot be sent raises ConnectionError, but states, which the heartbeat brings later. Messages of a stream that
    was removed are dropped.
    """

    def __init__(
        self,
        connection: BusConnection,
        worker: str,
        *,
        server: str = "mtclar-stream",
        health: Callable[[], Mapping[str, object]] | None = None,
    ) -> None:
        self.model: ModelInfo | None = None
        self._connection = connection
        self._bus: Bus = connection.bus
        self._worker = worker
        self._server = server
        self._health = health
        self._session = uuid.uuid4().hex
        self._streams: dict[str, _Published] = {}
        self._lock = threading.Lock()  # of _streams
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Starts the heartbeat."""
        self._thread = threading.Thread(target=self._beat_on, name="heartbeat", daemon=True)
        self._thread.start()

    def add(self, info: StreamInfo, epoch: int) -> None:
        """Publishes this stream from now on."""
        with self._lock:
            self._streams[info.stream] = _Published(info, epoch)
        self.beat()

    def set_epoch(self, stream: str, epoch: int) -> None:
        """The stream has another epoch from now on, if it is published."""
        with self._lock:
            if (published := self._streams.get(stream)) is not None:
                published.epoch = epoch

    @property
    def trouble(self) -> str | None:
        """Why the bus cannot be reached."""
        return self._connection.trouble

    def remove(self, stream: str) -> None:
        """Publishes it no longer."""
        with self._lock:
            self._streams.pop(stream, None)
        self.beat()

    def affect(self, message: AffectMessage) -> None:
        """The faces of one frame."""
        if (published := self._streams.get(message.stream)) is None:
            return
        if published.info.size != message.size:
            published.info = replace(published.info, size=message.size)
        self._send(published, "affect", message.encode())

    def status(self, message: StatusMessage) -> None:
        """The state of a source."""
        if (published := self._streams.get(message.stream)) is None:
            return
        published.status = message
        with suppress(ConnectionError):
            self._send(published, "status", message.encode())

    def subjects(self, message: SubjectsMessage) -> None:
        """The support sets of a stream."""
        if (published := self._streams.get(message.stream)) is None:
            return
        published.info = replace(published.info, subjects=message.subjects)
        self._send(published, "subjects", message.encode())

    def pass_on(self, message: EventMessage | AssignedMessage) -> None:
        """An event of a threshold, or a face that was assigned; lost while the bus is away."""
        if (published := self._streams.get(message.stream)) is not None:
            with suppress(ConnectionError):
                self._send(published, message.type, message.encode())

    def mark(self, message: MarkMessage) -> None:
        """A mark, once for each of its streams."""
        for stream in tuple(self._streams) if message.stream is None else (message.stream,):
            self._send(self._streams[stream], "mark", replace(message, stream=stream).encode())

    def beat(self) -> None:
        """Sends `hello` and the states now, if the server is there."""
        with self._lock:
            published = tuple(self._streams.values())
        hello = Hello(
            tuple(one.info for one in published),
            self.model,
            self._server,
            session=self._session,
            role="viewer",
            clock=ClockReading(time.time(), time.monotonic()),
        )
        with suppress(ConnectionError):
            self._connection.publish(worker_subject(self._bus.prefix, self._worker, "hello"), hello.encode())
            if self._health is not None:
                health = json.dumps(self._health()).encode()
                self._connection.publish(worker_subject(self._bus.prefix, self._worker, "health"), health)
            for one in published:
                if one.status is not None:
                    self._send(one, "status", one.status.encode())

    def close(self, bye: ByeMessage | None = None) -> None:
        """Ends the heartbeat and says goodbye; safe to call twice."""
        self._stopping.set()
        if self._thread is None:
            return
        self._thread.join()
        self._thread = None
        message: Message = bye or ByeMessage("shutdown", "the worker is stopping")
        with suppress(ConnectionError):
            self._connection.publish(worker_subject(self._bus.prefix, self._worker, "bye"), message.encode())

    def _send(self, published: _Published, kind: str, payload: bytes) -> None:
        subject = stream_subject(self._bus.prefix, published.info.stream, self._worker, published.epoch, kind)
        self._connection.publish(subject, payload)

    def _beat_on(self) -> None:
        while not self._stopping.wait(HEARTBEAT_S):
            self.beat()


async def prepare_history(connection: BusConnection) -> None:
    """After each connection: the history is there, if one was asked for; a server may have lost it."""
    if connection.bus.history_s is None:
        return
    try:
        await keep_history(connection.client, connection.bus)
    except Exception as error:  # no JetStream, no quorum, no right: values are published all the same
        log.warning("%s keeps no history: %s", connection.bus.name, words(error))
