"""`mtclar-stream calibrate --labels`: a labelled video becomes a support set, or nothing is written."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from support.media.video_clips import face_pictures

from mtclar.calibrate.core.sets.predecessors import keep_predecessor, predecessors
from mtclar.cli.options import default_support_path
from mtclar.engine import models
from mtclar.engine.support_set import SupportSet

Command = Callable[..., Any]


def test_a_labelled_video_becomes_a_support_set_with_a_report(
    command: Command, face_clip: Path, labels: Path, tmp_path: Path
) -> None:
    out = tmp_path / "new" / "anna.mtclar"
    done = command("calibrate", "--source", face_clip, "--labels", labels, "--out", out)
    assert done.code == 0, done.err
    assert "Leave-one-out" in done.out
    assert "RMSE V" in done.out
    assert "uncalibrated" in done.out
    assert f"Written: {out} (3 frames of 'anna')" in done.out
    support = SupportSet.load(out)
    assert support.encoder.sha256 == models.card("encoder").sha256
    assert support.labels == pytest.approx(np.array([[0.7, 0.1], [0.6, 0.2], [0.8, 0.0]]))
    assert support.times_s == pytest.approx([0.2, 0.8, 1.5], abs=0.021)
    assert support.crops is None
    assert out.stat().st_mode & 0o777 == 0o600
    assert list(out.parent.iterdir()) == [out]


def test_crops_are_kept_only_when_asked_for(
    command: Command, face_clip: Path, labels: Path, tmp_path: Path
) -> None:
    out = tmp_path / "a.mtclar"
    arguments = ("calibrate", "--source", face_clip, "--labels", labels, "--out", out)
    assert command(*arguments, "--keep-crops", "--subject", "Anna B.").code == 0
    support = SupportSet.load(out)
    assert support.crops is not None
    assert support.crops.shape[0] == 3
    assert support.subject == "Anna B."


def test_a_file_that_is_there_is_overwritten_only_with_force(
    command: Command, face_clip: Path, labels: Path, support: Path
) -> None:
    before = support.read_bytes()
    arguments = ("calibrate", "--source", face_clip, "--labels", labels, "--out", support)
    done = command(*arguments)
    assert done.code == 2
    assert "--force" in done.err
    assert support.read_bytes() == before
    assert command(*arguments, "--subject", "other", "--force").code == 0
    assert SupportSet.load(support).subject == "other"


def test_the_default_place_keeps_the_calibration_before(
    command: Command, face_clip: Path, labels: Path
) -> None:
    for subject in ("first", "second"):
        done = command("calibrate", "--source", face_clip, "--labels", labels, "--subject", subject)
        assert done.code == 0, done.err
    path = default_support_path()
    (previous,) = predecessors(path)
    assert str(previous) in done.out
    assert SupportSet.load(path).subject == "second"
    assert SupportSet.load(previous).subject == "first"
    assert previous.stat().st_mode & 0o777 == 0o600
    assert len(list(path.parent.iterdir())) == 2


def test_keeping_the_one_before_needs_one(tmp_path: Path) -> None:
    assert keep_predecessor(tmp_path / "none.mtclar", None) is None
    assert list(tmp_path.iterdir()) == []


def test_unusable_frames_are_named_and_the_others_taken(
    command: Command, clips: Path, face_clip: Path, tmp_path: Path
) -> None:
    from skimage import data

    pictures = tmp_path / "pictures"
    pictures.mkdir()
    portrait = data.astronaut()[:, :, ::-1]
    for i in range(1, 11):
        picture = portrait if i % 2 else portrait // 12
        cv2.imwrite(str(pictures / f"{i}.png"), picture)
    (tmp_path / "labels.csv").write_text("time,valence,arousal\n0.2,0.5,0\n0.3,0.1,0\n")
    out = tmp_path / "a.mtclar"
    arguments = ("calibrate", "--source", pictures, "--labels", tmp_path / "labels.csv", "--out", out)

    done = command(*arguments)
    assert done.code == 2
    assert "--fps" in done.err

    done = command(*arguments, "--fps", "10")
    assert done.code == 0, done.err
    assert "Frames taken: 1. Not usable:" in done.out
    assert "line 3 (at 0.30 s): " in done.out
    assert len(SupportSet.load(out)) == 1
    assert command("calibrate", "--source", face_clip, "--fps", "10", "--out", clips / "x.mtclar").code == 2


def test_one_bad_photo_of_a_folder_is_named_and_takes_no_label_of_its_neighbours(
    command: Command, tmp_path: Path
) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number, picture in enumerate(face_pictures(4)):
        cv2.imwrite(str(folder / f"{number}.png"), picture)
    (folder / "2.png").write_bytes(b"broken")
    (tmp_path / "labels.csv").write_text("time,valence,arousal\n0,0,0\n2,0.9,0.9\n3,0.1,0.1\n")
    out = tmp_path / "a.mtclar"
    arguments = ("--fps", "1", "--labels", tmp_path / "labels.csv", "--out", out)
    done = command("calibrate", "--source", folder, *arguments)
    assert done.code == 0, done.err
    assert f"{folder / '2.png'} cannot be read as a picture" in done.err
    assert "line 3 (at 2.00 s): no face" in done.out
    assert SupportSet.load(out).labels.tolist() == pytest.approx(np.array([[0, 0], [0.1, 0.1]]))
    for number in range(4):
        (folder / f"{number}.png").write_bytes(b"broken")
    done = command("calibrate", "--source", folder, *arguments, "--force")
    assert done.code == 1
    assert "no picture in pictures/ can be read" in done.err


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("time,valence,arousal\n9,0,0\n", "line 2 (at 9.00 s) lies past the end"),
        ("time,valence,arousal\n1,0,7\n", "line 2, column arousal: 7 is outside"),
        ("when,valence,arousal\n1,0,0\n", "line 1: the header"),
        ("time,valence,arousal\n1,0,0\n1.0,1,0\n", "line 3: the time 1 was labelled before, in line 2"),
    ],
)
def test_wrong_labels_are_refused_with_their_line(
    text: str, says: str, command: Command, face_clip: Path, tmp_path: Path
) -> None:
    (tmp_path / "labels.csv").write_text(text)
    out = tmp_path / "a.mtclar"
    done = command("calibrate", "--source", face_clip, "--labels", tmp_path / "labels.csv", "--out", out)
    assert done.code == 2
    assert says in done.err
    assert not out.exists()


def test_labels_of_a_merged_set_are_read_back_for_each_video(
    command: Command, face_clip: Path, labels: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.mp4"
    other.write_bytes(face_clip.read_bytes())
    (tmp_path / "later.csv").write_text("time,valence,arousal\n0.4,-0.5,0.3\n")
    sets = tmp_path / "a.mtclar", tmp_path / "b.mtclar"
    for video, file, out in zip((face_clip, other), (labels, tmp_path / "later.csv"), sets, strict=True):
        options = ("--labels", file, "--out", out, "--subject", "anna", "--accept-poor")
        assert command("calibrate", "--source", video, *options).code == 0
    merged, table = tmp_path / "merged.mtclar", tmp_path / "merged.csv"
    done = command("support", "merge", *sets, "--out", merged)
    assert done.code == 0
    assert "Several sets" not in done.out
    (tmp_path / "copy").mkdir()
    same = tmp_path / "copy" / other.name
    same.write_bytes(face_clip.read_bytes())
    (tmp_path / "third.csv").write_text("time,valence,arousal\n1.2,0.1,0.1\n")
    third = (
        "--labels",
        tmp_path / "third.csv",
        "--out",
        tmp_path / "c.mtclar",
        "--subject",
        "anna",
        "--accept-poor",
    )
    assert command("calibrate", "--source", same, *third).code == 0
    done = command("support", "merge", sets[1], tmp_path / "c.mtclar", "--out", tmp_path / "same.mtclar")
    assert "Several sets are from other.mp4" in done.out
    assert command("support", "export", merged, "--out", table).code == 0
    options = ("--labels", table, "--out", tmp_path / "again.mtclar", "--subject", "anna", "--accept-poor")
    done = command("calibrate", "--source", other, *options)
    assert done.code == 0, done.err
    assert f"3 of 4 labels are of other videos ({face_clip.name})" in done.err
    again, before = SupportSet.load(tmp_path / "again.mtclar"), SupportSet.load(sets[1])
    np.testing.assert_allclose(again.labels, before.labels)
    np.testing.assert_allclose(again.times_s, before.times_s)
    done = command("calibrate", "--source", other.rename(tmp_path / "third.mp4"), *options, "--force")
    assert done.code == 2
    assert "none of third.mp4" in done.err


def test_labels_without_a_face_are_listed(
    command: Command, face_clip: Path, empty_clip: Path, tmp_path: Path
) -> None:
    (tmp_path / "labels.csv").write_text("time,valence,arousal,track\n0.5,0,0,77\n")
    out = tmp_path / "a.mtclar"
    arguments = ("--labels", tmp_path / "labels.csv", "--out", out)
    done = command("calibrate", "--source", face_clip, *arguments)
    assert done.code == 1
    assert "line 2 (at 0.50 s): no face has the number 77 (numbers here: 0)" in done.err
    assert "column track" in done.err
    done = command("calibrate", "--source", empty_clip, *arguments)
    assert "no face has the number 77 (there is none at all)" in done.err
    assert not out.exists()


def test_one_frame_is_one_frame(command: Command, face_clip: Path, tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("time,valence,arousal\n0.5,0,0\n")
    out = tmp_path / "a.mtclar"
    done = command("calibrate", "--source", face_clip, "--labels", tmp_path / "labels.csv", "--out", out)
    assert f"Written: {out} (1 frame of 'a')" in done.out


@pytest.fixture
def contradicting(tmp_path: Path) -> Path:
    """Labels of the face clip, in which one face hardly moves."""
    path = tmp_path / "contradicting.csv"
    path.write_text("time,valence,arousal\n0.2,-0.9,0.1\n0.8,0.6,0.2\n1.5,0.1,-0.8\n")
    return path


def test_a_poor_set_is_written_only_on_request_and_every_later_command_says_so(
    command: Command, face_clip: Path, contradicting: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    out = tmp_path / "poor.mtclar"
    arguments = ("calibrate", "--source", face_clip, "--labels", contradicting, "--out", out)
    done = command(*arguments)
    assert (done.code, out.exists()) == (1, False)
    assert "nothing was written: labels contradict each other" in done.err
    assert "is no better than the uncalibrated error" in done.err
    assert "--accept-poor" in done.err
    done = command(*arguments, "--accept-poor")
    assert done.code == 0
    assert "Warning: labels contradict each other" in done.out
    warning = "the support set of 'poor' is poor: labels contradict each other"
    for later in (
        ("run", "--source", face_clip, "--support", out, "--port", 0, "--no-live"),
        ("label", face_clip, "--support", out, "--out", tmp_path / "rows.csv"),
        ("support", "prune", out, "--keep", 3, "--out", tmp_path / "kept.mtclar"),
    ):
        caplog.clear()
        assert command(*later).code == 0
        assert caplog.text.count(warning) == 1, later
    assert "Warning: labels contradict each other" in command("support", "show", out).out


@pytest.mark.skipif(sys.platform == "win32", reason="a POSIX terminal")
@pytest.mark.parametrize(("answer", "code"), [("y", 0), ("n", 1)])
def test_somebody_at_a_terminal_is_asked_about_a_poor_set(
    face_clip: Path, contradicting: Path, tmp_path: Path, answer: str, code: int
) -> None:
    import pty

    out = tmp_path / "poor.mtclar"
    program = [sys.executable, "-m", "mtclar.cli.main", "calibrate", "--source", str(face_clip)]
    ours, theirs = pty.openpty()
    running = subprocess.Popen(
        [*program, "--labels", str(contradicting), "--out", str(out)],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    shown = b""
    while b"[y/N]" not in shown:
        shown += os.read(ours, 65536)
    os.write(ours, f"{answer}\n".encode())
    with contextlib.suppress(OSError):  # Linux says EIO when the other side has closed
        while os.read(ours, 65536):
            pass
    os.close(ours)
    assert running.wait(timeout=60) == code
    assert out.exists() == (code == 0)


def test_a_disk_that_is_full_leaves_the_calibration_before(
    command: Command, face_clip: Path, labels: Path, tmp_path: Path, full_disk: Path
) -> None:
    out = full_disk / "a.mtclar"
    arguments = ("calibrate", "--source", face_clip, "--out", out, "--force", "--keep-crops", "--labels")
    assert command(*arguments, labels).code == 0
    before = out.read_bytes()
    many = tmp_path / "many.csv"  # too many for this disk
    many.write_text("time,valence,arousal\n" + "".join(f"{i / 25},{i / 25},0\n" for i in range(25)))
    done = command(*arguments, many, "--accept-poor")
    assert done.code == 1
    assert f"cannot write {out}: " in done.err
    assert out.read_bytes() == before
    assert list(full_disk.iterdir()) == [out]


def test_a_video_without_a_face_gives_no_support_set(
    command: Command, empty_clip: Path, tmp_path: Path
) -> None:
    (tmp_path / "labels.csv").write_text("time,valence,arousal\n0.2,0,0\n0.5,0,0\n")
    out = tmp_path / "a.mtclar"
    done = command("calibrate", "--source", empty_clip, "--labels", tmp_path / "labels.csv", "--out", out)
    assert done.code == 1
    assert "not one usable frame" in done.err
    assert "line 2 (at 0.20 s): no face" in done.err
    assert "good light" in done.err
    assert not out.exists()


def test_the_largest_face_is_taken_unless_a_track_is_named(
    command: Command, tmp_path: Path, two_faces_clip: Path
) -> None:
    """Two equal faces: naming their tracks takes one each."""
    (tmp_path / "labels.csv").write_text("time,valence,arousal,track\n0.4,0.5,0,0\n0.4,-0.5,0,1\n0.8,0,0,\n")
    out = tmp_path / "a.mtclar"
    named = ("--labels", tmp_path / "labels.csv", "--out", out)
    done = command("calibrate", "--source", two_faces_clip, "--accept-poor", *named)
    assert done.code == 0, done.err
    assert len(SupportSet.load(out)) == 3


RECORDING = "a recording needs --labels, --every, --pick or --continuous"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--labels", "x.csv"), "is live"),
        (("--source", "rtsp://user:secret@host/x", "--labels", "x.csv"), "is live"),
        (("--neutral", "--grid"), "exclude each other"),
        (("--source", "browser"), "calibrate page"),
        (("--out", "a.mtclar", "page"), "--out stands before `page`"),
        (("--source", "demo", "--subject", "an\nna"), "--subject has an unprintable character"),
        (("--source", "demo", "--labels", "x.csv", "--grid"), "exclude each other"),
        (("--source", "/no/such/file.mp4"), "there is no file"),
        (("--source", "demo", "--labels", "/no/labels.csv"), "there is no label file"),
        (("--source", "synthetic", "--out", "/proc/none/a.mtclar"), "cannot write /proc/none/a.mtclar"),
        (("--source", "synthetic", "--out", "/tmp"), "is a folder"),
        (("--source", "demo"), RECORDING),
        (("--source", "synthetic?frames=90", "--neutral"), RECORDING),
        (("--source", "-"), RECORDING),
        (("page", "--source", "demo"), RECORDING),
    ],
)
def test_what_cannot_be_is_refused_before_anything_starts(
    arguments: tuple[str, ...], says: str, command: Command
) -> None:
    done = command("calibrate", *arguments)
    assert done.code == 2
    assert says in done.err
    assert "secret" not in done.out + done.err
