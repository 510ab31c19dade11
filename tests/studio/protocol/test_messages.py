"""The messages `studio.*` as documents say them: the schema that is served, and the page that explains them."""

import re

import pytest
from support.contract import DOCS, STUDIO

from mtclar.stream.protocol.messages import ProtocolError
from mtclar.studio.protocol import messages

GOOD = (
    {"type": "studio.join"},
    {"type": "studio.start", "source": "demo"},
    {"type": "studio.start", "source": "browser", "participants": ["anna", "ben"]},
    {"type": "studio.export", "session": "first", "to": "elan"},
    {"type": "studio.browse"},
    {"type": "studio.analyse", "file": "/trial.mp4", "participant": None},
    {"type": "studio.phone", "origin": "https://192.168.1.20:8765"},
)
BAD = (
    {"type": "studio.start"},
    {"type": "studio.start", "source": ""},
    {"type": "studio.start", "source": "demo", "participants": ["anna"] * 9},
    {"type": "studio.export", "session": "first", "to": "pdf"},
    {"type": "studio.stop", "now": True},
    {"type": "studio.phone", "origin": "https://127.0.0.1/#token"},
)


def test_docs_show_the_schema_that_is_served_and_every_message() -> None:
    STUDIO.require_in_docs()
    named = set(re.findall(r"`(\w+)`", (DOCS / "studio.md").read_text()))
    for side in ("from_client", "from_server"):
        assert {kind.removesuffix("_told") for kind in STUDIO.kinds(side)} <= named


def test_asyncapi_names_every_message_of_the_schema_once_and_nothing_else() -> None:
    STUDIO.require_whole_asyncapi()


@pytest.mark.parametrize("message", GOOD, ids=str)
def test_a_good_message_is_parsed_as_the_schema_says(message: dict[str, object]) -> None:
    STUDIO.from_client.validate(message)
    assert messages.parse(message).type == message["type"]


@pytest.mark.parametrize("message", BAD, ids=str)
def test_a_bad_message_is_refused_as_the_schema_says(message: dict[str, object]) -> None:
    assert not STUDIO.from_client.is_valid(message)
    with pytest.raises(ProtocolError) as refused:
        messages.parse(message)
    assert refused.value.code == "bad_message"


def test_an_unknown_message_is_named_as_such() -> None:
    with pytest.raises(ProtocolError) as refused:
        messages.parse({"type": "studio.format"})
    assert refused.value.code == "unknown_type"
