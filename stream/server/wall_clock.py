"""The wall clock beside the monotonic one: one moment on both, and whether it was set since clients were told."""

from collections.abc import Callable

STEP_S = 0.05  # a clock that is only slewed takes the monotonic one with it: it never gets so far
READINGS = 3


class WallClock:
    """Both clocks are injected; seconds."""

    def __init__(self, clock: Callable[[], float], unix_clock: Callable[[], float]) -> None:
        self._clock, self._unix_clock = clock, unix_clock
        unix_s, monotonic_s = self.pair()
        self._told_s = unix_s - monotonic_s

    def pair(self) -> tuple[float, float]:
        """One moment as Unix and monotonic time: the closest of some readings, for this thread may be interrupted."""
        closest_s, pair = float("inf"), (0.0, 0.0)
        for _ in range(READINGS):
            before_s, unix_s, after_s = self._clock(), self._unix_clock(), self._clock()
            if after_s - before_s < closest_s:
                closest_s, pair = after_s - before_s, (unix_s, (before_s + after_s) / 2)
        return pair

    def set_since(self) -> tuple[float, float] | None:
        """The pair, if the wall clock was set since the last time that this said so; else None."""
        unix_s, monotonic_s = self.pair()
        if abs(unix_s - monotonic_s - self._told_s) < STEP_S:
            return None
        self._told_s = unix_s - monotonic_s
        return unix_s, monotonic_s
