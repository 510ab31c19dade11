"""One connected client: its subscription, its mailbox, and the task that writes to its socket."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field

from websockets.asyncio.server import broadcast
from websockets.exceptions import ConnectionClosed
from websockets.protocol import State

from mtclar.stream.protocol.client_messages import Subscribe
from mtclar.stream.protocol.messages import (
    DEFAULT_FIELDS,
    AffectMessage,
    ByeMessage,
    Delivery,
    Role,
    SubscribedMessage,
)
from mtclar.stream.protocol.patterns import is_pattern, matches
from mtclar.stream.protocol.relayed import RelayedAffect
from mtclar.stream.server.clients.connection import CLOSE_TIMEOUT_S, TRY_LATER, LimitedConnection
from mtclar.stream.server.clients.quotas import TokenBucket
from mtclar.stream.server.limits import Limits

log = logging.getLogger(__name__)

INTERNAL_ERROR = 1011

EncodedByFields = Mapping[frozenset[str], bytes]


@dataclass(slots=True, eq=False)
class Outgoing:
    """One `affect` to send, encoded for each set of fields that some client wants."""

    message: AffectMessage | RelayedAffect
    encoded: EncodedByFields
    sent: bool = False


@dataclass(slots=True)
class Subscription:
    """What a client receives; all streams and the default fields until it subscribes."""

    streams: frozenset[str] | None = None
    max_hz: float | None = None
    fields: frozenset[str] = DEFAULT_FIELDS
    delivery: Delivery = "latest"
    matched: dict[str, bool] = field(
        default_factory=dict
    )  # by stream: whether a pattern of `streams` matches
    due_s: dict[str, float] = field(default_factory=dict)  # by stream: no message before this capture time

    def follows(self, stream: str) -> bool:
        """Whether the client receives this stream at all."""
        return self.streams is None or stream in self.streams or self._matches(stream)

    def wants(self, message: AffectMessage | RelayedAffect) -> bool:
        """Whether the client receives this message; counts it against `max_hz`, which applies to capture times."""
        if not self.follows(message.stream):
            return False
        if self.max_hz is None:
            return True
        period_s = 1.0 / self.max_hz
        due_s = self.due_s.get(message.stream, message.t_capture_s)
        late_s = message.t_capture_s - due_s
        if -period_s <= late_s < 0:
            return False
        # Earlier still, the clock of the source has changed.
        self.due_s[message.stream] = (due_s if 0 <= late_s < period_s else message.t_capture_s) + period_s
        return True

    def keep_only(self, streams: Set[str]) -> None:
        """Forgets what it knows of other streams."""
        for known in (self.matched, self.due_s):
            for stream in known.keys() - streams:
                del known[stream]

    def _matches(self, stream: str) -> bool:
        if stream not in self.matched:
            patterns = [name for name in self.streams or () if is_pattern(name)]
            self.matched[stream] = any(matches(pattern, stream) for pattern in patterns)
        return self.matched[stream]


class Client:
    """Lives on the event loop. `enqueue` and `send_text` never wait; a task of its own writes to the socket."""

    def __init__(
        self, connection: LimitedConnection, limits: Limits, on_sent: Callable[[Outgoing], None]
    ) -> None:
        self.connection = connection
        self.subscription = Subscription()
        self.subscribed = False  # by a message of its own
        self.role: Role = "viewer"  # until its token is known
        self.marks = TokenBucket(limits.marks_at_once, limits.marks_per_s)
        self.sent = 0
        self.missed = 0  # replaced by a newer one before they were written
        self._limits = limits
        self._on_sent = on_sent
        self._control: deque[bytes] = deque()
        self._binary: bytes | None = None
        self._latest: dict[str, Outgoing] = {}  # by stream
        self._backlog: deque[Outgoing] = deque()
        self._bye: ByeMessage | None = None
        self._closing: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()
        self._idle = False  # the writer has nothing to do and waits to be woken
        self._writer: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Starts the task that writes."""
        self._writer = asyncio.create_task(self._write_until_gone())

    async def stop(self) -> None:
        """Ends writing, after the connection has ended."""
        tasks = [task for task in (self._writer, self._closing) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)  # cancelled, or the connection has closed

    def subscribe(self, request: Subscribe) -> None:
        """Applies to messages from now on; those in the mailbox are still sent."""
        self.subscribed = True
        self.subscription = Subscription(
            streams=None if request.streams is None else frozenset(request.streams),
            max_hz=request.max_hz,
            fields=request.chosen_fields,
            delivery=request.delivery,
        )
        streams = None if request.streams is None else tuple(request.streams)
        self.send_text(
            SubscribedMessage(streams, request.max_hz, request.chosen_fields, request.delivery).encode()
        )

    def enqueue(self, outgoing: Outgoing, outdated: bool = False) -> bool:
        """Sends an `affect` or puts it into the mailbox; False if the client does not want it.

        `outdated`: a newer one of its stream follows, so only clients with delivery `all` get this one.
        """
        if self._bye is not None or self._closing is not None:
            return False
        subscription = self.subscription
        if outdated and subscription.delivery == "latest" and subscription.follows(outgoing.message.stream):
            self.missed += 1
            return True
        if not subscription.wants(outgoing.message):
            return False
        if self._send_now(outgoing):
            return True
        if self.subscription.delivery == "all":
            if len(self._backlog) >= self._limits.backlog:
                self._close_too_slow()
                return False
            self._backlog.append(outgoing)
        else:
            stream = outgoing.message.stream
            self.missed += stream in self._latest
            self._latest[stream] = outgoing
        self._wake.set()
        return True

    def _send_now(self, outgoing: Outgoing) -> bool:
        """Writes at once if nothing waits before it: waking the writer would cost as much as the message itself."""
        connection = self.connection
        data = outgoing.encoded.get(self.subscription.fields)
        if (
            data is None
            or not self._idle
            or self._wake.is_set()
            or connection.state is not State.OPEN
            or connection.transport.get_write_buffer_size()
        ):
            return False
        broadcast((connection,), data, text=True)
        self.sent += 1
        self._on_sent(outgoing)
        return True

    def begin_session(self) -> None:
        """Drops the `affect` messages that wait: times and numbers begin anew."""
        self._latest.clear()
        self._backlog.clear()
        self.subscription.due_s.clear()

    def send_text(self, message: bytes) -> None:
        """Queues any other message; those are written before waiting `affect` messages."""
        if len(self._control) >= self._limits.control_backlog:
            self._close_too_slow()
        else:
            self._control.append(message)
            self._wake.set()

    def send_binary(self, data: bytes) -> None:
        """Queues a binary message; it replaces one that is not written yet."""
        self._binary = data
        self._wake.set()

    def finish(self, bye: ByeMessage) -> asyncio.Task[None] | None:
        """Writes the queued messages, then `bye`; returns the task that does so."""
        self._bye = self._bye or bye
        self._wake.set()
        return self._writer

    async def _write_until_gone(self) -> None:
        try:
            await self._write()
        except ConnectionClosed:
            pass  # the task that reads from this client gets the same exception and cleans up
        except Exception:  # a bug: only this client is closed
            log.exception("writing to a client failed")
            await self.connection.close(INTERNAL_ERROR, "internal error")

    async def _write(self) -> None:
        while True:
            if self._closing is not None:
                await self._closing
                return
            if self._control:
                await self.connection.send(self._control.popleft(), text=True)
            elif self._backlog:
                await self._send(self._backlog.popleft())
            elif self._latest:
                await self._send(self._latest.pop(next(iter(self._latest))))
            elif self._binary is not None:
                data, self._binary = self._binary, None
                await self.connection.send(data, text=False)
            elif self._bye is not None:
                await self.connection.send(self._bye.encode(), text=True)
                return
            else:
                self._wake.clear()
                self._idle = True
                await self._wake.wait()
                self._idle = False

    async def _send(self, outgoing: Outgoing) -> None:
        fields = self.subscription.fields
        data = outgoing.encoded.get(fields)
        if data is None:  # only messages that were encoded before this client subscribed to these fields
            data = outgoing.message.encode(fields)
        await self.connection.send(data, text=True)
        self.sent += 1
        self._on_sent(outgoing)

    def _close_too_slow(self) -> None:
        """Closes with 1013, in a new task: the writer may be stuck in a send that never ends."""
        if self._closing is None:
            self._latest.clear()
            self._backlog.clear()
            self._closing = asyncio.create_task(self._close_or_abort())
            self._wake.set()

    async def _close_or_abort(self) -> None:
        """Closes the connection, or aborts it when its full buffer does not drain in time."""
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self.connection.close(TRY_LATER, f"too slow: {self._limits.backlog} messages behind")
        except TimeoutError:
            self.connection.transport.abort()
