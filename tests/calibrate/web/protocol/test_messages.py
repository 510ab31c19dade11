"""The messages `calibrate.*` as documents say them: schema, AsyncAPI, and recorded conversations played again."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.contract import CALIBRATE, DOCS, STREAM

from mtclar.calibrate.web.protocol import messages
from mtclar.stream.protocol.messages import ProtocolError
from tools.docs import record_calibration
from tools.docs.record_calibration import CONVERSATIONS, FOLDER
from tools.docs.record_exchanges import Line, path_of

TOLERANCE = 2e-3  # figures are round_label, and machines add up in different orders


def test_docs_show_the_schema_that_is_served() -> None:
    CALIBRATE.require_in_docs()
    text = (DOCS / "calibrate.md").read_text()
    examples = [json.loads(block.split("```")[0]) for block in text.split("```json\n")[1:]]
    assert {one["type"] for one in examples} == {
        f"calibrate.{kind}" for kind in CALIBRATE.kinds("from_server") | CALIBRATE.kinds("from_client")
    }
    for example in examples:
        from_server = example["type"].partition(".")[2] in CALIBRATE.kinds("from_server")
        (CALIBRATE.from_server if from_server else CALIBRATE.from_client).validate(example)


def test_asyncapi_names_every_message_of_the_schema_once_and_nothing_else() -> None:
    CALIBRATE.require_whole_asyncapi()


def recorded(take_down: Callable[[], list[Line]]) -> list[Line]:
    return [json.loads(line) for line in path_of(take_down, FOLDER).read_text().splitlines()]


def alike(one: Any, other: Any) -> bool:
    """The same message, as exactly as two machines calculate; an error's words may get better."""
    if isinstance(one, dict) and isinstance(other, dict):
        skipped = {"message"} if one.get("type") == "error" else set()
        return one.keys() == other.keys() and all(alike(one[key], other[key]) for key in one.keys() - skipped)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(alike, one, other))
    if isinstance(one, float) or isinstance(other, float):
        return one == pytest.approx(other, abs=TOLERANCE)
    return bool(one == other)


@pytest.mark.parametrize("take_down", CONVERSATIONS, ids=lambda one: one.__name__)
def test_played_again_it_is_the_recorded_conversation(take_down: Callable[[], list[Line]]) -> None:
    """After a change on purpose: python -m tools.docs.record_calibration --write."""
    now, then = take_down(), recorded(take_down)
    for number, (one, other) in enumerate(zip(now, then, strict=True), 1):
        assert alike(one, other), f"line {number}: {one} instead of {other}"


@pytest.mark.parametrize("take_down", CONVERSATIONS, ids=lambda one: one.__name__)
def test_every_recorded_message_obeys_its_schema(take_down: Callable[[], list[Line]]) -> None:
    lines = recorded(take_down)
    for line, following in zip(lines, [*lines[1:], {}], strict=True):
        if "server" in line:
            ours = line["server"]["type"].startswith(messages.PREFIX)
            (CALIBRATE.from_server if ours else STREAM.from_server).validate(line["server"])
        elif "client" in line:
            if following.get("server", {}).get("code") == "bad_message":
                assert not CALIBRATE.from_client.is_valid(line["client"])
                with pytest.raises(ProtocolError):
                    messages.parse(line["client"])
            else:
                CALIBRATE.from_client.validate(line["client"])
                messages.parse(line["client"])


def test_every_message_but_those_of_playback_is_recorded() -> None:
    lines = [line for take_down in CONVERSATIONS for line in recorded(take_down)]
    from_server = {line["server"]["type"] for line in lines if "server" in line}
    from_client = {line["client"]["type"] for line in lines if "client" in line}
    assert from_server >= {f"calibrate.{kind}" for kind in CALIBRATE.kinds("from_server")} | {"error"}
    played = {"play", "pause", "rate", "note", "finish"}  # in real time
    assert from_client == {f"calibrate.{kind}" for kind in CALIBRATE.kinds("from_client") - played}
    assert {path_of(one, FOLDER) for one in CONVERSATIONS} == set(FOLDER.glob("*.jsonl"))
    assert record_calibration.FOLDER.parent == DOCS / "exchanges"


@settings(max_examples=100)
@given(
    st.dictionaries(
        st.sampled_from(["type", "valence", "arousal", "number", "more"]),
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.integers()),
    )
    | st.fixed_dictionaries(
        {
            "type": st.sampled_from(
                ["calibrate.take", "calibrate.relabel", "calibrate.delete", "calibrate.no"]
            )
        },
        optional={"valence": st.floats(), "arousal": st.floats(), "number": st.integers()},
    )
)
def test_parser_and_schema_agree(message: dict[str, Any]) -> None:
    try:
        messages.parse(message)
    except ProtocolError:
        parsed = False
    else:
        parsed = True
    finite = all(np.isfinite(v) for v in message.values() if isinstance(v, float))
    numbers = all(not isinstance(message.get(key), float) for key in ("number",))
    assert parsed == (finite and numbers and CALIBRATE.from_client.is_valid(message))
