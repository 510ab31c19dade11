"""Render the video with a box around the labelled face and a chart below it, and with its sound."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from mtclar.engine.errors import WriteError
from mtclar.engine.files.writing import write_whole
from mtclar.label.analysis.segments import Segment
from mtclar.label.output import chart
from mtclar.label.output.sound import Sound
from mtclar.label.output.table import Table
from mtclar.label.scan.face_scan import Advance
from mtclar.label.scan.recording import Recording

Image = NDArray[np.uint8]
Boxes = NDArray[np.float32]

MIN_WIDTH = 480  # pixels; a narrower video is enlarged, up to ENLARGED_HEIGHT, and centred
ENLARGED_HEIGHT = 960
TIME_BASE = Fraction(1, 90_000)
SPEED, QUALITY = (
    "ultrafast",
    "22",
)  # of x264; `medium`, its default, takes seven times as long for half the bytes
BOX = (240, 240, 240)


def render(
    recording: Recording,
    table: Table,
    out: Path,
    advance: Advance,
    boxes: Boxes | None = None,
    segments: Sequence[Segment] = (),
) -> None:
    """Write `out` as H.264 with the times and the sound of the media file, or nothing on failure.

    Unreadable frames are skipped. `boxes` [n, 4] in pixels are drawn where they are not nan. Raises WriteError.
    """
    try:
        write_whole(out, lambda file: _write(recording, table, file.name, advance, boxes, segments))
    except av.error.FFmpegError as error:
        raise WriteError(
            f"cannot write {out}: {error.strerror or error}", "choose another folder, or free disk space"
        ) from error


def _write(
    recording: Recording,
    table: Table,
    out: str,
    advance: Advance,
    boxes: Boxes | None,
    segments: Sequence[Segment],
) -> None:
    with (
        Sound(recording.media_file()) as sound,
        av.open(out, "w", options={"movflags": "+faststart"}, format="mp4") as container,
    ):
        video: Any = None
        pts = -1
        for row, image in annotated_frames(recording, table, boxes, segments):
            if video is None:
                video = _video_stream(container, image, table)
                sound.add_to(container)
            # Two frames of a file may have one time; an encoder takes only later ones.
            pts = max(pts + 1, round((table.first_frame_s + table.times_s[row]) / TIME_BASE))
            # A quarter of the time of FFmpeg's conversion.
            planes = np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2YUV_I420), np.uint8)
            frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
            frame.pts, frame.time_base = pts, TIME_BASE
            sound.write_until(float(pts * TIME_BASE))
            container.mux(video.encode(frame))
            advance(1)
        if video is not None:
            container.mux(video.encode())
            sound.write_until(float("inf"))


def _video_stream(container: Any, image: Image, table: Table) -> Any:
    rate = Fraction(1 / float(np.median(np.diff(table.times_s)))) if len(table) > 1 else Fraction(25)
    stream = container.add_stream("libx264", rate=rate.limit_denominator(1001))
    stream.height, stream.width = image.shape[:2]
    stream.pix_fmt = "yuv420p"
    stream.codec_context.time_base = TIME_BASE  # that of the rate would move the frames of a variable one
    stream.options = {"crf": QUALITY, "preset": SPEED}
    return stream


def annotated_frames(
    recording: Recording, table: Table, boxes: Boxes | None = None, segments: Sequence[Segment] = ()
) -> Iterator[tuple[int, Image]]:
    """Yield every readable row with its image, all of one size, and the chart below it."""
    canvas: Image | None = None
    for row, image in recording.images(np.ones(len(table), bool)):
        if image is None:
            continue
        if canvas is None:
            canvas = _canvas(image)
            height, width = canvas.shape[0] - chart.HEIGHT, canvas.shape[1]
            draw = chart.Chart(table, width, segments)
        _place(image, canvas[:height], None if boxes is None else boxes[row])
        canvas[height:] = draw(row)
        yield row, canvas


def _canvas(image: Image) -> Image:
    """Room for an image of this size and the chart, both sides even."""
    height, width = image.shape[:2]
    scale = max(1.0, min(MIN_WIDTH / width, ENLARGED_HEIGHT / height))
    width, height = (max(2, round(side * scale / 2) * 2) for side in (max(width, MIN_WIDTH / scale), height))
    return np.full((height + chart.HEIGHT, width, 3), chart.BACKGROUND, np.uint8)


def _place(image: Image, into: Image, box: Boxes | None) -> None:
    """Scale an image into the middle of `into`, and draw the box."""
    room_height, room_width = into.shape[:2]
    scale = min(room_width / image.shape[1], room_height / image.shape[0])
    width, height = (max(1, round(side * scale)) for side in (image.shape[1], image.shape[0]))
    left, top = (room_width - width) // 2, (room_height - height) // 2
    if (height, width) != (room_height, room_width):
        into[:] = chart.BACKGROUND
    part = into[top : top + height, left : left + width]
    if part.shape == image.shape:
        part[:] = image
    else:
        cv2.resize(image, (width, height), dst=part)
    if box is not None and not np.isnan(box).any():
        x0, y0, x1, y1 = (box * np.float32(scale)).round().astype(int).tolist()
        cv2.rectangle(part, (x0, y0), (x1, y1), chart.FOREGROUND, 3, cv2.LINE_AA)
        cv2.rectangle(part, (x0, y0), (x1, y1), BOX, 1, cv2.LINE_AA)
