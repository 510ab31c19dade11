"""Rendered videos, decoded again: pictures, times, sound, and what is drawn."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from mtclar.label.analysis.segments import Segment
from mtclar.label.output.chart import BOTTOM, HEIGHT, MARGIN, TOP, Chart
from mtclar.label.output.render import render
from mtclar.label.output.table import Table
from mtclar.label.scan.recording import Recording, open_recording

CLIP = Path(__file__).parents[1] / "clips" / "1002.mp4"
Images = list[NDArray[np.int64]]


def table_of(recording: Recording, value: float = 0.4) -> Table:
    """Valence is `value` and arousal its opposite, in every frame."""
    count = len(recording.times_s)
    values = np.tile([value, -value], (count, 1))
    sds, labels = np.full((count, 2), 0.1), np.full((count, 2), np.nan)
    return Table(
        recording.times_s, values, sds, np.full(count, "ok", "<U16"), labels, recording.first_frame_s
    )


def decoded(path: Path) -> tuple[list[float], Images]:
    """Times and pictures of a video."""
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    return [float(frame.time) for frame in frames], [
        frame.to_ndarray(format="bgr24").astype(np.int64) for frame in frames
    ]


def bars(path: Path, size: tuple[int, int], times_ms: Sequence[int], sound: str | None = None) -> Path:
    """A video that grows brighter, with pictures at these times, and a second of sound in that codec."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("mjpeg", rate=25)
        video.width, video.height = size
        video.pix_fmt = "yuvj444p"
        video.codec_context.time_base = Fraction(1, 1000)
        audio = None if sound is None else container.add_stream(sound, rate=16_000, layout="mono")
        for i, time_ms in enumerate(times_ms):
            image = np.full((size[1], size[0], 3), 20 + 9 * i, np.uint8)
            frame = av.VideoFrame.from_ndarray(image, format="bgr24")
            frame.pts, frame.time_base = time_ms, Fraction(1, 1000)
            container.mux(video.encode(frame))
        container.mux(video.encode())
        if audio is not None:
            tone = (8000 * np.sin(np.arange(16_000) / 6)).astype(np.int16)
            block = av.AudioFrame.from_ndarray(tone[None], format="s16", layout="mono")
            block.sample_rate, block.pts = 16_000, 0
            container.mux(audio.encode(block))
            container.mux(audio.encode())
    return path


def sound_of(path: Path) -> tuple[str, list[bytes], float]:
    """Codec, packets and seconds of the sound."""
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        packets = [packet for packet in container.demux(stream) if packet.size]
        last = packets[-1]
        assert last.pts is not None
        return (
            stream.codec_context.name,
            [bytes(packet) for packet in packets],
            float((last.pts + (last.duration or 0)) * last.time_base),
        )


