"""The times of pictures: source time `pts_s` from their stamps, and plausible capture times on the monotonic clock."""

from collections.abc import Callable, Sequence
from itertools import pairwise

MAX_GAP_S = 60.0
"""The longest pause between two pictures that is kept, unless a quarter of a file's pauses are as long."""

STEADY_GAPS = 5.0
"""How many times longer than its upper quartile a pause of a file may be: a time lapse waits longer at night."""

MIN_STEP_S = 1e-3
"""Least step of source time between two pictures of a camera whose clock stands still or steps back."""

ROUNDING_S = 1e-5
"""A smaller difference of two stamps is one of rounding."""

DEFAULT_FPS = 25.0
"""The rate of a source that announces none, for pictures without a time stamp."""

MAX_AGE_S = 2.0
"""An older picture at its arrival means that the sender's clock is wrong."""

MAX_CLOCK_DIFFERENCE_S = 0.05
"""How far in the future a capture time may lie: clocks kept by NTP differ by milliseconds."""

MAX_DRIFT_S = 0.05
"""A larger change of this machine's wall clock between two pictures means that it was set; NTP slews it by less."""


class TimeLine:
    """Source time from 0 that never goes back, whatever the container's stamps do.

    A repeated or missing stamp counts as one frame period, and the stamps after it apply again; a step back, and a
    pause of more than `max_gap_s`, count as one period for good. The period and the longest pause come from
    `first_stamps_s`, those of a file's first pictures, where there are any: an announced rate is often that of the
    container's clock, and the pauses of a time lapse are its period. `fps` is the announced rate.
    """

    def __init__(
        self, fps: float | None, max_gap_s: float = MAX_GAP_S, first_stamps_s: Sequence[float] = ()
    ) -> None:
        steps_s = sorted(
            after - before
            for before, after in pairwise(sorted(first_stamps_s))
            if after - before > ROUNDING_S
        )
        last = len(steps_s) - 1
        self.period_s = steps_s[last // 2] if steps_s else 1.0 / (fps or DEFAULT_FPS)
        self.removed_s = 0.0  # of the pauses that were not kept
        self._max_gap_s = max(max_gap_s, STEADY_GAPS * steps_s[3 * last // 4]) if steps_s else max_gap_s
        self._stamp_s: float | None = None  # of the last picture that had one
        self._offset_s: float | None = None  # from stamps to source time; None before the first stamp
        self._now_s: float | None = None  # the source time of the last picture
        self._resume_s: float | None = None

    def resume(self, at_s: float) -> None:
        """Starts a new connection, whose first picture is at `at_s`; its stamps are unrelated to earlier ones."""
        self._offset_s = None
        self._resume_s = at_s

    def __call__(self, stamp_s: float | None) -> float:
        """The source time of the next picture, whose own stamp is `stamp_s`."""
        if self._now_s is None:
            now_s = 0.0
        elif self._resume_s is not None:
            now_s = max(self._resume_s, self._now_s + self.period_s)
        else:
            now_s = self._next(stamp_s, self._now_s)
        repeated = stamp_s == self._stamp_s and self._offset_s is not None
        if stamp_s is not None and not repeated:
            self._offset_s = now_s - stamp_s
            self._stamp_s = stamp_s
        self._resume_s = None
        self._now_s = now_s
        return now_s

    def _next(self, stamp_s: float | None, before_s: float) -> float:
        """The time after `before_s` by the stamp if it can be believed, otherwise one period later."""
        later_s = before_s + self.period_s
        if stamp_s is None or self._offset_s is None:
            return later_s
        now_s = stamp_s + self._offset_s
        if now_s - before_s > self._max_gap_s:
            self.removed_s += now_s - later_s
            return later_s
        return now_s if now_s - before_s > ROUNDING_S else later_s


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
