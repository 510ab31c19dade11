"""The test split of rendered people: rendered once, written atomically, named after the generator's version."""

import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("numba", reason="the [train] extra is not installed")

from mtclar.engine.errors import MtclarError
from mtclar.engine.installation.extras import install_command
from mtclar.train import extra
from mtclar.train.data.labelled import DatasetError
from mtclar.train.progress import silent
from mtclar.train.rendered import held_out, pictures
from mtclar.train.rendered.held_out import HeldOut
from mtclar.train.rendered.splits import TEST

SECONDS = 0.2  # five frames


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> HeldOut:
    """Two people with two pictures and five frames each, shared by the module."""
    folder = tmp_path_factory.mktemp("cache")
    return HeldOut(folder, people=(1000, 1001), pictures=2, seconds=SECONDS, workers=2)


def steps() -> tuple[list[tuple[str, int]], Callable[..., Callable[[int], None]]]:
    seen: list[tuple[str, int]] = []

    def progress(stage: str, total: int) -> Callable[[int], None]:
        seen.append((stage, total))
        return lambda count: seen.append(("done", count))

    return seen, progress


def test_default_people_are_the_test_split() -> None:
    assert HeldOut(Path("x")).people == TEST


def test_pictures_are_rendered_once_and_then_read(small: HeldOut) -> None:
    seen, progress = steps()
    first = small.load_pictures(progress)
    assert seen == [("rendering pictures of test people", 2), ("done", 1), ("done", 1)]
    assert first.person.tolist() == [1000, 1000, 1001, 1001]
    again = small.load_pictures(lambda *_: pytest.fail("rendered again"))
    np.testing.assert_array_equal(again.images, first.images)
    alone = pictures.make_pictures(range(1001, 1002), 2)
    np.testing.assert_array_equal(first.images[2:], alone.images)


def test_clips_are_rendered_once_with_their_labels(small: HeldOut) -> None:
    clips = small.load_clips(silent)
    assert [clip.subject for clip in clips] == ["1000", "1001"]
    for clip in clips:
        frames = list(clip.frames())
        assert len(frames) == len(clip) == 5
        assert clip.fps == 25
        assert np.isfinite(clip.va).all()
        assert frames[0] is not None
        assert frames[0].shape == (240, 320, 3)
    small.load_clips(lambda *_: pytest.fail("rendered again"))
    assert not list(small.home.glob(".part*")), "nothing half-made is left"


def test_an_interrupted_run_keeps_what_was_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small: HeldOut
) -> None:
    mine = replace(small, folder=tmp_path, workers=1, pictures=1)
    made: list[int] = []
    make_pictures = pictures.make_pictures

    def interrupted(ids: range, count: int) -> pictures.PictureSet:
        if made:
            raise KeyboardInterrupt
        made.append(ids[0])
        return make_pictures(ids, count)

    with monkeypatch.context() as patch:
        patch.setattr(pictures, "make_pictures", interrupted)
        with pytest.raises(KeyboardInterrupt):
            mine.load_pictures(silent)
    assert sorted(path.name for path in mine.home.iterdir()) == ["1000-1.npz"]
    seen, progress = steps()
    assert len(mine.load_pictures(progress)) == 2
    assert seen[0] == ("rendering pictures of test people", 1)


def test_changed_generator_uses_another_folder(small: HeldOut, monkeypatch: pytest.MonkeyPatch) -> None:
    before = small.home
    held_out.version.cache_clear()
    try:
        monkeypatch.setattr(held_out, "FRAMING", replace(held_out.FRAMING, scale=1.2))
        assert small.home != before
    finally:
        monkeypatch.undo()
        held_out.version.cache_clear()
    assert small.home == before


def test_damaged_clip_has_a_hint(small: HeldOut, tmp_path: Path) -> None:
    mine = replace(small, folder=tmp_path, people=(1000,))
    mine.home.mkdir(parents=True)
    (mine.home / f"1000-{SECONDS:g}s.mp4").write_bytes(b"no video")
    (mine.home / f"1000-{SECONDS:g}s.csv").write_text("time,valence,arousal\n0,0,0\n")
    with pytest.raises(DatasetError, match=r"\.mp4 cannot be read") as caught:
        mine.load_clips(silent)
    assert "remove it" in caught.value.hint


def test_missing_or_damaged_labels_have_a_hint(small: HeldOut, tmp_path: Path) -> None:
    mine = replace(small, folder=tmp_path, people=(1000,))
    mine.home.mkdir(parents=True)
    (mine.home / f"1000-{SECONDS:g}s.mp4").write_bytes(b"no video")
    with pytest.raises(DatasetError, match=r"there is no file .*\.csv") as caught:
        mine.load_clips(silent)
    assert "remove" in caught.value.hint
    (mine.home / f"1000-{SECONDS:g}s.csv").write_text("time,valence,arousal\n0,7,0\n")
    with pytest.raises(DatasetError, match="line 2: valence is 7") as caught:
        mine.load_clips(silent)
    assert "remove" in caught.value.hint


def test_truncated_video_is_named(small: HeldOut) -> None:
    small.load_clips(silent)
    video = small.home / f"1001-{SECONDS:g}s.mp4"
    whole = video.read_bytes()
    (clip,) = (clip for clip in small.load_clips(silent) if clip.name == "1001")
    try:
        video.write_bytes(whole[: len(whole) // 20])
        with pytest.raises(DatasetError, match=r"\.mp4 cannot be read") as caught:
            list(clip.frames())
    finally:
        video.write_bytes(whole)
    assert "remove it" in caught.value.hint


def test_damaged_picture_set_has_a_hint(small: HeldOut, tmp_path: Path) -> None:
    mine = replace(small, folder=tmp_path, people=(1000,))
    mine.home.mkdir(parents=True)
    (mine.home / "1000-2.npz").write_bytes(b"no archive")
    with pytest.raises(DatasetError, match=r"1000-2\.npz is not a file of rendered people") as caught:
        mine.load_pictures(silent)
    assert "remove it" in caught.value.hint


def _killed(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_killed_worker_is_reported(small: HeldOut, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held_out, "_make_pictures", _killed)
    with pytest.raises(MtclarError, match="was killed") as caught:
        replace(small, folder=tmp_path).load_pictures(silent)
    assert "--workers 1" in caught.value.hint


def test_missing_numba_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extra, "find_spec", lambda _: None)
    with pytest.raises(MtclarError, match="rendering the test people needs numba") as caught:
        HeldOut(tmp_path).load_pictures(silent)
    assert caught.value.hint == install_command("train")
    assert not list(tmp_path.iterdir())


def test_unwritable_folder_is_reported(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(MtclarError, match="cannot keep the rendered test people in"):
        HeldOut(tmp_path / "taken").load_pictures(silent)
