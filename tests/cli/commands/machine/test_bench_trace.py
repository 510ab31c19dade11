"""`bench --trace` writes the way of each frame through the threads, as Perfetto and Chrome read it."""

import json
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mtclar.cli.benchmark import trace

Command = Callable[..., Any]
WAY = (
    "put",
    "landmarks",
    "align",
    "encode",
    "compare",
    "smooth",
    "serialise",
    "send",
)  # of every frame, in this order
ALSO = ("read", "decode", "convert", "detect", "find", "estimate", "deliver")
INSIDE = {
    "decode": "read",
    "convert": "read",
    "detect": "find",
    "landmarks": "find",
    "align": "find",
    "encode": "estimate",
    "compare": "estimate",
    "smooth": "estimate",
    "serialise": "deliver",
}
ROUNDING_US = 0.01  # of microseconds as floats


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    from mtclar.cli.benchmark import end_to_end
    from mtclar.cli.benchmark.material import Material

    path = tmp_path_factory.mktemp("trace") / "trace.json"
    end_to_end.trace(Material.prepare(None, None), "onnxruntime", 1, 1.5, path)
    content = json.loads(path.read_text())
    assert trace.is_trace(path)
    return list(content["traceEvents"])


def pieces(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [event for event in events if event["ph"] == "X"]


def test_every_step_is_there_on_a_named_thread(events: list[dict[str, Any]]) -> None:
    threads = {event["tid"]: event["args"]["name"] for event in events if event["ph"] == "M"}
    by_name = defaultdict(set)
    for piece in pieces(events):
        assert piece["dur"] >= 0
        by_name[piece["name"]].add(threads[piece["tid"]].partition("-")[0])
    assert set(by_name) >= {*WAY, *ALSO}
    assert by_name["read"] == by_name["decode"] == {"source"}
    assert by_name["landmarks"] == by_name["encode"] == by_name["serialise"] == {"worker"}
    assert by_name["send"] == {"server"}


def test_pieces_of_a_thread_nest(events: list[dict[str, Any]]) -> None:
    by_thread = defaultdict(list)
    for piece in pieces(events):
        by_thread[piece["tid"]].append(piece)
    for own in by_thread.values():
        own.sort(key=lambda piece: (piece["ts"], -piece["dur"]))
        open_pieces: list[dict[str, Any]] = []
        for piece in own:
            while open_pieces and piece["ts"] >= end(open_pieces[-1]) - ROUNDING_US:
                open_pieces.pop()
            if open_pieces:
                assert end(piece) <= end(open_pieces[-1]) + ROUNDING_US, (piece, open_pieces[-1])
            if piece["name"] in INSIDE:
                assert INSIDE[piece["name"]] in {outer["name"] for outer in open_pieces}, piece
            open_pieces.append(piece)


def test_the_way_of_one_frame_can_be_followed(events: list[dict[str, Any]]) -> None:
    by_frame = defaultdict(list)
    for piece in pieces(events):
        if "frame" in piece.get("args", {}) and piece["name"] in WAY:
            by_frame[piece["args"]["frame"]].append(piece)
    ways = [
        [piece["name"] for piece in sorted(own, key=lambda piece: piece["ts"])] for own in by_frame.values()
    ]
    whole = [way for way in ways if tuple(way) == WAY]
    assert (
        len(whole) > len(ways) / 2
    )  # others were replaced by a newer frame, or saw the face for the first time
    flows = defaultdict(list)
    for event in events:
        if event["ph"] in "stf":
            flows[event["id"]].append(event["ph"])
    assert flows
    for phases in flows.values():
        assert phases[0] == "s"
        assert phases.count("f") <= 1


def test_only_a_trace_is_overwritten_and_nothing_else_is_measured(command: Command, tmp_path: Path) -> None:
    kept = tmp_path / "notes.json"
    kept.write_text("[1]")
    refused = command("bench", "--trace", kept)
    assert refused.code == 2
    assert "only an earlier trace is overwritten" in refused.err
    assert kept.read_text() == "[1]"
    both = command("bench", "--trace", tmp_path / "t.json", "--json", tmp_path / "b.json")
    assert both.code == 2
    assert "--trace cannot be combined" in both.err


def end(piece: dict[str, Any]) -> float:
    return float(piece["ts"] + piece["dur"])
