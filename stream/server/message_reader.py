"""What one client says: the token first where one is needed, then subscriptions and marks, within limits."""

import asyncio
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from websockets.asyncio.server import ServerConnection

from mtclar.stream.protocol.client_messages import (
    MAX_CLIENT_MESSAGE_BYTES,
    ClientHello,
    ClientMessage,
    ExtensionMessage,
    parse_client,
)
from mtclar.stream.protocol.messages import ErrorMessage, ProtocolError
from mtclar.stream.server.access import Access
from mtclar.stream.server.quotas import AuthThrottle
from mtclar.stream.server.uploads import CLOSE_ABOVE_BYTES
from mtclar.stream.server.uploads import MAX_PER_S as MAX_FRAMES_PER_S

POLICY_VIOLATION = 1008
TOO_BIG = 1009
MAX_FAULTS = 20
MAX_PER_S = 50.0


@dataclass(slots=True)
class TokenBucket:
    """A bucket of messages that refills: bursts pass, floods do not."""

    per_s: float = MAX_PER_S
    clock: Callable[[], float] = time.monotonic
    _left: float = field(init=False)
    _at_s: float = field(init=False)

    def __post_init__(self) -> None:
        self._left, self._at_s = self.per_s, self.clock()

    def try_take(self) -> bool:
        """Counts one message; False, and it does not count, when there were too many."""
        now_s = self.clock()
        self._left = min(self.per_s, self._left + (now_s - self._at_s) * self.per_s)
        self._at_s = now_s
        if self._left < 1:
            return False
        self._left -= 1
        return True


class MessageReader:
    """Reads one client's messages."""

    def __init__(
        self, connection: ServerConnection, access: Access, throttle: AuthThrottle, address: str
    ) -> None:
        self._connection = connection
        self._access = access
        self._throttle = throttle
        self._address = address

    async def authenticate(self, timeout_s: float) -> bool:
        """True at once without a token or with the right header; else the first message must be the right `hello`."""
        connection = self._connection
        if self._access.token is None:
            return True
        headers = connection.request.headers if connection.request is not None else None
        if headers is not None and self._access.bearer(headers.get_all("Authorization")):
            return True
        if not self._throttle.allows(self._address):
            return await self._refuse_guess()
        await self._error("token_required", "say hello with the token first")
        try:
            async with asyncio.timeout(timeout_s):
                message = parse_client(await connection.recv())
        except TimeoutError:
            await connection.close(POLICY_VIOLATION, "no token")
            return False
        except ProtocolError as error:
            await self._error(error.code, error.message)
            await connection.close(POLICY_VIOLATION, "no token")
            return False
        if not self._throttle.allows(self._address):  # used up meanwhile, by other connections from there
            return await self._refuse_guess()
        if isinstance(message, ClientHello) and self._access.token_matches(message.token):
            return True
        self._throttle.record_failure(self._address)
        await self._error("bad_token", "this is not the token")
        await connection.close(POLICY_VIOLATION, "bad token")
        return False

    async def _refuse_guess(self) -> bool:
        await self._error("too_many_guesses", "too many wrong tokens from your address: come later")
        await self._connection.close(POLICY_VIOLATION, "too many guesses")
        return False

    def expect_frames(self) -> None:
        """Lets larger messages in, from the one after the next: the next one's limit is settled already."""
        self._connection.protocol.max_message_size = CLOSE_ABOVE_BYTES

    async def listen(
        self,
        dispatch: Callable[[ClientMessage | ExtensionMessage], None],
        send_text: Callable[[bytes], None],
        on_frame: Callable[[bytes], None] | None = None,
        prefixes: Collection[str] = (),
    ) -> None:
        """Passes the client's messages to `dispatch`, and binary ones to `on_frame`, until the connection ends.

        Raises ConnectionClosed unless the client closed it in order. `prefixes`: types that extensions handle.

        A fault (of form, or a ProtocolError of either) is told to the client, which is closed after too many of them.
        """
        messages_left, frames_left = TokenBucket(), TokenBucket(MAX_FRAMES_PER_S)
        faults = 0
        async for data in self._connection:
            if not (frames_left if isinstance(data, bytes) else messages_left).try_take():
                await self._connection.close(POLICY_VIOLATION, "too many messages")
                return
            if isinstance(data, str) and len(data) > MAX_CLIENT_MESSAGE_BYTES:
                await self._connection.close(TOO_BIG, "the message is too large")
                return
            try:
                if isinstance(data, str):
                    dispatch(parse_client(data, prefixes))
                elif on_frame is None:
                    raise ProtocolError("binary_not_expected", "messages are text frames of JSON")
                else:
                    on_frame(data)
            except ProtocolError as error:
                faults += 1
                send_text(ErrorMessage(error.code, error.message).encode())
                if faults >= MAX_FAULTS:
                    await self._connection.close(POLICY_VIOLATION, "too many faulty messages")
                    return

    async def _error(self, code: str, message: str) -> None:
        await self._connection.send(ErrorMessage(code, message).encode(), text=True)
