"""Many videos: engines that work off a list of jobs, which no bad video can stop and no kill can spoil.

Every output is written whole or not at all and entered in the ledger with the key of its input (a digest of video,
labels, settings and networks). A run that is repeated, after a kill or not, takes what the ledger has and what is still
there, goes on inside the videos that were half done (mtclar.label.journal), and tries again what failed.
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

from mtclar.label.corpus.ledger import Entry, Ledger
from mtclar.label.corpus.ray_engine import on_ray
from mtclar.label.corpus.worker import Worker
from mtclar.label.job import Job
from mtclar.label.labelling import Settings, journal_of

NOT_OURS = "this report does not say that it was made here: remove it, or name another output"
DIED = "the process that worked on it was killed (out of memory?) or crashed"

Engine = Callable[[Sequence[tuple[Job, str]], Settings, int], Iterator[Entry]]
"""Jobs, each with the key that the ledger has of its output ('' none); settings; workers -> entries as they come."""


def run_corpus(
    jobs: Sequence[Job],
    settings: Settings,
    engine: Engine,
    workers: int,
    ledger: Ledger,
    told: Callable[[Entry], None],
) -> list[Entry]:
    """Every job by the engine; `told` of each entry once it is in the ledger.

    A job whose output is there, and was not made by a run of this ledger, fails: somebody else's file is left alone.
    """
    by_out = {str(job.outs[0]): job for job in jobs}
    in_the_way = [(job, ledger.in_the_way(job)) for job in jobs]
    refused = [
        Entry(str(job.video), str(job.outs[0]), "failed", reason=f"{file} exists already, and {NOT_OURS}")
        for job, file in in_the_way
        if file is not None
    ]
    free = [(job, ledger.key_of(job)) for job, file in in_the_way if file is None]
    entries = []
    for entry in chain(refused, engine(free, settings, workers) if free else ()):
        if entry.status != "kept":
            ledger.add(entry)
        if entry.status != "failed":
            journal_of(by_out[entry.out].outs[0]).unlink(missing_ok=True)  # its result is safe now
        entries.append(entry)
        told(entry)
    return entries


_worker: Worker | None = None


def _open_worker(settings: Settings) -> None:
    """In a process of the pool: Ctrl-C is for the parent; when that is gone, so is this."""
    global _worker
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()
    _worker = Worker(settings)


def _end_with(sentinel: int) -> None:
    wait_for([sentinel])
    os._exit(1)


def _work(job: Job, done_key: str) -> Entry:
    assert _worker is not None
    return _worker(job, done_key)


def local(jobs: Sequence[tuple[Job, str]], settings: Settings, workers: int) -> Iterator[Entry]:
    """Processes on this machine. Those that worked when one died are tried again alone, to find the bad video."""
    waiting, suspects = deque(jobs), deque[tuple[Job, str]]()
    while waiting or suspects:
        alone = bool(suspects)
        queue, size = (suspects, 1) if alone else (waiting, workers)
        yield from _pool(queue, suspects, settings, size, alone)


def _pool(
    queue: deque[tuple[Job, str]],
    suspects: deque[tuple[Job, str]],
    settings: Settings,
    size: int,
    alone: bool,
) -> Iterator[Entry]:
    """Works off the queue until it is empty or a process died."""
    running: dict[Future[Entry], tuple[Job, str]] = {}
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(size, context, initializer=_open_worker, initargs=(settings,))
    finished = False
    try:
        while queue or running:
            while queue and len(running) < size:
                item = queue.popleft()
                running[pool.submit(_work, *item)] = item
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                entry = future.result()
                del running[future]
                yield entry
        finished = True
    except BrokenProcessPool:
        finished = True
        if alone:
            for job, _ in running.values():
                yield Entry(str(job.video), str(job.outs[0]), "failed", reason=DIED)
        else:
            suspects.extend(running.values())
    finally:
        pool.shutdown(wait=finished, cancel_futures=True)
        if not finished:  # left early: what is half done is in its journal
            for process in multiprocessing.active_children():
                process.terminate()


ENGINES: Mapping[str, Engine] = {"local": local, "ray": on_ray}
