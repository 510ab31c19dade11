"""Capture times of senders and drivers: mapped to the monotonic clock, disbelieved when they cannot be."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtclar.stream.sources.times import (
    MAX_AGE_S,
    MAX_CLOCK_DIFFERENCE_S,
    SenderClock,
    driver_time,
)

UNIX_S = 1.8e9


@dataclass
class Clocks:
    """A monotonic clock and a wall clock that can be set."""

    now_s: float = 1000.0
    wall_s: float = UNIX_S

    def monotonic(self) -> float:
        return self.now_s

    def unix(self) -> float:
        return self.wall_s + self.now_s - 1000.0

    def sender(self) -> SenderClock:
        sender = SenderClock(self.monotonic, self.unix)
        assert (
            sender.taken(self.unix(), self.now_s) is None
        )  # the first report, whose time is off by a picture
        return sender


@given(st.floats(0.0, MAX_AGE_S - 0.01), st.floats(0, 1e6))
def test_a_senders_time_is_mapped_to_the_monotonic_clock(age_s: float, later_s: float) -> None:
    clocks = Clocks()
    sender = clocks.sender()
    clocks.now_s += later_s
    taken_s = sender.taken(clocks.unix() - age_s, clocks.now_s)
    assert taken_s == pytest.approx(clocks.now_s - age_s, abs=1e-5)


def test_no_report_no_time_and_no_loss_of_belief() -> None:
    clocks = Clocks()
    sender = clocks.sender()
    assert sender.taken(None, clocks.now_s) is None
    assert sender.taken(clocks.unix() - 0.1, clocks.now_s) == pytest.approx(clocks.now_s - 0.1)


def test_clocks_that_differ_by_milliseconds_give_arrival_at_the_latest() -> None:
    clocks = Clocks()
    assert clocks.sender().taken(clocks.unix() + MAX_CLOCK_DIFFERENCE_S / 2, clocks.now_s) == clocks.now_s


@pytest.mark.parametrize("age_s", [-1.0, -3600.0, MAX_AGE_S + 0.1, 1e9])
def test_a_clock_that_is_set_wrongly_is_rejected(age_s: float) -> None:
    clocks = Clocks()
    sender = clocks.sender()
    assert sender.taken(clocks.unix() - age_s, clocks.now_s) is None
    assert sender.taken(clocks.unix() - 0.1, clocks.now_s) is None


@pytest.mark.parametrize("step_s", [1.0, -1.0, 1e8])
def test_a_step_of_this_machines_wall_clock_ends_the_belief(step_s: float) -> None:
    clocks = Clocks()
    sender = clocks.sender()
    sent_unix_s = clocks.unix() - 0.5
    clocks.now_s += 0.04
    clocks.wall_s += step_s  # a step of a second would pass for a picture that is a second older
    assert sender.taken(sent_unix_s, clocks.now_s) is None
    assert not sender.trusted


def test_slewing_is_no_step() -> None:
    clocks = Clocks()
    sender = clocks.sender()
    for _ in range(2000):
        clocks.now_s += 0.04
        clocks.wall_s += 0.04 * 500e-6  # as fast as NTP slews
        assert sender.taken(clocks.unix() - 0.1, clocks.now_s) == pytest.approx(clocks.now_s - 0.1, abs=1e-5)


def test_a_thread_that_was_held_up_between_the_clocks_sees_no_step() -> None:
    clocks = Clocks()
    sender = clocks.sender()
    held_up_s = iter([0.0, 3.0])
    sender._clock = lambda: clocks.now_s + next(held_up_s)
    sender._unix_clock = lambda: clocks.unix() + 3.0
    assert sender.taken(clocks.unix() - 0.1, clocks.now_s) == pytest.approx(clocks.now_s - 0.1)
    assert sender.trusted


@pytest.mark.parametrize(
    ("stamp_s", "expected"),
    [(99.9, 99.9), (100.0, 100.0), (0.0, None), (-1.0, None), (100.1, None), (1.7e9, None), (90.0, None)],
)
def test_a_drivers_time_is_taken_where_it_can_be_monotonic(stamp_s: float, expected: float | None) -> None:
    assert driver_time(stamp_s, 100.0) == expected
