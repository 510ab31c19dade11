"""The video with the values drawn in: a strip below it, seconds before and after the frame, with the interval."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from mtclar.engine.errors import WriteError
from mtclar.engine.estimate.metrics import Z_90
from mtclar.label.face_scan import Advance
from mtclar.label.output.table import LABELLED, Table
from mtclar.label.recording import Recording

Picture = NDArray[np.uint8]

WINDOW_S = 4.0  # shown before and after the frame
STRIP = 120  # pixels
MIN_WIDTH = 360  # a smaller video is shown larger
COLOURS = {"valence": (200, 120, 20), "arousal": (40, 60, 210)}  # BGR
PAPER, INK, FAINT = (250, 250, 250), (40, 40, 40), (215, 215, 215)
TIME_BASE = Fraction(1, 90_000)


def render(recording: Recording, table: Table, out: Path, advance: Advance) -> None:
    """Writes `out` as H.264 at the recording's own times, whole or not at all; unreadable frames are left out."""
    unfinished = out.with_name(f".{out.name}.unfinished")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        _write(recording, table, unfinished, advance)
        unfinished.replace(out)
    except (av.error.FFmpegError, OSError) as error:
        raise WriteError(
            f"cannot write {out}: {error.strerror or error}", "choose another place, or make room"
        ) from error
    finally:
        unfinished.unlink(missing_ok=True)


def _write(recording: Recording, table: Table, out: Path, advance: Advance) -> None:
    with av.open(str(out), "w", options={"movflags": "+faststart"}, format="mp4") as container:
        stream = None
        for row, picture in drawn(recording, table):
            if stream is None:
                rate = (
                    Fraction(1 / float(np.median(np.diff(table.times_s)))) if len(table) > 1 else Fraction(25)
                )
                stream = container.add_stream("libx264", rate=rate.limit_denominator(1001))
                stream.height, stream.width = picture.shape[:2]
                stream.pix_fmt = "yuv420p"
                stream.options = {"crf": "20"}
            frame = av.VideoFrame.from_ndarray(picture, format="bgr24")
            frame.pts, frame.time_base = round(table.times_s[row] / TIME_BASE), TIME_BASE
            container.mux(stream.encode(frame))
            advance(1)
        if stream is not None:
            container.mux(stream.encode())


def drawn(recording: Recording, table: Table) -> Iterator[tuple[int, Picture]]:
    """Every frame with its strip."""
    for row, picture in recording.pictures(np.ones(len(table), bool)):
        if picture is not None:
            yield row, _composed(picture, table, row)


def _composed(picture: Picture, table: Table, row: int) -> Picture:
    scale = max(1.0, MIN_WIDTH / picture.shape[1])
    width, height = (round(side * scale / 2) * 2 for side in (picture.shape[1], picture.shape[0]))
    shown = np.asarray(cv2.resize(picture, (width, height)), np.uint8)
    return np.vstack([shown, _strip(table, row, width)])


def _strip(table: Table, row: int, width: int) -> Picture:
    strip = np.full((STRIP, width, 3), PAPER, np.uint8)
    top, bottom = 26, STRIP - 8
    now_s = table.times_s[row]

    def y_of(value: NDArray[np.float64]) -> NDArray[np.float64]:
        return bottom - (np.clip(value, -1, 1) + 1) / 2 * (bottom - top)

    def points(rows: NDArray[np.int64], value: NDArray[np.float64]) -> NDArray[np.int32]:
        x = (table.times_s[rows] - now_s + WINDOW_S) / (2 * WINDOW_S) * width
        return np.stack([x, y_of(value)], 1).round().astype(np.int32)

    middle = round(float(y_of(np.array(0.0))))
    cv2.line(strip, (0, middle), (width, middle), FAINT, 1)
    near = np.flatnonzero(np.abs(table.times_s - now_s) <= WINDOW_S)
    for i, colour in enumerate(COLOURS.values()):
        for rows in _runs(near[~np.isnan(table.values[near, i])]):
            value, sd = table.values[rows, i], np.nan_to_num(table.sds[rows, i])
            band = np.vstack([points(rows, value + Z_90 * sd), points(rows, value - Z_90 * sd)[::-1]])
            tinted = strip.copy()
            cv2.fillPoly(tinted, [band], colour)
            strip = np.asarray(cv2.addWeighted(tinted, 0.18, strip, 0.82, 0), np.uint8)
    for i, colour in enumerate(COLOURS.values()):
        for rows in _runs(near[~np.isnan(table.values[near, i])]):
            cv2.polylines(strip, [points(rows, table.values[rows, i])], False, colour, 1, cv2.LINE_AA)
        given = near[table.state[near] == LABELLED]
        for x, y in points(given, table.values[given, i]).tolist():
            cv2.circle(strip, (x, y), 3, colour, -1, cv2.LINE_AA)
    cv2.line(strip, (width // 2, top - 4), (width // 2, bottom + 4), INK, 1)
    x = 6
    for i, (name, colour) in enumerate(COLOURS.items()):
        value = table.values[row, i]
        text = f"{name} {'-' if np.isnan(value) else format(value, '+.2f')}"
        cv2.putText(strip, text, (x, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.42, colour, 1, cv2.LINE_AA)
        x += 118
    text = f"{now_s:.2f} s  {str(table.state[row]).replace('_', ' ')}"
    cv2.putText(strip, text, (x, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.38, INK, 1, cv2.LINE_AA)
    return strip


def _runs(rows: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Stretches of rows that follow one another."""
    if not len(rows):
        return []
    return np.split(rows, np.flatnonzero(np.diff(rows) != 1) + 1)
