"""Clients of a running server: `watch` for scripts, `Client` for asyncio; neither loads a network or a camera library.

In the order of the data: `connection` (the handshake and its refusals), `client` (reconnects, subscribes), `inbox`
(what waits for the program, and gaps), `script` (a plain loop over it). Messages are those of `mtclar.stream.protocol`.
docs/live/clients.md has examples.
"""

from mtclar.stream.client.client import Client
from mtclar.stream.client.connection import NotAServerError, RefusedError, TokenError, UnreachableError
from mtclar.stream.client.inbox import Disconnected, Gap
from mtclar.stream.client.script import watch
from mtclar.stream.protocol.events import EventMessage, HistoryMessage, Threshold
from mtclar.stream.protocol.face import Face
from mtclar.stream.protocol.messages import ReceivedAffect

__all__ = [
    "Client",
    "Disconnected",
    "EventMessage",
    "Face",
    "Gap",
    "HistoryMessage",
    "NotAServerError",
    "ReceivedAffect",
    "RefusedError",
    "Threshold",
    "TokenError",
    "UnreachableError",
    "watch",
]
