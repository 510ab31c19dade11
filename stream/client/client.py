"""A client of a running server on an asyncio loop: reconnects, subscribes again, and reports what it missed."""

import asyncio
import contextlib
import inspect
import json
import logging
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import asdict
from typing import Any, Self

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from mtclar.stream.client.connection import (
    OPEN_TIMEOUT_S,
    NotAServerError,
    RefusedError,
    UnreachableError,
    decoded,
    messages_of,
    open_connection,
    websocket_address,
)
from mtclar.stream.client.inbox import Disconnected, Gap, Inbox, Json
from mtclar.stream.client.requests import Request, is_named, listed, refusal
from mtclar.stream.protocol.events import HISTORY_S, HistoryMessage, Threshold, ThresholdsMessage
from mtclar.stream.protocol.messages import (
    PROTOCOL,
    AssignedMessage,
    ByeMessage,
    ClockMessage,
    ClockReading,
    Delivery,
    Hello,
    MarkMessage,
    OptionalField,
    ReceivedAffect,
    SubscribedMessage,
)
from mtclar.stream.protocol.server_messages import ServerMessage

log = logging.getLogger(__name__)

FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 10.0
ANSWER_TIMEOUT_S = 10.0
CLOSED = "the server has closed the connection"


Received = ServerMessage | Gap | Disconnected


