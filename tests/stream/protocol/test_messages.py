"""What the server says: each validated against the schema, latencies that add up, the contract as documented."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.contract import DOCS, STREAM

from mtclar.engine.data_types import BLENDSHAPES, Affect, Estimate
from mtclar.stream.protocol import messages
from mtclar.stream.protocol.client_messages import parse_client
from mtclar.stream.protocol.messages import (
    ALL_FIELDS,
    DEFAULT_FIELDS,
    AffectMessage,
    AssignedMessage,
    ByeMessage,
    CameraReadyMessage,
    ClockMessage,
    ClockReading,
    ErrorMessage,
    FrameTakenMessage,
    Hello,
    LatencyMs,
    MarkMessage,
    ModelInfo,
    PlaybackMessage,
    RecordedMark,
    RecordingMessage,
    StatusMessage,
    StreamInfo,
    SubjectInfo,
    SubjectsMessage,
    SubscribedMessage,
)


def check(data: bytes) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(data)
    STREAM.from_server.validate(message)
    return message


@pytest.mark.parametrize(
    "data",
    [
        Hello((), session="s", clock=ClockReading(1.0, 2.0)).encode(),
        Hello(
            (StreamInfo("c", "c", True, None, None, "latest", (SubjectInfo("anna", 1, ((0.5, -0.25),)),)),),
            ModelInfo("encoder", "ab", "onnxruntime"),
            session="s",
        ).encode(),
        StatusMessage("cam", "live").encode(),
        ClockMessage(1.0, 2.0).encode(),
        StatusMessage("cam", "reconnecting", 1.5, "no picture for 2 s", 3).encode(),
        ErrorMessage("bad_json", "not a JSON text").encode(),
        SubscribedMessage(None, None, DEFAULT_FIELDS, "latest").encode(),
        SubscribedMessage(("cam",), 10.0, frozenset(), "all").encode(),
        MarkMessage("starts", 12.5).encode(),
        RecordingMessage(False).encode(),
        RecordingMessage(True, "P07", 12.5, video=True).encode(),
        PlaybackMessage(True, 12.5, 1.0, 60.0, (RecordedMark("trial 1", 30.0),)).encode(),
        AssignedMessage("cam", 3, "anna").encode(),
        AssignedMessage("cam", 3, None).encode(),
        SubjectsMessage("cam", 7, ()).encode(),
        SubjectsMessage("cam", 7, (SubjectInfo("anna", 1, ((0.5, -0.25),)),)).encode(),
        CameraReadyMessage("browser", 0, 2**21).encode(),
        FrameTakenMessage("browser", 3, 1.5, 1.75).encode(),
        ByeMessage("ended", "the file has ended").encode(),
    ],
)
def test_every_kind_of_message_obeys_the_schema(data: bytes) -> None:
    check(data)


@given(choices=st.sets(st.frozensets(st.sampled_from(sorted(ALL_FIELDS))), max_size=20))
def test_many_choices_of_fields_at_once_are_each_as_if_alone(choices: set[frozenset[str]]) -> None:
    raw = Estimate(0.3, -0.2, 0.05, 0.06, np.array([0.2, 0.9], np.float32), 1, True, (0.2, -0.1))
    faces = tuple(
        Affect(n, "anna", "ok", (1.0, 2.0, 3.0, 4.0), (1.0, 2.0, 3.0), 0.25, -0.5, 0.05, 0.06, estimate, ())
        for n, estimate in enumerate((raw, None))
    )
    message = AffectMessage(
        "cam", 1, 2, 3.5, "arrival", 0.04, (640, 480), LatencyMs(0.1, 3.2, 4.1), 0, faces, (0.1, 0.2)
    )
    encoded = message.encode_each(choices)
    assert encoded == {fields: message.encode(fields) for fields in choices}
    for fields, data in encoded.items():
        assert all(set(face) & ALL_FIELDS == fields for face in check(data)["faces"])


@pytest.mark.parametrize("fields", [DEFAULT_FIELDS, ALL_FIELDS, frozenset(), frozenset({"sd"})])
def test_a_face_has_the_fields_that_were_asked_for(
    fields: frozenset[str], make_message: Callable[..., AffectMessage]
) -> None:
    message = check(make_message(faces=2).encode(fields))
    always = {"id", "subject", "state", "valence", "arousal", "calibrated"}
    for face in message["faces"]:
        assert set(face) == always | fields


def test_boxes_are_x_y_width_height_and_floats_are_short(make_message: Callable[..., AffectMessage]) -> None:
    text = make_message(t_s=1.23456789).encode(ALL_FIELDS).decode()
    message = check(text.encode())
    assert message["faces"][0]["box"] == [10.0, 20.0, 100.0, 120.0]
    assert message["faces"][0]["nearest_similarity"] == 0.9
    assert message["faces"][0]["similarity"] == [0.2, 0.9]
    assert "1.2346" in text


def test_blendshapes_come_by_name_and_only_when_asked_for(make_message: Callable[..., AffectMessage]) -> None:
    message = make_message()
    shapes = np.linspace(0, 1, 52).astype(np.float32)
    message = replace(message, faces=(replace(message.faces[0], blendshapes=shapes), *message.faces[1:]))
    assert "blendshapes" not in check(message.encode(DEFAULT_FIELDS))["faces"][0]
    by_name = check(message.encode(ALL_FIELDS))["faces"][0]["blendshapes"]
    assert list(by_name) == list(BLENDSHAPES)
    assert list(by_name.values()) == pytest.approx(shapes, abs=1e-4)
    assert check(make_message().encode(ALL_FIELDS))["faces"][0]["blendshapes"] is None


def test_a_face_that_was_never_measured_has_nulls() -> None:
    face = Affect(1, None, "lost", (0.0, 0.0, 1.0, 1.0), None, None, None, None, None, None, ("unseen",))
    message = AffectMessage(
        "c", 0, 0, 0.0, "file", 0.0, (16, 16), LatencyMs(0, 0, 0), 0, (face,), (0.5, -0.5)
    )
    said = check(message.encode(ALL_FIELDS))
    assert said["truth"] == [0.5, -0.5]
    assert (
        said["faces"][0] | {"valence": None, "sd": None, "raw": None, "in_support": None} == said["faces"][0]
    )
    assert said["faces"][0]["similarity"] == []


@given(*[st.floats(0, 1e5)] * 3)
def test_the_latency_parts_add_up_on_the_wire(queue: float, track: float, estimate: float) -> None:
    face = AffectMessage("c", 0, 0, 0.0, "file", 0.0, (1, 1), LatencyMs(queue, track, estimate), 0, ())
    parts = check(face.encode())["latency_ms"]
    assert parts["total"] == round(parts["queue"] + parts["track"] + parts["estimate"], 4)


def test_a_value_that_is_not_a_number_is_an_error_and_never_sent(
    make_message: Callable[..., AffectMessage],
) -> None:
    with pytest.raises(ValueError, match="JSON"):
        make_message(t_s=float("nan")).encode()


def test_numpy_numbers_are_written_like_pythons() -> None:
    inside, none = np.bool_(False), np.zeros(0, np.float32)
    raw = Estimate(np.float32(0.1), np.float32(0.2), 0.1, 0.1, none, None, inside, (0.1, 0.2))  # type: ignore[arg-type]
    box = tuple(np.array([1, 2, 3, 5], np.float32))
    face = Affect(np.int64(3), "a", "ok", box, None, np.float32(0.25), 0.5, 0.1, 0.1, raw, ())  # type: ignore[arg-type]
    message = AffectMessage("c", 0, 0, 0.0, "file", 0.0, (1, 1), LatencyMs(0, 0, 0), 0, (face,))
    assert check(message.encode())["faces"][0]["raw"] == [0.1, 0.2]


def test_the_examples_of_the_protocol_page_obey_the_schema() -> None:
    blocks = (DOCS / "README.md").read_text().split("```json\n")[1:]
    examples = [json.loads(block.split("```")[0]) for block in blocks]
    client_side = {"subscribe", "camera", "assign", "record", "play", "preview"}
    assert {e["type"] for e in examples} >= {
        "hello",
        "affect",
        "status",
        "clock",
        "subscribed",
        "mark",
        "error",
        "bye",
        "subscribe",
        "camera",
        "camera_ready",
        "frame_taken",
        "assign",
        "assigned",
        "subjects",
        "recording",
        "record",
        "play",
        "playback",
    }
    for example in examples:
        if (
            example["type"] in client_side
            or "token" in example
            or (example["type"] == "mark" and "t" not in example)
            or example.keys() == {"type", "seconds"}
        ):
            STREAM.from_client.validate(example)
            parse_client(json.dumps(example))
        else:
            STREAM.from_server.validate(example)


def test_docs_show_the_schema_that_is_served() -> None:
    STREAM.require_in_docs()


def test_asyncapi_names_every_message_of_the_schema_once_and_nothing_else() -> None:
    STREAM.require_whole_asyncapi()
    description = STREAM.asyncapi["channels"]["stream"]["description"]
    assert description.startswith(f"Sub-protocol {messages.PROTOCOL}")
