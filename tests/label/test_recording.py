"""A recording as rows: every frame has one, whatever cannot be decoded, and the numbers of the others stay."""

import shutil
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from mtclar.engine.errors import SourceError, UsageError
from mtclar.label.recording import open_recording
from mtclar.stream.sources import open_source

CLIP = Path(__file__).parent / "clips" / "1002.mp4"


def test_rows_are_the_frames_and_times_that_other_commands_see() -> None:
    frames = list(open_source(str(CLIP)).frames())
    recording = open_recording(CLIP)
    assert recording.times_s == pytest.approx([frame.pts_s for frame in frames])
    wanted = np.zeros(len(frames), bool)
    wanted[[0, 7, 249]] = True
    decoded = list(recording.pictures(wanted))
    assert [row for row, _ in decoded] == list(range(len(frames)))
    for row, picture in decoded:
        assert (picture is not None) == wanted[row]
        if picture is not None:
            assert np.array_equal(picture, frames[row].image)


def test_reading_may_begin_later() -> None:
    recording = open_recording(CLIP)
    everything = np.ones(len(recording.times_s), bool)
    late = dict(recording.pictures(everything, 240))
    assert list(late) == list(range(240, 250))
    whole = dict(recording.pictures(everything))
    assert all(np.array_equal(late[row], whole[row]) for row in late)


def test_frames_that_cannot_be_decoded_are_missing_and_shift_nothing(tmp_path: Path) -> None:
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
    rows = [row for row, _ in recording.pictures(everything)]
    assert rows == sorted(set(rows))
    assert 0 < 250 - len(rows) < 130
    whole, pieces = dict(open_recording(CLIP).pictures(everything)), dict(recording.pictures(everything))
    assert all(np.array_equal(whole[row], pieces[row]) for row in range(100))


def test_a_file_that_breaks_off_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
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
    rows = [row for row, _ in recording.pictures(np.zeros(len(recording.times_s), bool))]
    assert rows[:100] == list(range(100))


def test_a_folder_of_pictures_with_a_damaged_one(tmp_path: Path) -> None:
    image = np.full((40, 60, 3), 90, np.uint8)
    for number in (1, 2, 10):
        cv2.imwrite(str(tmp_path / f"{number}.png"), image + number)
    (tmp_path / "2.png").write_bytes(b"no picture")
    recording = open_recording(tmp_path, 10)
    assert recording.times_s == pytest.approx([0, 0.1, 0.2])
    decoded = dict(recording.pictures(np.ones(3, bool)))
    assert list(decoded) == [0, 2]
    assert decoded[2] is not None
    assert decoded[2][0, 0, 0] == 100


def test_the_digest_is_of_the_content(tmp_path: Path) -> None:
    copy = tmp_path / "another name.mp4"
    shutil.copy(CLIP, copy)
    assert open_recording(copy).digest() == open_recording(CLIP).digest()
    assert open_recording(CLIP.with_name("1003.mp4")).digest() != open_recording(CLIP).digest()


@pytest.mark.parametrize("fps", [None, 5.0])
def test_what_is_no_recording(tmp_path: Path, fps: float | None) -> None:
    with pytest.raises(UsageError):
        open_recording(tmp_path / "missing.mp4", fps)
    with pytest.raises(UsageError):
        open_recording(tmp_path, fps)  # empty, or no rate
    text = tmp_path / "text.mp4"
    text.write_text("no video")
    with pytest.raises(SourceError if fps is None else UsageError):
        open_recording(text, fps)
