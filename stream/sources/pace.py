"""Plays a file as if it were live: each frame is released at its own time."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

from mtclar.engine.data_types import Frame
from mtclar.stream.sources.base import Source, WrappedSource


def paced(
    frames: Iterator[Frame],
    stopped: threading.Event,
    clock: Callable[[], float] = time.monotonic,
    speed: float = 1.0,
) -> Iterator[Frame]:
    """Releases frames at their `pts_s`, `speed` times as fast; `t_capture_s` becomes the time of release.

    The next frame is decoded during the wait for it. A reader that fell behind releases frames at once until it has
    caught up, and the mailbox drops the excess, as with a camera.
    """
    started_s: float | None = None
    for frame in frames:
        if started_s is None:
            started_s = clock() - frame.pts_s / speed
        wait_s = started_s + frame.pts_s / speed - clock()
        if wait_s > 0 and stopped.wait(wait_s):
            return
        if stopped.is_set():
            return
        yield replace(frame, t_capture_s=clock())


class PacedSource(WrappedSource):
    """A source whose frames are released at their own times."""

    def __init__(self, source: Source) -> None:
        super().__init__(source)
        self._stopped = threading.Event()

    def frames(self) -> Iterator[Frame]:
        return paced(self._source.frames(), self._stopped)

    def close(self) -> None:
        self._stopped.set()
        super().close()
