"""One connection within its budget of bytes, websocket frames and time, from its first byte to its last one.

The websocket library limits one line, one message and one ping; this class limits what a client may send or leave
unread in all, and ends its connection without waiting for it.
"""

import asyncio
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from websockets.asyncio.server import ServerConnection
from websockets.frames import DATA_OPCODES, Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import State

from mtclar.stream.server.clients.quotas import TokenBucket
from mtclar.stream.server.limits import CLOSE_ABOVE_BYTES, SLICE_BYTES, Limits

POLICY_VIOLATION = 1008
TOO_BIG = 1009
TRY_LATER = 1013

CLOSE_TIMEOUT_S = 1.0

NO_TOKEN, NO_END, NOT_READ, NOT_CLOSED = (
    "no token",
    "the message does not end",
    "nothing is read",
    "not closed",
)


@dataclass(slots=True)
class Unfinished:
    """How many bytes of incomplete pictures all connections of a server hold."""

    limit: int
    held: int = 0


class LimitedConnection(ServerConnection):
    """A connection of the websocket library that ends itself when it exceeds a limit; lives on the event loop.

    It begins with the budget of a stranger; `admit` and `admit_pictures` raise it. It is one of `connections` while it
    is open.
    """

    def __init__(
        self,
        *args: Any,
        limits: Limits,
        unfinished: Unfinished,
        connections: "set[LimitedConnection]",
        **options: Any,
    ) -> None:
        super().__init__(*args, **options)
        self._connections = connections
        self._limits = limits
        self._unfinished = unfinished
        self._held = 0  # its part of `unfinished`
        self._unread_pings = 0
        self._refused = False
        self._bytes = TokenBucket(limits.header_bytes, 0)
        self._frames = TokenBucket(limits.token_frames, 0)
        self._accepted_s = self.loop.time()  # before its TLS handshake
        self._deadlines: dict[str, asyncio.TimerHandle] = {}  # by the reason to end the connection then

    def admit(self) -> None:
        """The client has the right to stay."""
        self._cancel(NO_TOKEN)
        self._allow(self._limits.bytes_per_s, self._limits.websocket_frames_per_s)

    def admit_pictures(self) -> None:
        """The client is a camera: its next message may be large."""
        self.protocol.max_message_size = CLOSE_ABOVE_BYTES
        self._allow(self._limits.camera_bytes_per_s, self._limits.camera_websocket_frames_per_s)

    def refuse(self, reason: str, code: int = POLICY_VIOLATION) -> None:
        """Ends the connection, at once if a deadline has passed; a client that reads learns why."""
        if self._refused:
            return
        self._refused = True
        if self.state is State.OPEN:
            self.protocol.fail(code, reason)
            self.send_data()
        if reason in self._deadlines or self.transport.get_write_buffer_size():
            self.transport.abort()  # `close` would wait for its buffer, and for the end of TLS
        else:  # ending it with bytes unread would reset it before the client has read why
            self.transport.pause_reading()
            self.loop.call_later(CLOSE_TIMEOUT_S, self.transport.abort)

    # --- called by the event loop ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begins the time of the handshake and the token."""
        super().connection_made(transport)
        self._connections.add(self)
        if not self.server.is_serving():  # its TLS handshake took until now
            self.transport.abort()
        self._end_in(self._accepted_s + self._limits.handshake_s - self.loop.time(), NO_TOKEN)

    def connection_lost(self, exc: Exception | None) -> None:
        """Returns what it held."""
        self._connections.discard(self)
        for reason in tuple(self._deadlines):
            self._cancel(reason)
        self._unfinished.held -= self._held
        self._held = 0
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parses what came in small parts, as long as the budget lasts."""
        for at in range(0, len(data), SLICE_BYTES):
            part = data[at : at + SLICE_BYTES]
            if self._refused or self.protocol.parser_exc is not None:
                break
            if not self._bytes.take(len(part)):
                self._refuse_bytes()
                break
            super().data_received(part)
        if self.protocol.parser_exc is not None:  # what follows has no use; the client may still read why
            self.transport.pause_reading()
        if self.protocol.close_expected():
            self._end_in(CLOSE_TIMEOUT_S, NOT_CLOSED)
        else:
            self._measure()

    def process_event(self, event: Request | Frame | Any) -> None:
        """Counts what was parsed."""
        if self._refused:
            return
        if isinstance(event, Frame):
            if not self._frames.take():
                self.refuse("too many websocket frames")
                return
            if event.opcode is Opcode.PING and self.paused:
                self._unread_pings += 1
                if self._unread_pings > self._limits.unread_pings:
                    self.refuse(NOT_READ)
                    return
            if event.opcode in DATA_OPCODES and event.fin:
                self._cancel(NO_END)
        else:
            self._bytes = TokenBucket(self._limits.token_bytes, 0)
        super().process_event(event)

    def pause_writing(self) -> None:
        """What waits for the client has passed the limit: it must read in time."""
        super().pause_writing()
        self._end_in(self._limits.unread_s, NOT_READ)

    def resume_writing(self) -> None:
        """The client has read."""
        super().resume_writing()
        self._cancel(NOT_READ)
        self._unread_pings = 0

    # --- budget ---

    def _allow(self, bytes_per_s: float, frames_per_s: float) -> None:
        self._bytes = TokenBucket(bytes_per_s, bytes_per_s)
        self._frames = TokenBucket(frames_per_s, frames_per_s)

    def _refuse_bytes(self) -> None:
        if self.request is None and not self.protocol.eof_sent:
            status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
            self.protocol.send_response(self.protocol.reject(status, "the request is too large\n"))
            self.send_data()
        self.refuse("too many bytes")

    def _measure(self) -> None:
        """Limits the time of an incomplete message, and what incomplete pictures hold."""
        waiting = len(self.protocol.reader.buffer) + (self.protocol.current_size or 0)
        held = max(0, waiting - self._limits.message_bytes)
        self._unfinished.held += held - self._held
        self._held = held
        if held and self._unfinished.held > self._unfinished.limit:
            self.refuse("too many incomplete pictures", TRY_LATER)
        elif not waiting:
            self._cancel(NO_END)
        elif self.state is State.OPEN:
            self._end_in(self._limits.message_s, NO_END)

    def _end_in(self, seconds: float, reason: str) -> None:
        """Sets a deadline, unless it is set."""
        if reason not in self._deadlines:
            self._deadlines[reason] = self.loop.call_later(seconds, self.refuse, reason)

    def _cancel(self, reason: str) -> None:
        if (deadline := self._deadlines.pop(reason, None)) is not None:
            deadline.cancel()
