"""The messages of clients in `mtclar.v1`: their types, and a parser that refuses everything else with an error code."""

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError

from mtclar.stream.protocol.events import HISTORY_S, Axis, Side, Threshold
from mtclar.stream.protocol.messages import DEFAULT_FIELDS, Delivery, OptionalField, ProtocolError

LABEL_LENGTH = 500  # characters of a mark, at most

StreamName = Annotated[str, StringConstraints(min_length=1, max_length=128)]


class _ClientMessage(BaseModel):
    """Unknown fields are refused: a misspelt option that is silently ignored is worse than an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class ClientHello(_ClientMessage):
    """The token, from clients that cannot set the Authorization header."""

    type: Literal["hello"]
    token: Annotated[str, StringConstraints(max_length=512)] = ""


class Subscribe(_ClientMessage):
    """What the client receives from now on; each field left out is the default again."""

    type: Literal["subscribe"]
    streams: Annotated[list[StreamName], Field(max_length=64)] | None = None  # None: all of them
    max_hz: Annotated[float, Field(gt=0, le=1000)] | None = None
    fields: Annotated[list[OptionalField], Field(max_length=16)] | None = None
    delivery: Delivery = "latest"

    @property
    def chosen_fields(self) -> frozenset[str]:
        return DEFAULT_FIELDS if self.fields is None else frozenset(self.fields)


class Mark(_ClientMessage):
    """Labels this moment, for recordings."""

    type: Literal["mark"]
    label: Annotated[str, StringConstraints(min_length=1, max_length=LABEL_LENGTH)]
    stream: StreamName | None = None


class Assign(_ClientMessage):
    """Assigns a subject's support set to a face, or none. A face that had this set gets the other face's instead."""

    type: Literal["assign"]
    stream: StreamName
    face: Annotated[int, Field(ge=0, le=2**53)]
    subject: Annotated[str, StringConstraints(max_length=500)] | None


class Camera(_ClientMessage):
    """Makes the client the camera of a `--source browser` stream; binary messages with pictures follow."""

    type: Literal["camera"]
    stream: StreamName | None = None  # None: the first one that accepts pictures


class Record(_ClientMessage):
    """Begins a recording, or ends it. Another one begins when one is running."""

    type: Literal["record"]
    recording: bool
    session: Annotated[str, StringConstraints(max_length=100)] = ""


class Play(_ClientMessage):
    """Plays the recording on, pauses it, moves to a position, or changes the speed; what is left out stays."""

    type: Literal["play"]
    playing: bool | None = None
    position: Annotated[float, Field(ge=0, le=1e9)] | None = None  # seconds from the beginning
    speed: Annotated[float, Field(ge=0.01, le=1000)] | None = None


class History(_ClientMessage):
    """Asks for the latest messages of the subscribed streams, with the subscribed fields."""

    type: Literal["history"]
    seconds: Annotated[float, Field(gt=0, le=HISTORY_S)] = HISTORY_S


class Preview(_ClientMessage):
    """Asks for the picture of a stream, or for none."""

    type: Literal["preview"]
    stream: StreamName | None


class ThresholdChoice(_ClientMessage):
    """One threshold."""

    axis: Axis
    side: Side
    value: Annotated[float, Field(ge=-1, le=1)]
    seconds: Annotated[float, Field(ge=0.1, le=60)] = 1.0


class Thresholds(_ClientMessage):
    """Replaces all thresholds."""

    type: Literal["thresholds"]
    thresholds: Annotated[list[ThresholdChoice], Field(max_length=8)]

    @property
    def chosen(self) -> tuple[Threshold, ...]:
        return tuple(Threshold(one.axis, one.side, one.value, one.seconds) for one in self.thresholds)


Parsed = TypeVar("Parsed")

ClientMessage = (
    ClientHello | Subscribe | Mark | Assign | Camera | Record | Play | History | Preview | Thresholds
)
_CLIENT_TYPES = (
    "hello",
    "subscribe",
    "mark",
    "assign",
    "camera",
    "record",
    "play",
    "history",
    "preview",
    "thresholds",
)
_CLIENT_MESSAGE: TypeAdapter[ClientMessage] = TypeAdapter(
    Annotated[ClientMessage, Field(discriminator="type")]
)


def decode_client(data: str | bytes) -> dict[str, Any]:
    """The JSON object of one text message; raises ProtocolError `bad_json` or `bad_message`."""
    try:
        message = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ProtocolError("bad_json", "not a JSON text") from error
    if not isinstance(message, dict):
        raise ProtocolError("bad_message", "a message is a JSON object with a 'type'")
    return message


def parse_client(data: str | bytes | dict[str, Any]) -> ClientMessage:
    """One message of a client, as received or decoded; raises ProtocolError, also `unknown_type`."""
    message = data if isinstance(data, dict) else decode_client(data)
    if message.get("type") not in _CLIENT_TYPES:
        raise ProtocolError("unknown_type", f"'type' is one of {', '.join(_CLIENT_TYPES)}")
    return validated(_CLIENT_MESSAGE, message, f"'type' is one of {', '.join(_CLIENT_TYPES)}")


def validated(messages: TypeAdapter[Parsed], message: Mapping[str, Any], unknown: str) -> Parsed:
    """The message as one of those that are told apart by `type`; of an extension of the server too.

    Raises ProtocolError: `unknown_type`, which says `unknown`, or `bad_message`, which says where and what is wrong,
    without the client's own text, which may hold a token.
    """
    try:
        return messages.validate_python(dict(message))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        if first["type"] == "union_tag_invalid":
            raise ProtocolError("unknown_type", unknown) from error
        where = ".".join(str(part) for part in first["loc"][1:]) or "message"
        raise ProtocolError("bad_message", f"{where[:100]}: {first['msg'][:200]}") from error
