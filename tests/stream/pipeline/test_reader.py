"""The reader over scripted live sources: stalls, ends, hangs, retries; no network, short waits."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtclar.engine.data_types import Frame
from mtclar.engine.errors import SourceError
from mtclar.stream.pipeline.mailbox import Mailbox
from mtclar.stream.pipeline.reader import Reader, RetryPolicy, _Connection
from mtclar.stream.protocol.messages import StatusMessage

PIXEL = np.zeros((2, 2, 3), np.uint8)
QUICK = RetryPolicy(
    stall_s=0.2,
    connect_timeout_s=1.0,
    stall_timeout_s=0.2,
    first_retry_s=0.05,
    max_retry_s=0.2,
    fast_probe_s=0.02,
    tick_s=0.01,
)
HANG, FAIL, END, BUG = "hang", "fail", "end", "bug"


class Scripted:
    """A live source: each connection gives three frames (none when its step says so) and then does its step."""

    stream_id = label = "cam"
    live = True
    size = (2, 2)
    fps: float | None = 1000.0

    def __init__(self, *steps: str, there: bool | None = None) -> None:
        self.steps = list(steps)
        self.there = there
        self.connections = 0
        self.looks = 0
        self.released = threading.Event()
        self.closed = threading.Event()
        self.seq = 0

    def reachable(self) -> bool | None:
        self.looks += 1
        return self.there

    def close(self) -> None:
        self.closed.set()

    def frames(self) -> Iterator[Frame]:
        self.connections += 1
        step = self.steps.pop(0) if self.steps else "go on"
        if step == FAIL:
            raise SourceError("cam cannot be opened")
        for _ in range(3):
            yield self._frame()
        if step == BUG:
            raise ZeroDivisionError
        if step == HANG:
            self.released.wait(30)  # native code does not look at `closed`
        while step == "go on" and not self.closed.wait(0.01):
            yield self._frame()

    def _frame(self) -> Frame:
        self.seq += 1
        return Frame(PIXEL, self.seq - 1, 0.0, "arrival", self.seq / 25, "cam")


@pytest.fixture
def run() -> Iterator[Callable[..., tuple[Reader, list[StatusMessage]]]]:
    readers: list[tuple[Reader, Scripted]] = []

    def start(source: Scripted, retry: RetryPolicy = QUICK) -> tuple[Reader, list[StatusMessage]]:
        statuses: list[StatusMessage] = []
        reader = Reader(source, Mailbox("latest"), on_status=statuses.append, retry=retry)
        readers.append((reader, source))
        reader.start()
        return reader, statuses

    yield start
    for reader, source in readers:
        source.released.set()
        assert reader.stop(10)


def states(statuses: list[StatusMessage]) -> list[str]:
    return [status.state for status in statuses]


def test_an_end_of_a_live_source_is_a_stall_and_it_is_connected_to_again(run: Any, eventually: Any) -> None:
    source = Scripted(END, END)
    reader, statuses = run(source)
    eventually(lambda: source.connections == 3 and states(statuses)[-1] == "live")
    assert reader.reconnects == 2
    assert [s for s in states(statuses) if s in ("stalled", "reconnecting")] == [
        "stalled",
        "reconnecting",
    ] * 2
    lost = next(status for status in statuses if status.state == "reconnecting")
    assert lost.retry_s is not None
    assert lost.reason == "the stream ended"


def test_it_never_gives_up_on_a_source_that_cannot_be_opened(run: Any, eventually: Any) -> None:
    source = Scripted(*[FAIL] * 6)
    _, statuses = run(source)
    eventually(lambda: source.connections == 7 and states(statuses)[-1] == "live")
    assert statuses[1].reason == "cam cannot be opened"


def test_a_connection_that_hangs_in_native_code_is_left_behind(run: Any, eventually: Any) -> None:
    source = Scripted(HANG)
    reader, statuses = run(source)
    eventually(lambda: source.connections == 2 and states(statuses)[-1] == "live")
    assert reader.abandoned == 1
    assert "stalled" in states(statuses)


def test_connections_that_all_hang_do_not_pile_up(run: Any, eventually: Any) -> None:
    source = Scripted(*[HANG] * 12)
    reader, statuses = run(source, replace(QUICK, max_hung=2))
    eventually(lambda: any("2 connections hang" in (status.reason or "") for status in statuses))
    threading.Event().wait(0.5)
    assert (reader.abandoned, source.connections) == (2, 2)
    source.steps.clear()
    source.released.set()  # the driver lets go
    eventually(lambda: states(statuses)[-1] == "live")
    assert source.connections == 3


def test_a_camera_that_is_slower_than_it_says_is_not_stalled() -> None:
    connection = _Connection(iter(()), 0.0)
    for n in range(30):  # 25 a second by day, one in a second and a half by night
        connection.record_frame(n / 25)
    policy = RetryPolicy()
    assert policy.stall_after(25.0, connection.period_s) == 2.0
    for n in range(30):
        connection.record_frame(30 / 25 + 1.5 * n)
    assert policy.stall_after(25.0, connection.period_s) == pytest.approx(15.0, rel=0.05)
    connection.record_frame(90_000.0)  # back after a day: a day is not its rhythm
    assert policy.stall_after(25.0, connection.period_s) < 30.0


def test_a_fault_of_the_source_itself_is_not_retried(run: Any, eventually: Any) -> None:
    source = Scripted(BUG)
    reader, statuses = run(source)
    eventually(lambda: states(statuses)[-1:] == ["ended"])
    assert isinstance(reader.error, ZeroDivisionError)
    assert source.connections == 1


def test_a_long_pause_is_cut_short_when_the_source_is_back(run: Any, eventually: Any) -> None:
    patient = RetryPolicy(first_retry_s=600.0, max_retry_s=600.0, fast_probe_s=0.02, tick_s=0.01)
    source = Scripted(FAIL, there=False)
    _, statuses = run(source, patient)
    eventually(lambda: "reconnecting" in states(statuses))
    eventually(lambda: source.looks >= 2)  # seen to be away
    assert source.connections == 1
    source.there = True
    eventually(lambda: source.connections == 2)


def test_a_source_that_is_there_and_refuses_is_not_asked_without_a_pause(run: Any, eventually: Any) -> None:
    patient = RetryPolicy(first_retry_s=600.0, max_retry_s=600.0, fast_probe_s=0.01, tick_s=0.01)
    source = Scripted(FAIL, there=True)
    _, statuses = run(source, patient)
    eventually(lambda: "reconnecting" in states(statuses))
    threading.Event().wait(0.2)
    assert source.connections == 1


@given(st.integers(0, 10_000), st.floats(0, 1))
def test_pauses_grow_to_their_limit_with_jitter(attempt: int, share: float) -> None:
    policy = RetryPolicy()
    wait_s = policy.wait(attempt, share)
    expected = min(2.0 ** min(attempt, 16), 30.0)
    assert 0.8 * expected - 1e-9 <= wait_s <= 1.2 * expected + 1e-9


@pytest.mark.parametrize(("fps", "expected"), [(None, 2.0), (25.0, 2.0), (1.0, 10.0), (120.0, 2.0)])
def test_the_watchdog_waits_ten_periods_of_a_slow_source(fps: float | None, expected: float) -> None:
    assert RetryPolicy().stall_after(fps) == expected
