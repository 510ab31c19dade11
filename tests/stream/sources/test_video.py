"""Video files through PyAV: sizes, grey, variable rate, rotation, damage, and the time line."""

import itertools
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtclar.engine.data_types import Frame
from mtclar.engine.errors import MtclarError, SourceError, UsageError
from mtclar.label.scan.recording import open_recording
from mtclar.stream.sources import open_source
from mtclar.stream.sources.times import TimeLine
from mtclar.stream.sources.video import VideoFile

MakeClip = Callable[..., Path]


def read(path: Path, **options: bool) -> list[Frame]:
    return list(open_source(str(path), **options).frames())


@pytest.mark.parametrize("size", [(160, 120), (640, 480), (1280, 720), (3840, 2160), (322, 242)])
def test_every_frame_of_any_size(make_clip: MakeClip, size: tuple[int, int]) -> None:
    path = make_clip(size=size, frames=6)
    source = open_source(str(path))
    frames = list(source.frames())
    assert source.size == size
    assert source.fps == pytest.approx(25, rel=0.1)
    assert not source.live
    assert source.stream_id == "clip"
    assert [frame.seq for frame in frames] == list(range(6))
    assert [frame.pts_s for frame in frames] == pytest.approx([n / 25 for n in range(6)], abs=2e-3)
    for frame in frames:
        assert frame.image.shape == (size[1], size[0], 3)
        assert frame.image.dtype == np.uint8
        assert frame.image.flags.c_contiguous
        assert frame.clock == "file"
    again = next(iter(open_source(str(path)).frames()))
    assert np.array_equal(frames[0].image, again.image)  # a frame keeps its picture while others are read


@pytest.mark.parametrize(
    ("codec", "pix_fmt", "name"),
    [("libx264", "gray", "grey.mp4"), ("ffv1", "gray", "grey.mkv"), ("mjpeg", "yuvj420p", "m.avi")],
)
def test_grey_and_other_pictures_become_bgr(make_clip: MakeClip, codec: str, pix_fmt: str, name: str) -> None:
    frames = read(make_clip(name, codec=codec, pix_fmt=pix_fmt, frames=4))
    assert len(frames) == 4
    image = frames[0].image.astype(int)
    assert image.shape == (240, 320, 3)
    if pix_fmt == "gray":
        assert np.abs(image[..., 0] - image[..., 2]).max() <= 2
    else:
        assert image[20, 300, 2] > image[20, 300, 0] + 80  # the upper half is red, in BGR order


def test_variable_frame_rate_keeps_the_true_times(make_clip: MakeClip) -> None:
    times = [0, 40, 200, 240, 1240, 1250, 3000]
    frames = read(make_clip("vfr.mkv", frames=len(times), times=times))
    assert [frame.pts_s for frame in frames] == pytest.approx([t / 1000 for t in times], abs=2e-3)


def test_time_starts_at_zero_for_every_file(make_clip: MakeClip) -> None:
    frames = read(make_clip("late.mkv", frames=3, times=[5000, 5040, 5080]))
    assert [frame.pts_s for frame in frames] == pytest.approx([0, 0.04, 0.08], abs=2e-3)


@pytest.mark.parametrize(
    "matrix",
    [
        (1, 0, 0, 1),
        (0, 1, -1, 0),
        (-1, 0, 0, -1),
        (0, -1, 1, 0),
        (-1, 0, 0, 1),
        (1, 0, 0, -1),
        (0, 1, 1, 0),
        (0, -1, -1, 0),
    ],
)
def test_the_display_matrix_turns_and_mirrors(make_clip: MakeClip, matrix: tuple[int, int, int, int]) -> None:
    plain = read(make_clip(size=(64, 48), frames=1))[0].image
    path = make_clip("turned.mp4", size=(64, 48), frames=1)
    write_matrix(path, matrix)
    source = open_source(str(path))
    shown = next(iter(source.frames())).image
    a, b, c, d = matrix
    y, x = np.mgrid[0:48, 0:64]
    right, down = a * x + c * y, b * x + d * y  # where the matrix puts each pixel
    expected = np.zeros_like(shown)
    expected[down - down.min(), right - right.min()] = plain
    assert np.array_equal(shown, expected)
    assert source.size == (shown.shape[1], shown.shape[0])
    (_, recorded), *_ = open_recording(path).images(np.ones(1, bool))
    assert recorded is not None
    assert np.array_equal(recorded, expected)


