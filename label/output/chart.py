"""The chart below a rendered video: values and 90 % intervals over time, the affect plane, and names of segments.

What does not change from frame to frame is drawn once, the curves as tiles of one window each; a frame copies from two
of them.
"""

from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from mtclar.engine.estimate.metrics import Z_90
from mtclar.label.analysis.segments import Segment
from mtclar.label.output.table import Table

Image = NDArray[np.uint8]
Rows = NDArray[np.int64]
Point = tuple[int, int]

WINDOW_S = 4.0  # before and after the frame
TRAIL_S = 2.0  # on the affect plane
HEIGHT = 168  # pixels, also the width of the affect plane
MARGIN = 34  # pixels left of the curves, for the numbers of the axis
LETTER_PX = 8  # at most, of the name of a segment
TOP, BOTTOM = 42, HEIGHT - 20  # of the curves; names of segments and the legend are above, times below
COLOURS = {"valence": (200, 120, 20), "arousal": (40, 60, 210)}  # BGR
BACKGROUND, FOREGROUND, GRID = (250, 250, 250), (40, 40, 40), (215, 215, 215)
SEGMENT = ((232, 240, 226), (226, 234, 244))  # neighbours differ
FONT = cv2.FONT_HERSHEY_SIMPLEX


class Chart:
    """The chart of a table, `width` pixels wide."""

    def __init__(self, table: Table, width: int, segments: Sequence[Segment] = ()) -> None:
        self._table, self._segments = table, segments
        self._span = width - HEIGHT - MARGIN  # pixels of the curves
        self._px_per_s = self._span / (2 * WINDOW_S)
        self._frame = self._unchanging(width)
        self._tile = lru_cache(maxsize=4)(self._drawn_tile)

    def __call__(self, row: int) -> Image:
        """[HEIGHT, width, 3] BGR at one row of the table."""
        chart = self._frame.copy()
        now_s = float(self._table.times_s[row])
        first = round(now_s * self._px_per_s) - self._span // 2
        number, offset = divmod(first, self._span)
        curves = chart[:, MARGIN : MARGIN + self._span]
        curves[:, : self._span - offset] = self._tile(number)[:, offset:]
        if offset:
            curves[:, self._span - offset :] = self._tile(number + 1)[:, :offset]
        for segment in self._segments:  # a long one keeps its name, which the tiles have at its start
            left, right = (
                round(time_s * self._px_per_s) - first for time_s in (segment.start_s, segment.end_s)
            )
            if left < -LETTER_PX * len(segment.name) and right > 0:
                _text(curves[:, :right], segment.name, (3, TOP - 4), 0.38)
        at = self._span // 2
        cv2.line(curves, (at, TOP), (at, BOTTOM), FOREGROUND, 1)
        for i, colour in enumerate(COLOURS.values()):
            if not np.isnan(value := self._table.values[row, i]):
                cv2.circle(curves, (at, _y(value)), 4, colour, -1, cv2.LINE_AA)
        self._legend(chart, row, now_s)
        self._plane(chart[:, -HEIGHT:], row, now_s)
        return chart

    def _unchanging(self, width: int) -> Image:
        """The axes."""
        chart = np.full((HEIGHT, width, 3), BACKGROUND, np.uint8)
        for value in (-1, 0, 1):
            _text(chart, f"{value:+d}" if value else "0", (6, _y(value) + 4), 0.36)
        plane = chart[:, -HEIGHT:]
        centre, radius = _on_plane(0, 0), _on_plane(1, 0)[0] - _on_plane(0, 0)[0]
        cv2.circle(plane, centre, radius, GRID, 1, cv2.LINE_AA)
        for end in ((1, 0), (0, 1)):
            cv2.line(plane, _on_plane(*end), _on_plane(-end[0], -end[1]), GRID, 1)
        _text(plane, "valence +", (HEIGHT - 58, HEIGHT // 2 - 6), 0.34, COLOURS["valence"])
        _text(plane, "arousal +", (HEIGHT // 2 + 5, 14), 0.34, COLOURS["arousal"])
        return chart

    def _drawn_tile(self, number: int) -> Image:
        """[HEIGHT, span, 3] the curves of one window of time."""
        tile = np.full((HEIGHT, self._span, 3), BACKGROUND, np.uint8)
        table, start = self._table, number * self._span
        begin_s, end_s = start / self._px_per_s, (start + self._span) / self._px_per_s

        def x(time_s: float) -> int:
            return round(time_s * self._px_per_s) - start

        for i, segment in enumerate(self._segments):
            if segment.end_s > begin_s and segment.start_s < end_s:
                left, right = x(segment.start_s), x(segment.end_s)
                cv2.rectangle(tile, (left, TOP - 16), (right - 1, BOTTOM), SEGMENT[i % 2], -1)
                shown = max(left, -start)  # from the first frame on
                clipped = tile[:, max(shown, 0) : max(right, 0)]
                if clipped.size:
                    _text(clipped, segment.name, (min(shown, 0) + 3, TOP - 4), 0.38)
        for second in range(max(0, int(begin_s) - 1), int(end_s) + 2):
            cv2.line(tile, (x(second), TOP), (x(second), BOTTOM), GRID, 1)
            if second % 2 == 0:
                _text(tile, f"{second // 60}:{second % 60:02d}", (x(second) - 12, HEIGHT - 6), 0.36)
        for value in (-1, 0, 1):
            cv2.line(tile, (0, _y(value)), (self._span, _y(value)), GRID, 1)
        first, last = np.searchsorted(table.times_s, (begin_s - 1.0, end_s + 1.0))
        near = np.arange(first, last)
        for i, colour in enumerate(COLOURS.values()):
            for rows in _runs(near[~np.isnan(table.values[near, i])]):
                value, width = table.values[rows, i], Z_90 * np.nan_to_num(table.sds[rows, i])
                upper, lower = (self._points(rows, value + side * width, start) for side in (1, -1))
                tinted = tile.copy()
                cv2.fillPoly(tinted, [np.vstack([upper, lower[::-1]])], colour)
                tile = np.asarray(cv2.addWeighted(tinted, 0.18, tile, 0.82, 0), np.uint8)
        for i, colour in enumerate(COLOURS.values()):
            for rows in _runs(near[~np.isnan(table.values[near, i])]):
                points = self._points(rows, table.values[rows, i], start)
                cv2.polylines(tile, [points], False, colour, 1, cv2.LINE_AA)
            given = near[~np.isnan(table.labels[near, i])]
            for at in self._points(given, table.labels[given, i], start).tolist():
                cv2.circle(tile, at, 3, colour, -1, cv2.LINE_AA)
        return tile

    def _points(self, rows: Rows, value: NDArray[np.float64], start: int) -> NDArray[np.int32]:
        """[n, 2] pixels in the tile that begins at `start`."""
        x = self._table.times_s[rows] * self._px_per_s - start
        y = BOTTOM - (np.clip(value, -1, 1) + 1) / 2 * (BOTTOM - TOP)
        return np.stack([x, y], 1).round().astype(np.int32)

    def _legend(self, chart: Image, row: int, now_s: float) -> None:
        x = MARGIN
        for i, (name, colour) in enumerate(COLOURS.items()):
            value = self._table.values[row, i]
            _text(chart, f"{name} {'-' if np.isnan(value) else format(value, '+.2f')}", (x, 16), 0.42, colour)
            x += 116
        _text(chart, f"{now_s:.2f} s", (x, 16), 0.38)
        _text(chart, str(self._table.state[row]).replace("_", " "), (x + 66, 16), 0.38)

    def _plane(self, plane: Image, row: int, now_s: float) -> None:
        """The value of the frame with its interval, and how it came there."""
        first = int(np.searchsorted(self._table.times_s, now_s - TRAIL_S))
        recent = np.arange(first, row + 1)
        for rows in _runs(recent[~np.isnan(self._table.values[recent]).any(1)]):
            trail = np.array([_on_plane(*value) for value in self._table.values[rows].tolist()], np.int32)
            cv2.polylines(plane, [trail], False, (150, 150, 150), 1, cv2.LINE_AA)
        value = self._table.values[row]
        if np.isnan(value).any():
            return
        at = _on_plane(*value.tolist())
        width, height = (_on_plane(1, 0)[0] - HEIGHT // 2) * Z_90 * np.nan_to_num(self._table.sds[row])
        cv2.ellipse(plane, at, (round(width), round(height)), 0, 0, 360, (170, 170, 170), 1, cv2.LINE_AA)
        cv2.circle(plane, at, 5, FOREGROUND, -1, cv2.LINE_AA)


def _y(value: float) -> int:
    return round(BOTTOM - (np.clip(value, -1, 1) + 1) / 2 * (BOTTOM - TOP))


def _on_plane(valence: float, arousal: float) -> Point:
    radius = HEIGHT / 2 - 18
    return round(HEIGHT / 2 + valence * radius), round(HEIGHT / 2 - arousal * radius)


def _text(image: Image, text: str, at: Point, size: float, colour: tuple[int, int, int] = FOREGROUND) -> None:
    cv2.putText(image, text, at, FONT, size, colour, 1, cv2.LINE_AA)


def _runs(rows: Rows) -> list[Rows]:
    """Split rows into runs of consecutive rows."""
    if not len(rows):
        return []
    return np.split(rows, np.flatnonzero(np.diff(rows) != 1) + 1)
