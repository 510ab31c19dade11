"""Decodes the server's messages for clients: JSON objects into the dataclasses that the server encodes."""

from dataclasses import fields, is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from mtclar.stream.protocol.events import EventMessage, HistoryMessage, ThresholdsMessage
from mtclar.stream.protocol.messages import (
    AssignedMessage,
    ByeMessage,
    CameraReadyMessage,
    ClockMessage,
    ErrorMessage,
    FrameTakenMessage,
    Hello,
    MarkMessage,
    PlaybackMessage,
    ReceivedAffect,
    RecordingMessage,
    StatusMessage,
    SubjectsMessage,
    SubscribedMessage,
)

ServerMessage = (
    Hello
    | ReceivedAffect
    | StatusMessage
    | ClockMessage
    | SubscribedMessage
    | MarkMessage
    | AssignedMessage
    | SubjectsMessage
    | RecordingMessage
    | PlaybackMessage
    | ThresholdsMessage
    | EventMessage
    | HistoryMessage
    | CameraReadyMessage
    | FrameTakenMessage
    | ErrorMessage
    | ByeMessage
)
SERVER_TYPES: dict[str, type[ServerMessage]] = {kind.type: kind for kind in get_args(ServerMessage)}


def decode_server(message: dict[str, Any]) -> ServerMessage | None:
    """The message of a JSON object; unknown fields are ignored, and None is an unknown type.

    Raises ValueError when a field is missing or has another shape.
    """
    kind = SERVER_TYPES.get(message.get("type", ""))
    if kind is None:
        return None
    try:
        decoded: ServerMessage = _decode(kind, message)
    except (TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"a message '{kind.type}' has another shape than in mtclar.v1") from error
    return decoded


def _decode(kind: Any, value: Any) -> Any:
    """`value` of JSON as `kind`; null stays None, whatever the kind."""
    if value is None:
        return None
    if get_origin(kind) in (Union, UnionType):
        (kind,) = (one for one in get_args(kind) if one is not NoneType)
    if is_dataclass(kind):
        make: Any = kind
        return make(
            **{name: _decode(inner, value[wire]) for name, wire, inner in _fields(make) if wire in value}
        )
    if get_origin(kind) is tuple:
        inner, *others = get_args(kind)
        if others != [...] and len(value) != 1 + len(others):
            raise ValueError(f"{len(value)} values in place of {1 + len(others)}")
        return tuple(_decode(inner, item) for item in value)  # all items of our tuples have one type
    if get_origin(kind) is frozenset:
        return frozenset(value)
    return float(value) if kind is float else value


@cache
def _fields(kind: Any) -> list[tuple[str, str, Any]]:
    """The name, the name in JSON and the type of each field of a dataclass."""
    hints = get_type_hints(kind)
    return [(one.name, one.metadata.get("wire", one.name), hints[one.name]) for one in fields(kind)]
