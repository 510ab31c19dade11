"""What clients say in `mtclar.v1`: declared types, and `parse_client`, which refuses the rest with a code."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError

from mtclar.stream.protocol.messages import DEFAULT_FIELDS, Delivery, OptionalField, ProtocolError

MAX_CLIENT_MESSAGE_BYTES = 16 * 1024
"""The largest message a client may send; the websocket is closed with 1009 above it."""

StreamName = Annotated[str, StringConstraints(min_length=1, max_length=128)]


class _ClientMessage(BaseModel):
    """Unknown fields are refused: a misspelt option that is silently ignored is worse than an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class ClientHello(_ClientMessage):
    """The token, where the server asks for one and the client cannot set the Authorization header."""

    type: Literal["hello"]
    token: Annotated[str, StringConstraints(max_length=512)] = ""


class Subscribe(_ClientMessage):
    """What the client wants from now on; what it leaves out goes back to the default."""

    type: Literal["subscribe"]
    streams: Annotated[list[StreamName], Field(max_length=64)] | None = None  # None: all of them
    max_hz: Annotated[float, Field(gt=0, le=1000)] | None = None
    fields: Annotated[list[OptionalField], Field(max_length=16)] | None = None
    delivery: Delivery = "latest"

    @property
    def chosen_fields(self) -> frozenset[str]:
        return DEFAULT_FIELDS if self.fields is None else frozenset(self.fields)


class Mark(_ClientMessage):
    """A label at this moment, for recordings."""

    type: Literal["mark"]
    label: Annotated[str, StringConstraints(min_length=1, max_length=500)]
    stream: StreamName | None = None


class Assign(_ClientMessage):
    """Who a face is: whose support set it gets. None takes it away; whoever had that set gets the face's own."""

    type: Literal["assign"]
    stream: StreamName
    face: Annotated[int, Field(ge=0, le=2**53)]
    subject: Annotated[str, StringConstraints(max_length=500)] | None


class Camera(_ClientMessage):
    """The client wants to be the camera of a stream of `--source browser`; binary messages with pictures follow."""

    type: Literal["camera"]
    stream: StreamName | None = None  # None: the first one that takes pictures


@dataclass(frozen=True, slots=True)
class ExtensionMessage:
    """A message for an extension, which parses it itself."""

    prefix: str
    content: Mapping[str, Any]


ClientMessage = ClientHello | Subscribe | Mark | Assign | Camera
_CLIENT_TYPES = ("hello", "subscribe", "mark", "assign", "camera")
_CLIENT_MESSAGE: TypeAdapter[ClientMessage] = TypeAdapter(
    Annotated[ClientMessage, Field(discriminator="type")]
)


def parse_client(data: str | bytes, prefixes: Iterable[str] = ()) -> ClientMessage | ExtensionMessage:
    """One client message; raises ProtocolError `bad_json`, `unknown_type` or `bad_message`.

    `prefixes`: of the types that extensions understand.
    """
    try:
        message = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ProtocolError("bad_json", "not a JSON text") from error
    if not isinstance(message, dict):
        raise ProtocolError("bad_message", "a message is a JSON object with a 'type'")
    for prefix in prefixes:
        if str(message.get("type")).startswith(prefix):
            return ExtensionMessage(prefix, message)
    if message.get("type") not in _CLIENT_TYPES:
        raise ProtocolError("unknown_type", f"'type' is one of {', '.join(_CLIENT_TYPES)}")
    try:
        return _CLIENT_MESSAGE.validate_python(message)
    except ValidationError as error:
        raise ProtocolError("bad_message", _first_fault(error.errors(include_url=False))) from error


def _first_fault(faults: Iterable[Any]) -> str:
    """Where and what, without the client's own words: they may hold a token."""
    fault = next(iter(faults))
    where = ".".join(str(part) for part in fault["loc"][1:]) or "message"
    return f"{where[:100]}: {fault['msg'][:200]}"
