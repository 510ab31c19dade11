"""Video files as people have them: stamps, pauses, streams, lengths and names, read alike by run and label."""

import struct
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from support.media.video_clips import picture

from mtclar.engine.errors import SourceError
from mtclar.label.scan.recording import VideoRecording, open_recording
from mtclar.stream.sources import open_source
from mtclar.stream.sources.video import VideoFile

MakeClip = Callable[..., Path]
SMOOTH = [round(n * 1000 / 30) for n in range(40)]


def times_of(path: Path) -> list[float]:
    """The times of the frames, which the source and the recording must agree on."""
    source = [frame.pts_s for frame in open_source(str(path)).frames()]
    recording = open_recording(path).times_s.tolist()
    assert recording == pytest.approx(source)
    return source


def warnings_of(path: Path) -> str:
    source, recording = VideoFile(path, "clip"), VideoRecording(path)
    list(source.frames())
    assert set(recording.warnings) <= set(source.warnings)  # the source also decodes
    return "; ".join(recording.warnings)


def stamped(path: Path, stamps_ms: list[int], live: bool = False) -> Path:
    """A clip with these stamps. A live recording announces the rate of its clock, 1000 a second."""
    with av.open(str(path), "w", options={"live": "1"} if live else {}) as out:
        stream = out.add_stream("mjpeg", rate=1000 if live else 25, width=64, height=48)
        stream.pix_fmt = "yuvj420p"
        for n, stamp in enumerate(stamps_ms):
            for packet in stream.encode(av.VideoFrame.from_ndarray(picture(64, 48, n), format="bgr24")):
                packet.pts = packet.dts = stamp
                packet.time_base = Fraction(1, 1000)
                out.mux(packet)
    return path


@pytest.mark.parametrize("twice", [[10], [10, 11, 12], [1], [39]])
@pytest.mark.parametrize("live", [False, True])
def test_a_repeated_stamp_costs_one_period(tmp_path: Path, twice: list[int], live: bool) -> None:
    stamps = [SMOOTH[twice[0] - 1] if n in twice else stamp for n, stamp in enumerate(SMOOTH)]
    times = times_of(stamped(tmp_path / "twice.mkv", stamps, live))
    assert times == pytest.approx([stamp / 1000 for stamp in SMOOTH], abs=3e-3)


def test_a_live_recordings_clock_is_not_its_rate(tmp_path: Path) -> None:
    path = stamped(tmp_path / "live.mkv", SMOOTH, live=True)
    with av.open(str(path)) as container:
        assert container.streams.video[0].average_rate == 1000
    assert open_source(str(path)).fps == pytest.approx(30, rel=0.05)


def test_1000_frames_per_second_are_believed_by_their_stamps(tmp_path: Path) -> None:
    path = stamped(tmp_path / "fast.mkv", list(range(30)))
    assert times_of(path) == pytest.approx([n / 1000 for n in range(30)])


@pytest.mark.parametrize(
    "gaps_s", [[90] * 9, [90, 90, 90, 300, 90, 90], [0.04, 0.04, 90] * 4, [3600] * 3, [90, 0.0, 90, 90]]
)
def test_the_pauses_of_a_time_lapse_are_kept(tmp_path: Path, gaps_s: list[float]) -> None:
    stamps = [round(1000 * sum(gaps_s[:n])) for n in range(len(gaps_s) + 1)]
    stamps = [stamp + (n if 0.0 in gaps_s else 0) for n, stamp in enumerate(stamps)]
    path = stamped(tmp_path / "lapse.mkv", stamps)
    assert times_of(path) == pytest.approx([stamp / 1000 for stamp in stamps], abs=2e-3)
    assert not warnings_of(path)


def test_one_long_pause_is_left_out_and_said(tmp_path: Path) -> None:
    times = [*range(0, 400, 40), *range(7_200_000, 7_200_400, 40)]
    path = stamped(tmp_path / "jump.mkv", times)
    assert times_of(path)[-1] == pytest.approx(19 * 0.04, abs=2e-3)
    assert warnings_of(path) == "its times jump: 7199.6 s without a picture are left out"


def test_recordings_joined_in_one_file_stay_apart(make_clip: MakeClip) -> None:
    parts = [make_clip(name, frames=30).read_bytes() for name in ("a.ts", "b.ts")]
    path = make_clip("joined.ts")
    path.write_bytes(b"".join(parts))
    assert times_of(path) == pytest.approx([n / 25 for n in range(60)], abs=2e-3)


def cut(path: Path, share: float) -> Path:
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


@pytest.mark.parametrize("name", ["cut.mp4", "cut.mov", "cut.mkv", "cut.avi"])
@pytest.mark.parametrize("share", [0.8, 0.6, 0.3])
def test_a_file_that_breaks_off_is_said_with_the_length_missing(
    tmp_path: Path, name: str, share: float
) -> None:
    path = tmp_path / name
    write_streams(path, [(160, 120)], seconds=8)
    assert not warnings_of(path)
    length_s = times_of(path)[-1]
    cut(path, share)
    missing_s = length_s - open_recording(path).times_s[-1]
    assert missing_s > 0.2
    assert f"it breaks off: the last {missing_s:.1f} s of 8.0 s are missing" in warnings_of(path)


def test_the_length_of_a_file_counts_from_its_first_frame(tmp_path: Path) -> None:
    path = stamped(tmp_path / "late.mkv", [5000 + 40 * n for n in range(100)])
    cut(path, 0.5)
    assert "s of 4.0 s are missing" in warnings_of(path)


