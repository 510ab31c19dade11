"""The recorded conversations of docs/protocol/exchanges obey the schema, and the server still speaks like that."""

import json
from collections.abc import Callable

import pytest
from support.contract import STREAM

from mtclar.stream.protocol.client_messages import parse_client
from mtclar.stream.protocol.messages import ProtocolError
from tools.docs import record_exchanges
from tools.docs.record_exchanges import CONVERSATIONS, Line, path_of

ALWAYS = {"hello", "affect", "status", "clock", "subscribed", "mark", "subjects", "error", "bye"}


def recorded(take_down: Callable[[], list[Line]]) -> list[Line]:
    return [json.loads(line) for line in path_of(take_down).read_text().splitlines()]


def without_words(lines: list[Line]) -> list[Line]:
    """An error's code is the contract; its words are for people, and may get better."""
    return [
        {"server": {**line["server"], "message": ""}}
        if line.get("server", {}).get("type") == "error"
        else line
        for line in lines
    ]


@pytest.mark.parametrize("take_down", CONVERSATIONS, ids=lambda one: one.__name__)
def test_played_again_it_is_the_recorded_conversation(take_down: Callable[[], list[Line]]) -> None:
    """After a change on purpose: python -m tools.docs.record_exchanges --write."""
    assert without_words(take_down()) == without_words(recorded(take_down))


@pytest.mark.parametrize("take_down", CONVERSATIONS, ids=lambda one: one.__name__)
def test_every_recorded_message_obeys_the_schema(take_down: Callable[[], list[Line]]) -> None:
    lines = recorded(take_down)
    for line, following in zip(lines, [*lines[1:], {}], strict=True):
        if "server" in line:
            STREAM.from_server.validate(line["server"])
        elif "client" in line:
            said = line["client"]
            text = said if isinstance(said, str) else json.dumps(said)
            # The schema knows shapes; which streams there are and what the token is, only the server does.
            if following["server"].get("code") in (None, "unknown_stream", "bad_token"):
                STREAM.from_client.validate(said)
                parse_client(text)
            else:
                assert isinstance(said, str) or not STREAM.from_client.is_valid(said)
                with pytest.raises(ProtocolError) as refused:
                    parse_client(text)
                assert refused.value.code == following["server"]["code"]


def test_every_usual_kind_of_message_is_recorded_and_no_file_is_left_over() -> None:
    said = {
        line["server"]["type"]
        for take_down in CONVERSATIONS
        for line in recorded(take_down)
        if "server" in line
    }
    assert said >= ALWAYS
    assert {path_of(one) for one in CONVERSATIONS} == set(record_exchanges.FOLDER.glob("*.jsonl"))
