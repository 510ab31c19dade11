"""The mailbox: freshness, drops, back-pressure, closing."""

import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtclar.engine.data_types import Frame
from mtclar.stream.pipeline.mailbox import Mailbox

PIXEL = np.zeros((1, 1, 3), np.uint8)


def frame(seq: int) -> Frame:
    return Frame(PIXEL, seq, float(seq), "arrival", float(seq), "cam")


@given(st.lists(st.sampled_from(["put", "get"]), max_size=60))
def test_latest_gives_the_newest_and_counts_the_rest(steps: list[str]) -> None:
    mailbox = Mailbox("latest")
    put = 0
    got: list[int] = []
    for step in steps:
        if step == "put":
            assert mailbox.put(frame(put))
            put += 1
        elif (taken := mailbox.get(0.0)) is not None:
            assert taken.seq == put - 1
            got.append(taken.seq)
    waiting = mailbox.get(0.0) is not None
    assert len(got) + mailbox.dropped + waiting == put
    assert got == sorted(set(got))


@given(st.integers(1, 5), st.integers(0, 40))
def test_all_drops_nothing_and_keeps_the_order(backlog: int, count: int) -> None:
    mailbox = Mailbox("all", backlog)
    got: list[int] = []

    def take() -> None:
        while not mailbox.finished:
            if (taken := mailbox.get(1.0)) is not None:
                got.append(taken.seq)

    taker = threading.Thread(target=take)
    taker.start()
    for seq in range(count):
        assert mailbox.put(frame(seq))
    mailbox.close()
    taker.join(10)
    assert got == list(range(count))
    assert mailbox.dropped == 0


def test_closing_wakes_a_waiting_reader_and_a_waiting_worker() -> None:
    full = Mailbox("all", backlog=1)
    full.put(frame(0))
    answers: list[object] = []
    threads = [threading.Thread(target=lambda: answers.append(full.put(frame(1))))]
    empty = Mailbox("latest")
    threads.append(threading.Thread(target=lambda: answers.append(empty.get(30.0))))
    for thread in threads:
        thread.start()
    full.close()
    empty.close()
    for thread in threads:
        thread.join(5)
        assert not thread.is_alive()
    assert sorted(map(str, answers)) == ["False", "None"]


@pytest.mark.parametrize("discard", [False, True])
def test_what_waits_when_it_closes_can_still_be_taken_unless_it_is_discarded(discard: bool) -> None:
    mailbox = Mailbox("all")
    mailbox.put(frame(0))
    mailbox.close(discard=discard)
    assert mailbox.finished is discard
    assert (mailbox.get(0.0) is None) is discard
    assert mailbox.finished
    assert not mailbox.put(frame(1))
