"""`run` with several sources: every stream answered under its own name, as alone, by one encoder or by its own."""

import csv
import json
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from mtclar.engine.estimate import DEFAULT_SMOOTHER
from mtclar.engine.support_set import SupportSet
from mtclar.stream.pipeline import streams
from mtclar.stream.pipeline.streams import open_sources, open_streams, supports_of

Command = Callable[..., Any]


def rows(path: Path) -> dict[str, list[tuple[str, str]]]:
    """Valence and arousal by stream, in the order of frames."""
    found: dict[str, list[tuple[str, str]]] = {}
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            found.setdefault(row["stream"], []).append((row["valence"], row["arousal"]))
    return found


@pytest.mark.parametrize("wait", [(), ("--batch-wait-ms", "20")], ids=["own encoders", "one encoder"])
def test_each_stream_is_answered_as_if_it_were_alone(
    wait: tuple[str, ...], command: Command, face_clip: Path, empty_clip: Path, support: Path, tmp_path: Path
) -> None:
    common = ("--support", support, "--port", "0", "--no-live", "--backend", "onnxruntime")
    assert command("run", "-s", face_clip, *common, "--csv", tmp_path / "alone.csv").code == 0
    done = command(
        "run", "-s", face_clip, "-s", face_clip, "-s", empty_clip, *common, *wait,
        "--csv", tmp_path / "many.csv", "--summary-json", tmp_path / "many.json",
    )  # fmt: skip
    assert done.code == 0, done.err
    alone, many = rows(tmp_path / "alone.csv"), rows(tmp_path / "many.csv")
    assert set(many) == {"face", "face-2", "empty"}
    for name in ("face", "face-2"):
        assert len(many[name]) == len(alone["face"])
        for (valence, arousal), (expected_v, expected_a) in zip(many[name], alone["face"], strict=True):
            assert float(valence) == pytest.approx(float(expected_v), abs=1e-3)
            assert float(arousal) == pytest.approx(float(expected_a), abs=1e-3)
    assert set(many["empty"]) == {("", "")}
    summary = json.loads((tmp_path / "many.json").read_text())
    assert summary["frames"] == sum(map(len, many.values()))
    assert summary["dropped"] == 0
    assert summary["stopped"] is False
    assert done.out.count("Source     ") == 3
    for told_apart in (f"{face_clip.name} (face)", f"{face_clip.name} (face-2)"):
        assert told_apart in done.out


def test_one_encoder_really_answers_several_streams_at_once(
    face_clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[streams.Batcher] = []

    class Noted(streams.Batcher):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            made.append(self)

    monkeypatch.setattr(streams, "Batcher", Noted)
    with ExitStack() as stack:
        sources = open_sources(stack, [str(face_clip), str(face_clip)])
        followed = open_streams(
            stack, sources, [], backend="onnxruntime", threads=1, smoother=DEFAULT_SMOOTHER, max_faces=1,
            batch_wait_ms=5.0, progress=print,
        )  # fmt: skip
        frames = [next(iter(stream.source.frames())) for stream in followed]
        for stream, frame in zip(followed, frames, strict=True):
            assert stream.tracker(frame)
    (batcher,) = made
    assert batcher.counts.by_stream == {"face": 1, "face-2": 1}


def test_nothing_is_batched_without_a_card_or_a_wait(
    face_clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("shared on the CPU, where each stream has a core of its own to win")

    monkeypatch.setattr(streams, "Batcher", refuse)
    monkeypatch.setattr("mtclar.engine.backends.session.has_nvidia_driver", lambda: False)
    with ExitStack() as stack:
        sources = open_sources(stack, [str(face_clip), str(face_clip)])
        open_streams(
            stack, sources, [], backend="auto", threads=1, smoother=DEFAULT_SMOOTHER, max_faces=1,
            batch_wait_ms=None, progress=print,
        )  # fmt: skip


def test_support_sets_go_to_their_streams_or_to_all(support: Path) -> None:
    anna = SupportSet.load(support)
    ben = anna.without(0)
    assert [supports_of(i, 2, [anna, ben]) for i in (0, 1)] == [[anna], [ben]]
    assert supports_of(1, 2, [anna]) == [anna]
    assert supports_of(0, 1, [anna]) == [anna]
    assert supports_of(2, 3, [anna, ben]) == [anna, ben]
    assert supports_of(0, 3, []) == []


def test_a_source_that_cannot_be_opened_refuses_the_whole_run(
    command: Command, face_clip: Path, tmp_path: Path
) -> None:
    done = command("run", "-s", face_clip, "-s", "/no/clip.mp4", "--port", "0", "--csv", tmp_path / "x.csv")
    assert done.code == 2
    assert "there is no file /no/clip.mp4" in done.err
    assert not (tmp_path / "x.csv").exists()
