"""Micro-batching: every stream gets its own results, batches form, no stream starves, errors reach their batch."""

import threading
from collections.abc import Callable

import numpy as np
import pytest

from mtclar.engine import models
from mtclar.engine.backends.session import open_session
from mtclar.engine.errors import BackendError
from mtclar.stream.pipeline.batching import Batcher

PATIENCE_S = 60.0


class Doubling:
    """A session that doubles its input; it can be held up, and says which batches it got."""

    backend = "doubling"
    inputs = {"x": (None,)}  # noqa: RUF012
    outputs = {"y": (None,)}  # noqa: RUF012

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.go = threading.Event()
        self.go.set()
        self.began = threading.Event()
        self.fail_next = False
        self._busy = threading.Lock()

    def run(self, feeds: dict) -> dict:
        assert self._busy.acquire(blocking=False), "two threads run one session"
        try:
            self.batches.append(len(feeds["x"]))
            self.began.set()
            assert self.go.wait(PATIENCE_S)
            if self.fail_next:
                self.fail_next = False
                raise BackendError("the card fell out")
            return {"y": 2 * feeds["x"]}
        finally:
            self._busy.release()


def in_threads(works: list[Callable[[], None]]) -> None:
    """Runs all at once; the first error is raised here."""
    errors: list[BaseException] = []

    def guarded(work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:  # raised again below
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(work,), daemon=True) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
        assert not thread.is_alive(), "a stream waits for ever"
    if errors:
        raise errors[0]


@pytest.mark.parametrize("wait_ms", [0.0, 5.0])
@pytest.mark.parametrize("streams", [1, 2, 7])
def test_every_stream_gets_its_own_answers(streams: int, wait_ms: float) -> None:
    session = Doubling()
    batcher = Batcher(session, wait_ms=wait_ms, max_batch=8)

    def stream(number: int) -> Callable[[], None]:
        share = batcher.join(f"s{number}")

        def work() -> None:
            rng = np.random.default_rng(number)
            with share:
                for _ in range(60):
                    x = rng.integers(0, 1000, rng.integers(1, 5))
                    np.testing.assert_array_equal(share.run({"x": x})["y"], 2 * x)

        return work

    in_threads([stream(number) for number in range(streams)])
    assert max(session.batches) <= 8
    assert batcher.counts.runs == len(session.batches)
    assert batcher.counts.rows == sum(session.batches)
    assert set(batcher.counts.by_stream.values()) == {60}


def test_what_comes_while_a_batch_runs_is_the_next_batch() -> None:
    session = Doubling()
    batcher = Batcher(session, wait_ms=0.0)
    shares = [batcher.join(f"s{number}") for number in range(4)]
    session.go.clear()
    first = threading.Thread(target=lambda: shares[0].run({"x": np.arange(1)}), daemon=True)
    first.start()
    assert session.began.wait(PATIENCE_S)
    others = [
        threading.Thread(target=lambda s=share: s.run({"x": np.arange(2)}), daemon=True)
        for share in shares[1:]
    ]
    for thread in others:
        thread.start()
    while len(batcher._pending) < 3:
        threading.Event().wait(0.005)
    session.go.set()
    for thread in (first, *others):
        thread.join(PATIENCE_S)
    assert session.batches == [1, 6]


def test_the_wait_ends_when_all_streams_have_asked() -> None:
    """With a budget of an hour: only because both have asked does it end at all."""
    session = Doubling()
    batcher = Batcher(session, wait_ms=3_600_000)
    shares = [batcher.join("a"), batcher.join("b")]
    in_threads([lambda s=share: s.run({"x": np.arange(3)}) for share in shares])
    assert session.batches == [6]


def test_the_wait_counts_from_when_a_stream_asked() -> None:
    """Who asked while a batch ran has waited already: with a clock that moved on meanwhile, it waits no longer."""
    now = [0.0]
    session = Doubling()
    batcher = Batcher(session, wait_ms=3_600_000, clock=lambda: now[0])
    shares = [batcher.join(f"s{number}") for number in range(2)]
    session.go.clear()
    pair = [
        threading.Thread(target=lambda s=share: s.run({"x": np.arange(1)}), daemon=True) for share in shares
    ]
    for thread in pair:
        thread.start()
    assert session.began.wait(PATIENCE_S)  # both have asked, so their batch runs
    late = batcher.join("late")
    asks = threading.Thread(target=lambda: late.run({"x": np.arange(2)}), daemon=True)
    asks.start()
    while not batcher._pending:
        threading.Event().wait(0.005)
    now[0] += 3600.0
    session.go.set()
    for thread in (*pair, asks):
        thread.join(PATIENCE_S)
        assert not thread.is_alive()
    assert session.batches == [2, 2]


