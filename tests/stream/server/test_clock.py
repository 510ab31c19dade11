"""The pair of clocks: read closely, and each step of the wall clock noticed once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtclar.stream.server.clock import STEP_S, ClockPair

DAYS_S = 1e7


class Interrupted:
    """A thread that loses its processor between readings of a monotonic clock, for so long each time."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.pauses_s: list[float] = []

    def __call__(self) -> float:
        self.now_s += self.pauses_s.pop(0) if self.pauses_s else 0.0
        return self.now_s


def test_the_closest_of_the_readings_counts() -> None:
    clock = Interrupted()
    clocks = ClockPair(clock, lambda: clock.now_s + 1000.0)
    clock.pauses_s = [0.0, 0.5, 0.0, 0.002, 0.0, 0.9]  # before and after each reading of the wall clock
    unix_s, monotonic_s = clocks.read()
    assert unix_s == pytest.approx(1100.5)
    assert monotonic_s == pytest.approx(100.501)


@given(st.lists(st.floats(-DAYS_S, DAYS_S), max_size=8))
def test_each_step_is_said_once(steps_s: list[float]) -> None:
    offset_s = told_s = 1.8e9
    clocks = ClockPair(lambda: 50.0, lambda: 50.0 + offset_s)
    for step_s in steps_s:
        offset_s += step_s
        pair = clocks.read_if_set()
        if pair is not None:
            told_s = pair[0] - pair[1]
        assert told_s == pytest.approx(offset_s, abs=STEP_S)
        assert clocks.read_if_set() is None


def test_a_running_clock_was_not_set() -> None:
    now_s = [0.0]
    clocks = ClockPair(lambda: now_s[0], lambda: now_s[0] + 0.9 * STEP_S * (now_s[0] > 5))
    for second in range(10):
        now_s[0] = float(second)
        assert clocks.read_if_set() is None
