"""The monotonic and the wall clock: both at one moment, and whether the wall clock was set."""

import time
from collections.abc import Callable

STEP_S = 0.05  # gradual corrections change both clocks: the difference never grows that large
READINGS = 3


class ClockPair:
    """Two clocks in seconds, injected for tests."""

    def __init__(
        self, monotonic: Callable[[], float] = time.monotonic, unix: Callable[[], float] = time.time
    ) -> None:
        self.monotonic = monotonic
        self._unix = unix
        unix_s, monotonic_s = self.read()
        self._reported_s = unix_s - monotonic_s

    def read(self) -> tuple[float, float]:
        """One moment as (Unix, monotonic) time: the closest of several readings, as this thread may be interrupted."""
        closest_s, pair = float("inf"), (0.0, 0.0)
        for _ in range(READINGS):
            before_s, unix_s, after_s = self.monotonic(), self._unix(), self.monotonic()
            if after_s - before_s < closest_s:
                closest_s, pair = after_s - before_s, (unix_s, (before_s + after_s) / 2)
        return pair

    def read_if_set(self) -> tuple[float, float] | None:
        """`read()`, if the wall clock was set since this last returned a pair; else None."""
        unix_s, monotonic_s = self.read()
        if abs(unix_s - monotonic_s - self._reported_s) < STEP_S:
            return None
        self._reported_s = unix_s - monotonic_s
        return unix_s, monotonic_s
