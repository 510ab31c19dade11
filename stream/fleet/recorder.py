"""Records what JetStream keeps of a bus: a durable consumer writes Parquet and acknowledges what is on the disk."""

import json
import logging
import threading
import time
from collections.abc import Sequence
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import nats.errors
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy
from nats.js.errors import NotFoundError

from mtclar.engine.errors import UsageError
from mtclar.stream.bus.connection import BusConnection, words
from mtclar.stream.bus.history import stream_name
from mtclar.stream.bus.subjects import name_of, parse_stream_subject
from mtclar.stream.fleet.directory import Directory
from mtclar.stream.protocol.events import EventMessage
from mtclar.stream.protocol.messages import (
    Hello,
    MarkMessage,
    ReceivedAffect,
    StatusMessage,
    SubjectsMessage,
)
from mtclar.stream.protocol.patterns import matches
from mtclar.stream.protocol.relayed import RelayedAffect
from mtclar.stream.protocol.server_messages import decode_server
from mtclar.stream.recordings.writer import RecordingWriter
from mtclar.stream.server.clock import ClockPair

log = logging.getLogger(__name__)

BATCH = 500
FETCH_S = 1.0
ACK_WAIT_S = 15.0
"""What was not acknowledged for so long is delivered again."""

RETRY_S = 1.0
REQUEST_S = 5.0


