"""The interface of packages above this one: their own client messages, whose `type` has a prefix."""

import logging
from collections.abc import Mapping
from typing import Any, Protocol

from mtclar.stream.protocol.messages import Role

log = logging.getLogger(__name__)


class ClientHandle(Protocol):
    """One connected client, for any thread; no method waits, and none does anything once the client has gone."""

    @property
    def address(self) -> str:
        """Of the client's machine, for logs."""
        ...

    @property
    def role(self) -> Role:
        """What the client may do."""
        ...

    def send_text(self, message: bytes) -> None:
        """Sends a text message."""
        ...

    def send_binary(self, data: bytes) -> None:
        """Sends a binary message; a newer one replaces it while it waits to be written."""
        ...


class Extension(Protocol):
    """What `Server.add_extension` takes. Its methods run on the event loop's thread and must not wait."""

    @property
    def prefix(self) -> str:
        """The start of the `type` of every message for this extension."""
        ...

    def on_message(self, client: ClientHandle, message: Mapping[str, Any]) -> None:
        """Handles one message. The client gets a ProtocolError as `error`."""
        ...

    def on_disconnect(self, client: ClientHandle) -> None:
        """The client has gone."""
        ...


def log_action(client: ClientHandle, action: str, **details: object) -> None:
    """Logs who did what: every action that changes a run or a support set, or shows a person's face."""
    fields = {"event": "action", "action": action, "address": client.address, "role": client.role, **details}
    log.info("%s by %s (%s)", action, client.address, client.role, extra={"fields": fields})
