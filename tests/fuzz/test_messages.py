"""What clients say: every text is understood or refused with a code that can be sent back."""

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
        said = parse_client(data)
    except ProtocolError as error:
        ErrorMessage(error.code, error.message).encode()  # it goes back to who said it
        return
    if isinstance(said, Subscribe):
        streams = None if said.streams is None else tuple(said.streams)
        SubscribedMessage(streams, said.max_hz, said.chosen_fields, said.delivery).encode()
    if isinstance(said, Mark):
        MarkMessage(said.label, 1.0, said.stream).encode()


def test_damaged_messages(fuzz: Fuzz) -> None:
    assert fuzz(damaged(SAMPLES), understand)


def test_any_json(fuzz: Fuzz) -> None:
    def say(fields: Any) -> None:
        understand(json.dumps(fields))

    assert fuzz(JSON, say)


def test_any_fields_of_known_types(fuzz: Fuzz) -> None:
    def say(message: tuple[str, dict[str, Any]]) -> None:
        kind, fields = message
        understand(json.dumps({**fields, "type": kind}))

    assert fuzz(st.tuples(TYPES, st.dictionaries(NAMES | st.text(max_size=8), JSON, max_size=5)), say)


def test_any_text_and_bytes(fuzz: Fuzz) -> None:
    assert fuzz(st.text(st.characters()) | st.binary(), understand)
