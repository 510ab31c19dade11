"""What clients ask for is done: subscriptions, marks, who a face is, cameras, and what extensions understand."""

from collections.abc import Callable, Collection

from mtclar.stream.protocol.client_messages import Assign, Camera, ClientMessage, Mark, Plugged, Subscribe
from mtclar.stream.protocol.messages import MarkMessage, ProtocolError
from mtclar.stream.server.client import Client
from mtclar.stream.server.client_hub import Audience
from mtclar.stream.server.extension import Extension, Peer
from mtclar.stream.server.inbound import Limit
from mtclar.stream.server.uploads import Uploads

TOLD_PER_S = 50.0  # of what clients say and all are told: many who say it at once must not swamp the others


class Orders:
    """Lives on the event loop. `streams` names those that were announced, `tell_all` hands a mark to everyone.

    `uploads` and `extensions` are set before the first client comes, if at all.
    """

    def __init__(
        self,
        audience: Audience,
        streams: Callable[[], Collection[str]],
        tell_all: Callable[[MarkMessage], None],
        clock: Callable[[], float],
        on_mark: Callable[[MarkMessage], None] | None = None,
        on_assign: Callable[[Assign, Peer], None] | None = None,
    ) -> None:
        self.uploads: Uploads | None = None
        self.extensions: dict[str, Extension] = {}
        self._audience = audience
        self._streams = streams
        self._tell_all = tell_all
        self._clock = clock
        self._on_mark = on_mark
        self._on_assign = on_assign
        self._told = Limit(TOLD_PER_S)

    def obey(self, client: Client, peer: Peer, said: ClientMessage | Plugged) -> None:
        """Does it, or raises ProtocolError with what goes back to the client."""
        if isinstance(said, Subscribe | Mark | Assign):
            self._require_streams(said)
        if isinstance(said, Mark | Assign) and not self._told.passes():
            raise ProtocolError(
                "busy", f"all clients together have said more than {TOLD_PER_S:g} in a second"
            )
        if isinstance(said, Subscribe):
            client.subscribe(said)
            self._audience.note_fields()
        elif isinstance(said, Mark):
            mark = MarkMessage(said.label, self._clock(), said.stream)
            if self._on_mark is not None:
                self._on_mark(mark)
            self._tell_all(mark)
        elif isinstance(said, Assign):
            if self._on_assign is None:
                raise ProtocolError("cannot_assign", "there is nobody to assign here")
            self._on_assign(said, peer)
        elif isinstance(said, Plugged):
            self.extensions[said.prefix].said(peer, said.content)
        elif isinstance(said, Camera):
            if self.uploads is None:
                raise ProtocolError(
                    "unknown_stream", "no stream takes pictures here: run --source browser does"
                )
            client.tell(self.uploads.claim(client, said.stream).encode())

    def left(self, client: Client, peer: Peer) -> None:
        """It has gone: what it held is free for others."""
        if self.uploads is not None:
            self.uploads.left(client)
        for extension in self.extensions.values():
            extension.left(peer)

    def _require_streams(self, said: Subscribe | Mark | Assign) -> None:
        named = said.streams or [] if isinstance(said, Subscribe) else [said.stream] if said.stream else []
        if unknown := set(named) - set(self._streams()) - set(self._audience.statuses):
            raise ProtocolError("unknown_stream", f"there is no stream '{min(unknown)}'")