def test_the_chart_below_the_video(tmp_path: Path) -> None:
    recording = open_recording(CLIP)
    table = table_of(recording)
    table.values[100:125] = np.nan
    out = tmp_path / "annotated.mp4"
    reported: list[int] = []
    render(recording, table, out, reported.append)
    assert sum(reported) == 250
    assert [path.name for path in tmp_path.iterdir()] == ["annotated.mp4"]
    assert out.stat().st_mode & 0o777 == 0o600
    times_s, images = decoded(out)
    assert times_s == pytest.approx(table.times_s.tolist(), abs=1e-3)
    height, width = images[50].shape[:2]
    assert (height - HEIGHT) / width == pytest.approx(240 / 320, abs=0.01)
    now = MARGIN + (width - HEIGHT - MARGIN) // 2

    def drawn(i: int, left: int, right: int) -> tuple[float, float]:
        """Share of columns with a line of valence (blue) and of arousal (red)."""
        part = images[i][-HEIGHT + TOP : -HEIGHT + BOTTOM, left:right]
        blue, red = (part[..., 0] - part[..., 2] > 80), (part[..., 2] - part[..., 0] > 80)
        return float(blue.any(0).mean()), float(red.any(0).mean())

    assert min(drawn(50, now, now + 60)) > 0.7
    assert drawn(112, now - 4, now + 4) == (0.0, 0.0)  # nothing where there is no value
    plane = [image[-HEIGHT:, -HEIGHT:] for image in images]
    assert (plane[50][HEIGHT // 2 + 26, HEIGHT // 2 + 26] < 90).all()  # the point of .4, -.4
    assert (plane[112][HEIGHT // 2 + 26, HEIGHT // 2 + 26] > 90).all()


def test_boxes_and_segments(tmp_path: Path) -> None:
    recording = open_recording(CLIP)
    table = table_of(recording)
    boxes = np.tile(np.float32([80, 60, 160, 180]), (250, 1))
    boxes[100:] = np.nan
    render(recording, table, tmp_path / "plain.mp4", lambda _: None)
    named = [Segment("stress", 3.0, 6.0)]
    render(recording, table, tmp_path / "all.mp4", lambda _: None, boxes, named)
    plain, both = (decoded(tmp_path / f"{name}.mp4")[1] for name in ("plain", "all"))
    edge = (slice(90, 270), slice(120, 123))  # the left edge, enlarged from 320 to 480 pixels
    assert np.abs(both[50][edge] - plain[50][edge]).mean() > 20
    assert np.abs(both[150][edge] - plain[150][edge]).mean() < 5
    width = both[0].shape[1]
    now = MARGIN + (width - HEIGHT - MARGIN) // 2
    at = (-HEIGHT + TOP + 6, now + 8)
    assert np.abs(both[100][at] - plain[100][at]).max() > 8  # at 4 s, inside
    assert np.abs(both[200][at] - plain[200][at]).max() < 5  # at 8 s, behind


def test_a_long_segment_keeps_its_name() -> None:
    recording = open_recording(CLIP)
    table = table_of(recording)
    named, nameless = (Chart(table, 480, [Segment(name, 0.5, 9.5)]) for name in ("stress", " "))
    corner = (slice(TOP - 16, TOP), slice(MARGIN, MARGIN + 50))
    for row in (150, 200):  # its start has left the chart
        assert np.abs(named(row)[corner].astype(int) - nameless(row)[corner]).max() > 80


@pytest.mark.parametrize(
    ("size", "times_ms"),
    [((641, 479), (0, 40, 80, 120)), ((16, 600), (0, 10, 500, 510, 2000)), ((3, 3), (0, 40))],
)
def test_any_size_and_rate(size: tuple[int, int], times_ms: Sequence[int], tmp_path: Path) -> None:
    recording = open_recording(bars(tmp_path / "in.mkv", size, times_ms))
    render(recording, table_of(recording), tmp_path / "out.mp4", lambda _: None)
    times_s, images = decoded(tmp_path / "out.mp4")
    assert times_s == pytest.approx([time_ms / 1000 for time_ms in times_ms], abs=2e-3)
    height, width = images[0].shape[:2]
    middles = [int(image[(height - HEIGHT) // 2, width // 2, 1]) for image in images]
    assert middles == sorted(set(middles))  # each picture at its own time


def test_the_sound_is_copied(tmp_path: Path) -> None:
    recording = open_recording(bars(tmp_path / "in.mkv", (64, 64), range(0, 1000, 40), "aac"))
    render(recording, table_of(recording), tmp_path / "out.mp4", lambda _: None)
    before, after = sound_of(tmp_path / "in.mkv"), sound_of(tmp_path / "out.mp4")
    assert after[:2] == before[:2]
    assert after[2] == pytest.approx(before[2], abs=0.1)


def test_sound_that_mp4_cannot_hold_becomes_aac(tmp_path: Path) -> None:
    recording = open_recording(bars(tmp_path / "in.mkv", (64, 64), range(0, 1000, 40), "pcm_s16le"))
    render(recording, table_of(recording), tmp_path / "out.mp4", lambda _: None)
    codec, packets, end_s = sound_of(tmp_path / "out.mp4")
    assert codec == "aac"
    assert len(packets) > 10
    assert end_s == pytest.approx(1.0, abs=0.15)
