"""A client assigns subjects to faces during `run`: the values change, and all clients are informed."""

import json
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.command_line import PATIENCE_S, Process
from support.media.video_clips import encode, face_pictures
from websockets.sync.client import ClientConnection, connect

from mtclar.engine.data_types import Encoded
from mtclar.engine.support_set import SupportSet
from mtclar.engine.tracker import Tracker
from mtclar.stream.sources import open_source

Start = Callable[..., Process]


def calibrated(path: Path, picture: Path, subject: str, label: tuple[float, float]) -> Path:
    """The face of a clip under one label, several frames of it."""
    with Tracker.open(max_faces=1) as tracker:
        source = open_source(str(picture))
        crops = [tracker.find(frame).crops[0] for frame, _ in zip(source.frames(), range(6), strict=False)]
        source.close()
        seen: Encoded = tracker.encode(crops)
        SupportSet.from_encoded(
            seen,
            np.tile(np.array([label], np.float32), (len(crops), 1)),
            subject=subject,
            encoder=tracker.identity,
        ).save(path)
    return path


@pytest.fixture(scope="module")
def two_for_long(clips: Path) -> Path:
    return encode(clips / "two-long.mp4", face_pictures(10, (640, 320), faces=2) * 75)


def until(client: ClientConnection, fits: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The first message that fits."""
    end_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < end_s:
        message: dict[str, Any] = json.loads(client.recv(PATIENCE_S))
        if fits(message):
            return message
    raise AssertionError("waited in vain")


def by_subject(message: dict[str, Any]) -> dict[str | None, int]:
    return {face["subject"]: face["id"] for face in message.get("faces", ())}


def test_two_people_are_exchanged_by_hand(
    process: Start, two_for_long: Path, face_clip: Path, tmp_path: Path
) -> None:
    anna = calibrated(tmp_path / "anna.mtclar", face_clip, "anna", (0.9, 0.9))
    ben = calibrated(tmp_path / "ben.mtclar", face_clip, "ben", (-0.9, -0.9))
    running = process(
        "run", "--source", two_for_long, "--freshness", "paced", "--port", "0", "--no-live",
        "--smoother", "none", "--support", anna, "--support", ben,
    )  # fmt: skip
    told = running.read_until("Subjects of new faces")
    assert "anna, ben" in told
    url = running.read_until("Websocket").split()[1]
    with connect(url, proxy=None, open_timeout=10) as client, connect(url, proxy=None) as other:
        stream = until(client, lambda m: m["type"] == "hello")["streams"][0]["stream"]
        before = until(client, lambda m: set(by_subject(m)) == {"anna", "ben"})
        ids = by_subject(before)
        left = min(before["faces"], key=lambda face: face["box"][0])
        assert left["subject"] == "anna"
        assert left["valence"] > 0

        client.send(json.dumps({"type": "assign", "stream": stream, "face": ids["anna"], "subject": "ben"}))
        expected = {"type": "assigned", "stream": stream, "face": ids["anna"], "subject": "ben"}
        assert until(client, lambda m: m["type"] == "assigned") == expected
        assert until(other, lambda m: m["type"] == "assigned") == expected
        after = until(client, lambda m: by_subject(m) == {"ben": ids["anna"], "anna": ids["ben"]})
        values = {face["subject"]: face["valence"] for face in after["faces"]}
        assert values["anna"] > 0 > values["ben"]

        client.send(json.dumps({"type": "assign", "stream": stream, "face": ids["anna"], "subject": None}))
        until(client, lambda m: by_subject(m) == {None: ids["anna"], "anna": ids["ben"]})

        for wrong, code, says in (
            ({"face": 77, "subject": "anna"}, "cannot_assign", "there is no face 77"),
            ({"face": 0, "subject": "carl"}, "cannot_assign", "there is no support set of 'carl'"),
            ({"face": 0, "subject": "anna", "stream": "attic"}, "unknown_stream", "attic"),
            ({"face": -1, "subject": "anna"}, "bad_message", "face"),
            ({"face": "0", "subject": "anna"}, "bad_message", "face"),
            ({"face": 0}, "bad_message", "subject"),
        ):
            client.send(json.dumps({"type": "assign", "stream": stream, **wrong}))
            error = until(client, lambda m: m["type"] == "error")
            assert (error["code"], says in error["message"]) == (code, True)
    running.send(signal.SIGINT)
    assert running.end().code == 0
