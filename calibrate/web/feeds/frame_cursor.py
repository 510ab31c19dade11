"""Single frames of a recording by time, and those before and after: what a paused playback shows."""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from mtclar.engine.data_types import Frame
from mtclar.stream.server.pictures import RECORDED_WIDTH, image_message, small_jpeg

KEPT = 64  # frames before the shown one that are not decoded again
BEFORE_S = 2.0  # of them, before a frame that was chosen by its time


@dataclass(frozen=True, slots=True)
class Shot:
    """A frame as the page shows it."""

    seq: int
    time_s: float
    jpeg: bytes

    @classmethod
    def of(cls, frame: Frame) -> "Shot":
        return cls(frame.seq, frame.pts_s, small_jpeg(frame.image, RECORDED_WIDTH))

    def image(self) -> bytes:
        """Its binary message."""
        return image_message(self.seq, self.time_s, self.jpeg)


class FrameCursor:
    """A place in a recording. `frames` reads the recording from its start; going far back reads it again."""

    def __init__(self, frames: Callable[[], Iterator[Frame]]) -> None:
        self._open = frames
        self._frames: Iterator[Frame] | None = None
        self._read: deque[Shot] = deque(maxlen=KEPT)  # the latest ones, in order
        self._place = -1  # of the shown one in `_read`
        self._next: Frame | None = None

    @property
    def shown(self) -> Shot | None:
        """The frame at this place; None before the first `show`."""
        return self._read[self._place] if self._read else None

    def show(self, time_s: float) -> Shot | None:
        """The last frame that begins at or before a time, or the first one; None for a recording without frames."""
        known = self._read and self._read[0].time_s <= time_s
        if self._frames is None or not known:
            self.close()
            self._frames = self._open()
            self._next = next(self._frames, None)
        if self._read and self._read[-1].time_s < time_s - BEFORE_S:
            self._read.clear()  # what is kept stays without a gap
        while self._next is not None and (self._next.pts_s <= time_s or not self._read):
            if self._next.pts_s < time_s - BEFORE_S:
                skipped, self._next = self._next, next(self._frames, None)  # only decoded, not kept
                if self._next is None:  # the time is past the end
                    self._read.append(Shot.of(skipped))
            else:
                self._decode()
        self._place = max((i for i, shot in enumerate(self._read) if shot.time_s <= time_s), default=0)
        return self.shown

    def step(self, count: int) -> Shot | None:
        """The frame `count` frames later, or earlier if it is negative; the last or the first one at the ends."""
        if not self._read:
            return None
        place = self._place + count
        if place < 0 and self._read[0].seq > 0:
            back = self._read[0]
            period_s = (self._read[-1].time_s - back.time_s) / max(1, len(self._read) - 1)
            return self.show(max(0.0, back.time_s + (place + 0.5) * period_s))
        while place >= len(self._read) and self._next is not None:
            dropped = len(self._read) == KEPT
            self._decode()
            place -= dropped
        self._place = min(max(place, 0), len(self._read) - 1)
        return self.shown

    def close(self) -> None:
        """Ends reading; the next `show` reads from the start."""
        close = getattr(self._frames, "close", None)
        if close is not None:
            close()
        self._frames = self._next = None
        self._read.clear()
        self._place = -1

    def _decode(self) -> None:
        """Takes the next frame."""
        if self._frames is not None and self._next is not None:
            self._read.append(Shot.of(self._next))
            self._next = next(self._frames, None)
