"""Render the video with a chart below it: values and 90 % intervals a few seconds before and after the frame."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from mtclar.engine.errors import WriteError
from mtclar.engine.estimate.metrics import Z_90
from mtclar.engine.files import write_whole
from mtclar.label.face_scan import Advance
from mtclar.label.output.table import Table
from mtclar.label.recording import Recording

Image = NDArray[np.uint8]

WINDOW_S = 4.0  # before and after the frame
CHART_HEIGHT = 120  # pixels
MIN_WIDTH = 360  # a smaller video is enlarged
COLOURS = {"valence": (200, 120, 20), "arousal": (40, 60, 210)}  # BGR
BACKGROUND, FOREGROUND, GRID = (250, 250, 250), (40, 40, 40), (215, 215, 215)
TIME_BASE = Fraction(1, 90_000)


def render(recording: Recording, table: Table, out: Path, advance: Advance) -> None:
    """Write `out` as H.264 with the times of the recording, or nothing on failure; unreadable frames are skipped."""
    try:
        write_whole(out, lambda file: _write(recording, table, file.name, advance))
    except av.error.FFmpegError as error:
        raise WriteError(
            f"cannot write {out}: {error.strerror or error}", "choose another folder, or free disk space"
        ) from error


def _write(recording: Recording, table: Table, out: str, advance: Advance) -> None:
    with av.open(out, "w", options={"movflags": "+faststart"}, format="mp4") as container:
        stream = None
        for row, image in annotated_frames(recording, table):
            if stream is None:
                rate = (
                    Fraction(1 / float(np.median(np.diff(table.times_s)))) if len(table) > 1 else Fraction(25)
                )
                stream = container.add_stream("libx264", rate=rate.limit_denominator(1001))
                stream.height, stream.width = image.shape[:2]
                stream.pix_fmt = "yuv420p"
                stream.options = {"crf": "20"}
            frame = av.VideoFrame.from_ndarray(image, format="bgr24")
            frame.pts, frame.time_base = round(table.times_s[row] / TIME_BASE), TIME_BASE
            container.mux(stream.encode(frame))
            advance(1)
        if stream is not None:
            container.mux(stream.encode())


def annotated_frames(recording: Recording, table: Table) -> Iterator[tuple[int, Image]]:
    """Yield every readable row with the image and the chart below it."""
    for row, image in recording.images(np.ones(len(table), bool)):
        if image is not None:
            yield row, _compose(image, table, row)


def _compose(image: Image, table: Table, row: int) -> Image:
    scale = max(1.0, MIN_WIDTH / image.shape[1])
    width, height = (round(side * scale / 2) * 2 for side in (image.shape[1], image.shape[0]))
    resized = np.asarray(cv2.resize(image, (width, height)), np.uint8)
    return np.vstack([resized, _chart(table, row, width)])


def _chart(table: Table, row: int, width: int) -> Image:
    chart = np.full((CHART_HEIGHT, width, 3), BACKGROUND, np.uint8)
    top, bottom = 26, CHART_HEIGHT - 8
    now_s = table.times_s[row]

    def y_of(value: NDArray[np.float64]) -> NDArray[np.float64]:
        return bottom - (np.clip(value, -1, 1) + 1) / 2 * (bottom - top)

    def points(rows: NDArray[np.int64], value: NDArray[np.float64]) -> NDArray[np.int32]:
        x = (table.times_s[rows] - now_s + WINDOW_S) / (2 * WINDOW_S) * width
        return np.stack([x, y_of(value)], 1).round().astype(np.int32)

    middle = round(float(y_of(np.array(0.0))))
    cv2.line(chart, (0, middle), (width, middle), GRID, 1)
    near = np.flatnonzero(np.abs(table.times_s - now_s) <= WINDOW_S)
    for i, colour in enumerate(COLOURS.values()):
        for rows in _runs(near[~np.isnan(table.values[near, i])]):
            value, sd = table.values[rows, i], np.nan_to_num(table.sds[rows, i])
            band = np.vstack([points(rows, value + Z_90 * sd), points(rows, value - Z_90 * sd)[::-1]])
            tinted = chart.copy()
            cv2.fillPoly(tinted, [band], colour)
            chart = np.asarray(cv2.addWeighted(tinted, 0.18, chart, 0.82, 0), np.uint8)
    for i, colour in enumerate(COLOURS.values()):
        for rows in _runs(near[~np.isnan(table.values[near, i])]):
            cv2.polylines(chart, [points(rows, table.values[rows, i])], False, colour, 1, cv2.LINE_AA)
        given = near[~np.isnan(table.labels[near, i])]
        for x, y in points(given, table.labels[given, i]).tolist():
            cv2.circle(chart, (x, y), 3, colour, -1, cv2.LINE_AA)
    cv2.line(chart, (width // 2, top - 4), (width // 2, bottom + 4), FOREGROUND, 1)
    x = 6
    for i, (name, colour) in enumerate(COLOURS.items()):
        value = table.values[row, i]
        text = f"{name} {'-' if np.isnan(value) else format(value, '+.2f')}"
        cv2.putText(chart, text, (x, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.42, colour, 1, cv2.LINE_AA)
        x += 118
    text = f"{now_s:.2f} s  {str(table.state[row]).replace('_', ' ')}"
    cv2.putText(chart, text, (x, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.38, FOREGROUND, 1, cv2.LINE_AA)
    return chart


def _runs(rows: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Split rows into runs of consecutive rows."""
    if not len(rows):
        return []
    return np.split(rows, np.flatnonzero(np.diff(rows) != 1) + 1)
