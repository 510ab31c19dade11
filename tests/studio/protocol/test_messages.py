"""The messages `studio.*` as documents say them: the schema that is served, and the page that explains them."""

import json
import re
from pathlib import Path

import jsonschema
import pytest
import yaml

from mtclar.stream.protocol.messages import ProtocolError
from mtclar.studio.protocol import messages

DOCS = Path(__file__).parents[3] / "docs" / "protocol"
SCHEMA = json.loads(messages.schema())
FROM_PAGE = jsonschema.Draft202012Validator({"$defs": SCHEMA["$defs"], "$ref": "#/$defs/from_client"})
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


def kinds(side: str) -> set[str]:
    return {one["$ref"].rpartition("/")[2] for one in SCHEMA["$defs"][side]["oneOf"]}


def test_docs_show_the_schema_that_is_served_and_every_message() -> None:
    assert json.loads((DOCS / messages.SCHEMA_FILE).read_text()) == SCHEMA
    named = set(re.findall(r"`(\w+)`", (DOCS / "studio.md").read_text()))
    for side in ("from_client", "from_server"):
        assert {kind.removesuffix("_told") for kind in kinds(side)} <= named


def test_asyncapi_names_every_message_of_the_schema_once_and_nothing_else() -> None:
    """A generator that reads it must find both directions whole, and no reference may lead nowhere."""
    asyncapi = yaml.safe_load((DOCS / messages.ASYNCAPI_FILE).read_text())
    assert asyncapi == yaml.safe_load(messages.asyncapi())
    described_messages = asyncapi["components"]["messages"]
    assert set(asyncapi["channels"]["stream"]["messages"]) == set(described_messages)
    for operation, side, more in (("receive", "from_server", {"error"}), ("say", "from_client", set())):
        named = [ref["$ref"].rpartition("/")[2] for ref in asyncapi["operations"][operation]["messages"]]
        assert sorted(named) == sorted(kinds(side) | more)
    for name, message in described_messages.items():
        file, _, place = message["payload"]["$ref"].partition("#/$defs/")
        described = json.loads((DOCS / file).read_text())["$defs"][place]
        assert described["properties"]["type"]["const"] == message.get("name", name)


@pytest.mark.parametrize("message", GOOD, ids=str)
def test_a_good_message_is_parsed_as_the_schema_says(message: dict[str, object]) -> None:
    FROM_PAGE.validate(message)
    assert messages.parse(message).type == message["type"]


@pytest.mark.parametrize("message", BAD, ids=str)
def test_a_bad_message_is_refused_as_the_schema_says(message: dict[str, object]) -> None:
    assert not FROM_PAGE.is_valid(message)
    with pytest.raises(ProtocolError) as refused:
        messages.parse(message)
    assert refused.value.code == "bad_message"


def test_an_unknown_message_is_named_as_such() -> None:
    with pytest.raises(ProtocolError) as refused:
        messages.parse({"type": "studio.format"})
    assert refused.value.code == "unknown_type"