def test_a_display_matrix_of_any_angle(make_clip: MakeClip) -> None:
    path = make_clip("tilted.mp4", size=(64, 48), frames=1)
    plain = read(path)[0].image
    write_matrix(path, (0.8660254, 0.5, -0.5, 0.8660254))  # 30 degrees clockwise
    tilted = read(path)[0].image
    assert tilted.shape == plain.shape
    assert not tilted[0, 0].any()
    assert np.abs(tilted[23:25, 31:33].astype(int) - plain[23:25, 31:33]).max() < 60
    assert tilted[10, 45, 2] > 150  # what was up is up and to the right: red


def write_matrix(path: Path, matrix: tuple[float, float, float, float]) -> None:
    """Puts a display matrix (a, b, c, d) into the mp4's only track header, as phones and editors do."""
    data = bytearray(path.read_bytes())
    header = data.index(b"tkhd")
    a, b, c, d = (round(value * (1 << 16)) for value in matrix)
    at = header + 4 + 4 + 20 + 16  # type, version and flags, times and ids, reserved and volume (version 0)
    words = [a, b, 0, c, d, 0, 0, 0, 1 << 30]
    data[at : at + 36] = b"".join(value.to_bytes(4, "big", signed=True) for value in words)
    path.write_bytes(bytes(data))


def test_a_loop_continues_times_and_numbers(make_clip: MakeClip) -> None:
    source = open_source(str(make_clip(frames=5)), loop=True)
    frames = [frame for frame, _ in zip(source.frames(), range(12), strict=False)]
    assert [frame.seq for frame in frames] == list(range(12))
    steps = np.diff([frame.pts_s for frame in frames])
    assert steps == pytest.approx([0.04] * 11, abs=5e-3)


def test_closing_ends_the_frames(make_clip: MakeClip) -> None:
    source = open_source(str(make_clip(frames=25)))
    seen = 0
    for _ in source.frames():
        seen += 1
        if seen == 3:
            source.close()
    assert seen == 3


def test_a_truncated_file_is_read_as_far_as_it_goes_with_a_warning(make_clip: MakeClip) -> None:
    path = make_clip("cut.mp4", frames=100, options={"movflags": "faststart"})
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 2 // 3])
    source = open_source(str(path))
    frames = list(source.frames())
    assert 0 < len(frames) < 100
    assert isinstance(source, VideoFile)
    assert source.warnings


