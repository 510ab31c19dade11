"""Handles one websocket from its handshake to its end: authentication, registration, messages, clean-up."""

import logging
from collections.abc import Callable

from websockets.exceptions import ConnectionClosed

from mtclar.stream.protocol.messages import Role
from mtclar.stream.server.clients.client import Client, Subscription
from mtclar.stream.server.clients.client_hub import ClientHub
from mtclar.stream.server.clients.connection import TOO_BIG, LimitedConnection
from mtclar.stream.server.clients.message_reader import MessageReader
from mtclar.stream.server.clients.quotas import address_of
from mtclar.stream.server.http.request_filter import RequestFilter
from mtclar.stream.server.router import Router

log = logging.getLogger(__name__)

CallSoon = Callable[[Callable[[bytes], None], bytes], None]
"""Calls a function with some bytes on the event loop, from any thread."""


class WebsocketHandler:
    """Lives on the event loop. `hello` encodes the first message of a client of a role."""

    def __init__(
        self,
        requests: RequestFilter,
        hub: ClientHub,
        router: Router,
        hello: Callable[[Role], bytes],
        call_soon: CallSoon,
    ) -> None:
        self._requests = requests
        self._hub = hub
        self._router = router
        self._hello = hello
        self._call_soon = call_soon

    async def handle(self, connection: LimitedConnection) -> None:
        """Returns when the connection has ended."""
        address = address_of(connection.remote_address)
        requests, limits, router = self._requests, self._requests.limits, self._router
        release = requests.websockets.acquire(address)
        reader = MessageReader(connection, address, limits)
        client = Client(connection, limits, self._hub.on_written)
        handle = ThreadSafeHandle(client, self._call_soon, address)
        try:
            role = await reader.authenticate(requests.access, requests.wrong_tokens)
            if role is None:
                return
            handle.role = client.role = role
            if role == "camera":
                client.subscription = Subscription(streams=frozenset())
            self._hub.add(client, self._hello(role))
            self._log("a client joined", address)
            client.start()
            await reader.read(
                lambda text: router.dispatch(client, handle, text),
                lambda data: router.on_picture(client, handle, data),
                lambda error: client.send_text(error.encode()),
            )
        except ConnectionClosed as error:  # the usual end of a connection
            if error.sent is not None and error.sent.code == TOO_BIG:
                router.on_too_large()
        finally:
            release()
            if client in self._hub:
                self._hub.remove(client)
                self._log("a client left", address)
            self._router.on_disconnect(client, handle)
            await client.stop()

    def _log(self, text: str, address: str) -> None:
        fields = {"event": "client", "address": address, "clients": len(self._hub)}
        log.info(text, extra={"fields": fields})


class ThreadSafeHandle:
    """The ClientHandle of one client."""

    def __init__(self, client: Client, call_soon: CallSoon, address: str) -> None:
        self.address = address
        self.role: Role = "viewer"  # until its token is known
        self._client = client
        self._call_soon = call_soon

    def send_text(self, message: bytes) -> None:
        """Sends a text message."""
        self._call_soon(self._client.send_text, message)

    def send_binary(self, data: bytes) -> None:
        """Sends a binary message."""
        self._call_soon(self._client.send_binary, data)
