"""Reads one client's messages: the token first where one is required, then JSON texts and frames, within limits."""

from collections.abc import Callable

from mtclar.stream.protocol.client_messages import ClientHello, parse_client
from mtclar.stream.protocol.messages import ErrorMessage, ProtocolError, Role
from mtclar.stream.server.access import Access
from mtclar.stream.server.clients.connection import POLICY_VIOLATION, TOO_BIG, LimitedConnection
from mtclar.stream.server.clients.quotas import AddressBuckets, TokenBucket
from mtclar.stream.server.limits import Limits


class MessageReader:
    """Lives on the event loop."""

    def __init__(self, connection: LimitedConnection, address: str, limits: Limits) -> None:
        self._connection = connection
        self._address = address
        self._limits = limits

    async def authenticate(self, access: Access, wrong_tokens: AddressBuckets) -> Role | None:
        """The client's role, at once without tokens or with a right header; else its first message must be `hello`.

        None when it gave no right token: the connection is closed then. It ends itself if that takes too long.
        """
        connection = self._connection
        headers = connection.request.headers if connection.request is not None else None
        role = access.open_role
        if role is None and headers is not None:
            role = access.bearer(headers.get_all("Authorization"))
        if role is None:
            await self._send_error("token_required", "say hello with the token first")
            try:
                message = parse_client(await connection.recv())
            except ProtocolError as error:
                await self._refuse(error.code, error.message, "no token")
                return None
            role = access.role_of(message.token) if isinstance(message, ClientHello) else None
        if role is not None:
            connection.admit()
        elif wrong_tokens.take(self._address):
            await self._refuse("bad_token", "this is not the token")
        else:
            await self._refuse("too_many_guesses", "too many wrong tokens from your address: try later")
        return role

    async def read(
        self,
        on_text: Callable[[str], None],
        on_frame: Callable[[bytes], None],
        on_error: Callable[[ErrorMessage], None],
    ) -> None:
        """Passes on every message until the connection ends; raises ConnectionClosed unless the client closed it.

        A ProtocolError of a callback goes to `on_error`; too many of them close the connection.
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
                else:
                    on_frame(data)
            except ProtocolError as error:
                errors += 1
                on_error(ErrorMessage(error.code, error.message))
                if errors >= limits.protocol_errors:
                    await self._connection.close(POLICY_VIOLATION, "too many faulty messages")
                    return
            del data  # the exception that ends this loop would keep it until it is garbage-collected

    async def _refuse(self, code: str, message: str, reason: str | None = None) -> None:
        await self._send_error(code, message)
        await self._connection.close(POLICY_VIOLATION, reason or code.replace("_", " "))

    async def _send_error(self, code: str, message: str) -> None:
        await self._connection.send(ErrorMessage(code, message).encode(), text=True)
