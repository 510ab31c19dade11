"""Engines that label a list of videos. One bad video does not stop the others, and a killed run can be repeated.

Every output is written completely or not at all, then recorded in the ledger with the digest of its input (video,
labels, settings, networks). A repeated run keeps finished outputs, resumes unfinished videos from their scan journals
and tries failed videos again.
"""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import chain
from multiprocessing.connection import wait as wait_for
from typing import Any

from mtclar.label.corpus.ledger import Ledger, LedgerEntry
from mtclar.label.corpus.ray_engine import run_on_ray
from mtclar.label.corpus.worker import Worker
from mtclar.label.job import Job
from mtclar.label.labelling import Settings, journal_path

NOT_IN_LEDGER = "this report does not list it: remove it, or name another output"
WORKER_DIED = "the worker process crashed or was killed (out of memory?)"

POLL_S = 0.5  # between two looks at the progress of the workers

OnProgress = Callable[[float], None]
"""Gets the number of finished videos; a video that is half done counts as half."""

Engine = Callable[[Sequence[tuple[Job, str]], Settings, int, OnProgress], Iterator[LedgerEntry]]
"""(jobs, each with the ledger's digest of its output or ''; settings; workers; progress) -> entries as they finish."""


def run_corpus(
    jobs: Sequence[Job],
    settings: Settings,
    engine: Engine,
    workers: int,
    ledger: Ledger,
    on_entry: Callable[[LedgerEntry], None],
    on_progress: OnProgress = lambda _: None,
) -> list[LedgerEntry]:
    """Run every job with the engine and call `on_entry` with each entry after it is in the ledger.

    A job fails if its output exists and this ledger does not list it, so files of other origin are not overwritten.
    """
    by_out = {str(job.outs[0]): job for job in jobs}
    conflicts = [(job, ledger.conflicting_file(job)) for job in jobs]
    refused = [
        LedgerEntry(
            str(job.video), str(job.outs[0]), "failed", reason=f"{file} exists already, and {NOT_IN_LEDGER}"
        )
        for job, file in conflicts
        if file is not None
    ]
    free = [(job, ledger.input_digest(job)) for job, file in conflicts if file is None]
    entries = []
    for entry in chain(refused, engine(free, settings, workers, on_progress) if free else ()):
        if entry.status != "kept":
            ledger.add(entry)
        if entry.status != "failed":
            journal_path(by_out[entry.out].outs[0]).unlink(missing_ok=True)  # the output is complete
        entries.append(entry)
        on_entry(entry)
    return entries


_worker: Worker | None = None

Shares = Any
"""Shared array with the finished share of each worker's video, and the number of workers that have started."""


def _init_worker(settings: Settings, shares: Shares) -> None:
    """Initialise a pool process: it ignores Ctrl-C and exits together with its parent."""
    global _worker
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_exit_with_parent, args=(parent.sentinel,), daemon=True).start()
    with shares.get_lock():
        place = int(shares[-1]) % (len(shares) - 1)
        shares[-1] += 1

    def on_share(share: float) -> None:
        shares[place] = share

    _worker = Worker(settings, on_share=on_share)


def _exit_with_parent(sentinel: int) -> None:
    wait_for([sentinel])
    os._exit(1)


def _work(job: Job, done_key: str) -> LedgerEntry:
    assert _worker is not None
    return _worker(job, done_key)


def run_local(
    jobs: Sequence[tuple[Job, str]], settings: Settings, workers: int, on_progress: OnProgress
) -> Iterator[LedgerEntry]:
    """Run jobs in processes on this machine. If a process dies, the running jobs are repeated one at a time."""
    pending, suspects = deque(jobs), deque[tuple[Job, str]]()
    finished = 0

    def on_shares(shares: Sequence[float]) -> None:
        on_progress(finished + sum(shares))

    while pending or suspects:
        isolated = bool(suspects)
        queue, size = (suspects, 1) if isolated else (pending, workers)
        for entry in _pool(queue, suspects, settings, size, isolated, on_shares):
            finished += 1
            yield entry


def _pool(
    queue: deque[tuple[Job, str]],
    suspects: deque[tuple[Job, str]],
    settings: Settings,
    size: int,
    isolated: bool,
    on_shares: Callable[[Sequence[float]], None],
) -> Iterator[LedgerEntry]:
    """Run the queue until it is empty or a process died."""
    running: dict[Future[LedgerEntry], tuple[Job, str]] = {}
    context = multiprocessing.get_context("spawn")
    shares = context.Array("d", size + 1)
    pool = ProcessPoolExecutor(size, context, initializer=_init_worker, initargs=(settings, shares))
    finished = False
    try:
        while queue or running:
            while queue and len(running) < size:
                item = queue.popleft()
                running[pool.submit(_work, *item)] = item
            done = wait(running, POLL_S, return_when=FIRST_COMPLETED).done
            on_shares(shares[:-1])
            for future in done:
                entry = future.result()
                del running[future]
                yield entry
        finished = True
    except BrokenProcessPool:
        finished = True
        if isolated:
            for job, _ in running.values():
                yield LedgerEntry(str(job.video), str(job.outs[0]), "failed", reason=WORKER_DIED)
        else:
            suspects.extend(running.values())
    finally:
        pool.shutdown(wait=finished, cancel_futures=True)
        if not finished:  # stopped early: unfinished videos have a scan journal
            for process in multiprocessing.active_children():
                process.terminate()


ENGINES: Mapping[str, Engine] = {"local": run_local, "ray": run_on_ray}