class HistoryRecorder:
    """One durable consumer, called `name`: one that was killed goes on where it was, in a new recording.

    At least once: what was on the disk and not acknowledged yet is in both recordings. Within one, a message that comes
    again, or is of an earlier owner, is left out. `streams` are patterns.
    """

    def __init__(
        self,
        connection: BusConnection,
        folder: Path,
        *,
        name: str,
        since_s: float | None = None,
        streams: Sequence[str] = (),
        program: str = "",
        clocks: ClockPair | None = None,
    ) -> None:
        self.frames = 0
        self.writer: RecordingWriter | None = None
        self._connection = connection
        self._folder, self._name, self._since_s = folder, name, since_s
        self._streams, self._program = tuple(streams), program
        self._clock = (clocks or ClockPair()).read()
        offset_s = self._clock[0] - self._clock[1]
        # What is read was sent at any time: only the wall clocks tell when.
        self.directory = Directory(
            time.monotonic, lambda worker: worker.unix_s - worker.monotonic_s - offset_s
        )
        self._offset_s = offset_s
        self._subscription: Any = None
        self._last_kept: int | None = None

    def run(self, stopped: threading.Event, *, to_the_end: bool = False) -> None:
        """Records until `stopped` is set; with `to_the_end`, until it has all that the bus kept when it began.

        Raises UsageError where nothing is kept, and what RecordingWriter raises.
        """
        try:
            while not stopped.is_set():
                try:
                    messages = self._connection.run(self._fetch()).result(FETCH_S + REQUEST_S)
                except NotFoundError as error:
                    raise UsageError(
                        "the bus keeps no history", "add history=5m to the address of a sink or worker"
                    ) from error
                except (nats.errors.Error, OSError, TimeoutError, FutureTimeoutError) as error:
                    log.warning("the history cannot be read: %s", words(error))
                    self._subscription = None
                    stopped.wait(RETRY_S)
                    continue
                for message in messages:
                    self._take(message.subject, message.data)
                if self.writer is not None:
                    self.writer.flush()
                    if self.writer.trouble is not None:
                        stopped.wait(RETRY_S)  # the disk is full: nothing is acknowledged
                        continue
                if messages:  # everything before the last one, too
                    self._connection.run(messages[-1].ack()).result(REQUEST_S)
                if to_the_end and (
                    not messages or messages[-1].metadata.sequence.stream >= (self._last_kept or 0)
                ):
                    return
        finally:
            if self.writer is not None:
                self.writer.lost += self.missed
                self.writer.close()

    @property
    def missed(self) -> int:
        """How many messages of the streams did not arrive, by their numbers."""
        return sum(state.missed for state in self.directory.streams.values())

    async def _fetch(self) -> list[Any]:
        if self._subscription is None:
            self._subscription = await self._subscribe()
        try:
            messages: list[Any] = await self._subscription.fetch(BATCH, timeout=FETCH_S)
        except TimeoutError:  # nothing new
            return []
        return messages

    async def _subscribe(self) -> Any:
        bus = self._connection.bus
        jetstream = self._connection.client.jetstream(timeout=REQUEST_S)
        config = ConsumerConfig(
            ack_policy=AckPolicy.ALL,
            ack_wait=ACK_WAIT_S,
            max_ack_pending=BATCH,
            deliver_policy=DeliverPolicy.ALL,
        )
        if self._since_s is not None:
            start = datetime.now(UTC) - timedelta(seconds=self._since_s)
            config = replace(config, deliver_policy=DeliverPolicy.BY_START_TIME, opt_start_time=start)
        kept = await jetstream.stream_info(stream_name(bus))
        if self._last_kept is None:  # workers go on publishing: there is always more
            self._last_kept = kept.state.last_seq
        return await jetstream.pull_subscribe(
            f"{bus.prefix}.>", durable=self._name, stream=stream_name(bus), config=config
        )

    def _take(self, subject: str, payload: bytes) -> None:
        parts = subject.split(".")
        try:
            if parts[1] == "worker" and parts[-1] == "hello":
                message = decode_server(json.loads(payload))
                if isinstance(message, Hello):
                    self._on_hello(name_of(parts[2]), message)
            elif parts[1] == "stream":
                self._on_stream(subject, payload)
            elif parts[1] == "gateway" and self.writer is not None:
                mark = decode_server(json.loads(payload))
                if isinstance(mark, MarkMessage):
                    mark = replace(mark, t_s=mark.t_s - self._offset_s)
                    self.writer.event(mark.t_s, mark)
        except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
            log.warning("a message of the bus is not mtclar.v1: %s: %s", subject, error)

    def _on_hello(self, worker: str, hello: Hello) -> None:
        chosen = tuple(info for info in hello.streams if self._wants(info.stream))
        self.directory.hello(worker, replace(hello, streams=chosen))
        if not self.directory.changed:
            return
        self.directory.changed = False
        infos = self.directory.infos
        if self.writer is not None:
            self.writer.announce(infos)
        elif infos:
            self.writer = RecordingWriter(
                self._folder,
                session=self._connection.bus.prefix,
                streams=infos,
                model=hello.model,
                support_sets={info.stream: [] for info in infos},
                clock=self._clock,
                program=self._program,
            )
            log.info("recording to %s", self.writer.folder)

    def _on_stream(self, subject: str, payload: bytes) -> None:
        place = parse_stream_subject(subject)
        if place is None or self.writer is None or not self._wants(place.stream):
            return
        if place.kind == "affect":
            relayed = self.directory.affect(place, RelayedAffect.parse(place.stream, payload))
            if relayed is None:
                return
            message = decode_server(json.loads(relayed.payload))
            assert isinstance(message, ReceivedAffect)
            self.writer.affect(message.t_capture_s + 1e-3 * message.latency_ms.total, message)
            self.frames += 1
            return
        other = decode_server(json.loads(payload))
        if isinstance(other, EventMessage):
            other = MarkMessage(other.label, other.t, place.stream)
        event: StatusMessage | MarkMessage | SubjectsMessage | None = None
        if isinstance(other, StatusMessage):
            event = self.directory.status(place, other)
        elif isinstance(other, MarkMessage):
            event = self.directory.mark(place, other)
        elif isinstance(other, SubjectsMessage):
            event = self.directory.subjects(place, other)
        if event is not None:
            t_s = event.t_s if isinstance(event, MarkMessage) else self._last_s(place.stream)
            self.writer.event(t_s, event)

    def _last_s(self, stream: str) -> float:
        """A state has no time of its own: that of the last message of its stream."""
        state = self.directory.streams.get(stream)
        return self._clock[1] if state is None else state.last_s or self._clock[1]

    def _wants(self, stream: str) -> bool:
        return not self._streams or any(matches(pattern, stream) for pattern in self._streams)
