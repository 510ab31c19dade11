"""The video beside a recording: playable with the times of capture, also without its end."""

import itertools
import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

pytest.importorskip("pyarrow", reason="pyarrow is not installed; `make setup` brings it")

from mtclar.engine.data_types import Frame
from mtclar.stream.protocol.messages import AffectMessage, RecordingMessage, StreamInfo
from mtclar.stream.recordings.reader import Recording
from mtclar.stream.recordings.video import MAX_WAITING, StreamVideo, Videos, first_capture_s
from mtclar.stream.sinks.recorder import Recorder

START_S = 500.25
SIZE = (97, 65)  # odd sides, which the encoder does not know


def frame(number: int, stream: str = "cam") -> Frame:
    """A grey picture that becomes brighter, 20 a second."""
    image = np.full((SIZE[1], SIZE[0], 3), 20 + 8 * (number % 25), np.uint8)
    return Frame(image, number, START_S + number / 20, "arrival", number / 20, stream)


def played(path: Path) -> tuple[list[float], list[float]]:
    """The times and the mean grey levels of all frames."""
    with av.open(str(path)) as container:
        frames = [
            (one.time, float(one.to_ndarray(format="gray").mean())) for one in container.decode(video=0)
        ]
    times_s, levels = zip(*frames, strict=True)
    return list(times_s), list(levels)


def test_frames_keep_their_times_of_capture(tmp_path: Path) -> None:
    with closing(StreamVideo(tmp_path, "cam")) as video:
        for number in (0, 1, 2, 6, 7):  # two were dropped
            video.enqueue(frame(number))
    (path,) = tmp_path.iterdir()
    assert path.name == "video-cam-1.mkv"
    assert path.stat().st_mode & 0o777 == 0o600
    times_s, levels = played(path)
    assert times_s == pytest.approx([0.0, 0.05, 0.1, 0.3, 0.35], abs=0.002)
    assert levels == pytest.approx([20.0 + 8 * number for number in (0, 1, 2, 6, 7)], abs=6)
    assert first_capture_s(path) == START_S


def test_without_its_end_it_can_be_played(tmp_path: Path, eventually: Any) -> None:
    """What a killed process leaves: the file as it is while the encoder runs."""
    with closing(StreamVideo(tmp_path, "cam")) as video:
        numbers = itertools.count()

        def has_a_second() -> bool:
            video.enqueue(frame(next(numbers)))
            try:
                left = shutil.copyfile(tmp_path / "video-cam-1.mkv", tmp_path / "left.mkv")
                return len(played(left)[0]) >= 20
            except (OSError, av.error.FFmpegError, IndexError, ValueError):  # not even its beginning
                return False

        eventually(has_a_second)
    assert first_capture_s(tmp_path / "left.mkv") == START_S


def test_a_frame_of_another_size_is_fitted(tmp_path: Path) -> None:
    large = Frame(np.full((200, 300, 3), 100, np.uint8), 1, START_S + 0.05, "arrival", 0.05, "cam")
    with closing(StreamVideo(tmp_path, "cam")) as video:
        video.enqueue(frame(0))
        video.enqueue(large)
    assert len(played(tmp_path / "video-cam-1.mkv")[0]) == 2


def test_after_a_failure_another_file_begins(tmp_path: Path, eventually: Any) -> None:
    folder = tmp_path / "later"
    with closing(StreamVideo(folder, "cam", clock=itertools.count().__next__)) as video:
        video.enqueue(frame(0))
        eventually(lambda: video.trouble)
        assert "the video of cam cannot be written: No such file" in str(video.trouble)
        folder.mkdir()
        numbers = itertools.count(1)

        def goes_on() -> bool:
            video.enqueue(frame(next(numbers)))
            return video.trouble is None

        eventually(goes_on)
    assert len(list(folder.iterdir())) == 1


def test_the_encoder_never_delays_the_tracker(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    videos = Videos(tmp_path)
    with closing(videos):
        for number in range(40 * MAX_WAITING):
            videos.enqueue(frame(number % 20, "cam"))
        videos.enqueue(frame(0, "door / 2"))
    videos.enqueue(frame(0))  # too late
    assert sorted(path.name for path in tmp_path.iterdir()) == ["video-cam-1.mkv", "video-door-2-1.mkv"]
    assert "frames are missing" in caplog.text


@pytest.fixture
def filmed(tmp_path: Path, make_message: Callable[..., AffectMessage]) -> Path:
    """A recording with video of ten frames."""
    recorder = Recorder(tmp_path, video=True)
    told: list[RecordingMessage] = []
    recorder.on_change = told.append
    recorder.open([StreamInfo("cam", "webcam:0", True, SIZE, 20.0, "latest")])
    for number in range(10):
        recorder.affect(make_message(number, t_s=START_S + number / 20))
        recorder.frame(frame(number))
    recorder.close()
    recorder.frame(frame(10))
    assert [(one.recording, one.video) for one in told] == [(True, True), (False, False)]
    return Recording(tmp_path).folder


def test_a_recorder_films_while_it_records(filmed: Path) -> None:
    video = Recording(filmed).video("cam")
    assert video == (filmed / "video-cam-1.mkv", START_S)
    assert len(played(video[0])[0]) == 10
    assert Recording(filmed).video("door") is None