def test_damage_in_the_middle_costs_some_pictures_and_no_more(make_clip: MakeClip) -> None:
    path = make_clip("damaged.ts", frames=100)
    data = bytearray(path.read_bytes())
    rng = np.random.default_rng(0)
    for at in rng.integers(len(data) // 3, len(data) // 2, 200):
        data[at] ^= 0xFF
    path.write_bytes(data)
    frames = read(path)
    assert 40 <= len(frames) <= 100
    steps = np.diff([frame.pts_s for frame in frames])
    assert (steps > 0).all()
    assert frames[-1].pts_s == pytest.approx(99 / 25, abs=0.2)  # a picture left out is a gap, not a shift


def joined(name: str, *parts: Path) -> Path:
    """Transport streams one after the other, as a recorder writes them whose camera was switched over."""
    path = parts[0].with_name(name)
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    return path


def test_another_size_in_mid_stream(make_clip: MakeClip) -> None:
    path = joined(
        "sizes.ts",
        make_clip("a.ts", size=(320, 240), frames=30),
        make_clip("b.ts", size=(640, 480), frames=30),
    )
    frames = read(path)
    assert [frame.image.shape[1] for frame in frames] == [320] * 30 + [640] * 30
    assert [frame.seq for frame in frames] == list(range(60))
    # The second part's stamps begin anew: they go back, and time does not.
    assert [frame.pts_s for frame in frames] == pytest.approx([n / 25 for n in range(60)], abs=2e-3)


def test_another_codec_in_mid_stream(make_clip: MakeClip) -> None:
    second = make_clip("b.ts", size=(640, 480), codec="mpeg4", frames=75)
    path = joined("codecs.ts", make_clip("a.ts", frames=50), second)
    source = open_source(str(path))
    frames = list(source.frames())
    widths = [frame.image.shape[1] for frame in frames]
    assert widths.count(320) >= 48
    assert widths.count(640) >= 70
    assert isinstance(source, VideoFile)
    assert source.warnings
    steps = np.diff([frame.pts_s for frame in frames])
    assert (steps > 0).all()


def test_stamps_that_jump_ahead_by_hours_are_one_step(make_clip: MakeClip) -> None:
    times = [0, 40, 80, 7_200_000, 7_200_040]
    frames = read(make_clip("jump.mkv", frames=5, times=times))
    assert [frame.pts_s for frame in frames] == pytest.approx([0, 0.04, 0.08, 0.12, 0.16], abs=2e-3)


@pytest.mark.parametrize("fps", [1, 120])
def test_slow_and_fast_files_keep_their_times(make_clip: MakeClip, fps: int) -> None:
    times = [round(n * 1000 / fps) for n in range(12)]
    source = open_source(str(make_clip("rate.mkv", frames=12, times=times, rate=fps)))
    assert source.fps == pytest.approx(fps, rel=0.05)
    assert [frame.pts_s for frame in source.frames()] == pytest.approx([n / fps for n in range(12)], abs=2e-3)


@pytest.mark.parametrize("name", ["grows.ts", "grows.mkv"])
def test_a_growing_file_is_read_as_far_as_it_was_with_a_warning(make_clip: MakeClip, name: str) -> None:
    path = make_clip(name, frames=100)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    source = open_source(str(path))
    frames = []
    for frame in source.frames():
        frames.append(frame)
        if frame.seq == 3:  # the recorder goes on while it is read
            with path.open("ab") as file:
                file.write(whole[len(whole) // 2 :])
    assert len(frames) >= 40
    assert [frame.pts_s for frame in frames] == pytest.approx([n / 25 for n in range(len(frames))], abs=2e-3)
    assert isinstance(source, VideoFile)
    assert any("still being written" in warning for warning in source.warnings)


@pytest.mark.parametrize(
    "content",
    [b"", b"\x00" * 4096, b"hello, this is not a video\n" * 50, b"\x00\x00\x00\x18ftypmp42" + b"\xff" * 2000],
)
def test_what_is_not_a_video_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.mp4"
    path.write_bytes(content)
    with pytest.raises(SourceError, match=re.escape("broken.mp4")) as caught:
        open_source(str(path))
    assert caught.value.hint


def test_an_mp4_without_its_index_is_refused(make_clip: MakeClip) -> None:
    path = make_clip("noindex.mp4", frames=100)
    path.write_bytes(path.read_bytes()[:6000])  # the index is at the end
    with pytest.raises(SourceError):
        open_source(str(path))


def test_an_unknown_codec_is_refused(make_clip: MakeClip) -> None:
    path = make_clip("strange.mp4")
    path.write_bytes(path.read_bytes().replace(b"avc1", b"zz9x"))
    with pytest.raises(SourceError, match="unknown video codec"):
        open_source(str(path))


def test_sound_without_pictures_is_refused(make_clip: MakeClip) -> None:
    with pytest.raises(SourceError, match="only sound"):
        open_source(str(make_clip("tone.mp4", audio=True)))


@pytest.mark.parametrize(
    ("spec", "kind"),
    [
        ("", UsageError),
        ("no-such-file.mp4", UsageError),
        (".", UsageError),
        ("gopher://example.org/x", UsageError),
        ("webcam:no such camera", SourceError),
        ("webcam:0?zoom=2", UsageError),
        ("webcam:77", SourceError),
        ("/dev/video77", SourceError),
        ("rtsp://", UsageError),
        ("rtsp://[", UsageError),
        ("~nobody-of-this-name/clip.mp4", UsageError),
        ("\x00.mp4", UsageError),
        ("~\x00", UsageError),
        ("synthetic:bad", UsageError),
    ],
)
def test_what_cannot_be_a_source_is_said_with_a_hint(spec: str, kind: type[MtclarError]) -> None:
    with pytest.raises(kind) as caught:
        open_source(spec)
    assert caught.value.what
    assert caught.value.hint


def test_the_demo_clip_opens_by_name() -> None:
    source = open_source("demo")
    assert source.stream_id == source.label == "demo"
    assert source.size == (640, 480)
    assert next(iter(source.frames())).image.shape == (480, 640, 3)


@given(st.lists(st.none() | st.floats(-1e6, 1e6), min_size=1, max_size=60), st.none() | st.floats(1, 120))
def test_the_time_line_starts_at_zero_and_always_increases(
    stamps: list[float | None], fps: float | None
) -> None:
    line = TimeLine(fps)
    times = [line(stamp) for stamp in stamps]
    assert times[0] == 0
    assert all(a < b or b - a == 0 for a, b in itertools.pairwise(times))
    assert all(b - a <= 60 + 1e-6 for a, b in itertools.pairwise(times))


def test_the_time_line_resumes_where_it_is_told_or_later() -> None:
    line = TimeLine(10)
    assert [line(100.0), line(100.1)] == pytest.approx([0, 0.1])
    line.resume(5.0)
    assert [line(0.0), line(0.1)] == pytest.approx([5.0, 5.1])
    line.resume(2.0)  # never back
    assert line(7.0) == pytest.approx(5.2)


def test_opening_a_file_does_not_load_opencv(make_clip: MakeClip) -> None:
    path = make_clip(frames=2)
    code = (
        "import sys; from mtclar.stream.sources import open_source; "
        f"open_source({str(path)!r}); sys.exit('cv2' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
