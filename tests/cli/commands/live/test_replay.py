"""`replay` in a process of its own, as a user starts it: its clients, its end, what it refuses."""

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import connect

pytest.importorskip("pyarrow", reason="pyarrow is not installed; `make setup` brings it")

from support.recordings import FRAMES

Command = Callable[..., Any]
Start = Callable[..., Any]


def test_a_client_gets_the_whole_recording(process: Start, recording: Path) -> None:
    running = process("replay", recording.parent, "--port", "0", "--speed", "20", "--wait")
    url = running.read_until("Websocket").split()[1]
    with connect(url, proxy=None, open_timeout=60) as client:
        client.send(json.dumps({"type": "subscribe", "delivery": "all"}))
        messages = [json.loads(text) for text in client]
    assert messages[0]["type"] == "hello"
    assert messages[-1] == {"type": "bye", "code": "ended", "reason": "the recording has ended"}
    frames = [
        message["seq"] for message in messages if message["type"] == "affect" and message["stream"] == "cam"
    ]
    assert frames == list(range(FRAMES))
    done = running.end()
    assert done.code == 0, done.out
    assert f"{2 * FRAMES} frames sent." in done.out
    assert "(P07)" in done.out


def test_a_signal_ends_it(process: Start, recording: Path) -> None:
    running = process("replay", recording, "--port", "0", "--wait")
    running.read_until("Websocket")
    running.send(signal.SIGTERM)
    done = running.end()
    assert done.code == 0, done.out
    assert "0 frames sent. Stopped." in done.out


def test_with_stay_it_is_there_after_the_end(process: Start, recording: Path) -> None:
    running = process("replay", recording, "--port", "0", "--speed", "1000", "--stay")
    url = running.read_until("Websocket").split()[1]
    with connect(url, proxy=None, open_timeout=60) as client:
        told = {}
        while told.get("type") != "playback" or told["playing"]:
            told = json.loads(client.recv(60))
    assert told["position"] == told["length"]
    running.send(signal.SIGINT)
    done = running.end()
    assert done.code == 0, done.out
    assert f"{2 * FRAMES} frames sent. Stopped." in done.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "there is no recording nowhere"),
        (["{recording}", "--start", "1:x"], "--start 1:x: this is no time"),
        (["{recording}", "--start", "0:01:00"], "ends before 60 s"),
        (["{recording}", "--host", "0.0.0.0"], "token"),
    ],
)
def test_what_cannot_be_replayed_is_refused(
    command: Command, recording: Path, arguments: list[str], message: str
) -> None:
    done = command("replay", *(one.format(recording=recording) for one in arguments), "--port", "0")
    assert done.code == 2
    assert message in done.err