def test_a_sound_that_is_longer_is_no_broken_file(tmp_path: Path) -> None:
    path = tmp_path / "longer.mkv"
    write_streams(path, [(64, 48)], sound_s=3.0)
    with av.open(str(path)) as container:
        assert container.duration > 2.9e6
    assert not warnings_of(path)


def write_streams(path: Path, sizes: list[tuple[int, int]], sound_s: float = 0.0, seconds: int = 1) -> None:
    """Video streams of these sizes; MP4 with its index first."""
    with av.open(str(path), "w", options={"movflags": "faststart"}) as out:
        sound = out.add_stream("aac", rate=44100, layout="mono") if sound_s else None
        streams = [out.add_stream("mpeg4", rate=25, width=size[0], height=size[1]) for size in sizes]
        for stream in streams:
            stream.pix_fmt = "yuv420p"
        for n in range(25 * seconds):
            for stream in streams:
                image = picture(stream.width, stream.height, n)
                out.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        for stream in streams:
            out.mux(stream.encode(None))
        if sound is not None:
            for n in range(int(sound_s * 10)):
                tone = av.AudioFrame.from_ndarray(np.zeros((1, 4410), np.float32), "fltp", "mono")
                tone.sample_rate, tone.pts, tone.time_base = 44100, n * 4410, Fraction(1, 44100)
                out.mux(sound.encode(tone))
            out.mux(sound.encode(None))


def test_the_largest_video_stream_is_read_and_all_are_named(tmp_path: Path) -> None:
    path = tmp_path / "two.mkv"
    write_streams(path, [(64, 48), (160, 120), (96, 80)], sound_s=1.0)
    source = VideoFile(path, "two")
    assert source.size == (160, 120)
    assert source.warnings == [
        "it holds the video streams 0 (64x48), 1 (160x120), 2 (96x80); 1 is read: stream=N chooses another"
    ]


def test_another_video_stream_is_chosen(tmp_path: Path) -> None:
    path = tmp_path / "two.mkv"
    write_streams(path, [(64, 48), (160, 120)], sound_s=1.0)
    for number, size in enumerate([(64, 48), (160, 120)]):
        assert open_source(f"{path}?stream={number}").size == size
        (_, image), *_ = open_recording(Path(f"{path}?stream={number}")).images(np.ones(25, bool))
        assert image is not None
        assert image.shape[:2] == size[::-1]
    with pytest.raises(SourceError, match="no video stream 2") as refused:
        open_source(f"{path}?stream=2")
    assert "1 (160x120)" in refused.value.hint


@pytest.mark.parametrize("first", [True, False])
def test_a_cover_is_no_film(make_clip: MakeClip, first: bool) -> None:
    path = make_clip("cover.mp4", frames=25)
    insert_cover(path, first)
    with av.open(str(path)) as container:
        assert len(container.streams.video) == 2
    source = VideoFile(path, "film")
    assert (source.size, len(list(source.frames())), source.warnings) == ((320, 240), 25, [])
    assert len(open_recording(path).times_s) == 25


def test_a_sound_file_with_a_cover_is_refused(make_clip: MakeClip) -> None:
    path = make_clip("song.mp4", audio=True)
    insert_cover(path, first=False)
    for opened in (open_source, open_recording):
        with pytest.raises(SourceError, match="only sound"):
            opened(str(path) if opened is open_source else path)  # type: ignore[operator]


def insert_cover(path: Path, first: bool) -> None:
    """A cover larger than the film as players store it: in moov/udta/meta/ilst/covr, before or after the tracks."""

    def box(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content) + 8) + name + content

    image = av.VideoFrame.from_ndarray(picture(640, 640, 0), format="bgr24").reformat(format="yuvj420p")
    coder = av.CodecContext.create("mjpeg", "w")
    coder.width, coder.height, coder.pix_fmt, coder.time_base = 640, 640, "yuvj420p", Fraction(1, 25)
    jpeg = b"".join(bytes(packet) for packet in [*coder.encode(image), *coder.encode(None)])
    covers = box(b"covr", box(b"data", struct.pack(">II", 13, 0) + jpeg))
    handler = box(b"hdlr", struct.pack(">II4s4sIIB", 0, 0, b"mdir", b"appl", 0, 0, 0))
    added = box(b"udta", box(b"meta", bytes(4) + handler + box(b"ilst", covers)))
    data = path.read_bytes()
    at = data.index(b"moov") - 4
    size = struct.unpack_from(">I", data, at)[0]
    assert data.index(b"mdat") < at  # so that no offset changes
    moov = data[at + 8 : at + size]
    content = added + moov if first else moov + added
    path.write_bytes(data[:at] + box(b"moov", content) + data[at + size :])


@pytest.mark.parametrize(
    "name",
    [
        "10:30 talk.mp4",
        "pipe:0.mp4",
        "~tilde.mp4",
        "http:x.mp4",
        "concat:a.mp4",
        "50%d.mp4",
        "a?b.mp4",
        "-.mp4",
        "\udcff.mp4",
    ],
)
def test_a_file_is_opened_as_a_file_whatever_its_name(
    make_clip: MakeClip, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    make_clip(frames=3).rename(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    assert len(list(open_source(name).frames())) == 3
    assert len(open_recording(Path(name)).times_s) == 3


def test_a_playlist_opens_nothing_but_files(tmp_path: Path) -> None:
    path = tmp_path / "list.m3u8"
    path.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n")
    with pytest.raises(SourceError):
        open_source(str(path))
