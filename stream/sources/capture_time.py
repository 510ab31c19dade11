"""When a picture was taken, as its source says, on this process's monotonic clock; disbelieved when it cannot be."""

from collections.abc import Callable

BELIEVED_AGE_S = 2.0
"""A picture that claims to be older when it arrives comes from a clock that is set wrongly."""

CLOCKS_DIFFER_S = 0.05
"""How far in the future a picture may seem to have been taken: clocks kept by NTP differ by milliseconds."""

STEP_S = 0.05
"""This machine's wall clock was set when it moves by more between two pictures; NTP's slewing moves it by less."""


class SenderClock:
    """Maps a sender's wall clock to the monotonic clock, for one connection.

    The first picture that the sender's clock places in the future, or too far in the past, or a step of this machine's
    wall clock, ends the belief in it: a time that flits between two clocks would be worse than the time of arrival.
    The picture on which the first report comes is left out: FFmpeg 8 gives it the time of the next one.
    """

    def __init__(self, clock: Callable[[], float], unix_clock: Callable[[], float]) -> None:
        self._clock, self._unix_clock = clock, unix_clock
        self._offset_s: float | None = None  # wall clock - monotonic clock
        self._reported = False
        self.believed = True

    def taken(self, unix_s: float | None, arrival_s: float) -> float | None:
        """Monotonic seconds, at most `arrival_s`; None where there is nothing to believe."""
        offset_s, before_s = self._read_offset(), self._offset_s
        if offset_s is not None:
            self._offset_s = offset_s
            if before_s is not None and abs(offset_s - before_s) > STEP_S:
                self.believed = False
        if unix_s is None or self._offset_s is None or not self.believed:
            return None
        if not self._reported:
            self._reported = True
            return None
        taken_s = unix_s - self._offset_s
        self.believed = -CLOCKS_DIFFER_S <= arrival_s - taken_s <= BELIEVED_AGE_S
        return min(taken_s, arrival_s) if self.believed else None

    def _read_offset(self) -> float | None:
        """None when this thread was held up between the two clocks."""
        before_s = self._clock()
        unix_s = self._unix_clock()
        after_s = self._clock()
        return unix_s - (before_s + after_s) / 2 if after_s - before_s < STEP_S / 2 else None


def driver_time(stamp_s: float, arrival_s: float) -> float | None:
    """A driver's stamp, where it is on the monotonic clock as V4L2's are; None where it is something else."""
    return stamp_s if stamp_s > 0 and 0 <= arrival_s - stamp_s <= BELIEVED_AGE_S else None
