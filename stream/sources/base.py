"""What every source offers, and the time line that turns its presentation times into `pts_s`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from mtclar.engine.data_types import Frame

KINDS = "webcam[:N or name], /dev/videoN, rtsp://..., browser, a video file, demo or synthetic[:WxH@FPS][?faces=N]"
"""What names a source, for people."""

BELIEVED_GAP_S = 60.0
"""The longest pause between two pictures of a file that is taken as true (a slide show, a screen recording)."""

LEAST_STEP_S = 1e-3
"""Between two pictures of a camera without a time line of its own: source time goes on, whatever its clock does."""

GUESSED_FPS = 25.0
"""For a picture without a time in a source that does not say its rate."""


class Source(Protocol):
    """Where frames come from. One thread iterates `frames()`; any thread may read the properties or call `close`."""

    @property
    def stream_id(self) -> str:
        """Names the stream in every message."""
        ...

    @property
    def label(self) -> str:
        """The source as people know it; never with a user name or password."""
        ...

    @property
    def live(self) -> bool:
        """True: its end is a fault, to be met by connecting again. False: it ends."""
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
        """The user's files that it reads, which nothing may overwrite; none for what is live or generated."""
        ...

    def frames(self) -> Iterator[Frame]:
        """One connection, from connecting to its end; raises SourceError when it fails. May be called again."""
        ...

    def reachable(self) -> bool | None:
        """A cheap look, within about half a second, whether connecting is worth a try; None: there is no such look."""
        ...

    def close(self) -> None:
        """Ends the running `frames()` soon, and for ever; safe from any thread, and twice."""
        ...


class TimeLine:
    """Source time from 0 that never goes back, whatever the container's stamps do.

    A step backwards, a repeated or missing stamp, and a jump of more than `believed_gap_s` count as one frame period;
    the line goes on from there. Pauses up to `believed_gap_s` are true: labels and smoothing run on this time.
    """

    def __init__(self, fps: float | None, believed_gap_s: float = BELIEVED_GAP_S) -> None:
        self._period_s = 1.0 / (fps or GUESSED_FPS)
        self._believed_gap_s = believed_gap_s
        self._raw_s: float | None = None  # the stamp of the last picture
        self._now_s: float | None = None  # what was returned for it
        self._resume_s: float | None = None

    def resume(self, at_s: float) -> None:
        """A new connection begins: its first picture is at `at_s`, and its stamps are unrelated to the last ones."""
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
            believed = step_s is not None and 0.0 < step_s <= self._believed_gap_s
            now_s = self._now_s + (step_s if believed and step_s is not None else self._period_s)
        self._resume_s = None
        self._raw_s = stamp_s
        self._now_s = now_s
        return now_s