class Client:
    """Receives the messages of the server at `url`, such as ws://127.0.0.1:8765; a context manager on a running loop.

        async with Client("ws://127.0.0.1:8765") as client:
            async for message in client.affect(fields=["sd"]):
                print(message.pts_s, [(face.valence, face.arousal) for face in message.faces])

    Entering connects. `reconnect`: a connection that is lost, or a server that stopped, is tried again every few
    seconds, and the last subscription is repeated; otherwise the iteration ends with the server. It also ends when the
    server's source has ended. `wait`: a server that cannot be reached at first is waited for too.

    Raises UsageError for a wrong address, UnreachableError when there is no connection, TokenError and RefusedError
    when the server refuses this client or its subscription, and NotAServerError when something else answers. Only
    an UnreachableError is tried again.
    """

    def __init__(
        self, url: str, *, token: str | None = None, reconnect: bool = True, wait: bool = False
    ) -> None:
        self.address = websocket_address(url)
        self.hello: Hello | None = None  # the latest; None before the first connection
        self._token = token
        self._reconnect = reconnect
        self._wait = wait
        self._clock = ClockReading(0.0, 0.0)
        self._subscription: Json | None = None
        self._subscribing = False  # the subscription is not answered yet
        self._request: Request | None = None
        self._one_request = asyncio.Lock()  # an error does not say what it answers
        self._connection: ClientConnection | None = None
        self._retry_s = FIRST_WAIT_S
        self._reason: str | None = None  # of the loss that was reported last
        self._lost_s: float | None = None  # when the connection was lost
        self._disconnected_s = 0.0  # in total
        self._inbox = Inbox()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._run())
        try:
            await self._opened
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the connection and ends every iteration; safe to call twice."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._end(None)

    # --- what the server sends ---

    def __aiter__(self) -> AsyncIterator[Received]:
        """Every message of a known type, and each Gap and Disconnected; one iteration at a time."""
        return self._messages()

    async def affect(
        self,
        streams: Iterable[str] | None = None,
        *,
        fields: Iterable[OptionalField] | None = None,
        max_hz: float | None = None,
        delivery: Delivery = "latest",
    ) -> AsyncIterator[ReceivedAffect]:
        """Subscribes as `subscribe` does and gives the `affect` messages alone; gaps are logged as warnings."""
        await self.subscribe(streams, fields=fields, max_hz=max_hz, delivery=delivery)
        async for message in self:
            if isinstance(message, ReceivedAffect):
                yield message
            elif isinstance(message, Gap):
                log.warning("%s", message)
            elif isinstance(message, Disconnected):
                log.warning("%s: %s; trying again", self.address, message.reason)

    async def listen(self, receive: Callable[[Received], Awaitable[None] | None]) -> None:
        """Calls `receive` with every message until the iteration would end; awaits what it returns."""
        async for message in self:
            waiting = receive(message)
            if inspect.isawaitable(waiting):
                await waiting

    async def raw(self) -> AsyncIterator[Json | Gap | Disconnected]:
        """As the iteration, with each message as the JSON object that the server sent, unknown ones too."""
        async for item in self._inbox:
            yield item

    def unix_s(self, t_capture_s: float) -> float:
        """A time of capture in seconds since 1970, by the latest pair of clocks of the server."""
        return t_capture_s - self._clock.monotonic_s + self._clock.unix_s

    # --- what the server is asked for ---

    async def subscribe(
        self,
        streams: Iterable[str] | None = None,
        *,
        fields: Iterable[OptionalField] | None = None,
        max_hz: float | None = None,
        delivery: Delivery = "latest",
    ) -> SubscribedMessage:
        """Chooses what comes from now on, also after each reconnection; returns when the server has agreed.

        `streams` by name or pattern (`ward-*`), optional `fields` of each face by name; None is all, the usual ones;
        `max_hz` messages of a stream in a second. `latest`: a program that reads slowly gets fewer, fresher messages;
        `all`: every one, and a program that falls more than a thousand behind loses the connection. Raises
        RefusedError for a wrong choice.
        """
        choices = {"streams": listed(streams), "fields": listed(fields), "max_hz": max_hz}
        chosen = {name: value for name, value in choices.items() if value is not None}
        async with self._one_request:
            before = self._subscription
            self._subscription = {"type": "subscribe", **chosen, "delivery": delivery}
            self._subscribing = True
            self._inbox.forget()
            self._inbox.max_hz = max_hz is not None
            try:
                return await self._ask(
                    "subscription", self._subscription, lambda told: told["type"] == "subscribed"
                )
            except RefusedError:
                self._subscription = before
                raise

    async def mark(self, label: str, stream: str | None = None) -> MarkMessage:
        """Labels this moment, of one stream or of all, for recordings; returns it with the server's time.

        Raises RefusedError when the server refuses it, UnreachableError when there is no connection.
        """
        mark = {"type": "mark", "label": label, "stream": stream}
        async with self._one_request:
            return await self._ask("mark", mark, lambda told: mark.items() <= told.items())

    async def assign(self, stream: str, face: int, subject: str | None) -> AssignedMessage:
        """Gives the face with this id the support set of `subject`, or none; raises as `mark` does."""
        wish = {"stream": stream, "face": face, "subject": subject}
        answer = {"type": "assigned", **wish}
        async with self._one_request:
            message = {"type": "assign", **wish}
            return await self._ask("assignment", message, lambda told: answer.items() <= told.items())

    async def history(self, seconds: float = HISTORY_S) -> HistoryMessage:
        """What the server sent in the last `seconds`, at most 30: ten messages a second of each subscribed stream.

        With the subscribed fields; raises as `mark` does.
        """
        message = {"type": "history", "seconds": seconds}
        async with self._one_request:
            return await self._ask("history", message, lambda told: told["type"] == "history")

    async def set_thresholds(self, thresholds: Iterable[Threshold]) -> ThresholdsMessage:
        """Replaces the thresholds that the server watches; each face that reaches one is an EventMessage to all.

        Raises as `mark` does.
        """
        message = {"type": "thresholds", "thresholds": [asdict(one) for one in thresholds]}
        async with self._one_request:
            return await self._ask("thresholds", message, lambda told: told["type"] == "thresholds")

    async def _ask(self, name: str, message: Json, is_answer: Callable[[Json], bool]) -> Any:
        """Sends a message and returns the server's answer, decoded.

        A subscription outlives the connection: it is sent again on the next one, and answered there.
        """
        if self._inbox.over:
            raise self._inbox.error or UnreachableError("this client is closed")
        lasting = message is self._subscription
        if self._connection is None and not lasting:
            raise UnreachableError("there is no connection to the server")
        self._request = Request(name, is_answer, asyncio.get_running_loop().create_future(), lasting)
        self._inbox.hurry(True)
        try:
            await self._send(message)
            async with asyncio.timeout(None if lasting else ANSWER_TIMEOUT_S):
                return decoded(await self._request.answer)
        except TimeoutError as error:
            raise UnreachableError(f"the server did not answer within {ANSWER_TIMEOUT_S:.0f} s") from error
        finally:
            self._request = None
            self._inbox.hurry(False)

    async def _send(self, message: Json) -> None:
        if self._connection is not None:
            with contextlib.suppress(ConnectionClosed):  # the task that reads notices it too
                await self._connection.send(json.dumps(message))

    # --- the task that reads ---

    async def _run(self) -> None:
        """Reads until the server has ended, an error that no later try would mend, or `close`."""
        try:
            while True:
                try:
                    await self._converse()
                    break
                except UnreachableError as error:
                    if not (self._wait if self.hello is None else self._reconnect):
                        raise
                    self._lose(error)
                await asyncio.sleep(self._retry_s * random.uniform(0.7, 1.0))
                self._retry_s = min(2 * self._retry_s, LONGEST_WAIT_S)
            self._end(None)
        except Exception as error:
            self._end(error)

    async def _converse(self) -> None:
        """One connection, until the server has ended; raises UnreachableError where another one may succeed."""
        connection = await open_connection(self.address, self._token)
        try:
            messages = messages_of(connection, self._token)
            await self._receive_hello(connection, messages)
            async for message in messages:
                await self._receive(message)
                if message["type"] == "bye" and isinstance(bye := decoded(message), ByeMessage):
                    if bye.code == "ended" or (bye.code == "shutdown" and not self._reconnect):
                        return
                    failed = "the server failed: " if bye.code == "failed" else ""
                    raise UnreachableError(f"{failed}{bye.reason}")
            raise UnreachableError(CLOSED)
        finally:
            if self._connection is not None:
                self._connection, self._lost_s = None, time.monotonic()
            await connection.close()

    async def _receive_hello(self, connection: ClientConnection, messages: AsyncIterator[Json]) -> None:
        try:
            async with asyncio.timeout(OPEN_TIMEOUT_S):
                message = await anext(messages, None)
        except TimeoutError as error:
            raise UnreachableError(f"{self.address} said nothing for {OPEN_TIMEOUT_S:.0f} s") from error
        if message is None:
            raise UnreachableError(CLOSED)
        hello = decoded(message)
        if not isinstance(hello, Hello):
            raise NotAServerError(f"the server sent something that is not {PROTOCOL}")
        self.hello, self._clock = hello, hello.clock
        if self._lost_s is not None:
            self._disconnected_s += time.monotonic() - self._lost_s
        self._retry_s, self._reason, self._lost_s = FIRST_WAIT_S, None, None
        self._connection = connection
        self._inbox.put(message)
        if self._subscription is not None:
            self._subscribing = True
            await self._send(self._subscription)
        if not self._opened.done():
            self._opened.set_result(None)

    async def _receive(self, message: Json) -> None:
        kind = message["type"]
        if kind == "affect":
            await self._receive_affect(message)
            return
        if kind == "hello" and isinstance(hello := decoded(message), Hello):  # its streams have changed
            self.hello, self._clock = hello, hello.clock
        if kind == "clock" and isinstance(clock := decoded(message), ClockMessage):
            self._clock = ClockReading(clock.unix_s, clock.monotonic_s)
        self._inbox.put(message)
        request = self._request
        if self._subscribing and kind in ("subscribed", "error"):
            self._subscribing = False
            request = request if request is not None and request.lasting else None
            if request is None and kind == "error":  # after a reconnection
                raise refusal("subscription", message)
        if request is None or request.answer.done():
            return
        if kind == "error":
            request.answer.set_exception(refusal(request.name, message))
        elif request.is_answer(message):
            request.answer.set_result(message)

    async def _receive_affect(self, message: Json) -> None:
        wanted = self._subscription or {}
        streams, stream = wanted.get("streams"), message.get("stream")
        if not isinstance(stream, str) or not isinstance(message.get("seq"), int):
            raise NotAServerError("the server sent an `affect` message without `stream` or `seq`")
        if self._subscribing or not is_named(stream, streams):
            return  # sent before the server knew the subscription
        assert self.hello is not None
        came_by = self.hello.session, self._disconnected_s
        if wanted.get("delivery") != "all":
            self._inbox.put_latest(message, *came_by)
        else:
            await self._inbox.put_every(message, *came_by)

    def _lose(self, error: UnreachableError) -> None:
        if error.what != self._reason:
            self._reason = error.what
            self._inbox.put(Disconnected(error.what))
        if self._wait and not self._opened.done():
            self._opened.set_result(None)
        request = self._request
        if request is not None and not (request.lasting or request.answer.done()):
            request.answer.set_exception(UnreachableError("the connection was lost before the answer"))

    def _end(self, error: Exception | None) -> None:
        if self._inbox.over:
            return
        self._inbox.end(error)
        waiting = [self._opened] + ([] if self._request is None else [self._request.answer])
        for future in waiting:
            if not future.done():
                future.set_exception(error or UnreachableError("this client is closed"))
                future.exception()  # nobody may be waiting

    async def _messages(self) -> AsyncIterator[Received]:
        async for item in self.raw():
            if not isinstance(item, dict):
                yield item
            elif (message := decoded(item)) is not None:
                yield message
