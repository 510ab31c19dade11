"""Reads one client's messages: the token first where one is required, then JSON texts and frames, within limits."""

import asyncio
from collections.abc import Callable

from websockets.asyncio.server import ServerConnection

from mtclar.stream.protocol.client_messages import ClientHello, parse_client
from mtclar.stream.protocol.messages import ErrorMessage, ProtocolError
from mtclar.stream.server.access import Access
from mtclar.stream.server.clients.quotas import AuthThrottle, TokenBucket
from mtclar.stream.server.limits import CLOSE_ABOVE_BYTES, Limits

POLICY_VIOLATION = 1008
TOO_BIG = 1009


class MessageReader:
    """Lives on the event loop."""

    def __init__(self, connection: ServerConnection, address: str, limits: Limits) -> None:
        self._connection = connection
        self._address = address
        self._limits = limits

    async def authenticate(self, access: Access, throttle: AuthThrottle) -> bool:
        """True at once without a token or with the right header; else the first message must be the right `hello`."""
        connection = self._connection
        if access.token is None:
            return True
        headers = connection.request.headers if connection.request is not None else None
        if headers is not None and access.bearer(headers.get_all("Authorization")):
            return True
        if not throttle.allows(self._address):
            return await self._refuse(
                "too_many_guesses", "too many wrong tokens from your address: try later"
            )
        await self._send_error("token_required", "say hello with the token first")
        try:
            async with asyncio.timeout(self._limits.handshake_s):
                message = parse_client(await connection.recv())
        except TimeoutError:
            await connection.close(POLICY_VIOLATION, "no token")
            return False
        except ProtocolError as error:
            return await self._refuse(error.code, error.message, "no token")
        if not throttle.allows(self._address):  # other connections from there have failed meanwhile
            return await self._refuse(
                "too_many_guesses", "too many wrong tokens from your address: try later"
            )
        if isinstance(message, ClientHello) and access.token_matches(message.token):
            return True
        throttle.record_failure(self._address)
        return await self._refuse("bad_token", "this is not the token")

    def expect_frames(self) -> None:
        """Admits larger messages, from the one after the next: the next one's limit is settled already."""
        self._connection.protocol.max_message_size = CLOSE_ABOVE_BYTES

    async def read(
        self,
        on_text: Callable[[str], None],
        on_frame: Callable[[bytes], None] | None,
        on_error: Callable[[ErrorMessage], None],
    ) -> None:
        """Passes on every message until the connection ends; raises ConnectionClosed unless the client closed it.

        A ProtocolError of a callback goes to `on_error`; too many of them close the connection. Without `on_frame`
        binary messages are errors.
        """
        limits = self._limits
        texts = TokenBucket(limits.messages_per_s, limits.messages_per_s)
        frames = TokenBucket(limits.frames_per_s, limits.frames_per_s)
        errors = 0
        async for data in self._connection:
            if not (texts if isinstance(data, str) else frames).take():
                await self._connection.close(POLICY_VIOLATION, "too many messages")
                return
            if isinstance(data, str) and len(data) > limits.message_bytes:
                await self._connection.close(TOO_BIG, "the message is too large")
                return
            try:
                if isinstance(data, str):
                    on_text(data)
                elif on_frame is None:
                    raise ProtocolError("binary_not_expected", "messages are text frames of JSON")
                else:
                    on_frame(data)
            except ProtocolError as error:
                errors += 1
                on_error(ErrorMessage(error.code, error.message))
                if errors >= limits.protocol_errors:
                    await self._connection.close(POLICY_VIOLATION, "too many faulty messages")
                    return

    async def _refuse(self, code: str, message: str, reason: str | None = None) -> bool:
        await self._send_error(code, message)
        await self._connection.close(POLICY_VIOLATION, reason or code.replace("_", " "))
        return False

    async def _send_error(self, code: str, message: str) -> None:
        await self._connection.send(ErrorMessage(code, message).encode(), text=True)
