"""The Source protocol, and the time lines that give each picture its source time `pts_s`."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from mtclar.engine.data_types import Frame

FORMS = "webcam[:N or name], /dev/videoN, rtsp://..., browser, a video file, demo or synthetic[:WxH@FPS][?faces=N]"
"""How a source is written, for people."""

MAX_GAP_S = 60.0
"""The longest pause between two pictures of a file that is kept (a slide show, a screen recording)."""

MIN_STEP_S = 1e-3
"""Least step of source time between two pictures of a camera whose clock stands still or steps back."""

DEFAULT_FPS = 25.0
"""The rate of a source that announces none, for pictures without a time stamp."""


class Source(Protocol):
    """Where frames come from. One thread iterates `frames()`; any thread may read the properties or call `close`."""

    @property
    def stream_id(self) -> str:
        """The name of the stream in every message."""
        ...

    @property
    def label(self) -> str:
        """The source in words for people; never with a user name or password."""
        ...

    @property
    def live(self) -> bool:
        """True: an end is a failure and the reader reconnects; the newest frame wins. False: it ends, as a file does.

        The only place that decides it: freshness, reconnecting and the offer of the calibration page follow from it.
        """
        ...

    @property
    def size(self) -> tuple[int, int] | None:
        """Width, height in pixels; None until it is connected."""
        ...

    @property
    def fps(self) -> float | None:
        """Frames per second as the source announces them; None when unknown."""
        ...

    @property
    def files(self) -> tuple[Path, ...]:
        """The user's files that it reads, which nothing may overwrite; empty for live and generated sources."""
        ...

    def frames(self) -> Iterator[Frame]:
        """One connection, from connecting to its end; raises SourceError when it fails. May be called again."""
        ...

    def reachable(self) -> bool | None:
        """Whether connecting is worth a try, found out within half a second; None when that cannot be known."""
        ...

    def close(self) -> None:
        """Ends the running `frames()` soon and for good; safe from any thread, and twice."""
        ...


class TimeLine:
    """Source time from 0 that never goes back, whatever the container's stamps do.

    A step backwards, a repeated or missing stamp, and a jump of more than `max_gap_s` count as one frame period.
    Shorter pauses are kept: labels and smoothing run on this time.
    """

    def __init__(self, fps: float | None, max_gap_s: float = MAX_GAP_S) -> None:
        self._period_s = 1.0 / (fps or DEFAULT_FPS)
        self._max_gap_s = max_gap_s
        self._raw_s: float | None = None  # the stamp of the last picture
        self._now_s: float | None = None  # the source time returned for it
        self._resume_s: float | None = None

    def resume(self, at_s: float) -> None:
        """Starts a new connection, whose first picture is at `at_s`; its stamps are unrelated to earlier ones."""
        self._raw_s = None
        self._resume_s = at_s

    def __call__(self, stamp_s: float | None) -> float:
        """The source time of the next picture, whose own stamp is `stamp_s`."""
        if self._now_s is None:
            now_s = 0.0
        elif self._resume_s is not None:
            now_s = max(self._resume_s, self._now_s + self._period_s)
        else:
            step_s = None if stamp_s is None or self._raw_s is None else stamp_s - self._raw_s
            plausible = step_s is not None and 0.0 < step_s <= self._max_gap_s
            now_s = self._now_s + (step_s if plausible and step_s is not None else self._period_s)
        self._resume_s = None
        self._raw_s = stamp_s
        self._now_s = now_s
        return now_s


class CaptureTimeLine:
    """Source time of a camera without time stamps of its own: seconds since its first picture, always increasing."""

    def __init__(self) -> None:
        self._first_s: float | None = None
        self._last_s = 0.0

    def __call__(self, t_capture_s: float) -> float:
        """The source time of the picture that was captured at `t_capture_s`, on the monotonic clock."""
        if self._first_s is None:
            self._first_s = t_capture_s
        else:
            self._last_s = max(t_capture_s - self._first_s, self._last_s + MIN_STEP_S)
        return self._last_s


def stream_name(text: str) -> str:
    """A stream id from a path or address: letters, digits, dot, dash and underscore."""
    return re.sub(r"[^\w.-]+", "-", text).strip("-.")[:64] or "stream"
