"""Aff-Wild2 in miniature: text files by split, cropped frames with gaps, videos with two people, broken lines."""

from pathlib import Path

import av
import numpy as np
import pytest
from support.media.pictures import level_of, write_picture

from mtclar.engine.errors import UsageError
from mtclar.train.data import aff_wild2
from mtclar.train.data.labelled import DatasetError

VA = "annotations/VA_Estimation_Challenge"


def write_labels(root: Path, name: str, *lines: str, split: str = "Validation_Set", task: str = VA) -> Path:
    path = root / task / split / f"{name}.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(["valence,arousal", *lines]) + "\n")
    return path


def write_video(path: Path, levels: list[int], fps: int = 25) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps, options={"preset": "ultrafast", "crf": "10"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for level in levels:
            image = np.full((48, 64, 3), level, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        container.mux(stream.encode())
    return path


def test_cropped_frames_with_gaps_and_ignored_labels(tmp_path: Path) -> None:
    write_labels(tmp_path, "17-24-1920x1080", "0.5,-0.25", "-5,-5", "0.1,0.2", "0.3,-5")
    for number in (1, 2, 4):
        write_picture(tmp_path / "cropped_aligned" / "17-24-1920x1080" / f"{number:05d}.jpg", 10 * number)
    (clip,) = aff_wild2.load(tmp_path)
    assert clip.name == "17-24-1920x1080"
    assert clip.side is None
    np.testing.assert_allclose(clip.va[[0, 2]], [[0.5, -0.25], [0.1, 0.2]])
    assert np.isnan(clip.va[[1, 3]]).all(), "ignored, also when only one of the two is"
    levels = [None if picture is None else level_of(picture) for picture in clip.frames()]
    assert levels == [10, 20, None, 40]


def test_videos_with_one_or_two_people(tmp_path: Path) -> None:
    write_video(tmp_path / "batch1" / "5-60.mp4", [40, 80, 120])
    for side in ("left", "right"):
        write_labels(tmp_path, f"5-60_{side}", "0,0", "0.1,0", "0.2,0", "0.3,0")
    left, right = aff_wild2.load(tmp_path)
    assert (left.side, right.side) == ("left", "right")
    assert left.subject != right.subject
    assert left.fps == 25
    pictures = list(left.frames())
    assert [level_of(p) for p in pictures[:3] if p is not None] == pytest.approx([40, 80, 120], abs=3)
    assert pictures[3] is None, "the video is a frame shorter than the labels"
    assert len(list(right.frames())) == 4


def test_video_that_breaks_off_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_video(tmp_path / "a.mp4", [40, 80, 120])
    write_labels(tmp_path, "a", *["0,0"] * 30)
    assert len(list(aff_wild2.load(tmp_path)[0].frames())) == 30
    assert "a.mp4 breaks off: frames 4 to 30 of its labels are missing" in caplog.text


def test_video_longer_than_its_labels_is_cut(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", [40, 80, 120])
    write_labels(tmp_path, "a", "0,0", "0,0")
    assert len(list(aff_wild2.load(tmp_path)[0].frames())) == 2


def test_splits_and_files_of_other_tasks(tmp_path: Path) -> None:
    for name, split in (("a", "Train_Set"), ("b", "Validation_Set")):
        write_labels(tmp_path, name, "0,0", split=split)
        write_picture(tmp_path / "cropped_aligned" / name / "00001.jpg", 1)
    other = tmp_path / "annotations" / "EXPR_Classification_Challenge" / "Validation_Set" / "c.txt"
    other.parent.mkdir(parents=True)
    other.write_text("Neutral,Anger,Disgust,Fear,Happiness,Sadness,Surprise,Other\n0\n")
    (tmp_path / "cropped_aligned" / "a" / "note.txt").write_text("valence,arousal\n0,0\n")
    assert [clip.name for clip in aff_wild2.load(tmp_path)] == ["b"]
    assert [clip.name for clip in aff_wild2.load(tmp_path, "train")] == ["a"]
    assert [clip.name for clip in aff_wild2.load(tmp_path, "all")] == ["a", "b"]


def test_labels_without_split_folders_are_all(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("valence,arousal\n0,0\n")
    write_picture(tmp_path / "cropped_aligned" / "a" / "00001.jpg", 1)
    assert len(aff_wild2.load(tmp_path, "all")) == 1
    with pytest.raises(UsageError, match="has no validation labels of Aff-Wild2") as caught:
        aff_wild2.load(tmp_path)
    assert "all" in caught.value.hint


def test_byte_order_mark_is_ignored(tmp_path: Path) -> None:
    path = write_labels(tmp_path, "a", "0.5,-0.25")
    path.write_text("\ufeff" + path.read_text())
    write_picture(tmp_path / "cropped_aligned" / "a" / "00001.jpg", 1)
    (clip,) = aff_wild2.load(tmp_path)
    assert clip.va.tolist() == [[0.5, -0.25]]


def test_unreadable_text_file_is_named(tmp_path: Path) -> None:
    write_labels(tmp_path, "a", "0,0").with_name("b.txt").symlink_to(tmp_path / "gone.txt")
    with pytest.raises(DatasetError, match=r"b\.txt cannot be read: No such file"):
        aff_wild2.load(tmp_path)
    (tmp_path / VA / "Validation_Set" / "b.txt").unlink()
    write_labels(tmp_path, "a", "0,0").write_bytes(b"valence,arousal\n\xff\n")
    with pytest.raises(DatasetError, match=r"a\.txt is not a text file"):
        aff_wild2.load(tmp_path)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("0.5", "line 3: '0.5' is not `valence,arousal`"),
        ("0.5,x", "line 3: '0.5,x' is not"),
        ("0.5,1.2", r"line 3: '0.5,1.2' is not in \[-1, 1\]"),
        ("nan,0", r"line 3: 'nan,0' is not in \[-1, 1\]"),
        ("", "line 3: '' is not"),
    ],
)
def test_broken_line_is_named(tmp_path: Path, line: str, message: str) -> None:
    write_labels(tmp_path, "a", "0,0", line, "0,0")
    with pytest.raises(DatasetError, match=r"a\.txt, " + message):
        aff_wild2.load(tmp_path)


def test_missing_and_damaged_pictures(tmp_path: Path) -> None:
    write_labels(tmp_path, "a", "0,0")
    with pytest.raises(DatasetError, match=r"a\.txt: there is neither cropped_aligned/a nor a video a "):
        aff_wild2.load(tmp_path)
    (tmp_path / "a.mp4").write_text("no video")
    with pytest.raises(DatasetError, match=r"a\.mp4 is not a video that can be read"):
        aff_wild2.load(tmp_path)
    (tmp_path / "cropped_aligned" / "a").mkdir(parents=True)
    (tmp_path / "cropped_aligned" / "a" / "00001.jpg").write_text("no picture")
    (clip,) = aff_wild2.load(tmp_path)
    with pytest.raises(DatasetError, match=r"00001\.jpg is not a picture"):
        list(clip.frames())
    write_labels(tmp_path, "a")
    with pytest.raises(DatasetError, match=r"a\.txt has no frame"):
        aff_wild2.load(tmp_path)
