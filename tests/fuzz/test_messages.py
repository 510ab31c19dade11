"""Messages of clients: every text is understood, or refused with a code that can be sent back."""

import json
from typing import Any

from hypothesis import strategies as st

from mtclar.stream.protocol.client_messages import Mark, Subscribe, parse_client
from mtclar.stream.protocol.messages import ErrorMessage, MarkMessage, ProtocolError, SubscribedMessage

from .conftest import JSON, Fuzz, damaged

SAMPLES = [
    b'{"type": "hello", "token": "secret-token"}',
    b'{"type": "subscribe", "streams": ["cam"], "max_hz": 10, "fields": ["box", "sd"], "delivery": "latest"}',
    b'{"type": "mark", "label": "video starts", "stream": "cam"}',
    b'{"type": "camera", "stream": "browser"}',
]
NAMES = st.sampled_from(["type", "token", "streams", "max_hz", "fields", "delivery", "label", "stream"])
TYPES = st.sampled_from(["hello", "subscribe", "mark", "camera", "bye", "", "calibrate.start"])


def understand(data: str | bytes) -> None:
    try:
        message = parse_client(data)
    except ProtocolError as error:
        ErrorMessage(error.code, error.message).encode()  # it is sent back to the client
        return
    if isinstance(message, Subscribe):
        streams = None if message.streams is None else tuple(message.streams)
        SubscribedMessage(streams, message.max_hz, message.chosen_fields, message.delivery).encode()
    if isinstance(message, Mark):
        MarkMessage(message.label, 1.0, message.stream).encode()


def test_damaged_messages(fuzz: Fuzz) -> None:
    assert fuzz(damaged(SAMPLES), understand)


def test_any_json(fuzz: Fuzz) -> None:
    def send(fields: Any) -> None:
        understand(json.dumps(fields))

    assert fuzz(JSON, send)


def test_any_fields_of_known_types(fuzz: Fuzz) -> None:
    def send(kind_and_fields: tuple[str, dict[str, Any]]) -> None:
        kind, fields = kind_and_fields
        understand(json.dumps({**fields, "type": kind}))

    assert fuzz(st.tuples(TYPES, st.dictionaries(NAMES | st.text(max_size=8), JSON, max_size=5)), send)


def test_any_text_and_bytes(fuzz: Fuzz) -> None:
    assert fuzz(st.text(st.characters()) | st.binary(), understand)
