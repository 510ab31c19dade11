"""The sound of a recording for browsers, with times from the first frame."""

import io
from pathlib import Path

import av
import numpy as np
import pytest

from mtclar.stream.sources.decoding.media_file import MediaFile
from mtclar.stream.sources.decoding.sound_track import sound_track

RATE_HZ = 44_100
LENGTH_S, BEGINS_S = 3.0, 1.0  # a tone from there on


def write(path: Path, with_sound: bool) -> MediaFile:
    """Three seconds of grey, with a tone in stereo from the first second on."""
    with av.open(str(path), "w") as out:
        video = out.add_stream("mpeg4", rate=25)
        video.width = video.height = 64
        sound = out.add_stream("aac", rate=RATE_HZ, layout="stereo") if with_sound else None
        for _ in range(round(LENGTH_S * 25)):
            out.mux(video.encode(av.VideoFrame.from_ndarray(np.full((64, 64, 3), 90, np.uint8), "bgr24")))
        out.mux(video.encode(None))
        if sound is not None:
            t_s = np.arange(round(LENGTH_S * RATE_HZ)) / RATE_HZ
            tone = np.where(t_s >= BEGINS_S, 0.5 * np.sin(2 * np.pi * 440 * t_s), 0).astype(np.float32)
            frame = av.AudioFrame.from_ndarray(np.stack([tone, tone]), "fltp", "stereo")
            frame.rate = RATE_HZ
            out.mux(sound.encode(frame))
            out.mux(sound.encode(None))
    return MediaFile(path, path.name, lambda _: None)


def test_the_tone_is_where_it_was(tmp_path: Path) -> None:
    track = sound_track(write(tmp_path / "clip.mp4", True))
    assert track is not None
    with av.open(io.BytesIO(track)) as container:
        assert container.format.name.startswith("matroska")
        frames = [(frame.pts * frame.time_base, frame.to_ndarray()) for frame in container.decode(audio=0)]
    loud = [float(t_s) for t_s, samples in frames if np.abs(samples).max() > 0.2]
    assert loud[0] == pytest.approx(BEGINS_S, abs=0.1)
    assert loud[-1] == pytest.approx(LENGTH_S, abs=0.1)


def test_a_silent_recording_has_none(tmp_path: Path) -> None:
    assert sound_track(write(tmp_path / "clip.mp4", False)) is None
