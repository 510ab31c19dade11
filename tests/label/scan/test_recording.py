"""Recordings as rows: every frame has one row, decodable or not."""

import shutil
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from mtclar.engine.errors import SourceError, UsageError
from mtclar.label.scan.recording import open_recording
from mtclar.stream.sources import open_source

CLIP = Path(__file__).parents[1] / "clips" / "1002.mp4"


def test_rows_equal_the_frames_and_times_of_the_source() -> None:
    frames = list(open_source(str(CLIP)).frames())
    recording = open_recording(CLIP)
    assert recording.times_s == pytest.approx([frame.pts_s for frame in frames])
    selected = np.zeros(len(frames), bool)
    selected[[0, 7, 249]] = True
    decoded = list(recording.images(selected))
    assert [row for row, _ in decoded] == list(range(len(frames)))
    for row, image in decoded:
        assert (image is not None) == selected[row]
        if image is not None:
            assert np.array_equal(image, frames[row].image)


def test_reading_from_a_later_row() -> None:
    recording = open_recording(CLIP)
    everything = np.ones(len(recording.times_s), bool)
    late = dict(recording.images(everything, 240))
    assert list(late) == list(range(240, 250))
    whole = dict(recording.images(everything))
    assert all(np.array_equal(late[row], whole[row]) for row in late)


def test_undecodable_frames_do_not_shift_rows(tmp_path: Path) -> None:
    with av.open(str(CLIP)) as container:
        packets = [packet for packet in container.demux(container.streams.video[0]) if packet.size]
        spoilt = packets[130:140]
        places = [(packet.pos, packet.size) for packet in spoilt]
    content = bytearray(CLIP.read_bytes())
    for start, size in places:
        content[start + 4 : start + size] = bytes(size - 4)
    damaged = tmp_path / "damaged.mp4"
    damaged.write_bytes(content)
    recording = open_recording(damaged)
    assert len(recording.times_s) == 250
    everything = np.ones(250, bool)
    rows = [row for row, _ in recording.images(everything)]
    assert rows == sorted(set(rows))
    assert 0 < 250 - len(rows) < 130
    whole, records = dict(open_recording(CLIP).images(everything)), dict(recording.images(everything))
    assert all(np.array_equal(whole[row], records[row]) for row in range(100))


def test_a_truncated_file_is_read_up_to_the_end(tmp_path: Path) -> None:
    cut = tmp_path / "cut.mkv"
    with av.open(str(CLIP)) as source, av.open(str(cut), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.size:
                packet.stream = stream
                target.mux(packet)
    cut.write_bytes(cut.read_bytes()[:-20_000])
    recording = open_recording(cut)
    assert 100 < len(recording.times_s) < 250
    rows = [row for row, _ in recording.images(np.zeros(len(recording.times_s), bool))]
    assert rows[:100] == list(range(100))


def test_a_folder_of_images_with_a_damaged_one(tmp_path: Path) -> None:
    image = np.full((40, 60, 3), 90, np.uint8)
    for number in (1, 2, 10):
        cv2.imwrite(str(tmp_path / f"{number}.png"), image + number)
    (tmp_path / "2.png").write_bytes(b"no picture")
    recording = open_recording(tmp_path, 10)
    assert recording.times_s == pytest.approx([0, 0.1, 0.2])
    decoded = dict(recording.images(np.ones(3, bool)))
    assert list(decoded) == [0, 2]
    assert decoded[2] is not None
    assert decoded[2][0, 0, 0] == 100


def test_the_digest_depends_on_content_only(tmp_path: Path) -> None:
    copy = tmp_path / "another name.mp4"
    shutil.copy(CLIP, copy)
    assert open_recording(copy).digest() == open_recording(CLIP).digest()
    assert open_recording(CLIP.with_name("1003.mp4")).digest() != open_recording(CLIP).digest()


@pytest.mark.parametrize("fps", [None, 5.0])
def test_invalid_recordings(tmp_path: Path, fps: float | None) -> None:
    with pytest.raises(UsageError):
        open_recording(tmp_path / "missing.mp4", fps)
    with pytest.raises(UsageError):
        open_recording(tmp_path, fps)  # empty, or no rate
    text = tmp_path / "text.mp4"
    text.write_text("no video")
    with pytest.raises(SourceError if fps is None else UsageError):
        open_recording(text, fps)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_pictures_that_begin_after_the_sound(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"late{suffix}"
    with av.open(str(path), "w") as container:
        sound = container.add_stream("aac", rate=48000, layout="mono")
        video = container.add_stream("libx264", rate=25, options={"bf": "0"})
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        packets = []
        for n in range(25):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 8 * n, np.uint8), format="bgr24")
            frame.pts = 25 + n
            packets += video.encode(frame)
        for n in range(90):
            tone = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            tone.sample_rate, tone.pts = 48000, 1024 * n
            packets += sound.encode(tone)
        packets += [*video.encode(None), *sound.encode(None)]
        for packet in sorted(packets, key=lambda packet: packet.dts * packet.time_base):
            container.mux(packet)
    recording = open_recording(path)
    assert recording.first_frame_s == pytest.approx(1.0, abs=0.03)
    assert recording.times_s[[0, -1]] == pytest.approx([0.0, 0.96], abs=0.002)
