"""AFEW-VA in miniature: clips in order, labels over ten, boxes from landmarks, splits by actor, broken files."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.media.pictures import level_of, write_picture

from mtclar.engine.errors import UsageError
from mtclar.train.data import afew_va
from mtclar.train.data.labelled import DatasetError


def write_clip(root: Path, number: int, actor: str, frames: int = 3, changes: Any = None) -> Path:
    """Frame i: grey level 10 i, valence i, arousal -i, landmarks from (i, 2 i) on over 67 and 134 pixels."""
    folder = root / f"{number:03d}"
    described = {}
    for i in range(frames):
        write_picture(folder / f"{i:05d}.png", 10 * i)
        landmarks = [[i + n, 2 * (i + n)] for n in range(68)]
        described[f"{i:05d}"] = {"valence": float(i), "arousal": -i, "landmarks": landmarks}
    content = {"actor": actor, "video_id": f"{number:03d}", "frames": described} | (changes or {})
    (folder / f"{number:03d}.json").write_text(json.dumps(content))
    return folder / f"{number:03d}.json"


def test_clips_are_read_in_order(tmp_path: Path) -> None:
    write_clip(tmp_path, 2, "b", frames=11)
    write_clip(tmp_path, 1, "a")
    first, second = afew_va.load(tmp_path)
    assert (first.name, first.subject, len(first)) == ("001", "a", 3)
    np.testing.assert_allclose(first.va, [[0, 0], [0.1, -0.1], [0.2, -0.2]], atol=1e-7)
    assert [level_of(picture) for picture in first.frames() if picture is not None] == [0, 10, 20]
    assert first.boxes is not None
    assert first.boxes[2].tolist() == [2, 4, 69, 138]
    assert len(second) == 11
    assert [level_of(p) for p in second.frames() if p is not None] == [10 * i for i in range(11)], (
        "again and again"
    )


def test_each_actor_has_one_split(tmp_path: Path) -> None:
    for number in range(1, 41):
        write_clip(tmp_path, number, f"actor {number % 20}", frames=1)
    splits = {split: afew_va.load(tmp_path, split) for split in ("train", "validation", "test")}
    actors = {split: {clip.subject for clip in clips} for split, clips in splits.items()}
    assert sum(map(len, splits.values())) == len(afew_va.load(tmp_path)) == 40
    assert not actors["train"] & actors["test"]
    assert not actors["train"] & actors["validation"]
    assert not actors["validation"] & actors["test"]
    assert {afew_va.split_of(f"actor {i}") for i in range(20)} == set(splits)
    for clip in splits["test"]:
        assert afew_va.split_of(clip.subject) == "test"


def test_empty_split_is_reported(tmp_path: Path) -> None:
    write_clip(tmp_path, 1, "a", frames=1)
    other = "train" if afew_va.split_of("a") != "train" else "test"
    with pytest.raises(UsageError, match=f"is in the {other} split"):
        afew_va.load(tmp_path, other)


@pytest.mark.parametrize("missing", [True, False])
def test_invalid_folder_is_reported(tmp_path: Path, missing: bool) -> None:
    with pytest.raises(UsageError, match="is not an AFEW-VA folder"):
        afew_va.load(tmp_path / "gone" if missing else tmp_path)


def frame(**changes: Any) -> dict[str, Any]:
    return {"frames": {"00000": {"valence": 0, "arousal": 0, "landmarks": [[0, 0]] * 68} | changes}}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"actor": ""}, r"007\.json: actor is '', not a name"),
        ({"frames": {}}, r"007\.json: frames holds no frame"),
        (frame(valence=11), r"007\.json, frames, 00000: valence is 11, not a number from -10 to 10"),
        (frame(arousal="high"), r"007\.json, frames, 00000: arousal is 'high'"),
        (frame(arousal=None), r"007\.json, frames, 00000: arousal is None"),
        (frame(arousal=10**400), r"007\.json, frames, 00000: arousal is 10+, not a number from -10 to 10"),
        (frame(arousal=float("nan")), r"007\.json, frames, 00000: arousal is nan, not a number"),
        (frame(landmarks=[[0, 10**400]] * 68), r"007\.json, frames, 00000: landmarks are not numbers"),
        ({"frames": {"0" * 300: {}}}, r"0\.png is missing"),
        (frame(valence=True), r"007\.json, frames, 00000: valence is True"),
        (frame(landmarks=[[0, 0]] * 5), r"007\.json, frames, 00000: landmarks are \[5, 2\]"),
        (frame(landmarks="none"), r"007\.json, frames, 00000: landmarks are not numbers"),
        ({"frames": {"00000": {"valence": 0}}}, r"007\.json, frames, 00000: no arousal"),
        ({"frames": {"00009": {}}}, r"00009\.png is missing, and .*007\.json, frames, 00009 refers to it"),
    ],
)
def test_broken_annotation_is_named(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    write_clip(tmp_path, 7, "a", changes=changes)
    with pytest.raises(DatasetError, match=message):
        afew_va.load(tmp_path)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda path: path.write_text("{"), r"007\.json is not JSON"),
        (lambda path: path.write_bytes(b"\xff\xfe"), r"007\.json is not JSON"),
        (lambda path: path.write_text("[" * 100_000), r"007\.json is not JSON"),
        (lambda path: path.write_text("[1]"), r"007\.json: no actor"),
        (lambda path: path.write_text('{"actor": "a"}'), r"007\.json: no frames"),
    ],
)
def test_invalid_annotation_file_is_named(
    tmp_path: Path, spoil: Callable[[Path], object], message: str
) -> None:
    spoil(write_clip(tmp_path, 7, "a"))
    with pytest.raises(DatasetError, match=message):
        afew_va.load(tmp_path)


def test_damaged_picture_is_named(tmp_path: Path) -> None:
    write_clip(tmp_path, 7, "a")
    (tmp_path / "007" / "00001.png").write_text("no picture")
    (clip,) = afew_va.load(tmp_path)
    frames = clip.frames()
    assert level_of(next(frames)) == 0  # type: ignore[arg-type]
    with pytest.raises(DatasetError, match=r"00001\.png is not a picture"):
        next(frames)
