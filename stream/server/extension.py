"""What a package above this one adds to the server: client messages whose `type` has a prefix of its own."""

from collections.abc import Mapping
from typing import Any, Protocol


class ClientHandle(Protocol):
    """One client, as an extension sees it; any thread may call, and nothing waits."""

    def send_text(self, message: bytes) -> None:
        """Sends a text message."""
        ...

    def send_binary(self, data: bytes) -> None:
        """Sends a binary message, unless a newer one comes before it could be written."""
        ...


class Extension(Protocol):
    """What `Server.add_extension` takes. Both methods run on the event loop's thread and must not block."""

    @property
    def prefix(self) -> str:
        """Messages whose `type` begins with it are for this extension."""
        ...

    def on_message(self, client: ClientHandle, message: Mapping[str, Any]) -> None:
        """One message of a client; a ProtocolError goes back to it as `error`."""
        ...

    def on_disconnect(self, client: ClientHandle) -> None:
        """The client has gone."""
        ...
