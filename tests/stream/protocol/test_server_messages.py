"""What clients decode: every message of the schema, into dataclasses with the schema's fields, ignoring what is new."""

import json
from dataclasses import MISSING, fields
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest
from support.contract import STREAM

from mtclar.stream.protocol.face import Face
from mtclar.stream.protocol.messages import ALL_FIELDS, ReceivedAffect, StatusMessage
from mtclar.stream.protocol.server_messages import SERVER_TYPES, decode_server

EXCHANGES = Path(__file__).parents[3] / "docs" / "protocol" / "exchanges"
DEFINITIONS = STREAM.schema["$defs"]
OF_SERVER = [DEFINITIONS[one["$ref"].split("/")[-1]] for one in DEFINITIONS["from_server"]["oneOf"]]
NUMBERS = {"integer": int, "number": float, "string": str, "boolean": bool}


def name_of(schema: dict[str, Any]) -> str:
    return str(schema["properties"]["type"]["const"])


def test_there_is_a_class_for_every_type() -> None:
    assert {name_of(schema) for schema in OF_SERVER} == set(SERVER_TYPES)


@pytest.mark.parametrize("schema", OF_SERVER, ids=name_of)
def test_a_class_has_the_fields_and_types_of_the_schema(schema: dict[str, Any]) -> None:
    check_class(SERVER_TYPES[name_of(schema)], schema, ignored={"type", "protocol"})


def check_class(kind: Any, schema: dict[str, Any], ignored: set[str]) -> None:
    """`ignored`: what the server always says, a sum that a property adds up, and the type of a message in a message."""
    hints = get_type_hints(kind)
    by_wire = {one.metadata.get("wire", one.name): one for one in fields(kind)}
    assert set(by_wire) == set(schema["properties"]) - ignored
    for wire, one in by_wire.items():
        check_type(hints[one.name], schema["properties"][wire], f"{kind.__name__}.{one.name}")
        if one.default is MISSING:
            assert wire in schema["required"], f"{kind.__name__}.{one.name} needs a default"


def check_type(hint: Any, schema: dict[str, Any], where: str) -> None:
    if "$ref" in schema:
        schema = DEFINITIONS[schema["$ref"].split("/")[-1]]
    if isinstance(hint, UnionType):
        (hint,) = (one for one in get_args(hint) if one is not NoneType)
    alternatives = [one for one in schema.get("oneOf", [schema]) if one.get("type") != "null"]
    (schema,) = alternatives
    if "$ref" in schema:
        schema = DEFINITIONS[schema["$ref"].split("/")[-1]]
    if "enum" in schema:
        if get_origin(hint) is Literal:
            assert set(get_args(hint)) == set(schema["enum"]), where
        else:
            assert hint is str, where
    elif schema["type"] == "array":
        inner, *others = get_args(hint)
        check_type(inner, schema["items"], where)
        assert schema.get("minItems", 0) in (0, 1 + len(others)), where
    elif schema["type"] == "object" and "properties" in schema:
        check_class(hint, schema, ignored={"total", "type"})
    elif schema["type"] == "object":
        assert hint == dict[str, float], where
    else:
        assert hint is NUMBERS[schema["type"]], where


def test_the_fields_that_can_be_chosen_are_those_that_a_face_may_lack() -> None:
    assert {one.name for one in fields(Face) if one.default is not MISSING} == ALL_FIELDS


@pytest.mark.parametrize("path", sorted(EXCHANGES.glob("*.jsonl")), ids=lambda path: path.stem)
def test_every_recorded_message_is_decoded(path: Path) -> None:
    said = [json.loads(line).get("server") for line in path.read_text().splitlines()]
    for message in filter(None, said):
        decoded = decode_server(message)
        assert decoded is not None
        assert decoded.type == message["type"]
        for name in ("stream", "reason", "code", "seq", "size"):
            if name in message:
                value = getattr(decoded, name)
                assert (list(value) if isinstance(value, tuple) else value) == message[name]


def test_unknown_fields_and_types_are_ignored() -> None:
    message = {"type": "status", "stream": "cam", "state": "live", "mood": {"good": True}}
    assert decode_server(message) == StatusMessage("cam", "live")
    assert decode_server({"type": "weather"}) is None
    assert decode_server({}) is None


@pytest.mark.parametrize(
    "change",
    [{"stream": MISSING}, {"size": [1]}, {"size": 7}, {"faces": {"id": 1}}, {"faces": [7]}, {"pts": "soon"}],
    ids=["no stream", "one size", "a size", "an object of faces", "a number for a face", "words for pts"],
)
def test_another_shape_is_an_error_that_names_the_message(change: dict[str, Any]) -> None:
    lines = (EXCHANGES / "ordinary.jsonl").read_text().splitlines()
    (message, *_) = (
        one for line in lines if (one := json.loads(line).get("server", {})).get("type") == "affect"
    )
    assert isinstance(decode_server(message), ReceivedAffect)
    damaged = {name: value for name, value in {**message, **change}.items() if value is not MISSING}
    with pytest.raises(ValueError, match="'affect' has another shape"):
        decode_server(damaged)
