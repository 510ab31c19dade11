"""What clients ask for is done: subscriptions, marks, who a face is, cameras, and what extensions understand."""

from collections.abc import Callable, Collection

from mtclar.stream.protocol.client_messages import (
    Assign,
    Camera,
    ClientMessage,
    ExtensionMessage,
    Mark,
    Subscribe,
)
from mtclar.stream.protocol.messages import MarkMessage, ProtocolError
from mtclar.stream.server.client import Client
from mtclar.stream.server.client_hub import ClientHub
from mtclar.stream.server.extension import ClientHandle, Extension
from mtclar.stream.server.message_reader import TokenBucket
from mtclar.stream.server.uploads import FrameUploads

BROADCASTS_PER_S = (
    50.0  # of what clients say and all are told: many who say it at once must not swamp the others
)


class Router:
    """Lives on the event loop. `streams` names those that were announced, `send_to_all` hands a mark to everyone.

    `uploads` and `extensions` are set before the first client comes, if at all.
    """

    def __init__(
        self,
        hub: ClientHub,
        streams: Callable[[], Collection[str]],
        send_to_all: Callable[[MarkMessage], None],
        clock: Callable[[], float],
        on_mark: Callable[[MarkMessage], None] | None = None,
        on_assign: Callable[[Assign, ClientHandle], None] | None = None,
    ) -> None:
        self.uploads: FrameUploads | None = None
        self.extensions: dict[str, Extension] = {}
        self._hub = hub
        self._streams = streams
        self._tell_all = send_to_all
        self._clock = clock
        self._on_mark = on_mark
        self._on_assign = on_assign
        self._broadcasts = TokenBucket(BROADCASTS_PER_S)

    def dispatch(
        self, client: Client, handle: ClientHandle, message: ClientMessage | ExtensionMessage
    ) -> None:
        """Does it, or raises ProtocolError with what goes back to the client."""
        if isinstance(message, Subscribe | Mark | Assign):
            self._require_streams(message)
        if isinstance(message, Mark | Assign) and not self._broadcasts.try_take():
            raise ProtocolError(
                "busy", f"all clients together have said more than {BROADCASTS_PER_S:g} in a second"
            )
        if isinstance(message, Subscribe):
            client.subscribe(message)
            self._hub.update_fields()
        elif isinstance(message, Mark):
            mark = MarkMessage(message.label, self._clock(), message.stream)
            if self._on_mark is not None:
                self._on_mark(mark)
            self._tell_all(mark)
        elif isinstance(message, Assign):
            if self._on_assign is None:
                raise ProtocolError("cannot_assign", "there is nobody to assign here")
            self._on_assign(message, handle)
        elif isinstance(message, ExtensionMessage):
            self.extensions[message.prefix].on_message(handle, message.content)
        elif isinstance(message, Camera):
            if self.uploads is None:
                raise ProtocolError(
                    "unknown_stream", "no stream takes pictures here: run --source browser does"
                )
            client.send_text(self.uploads.claim(client, message.stream).encode())

    def on_disconnect(self, client: Client, handle: ClientHandle) -> None:
        """It has gone: what it held is free for others."""
        if self.uploads is not None:
            self.uploads.on_disconnect(client)
        for extension in self.extensions.values():
            extension.on_disconnect(handle)

    def _require_streams(self, message: Subscribe | Mark | Assign) -> None:
        named = (
            message.streams or []
            if isinstance(message, Subscribe)
            else [message.stream]
            if message.stream
            else []
        )
        if unknown := set(named) - set(self._streams()) - set(self._hub.statuses):
            raise ProtocolError("unknown_stream", f"there is no stream '{min(unknown)}'")
