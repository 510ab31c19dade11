"""`--sink nats://HOST/PREFIX`, `nats+tls://`: the messages of mtclar.v1 on a bus. Needs the extra `[nats]`.

    PREFIX.stream.STREAM.WORKER.EPOCH.affect, .status, .subjects, .mark
    PREFIX.worker.WORKER.hello                                      a heartbeat; .bye at the end

With `?history=5m` JetStream keeps the last minutes. A gateway serves it all to clients (docs/server/fleet.md).
"""

import os
import socket
from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from mtclar.stream.bus.address import Bus, bus_of
from mtclar.stream.bus.connection import BusConnection
from mtclar.stream.bus.publisher import Publisher, prepare_history
from mtclar.stream.bus.subjects import new_epoch
from mtclar.stream.protocol.messages import (
    AffectMessage,
    MarkMessage,
    StatusMessage,
    StreamInfo,
    SubjectsMessage,
)
from mtclar.stream.sinks.base import Sink

Named = TypeVar("Named", AffectMessage, StatusMessage, MarkMessage, SubjectsMessage, StreamInfo)


def open_nats(argument: str) -> "NatsSink":
    """The sink of `nats://[USER@]HOST[:PORT][,HOST...][/PREFIX][?OPTIONS]`."""
    return NatsSink(bus_of(argument, tls=False))


def open_nats_tls(argument: str) -> "NatsSink":
    """The sink of `nats+tls://`, with the same argument."""
    return NatsSink(bus_of(argument, tls=True))


class NatsSink(Sink):
    """Publishes over a connection with a thread of its own; nothing here waits for the server.

    A message that cannot be sent is lost and counted as a failure. A state comes again with the heartbeat.
    """

    def __init__(self, bus: Bus) -> None:
        self._prefix = bus.name_prefix
        self._connection = BusConnection(bus, "mtclar-stream", self._on_connect)
        self._publisher = Publisher(self._connection, f"{socket.gethostname()}-{os.getpid()}")

    @property
    def trouble(self) -> str | None:  # type: ignore[override]  # read-only here
        """Why the bus cannot be reached."""
        return self._connection.trouble

    def open(self, streams: Sequence[StreamInfo]) -> None:
        """Begins to connect; a server that is away is tried again and again, as a camera is."""
        self._publisher.model = self.model
        self._connection.start()
        for info in streams:
            self._publisher.add(self._named(info), new_epoch())
        self._publisher.start()

    def affect(self, message: AffectMessage) -> None:
        """One message for each frame."""
        self._publisher.affect(self._named(message))

    def status(self, message: StatusMessage) -> None:
        """The state of a source."""
        self._publisher.status(self._named(message))

    def mark(self, message: MarkMessage) -> None:
        """A mark, in its stream or in each."""
        self._publisher.mark(message if message.stream is None else self._named(message))

    def subjects(self, message: SubjectsMessage) -> None:
        """The support sets of a stream have changed."""
        self._publisher.subjects(self._named(message))

    def close(self) -> None:
        """Says goodbye."""
        self._publisher.close()
        self._connection.close()

    def _named(self, message: Named) -> Named:
        """The same with the name of its stream on the bus."""
        return replace(message, stream=f"{self._prefix}{message.stream}") if self._prefix else message

    async def _on_connect(self, connection: BusConnection, _new: bool) -> None:
        self._publisher.beat()  # gateways need it before the first message
        await prepare_history(connection)
