"""Messages that a layer above adds to the protocol: handed over by the prefix of their type, not understood here."""

from collections.abc import Mapping
from typing import Any, Protocol


class Peer(Protocol):
    """One client, as an extension sees it; any thread may call, and nothing waits."""

    def tell(self, message: bytes) -> None:
        """Sends a text message."""
        ...

    def show(self, picture: bytes) -> None:
        """Sends a binary message, unless a newer one comes before it could be written."""
        ...


class Extension(Protocol):
    """What `Broadcaster.plug` takes. Both methods run on the event loop's thread: they must be quick, and not wait."""

    @property
    def prefix(self) -> str:
        """Messages whose `type` begins with it are for this extension."""
        ...

    def said(self, peer: Peer, message: Mapping[str, Any]) -> None:
        """One message of a client; a ProtocolError goes back to it as `error`."""
        ...

    def left(self, peer: Peer) -> None:
        """The client has gone."""
        ...
