"""What clients may say: anything else is refused with a code, and parser and schema agree."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.contract import STREAM

from mtclar.stream.protocol.client_messages import Subscribe, parse_client
from mtclar.stream.protocol.messages import ALL_FIELDS, ErrorMessage, ProtocolError


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "bad_json"),
        ("{", "bad_json"),
        ("[" * 10_000, "bad_json"),
        (b"\xff\xfe", "bad_json"),
        ("[]", "bad_message"),
        ("null", "bad_message"),
        ("{}", "unknown_type"),
        ('{"type": "affect"}', "unknown_type"),
        ('{"type": ["hello"]}', "unknown_type"),
        ('{"type": "subscribe", "max_hz": 0}', "bad_message"),
        ('{"type": "subscribe", "max_hz": "10"}', "bad_message"),
        ('{"type": "subscribe", "max_hz": NaN}', "bad_message"),
        ('{"type": "subscribe", "fields": ["no"]}', "bad_message"),
        ('{"type": "subscribe", "max_hertz": 1}', "bad_message"),
        ('{"type": "subscribe", "delivery": "some"}', "bad_message"),
        ('{"type": "mark"}', "bad_message"),
        ('{"type": "mark", "label": ""}', "bad_message"),
        ('{"type": "mark", "label": "' + "x" * 501 + '"}', "bad_message"),
    ],
)
def test_an_invalid_client_message_has_an_error_code(text: str | bytes, code: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        parse_client(text)
    assert caught.value.code == code
    STREAM.from_server.validate(json.loads(ErrorMessage(caught.value.code, caught.value.message).encode()))


def test_a_fault_does_not_repeat_the_clients_words() -> None:
    with pytest.raises(ProtocolError) as caught:
        parse_client('{"type": "hello", "token": 12345678901234}')
    assert "1234" not in caught.value.message


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda x: st.lists(x) | st.dictionaries(st.text(), x),
    )
)
def test_junk_is_refused_and_never_crashes(junk: object) -> None:
    with pytest.raises(ProtocolError):
        parse_client(json.dumps(junk))


@given(
    st.fixed_dictionaries(
        {"type": st.just("subscribe")},
        optional={
            "streams": st.none() | st.lists(st.text(min_size=1, max_size=10), max_size=4),
            "max_hz": st.none() | st.floats(0.1, 1000),
            "fields": st.none() | st.lists(st.sampled_from(sorted(ALL_FIELDS)), max_size=8),
            "delivery": st.sampled_from(["latest", "all"]),
        },
    )
)
def test_schema_and_parser_agree_on_subscribe(wish: dict[str, Any]) -> None:
    STREAM.from_client.validate(wish)
    assert isinstance(parse_client(json.dumps(wish)), Subscribe)
