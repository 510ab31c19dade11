"""Garbage collection beside the path of a frame: what has started is left alone, and cycles are collected while idle.

Python collects cycles in the middle of any allocation, with every thread waiting; after a start with all its modules a
whole collection takes longer than a frame. Between enter and exit of `collected_between_frames` it happens only where
a pipeline calls `collect`: between two frames, when none waits.
"""

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

YOUNG = 700  # objects more than before: as many as Python's own default
WHOLE_AFTER = 100  # collections of the young objects; what lives longer is little, and looked at rarely
OVERDUE = 20  # times YOUNG: then also while frames wait

_lock = threading.Lock()
_users = 0
_taken = False  # from Python, which collected by itself before
_since_whole = 0


@contextmanager
def collected_between_frames() -> Iterator[None]:
    """Takes garbage collection of this process into the hands of its pipelines; may be entered again."""
    global _users, _taken
    with _lock:
        _users += 1
        if gc.isenabled():
            _taken = True
            gc.collect()
            gc.freeze()
            gc.disable()
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if not _users and _taken:
                _taken = False
                gc.enable()
                gc.unfreeze()


def collect(idle: bool) -> None:
    """Collects if it is time to; `idle`: no frame waits. Does nothing outside of `collected_between_frames`."""
    global _since_whole
    if not _taken or gc.get_count()[0] < (YOUNG if idle else OVERDUE * YOUNG):
        return
    with _lock:
        _since_whole += 1
        whole = _since_whole >= WHOLE_AFTER
        _since_whole = 0 if whole else _since_whole
    gc.collect(2 if whole else 1)
