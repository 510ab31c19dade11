"""Capture times that a source reports, on this process's monotonic clock; implausible ones are rejected."""

from collections.abc import Callable

MAX_AGE_S = 2.0
"""An older picture at its arrival means that the sender's clock is wrong."""

MAX_CLOCK_DIFFERENCE_S = 0.05
"""How far in the future a capture time may lie: clocks kept by NTP differ by milliseconds."""

MAX_DRIFT_S = 0.05
"""A larger change of this machine's wall clock between two pictures means that it was set; NTP slews it by less."""


class SenderClock:
    """Maps a sender's wall clock to the monotonic clock, for one connection.

    After the first implausible time, or a step of this machine's wall clock, the sender's clock is no longer used
    (`trusted` is False): times that alternate between two clocks would be worse than times of arrival. The picture
    with the first report is left out: FFmpeg 8 gives it the time of the next picture.
    """

    def __init__(self, clock: Callable[[], float], unix_clock: Callable[[], float]) -> None:
        self._clock, self._unix_clock = clock, unix_clock
        self._offset_s: float | None = None  # wall clock - monotonic clock
        self._reported = False
        self.trusted = True

    def taken(self, unix_s: float | None, arrival_s: float) -> float | None:
        """Monotonic seconds, at most `arrival_s`; None without a trusted time."""
        offset_s, before_s = self._read_offset(), self._offset_s
        if offset_s is not None:
            self._offset_s = offset_s
            if before_s is not None and abs(offset_s - before_s) > MAX_DRIFT_S:
                self.trusted = False
        if unix_s is None or self._offset_s is None or not self.trusted:
            return None
        if not self._reported:
            self._reported = True
            return None
        taken_s = unix_s - self._offset_s
        self.trusted = -MAX_CLOCK_DIFFERENCE_S <= arrival_s - taken_s <= MAX_AGE_S
        return min(taken_s, arrival_s) if self.trusted else None

    def _read_offset(self) -> float | None:
        """Wall clock minus monotonic clock; None when this thread was suspended between reading them."""
        before_s = self._clock()
        unix_s = self._unix_clock()
        after_s = self._clock()
        return unix_s - (before_s + after_s) / 2 if after_s - before_s < MAX_DRIFT_S / 2 else None


def driver_time(stamp_s: float, arrival_s: float) -> float | None:
    """A driver's stamp if it is on the monotonic clock, as V4L2's are; otherwise None."""
    return stamp_s if stamp_s > 0 and 0 <= arrival_s - stamp_s <= MAX_AGE_S else None