def test_no_stream_waits_for_one_that_ended() -> None:
    session = Doubling()
    batcher = Batcher(session, wait_ms=3_600_000)
    stays, goes = batcher.join("stays"), batcher.join("goes")
    waits = threading.Thread(target=lambda: stays.run({"x": np.arange(1)}), daemon=True)
    waits.start()
    while not batcher._pending:
        threading.Event().wait(0.005)
    goes.close()
    goes.close()
    waits.join(PATIENCE_S)
    assert not waits.is_alive()
    with pytest.raises(BackendError, match="closed"):
        goes.run({"x": np.arange(1)})


def test_a_full_batch_leaves_the_rest_in_order() -> None:
    """Requests of 3, 3 and 3 rows in batches of at most 6: the first two together, the third next."""
    session = Doubling()
    batcher = Batcher(session, wait_ms=0.0, max_batch=6)
    shares = [batcher.join(f"s{number}") for number in range(4)]
    session.go.clear()
    first = threading.Thread(target=lambda: shares[0].run({"x": np.arange(1)}), daemon=True)
    first.start()
    assert session.began.wait(PATIENCE_S)
    others = []
    for count, share in enumerate(shares[1:], 1):
        others.append(threading.Thread(target=lambda s=share: s.run({"x": np.arange(3)}), daemon=True))
        others[-1].start()
        while len(batcher._pending) < count:
            threading.Event().wait(0.005)
    session.go.set()
    for thread in (first, *others):
        thread.join(PATIENCE_S)
    assert session.batches == [1, 6, 3]


def test_a_busy_stream_does_not_starve_a_quiet_one() -> None:
    """One asks as fast as it can until the other has had all its answers."""
    session = Doubling()
    batcher = Batcher(session, wait_ms=0.0, max_batch=2)
    busy, quiet = batcher.join("busy"), batcher.join("quiet")
    over = threading.Event()

    def ask_until_over() -> None:
        while not over.is_set():
            busy.run({"x": np.arange(2)})

    def ask_now_and_then() -> None:
        try:
            for _ in range(20):
                quiet.run({"x": np.arange(2)})
        finally:
            over.set()

    in_threads([ask_until_over, ask_now_and_then])
    assert batcher.counts.by_stream["quiet"] == 20


def test_an_error_reaches_those_in_the_batch_and_the_next_one_works() -> None:
    session = Doubling()
    batcher = Batcher(session, wait_ms=3_600_000)
    shares = [batcher.join("a"), batcher.join("b")]
    session.fail_next = True
    failed: list[str] = []

    def ask(share) -> None:
        try:
            share.run({"x": np.arange(2)})
        except BackendError as error:
            failed.append(error.what)
        assert (share.run({"x": np.arange(2)})["y"] == [0, 2]).all()

    in_threads([lambda s=share: ask(s) for share in shares])
    assert failed == ["the card fell out"] * 2


def test_the_real_encoder_answers_as_without_batching() -> None:
    with open_session(models.path("encoder"), "onnxruntime") as session:
        size = session.inputs["face"][-1]
        crops = np.random.default_rng(0).integers(0, 256, (12, size, size)).astype(np.uint8)
        expected = session.run({"face": crops})
        batcher = Batcher(session, wait_ms=20)

        def stream(number: int) -> Callable[[], None]:
            share = batcher.join(f"s{number}")

            def work() -> None:
                rows = slice(3 * number, 3 * number + 3)
                for _ in range(5):
                    found = share.run({"face": crops[rows]})
                    for name, array in expected.items():
                        np.testing.assert_allclose(found[name], array[rows], atol=1e-5)
                share.close()

            return work

        in_threads([stream(number) for number in range(4)])
        assert batcher.counts.largest > 3


def test_inputs_cannot_be_bound() -> None:
    with pytest.raises(BackendError, match="binds no inputs"):
        Batcher(Doubling()).join("a").bind({"x": np.arange(1)})
