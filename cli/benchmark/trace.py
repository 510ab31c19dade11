"""Records the way of frames through threads as a trace that Perfetto and Chrome open (Trace Event Format).

https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU: complete events ("X") with times in
microseconds, names of threads ("M"), and flows ("s", "t", "f") that join the pieces of one frame across threads.
"""

import gc
import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mtclar.engine import spans
from mtclar.engine.files.reading import read_ordinary
from mtclar.engine.files.writing import write_json

TRACED_S = 4.0
MAX_BYTES = 2**28  # of a file that may be a trace
MOST = 200_000  # pieces of work; later ones are not recorded
COLLECTION = "garbage collection"
FIRST, LAST = "put", "send"  # of a frame


def is_trace(path: Path) -> bool:
    """Whether the file at `path` is empty or a trace, so that the next trace may replace it."""
    try:
        text = read_ordinary(path, MAX_BYTES)
        return not text or "traceEvents" in json.loads(text)
    except (OSError, ValueError, TypeError, RecursionError):
        return False


class Trace:
    """Records every piece of work of this process, and every garbage collection, from enter to exit."""

    def __init__(self) -> None:
        self._events: list[dict[str, Any]] = []
        self._names: dict[int, str] = {}
        self._thread = threading.local()
        self._collecting_ns = 0

    def __enter__(self) -> "Trace":
        gc.callbacks.append(self._on_collection)
        spans.record(self._span)
        return self

    def __exit__(self, *_: object) -> None:
        spans.record(None)
        gc.callbacks.remove(self._on_collection)

    def write(self, path: Path) -> None:
        """Writes the trace as JSON. Raises WriteError when the disk refuses."""
        process = os.getpid()
        named = [
            {"ph": "M", "name": "thread_name", "pid": process, "tid": thread, "args": {"name": name}}
            for thread, name in self._names.items()
        ]
        write_json(path, {"traceEvents": [*named, *self._events], "displayTimeUnit": "ms"}, private=False)

    @contextmanager
    def _span(self, name: str, frame: int | None) -> Iterator[None]:
        before = getattr(self._thread, "frame", None)
        self._thread.frame = before if frame is None else frame
        started_ns = time.perf_counter_ns()
        try:
            yield
        finally:
            self._add(name, started_ns, time.perf_counter_ns(), self._thread.frame, joins=frame is not None)
            self._thread.frame = before

    def _add(self, name: str, started_ns: int, ended_ns: int, frame: int | None, joins: bool = False) -> None:
        if len(self._events) >= MOST:
            return
        thread = threading.get_native_id()
        self._names.setdefault(thread, threading.current_thread().name)
        where = {"pid": os.getpid(), "tid": thread, "ts": started_ns / 1e3}
        event = {"name": name, "ph": "X", **where, "dur": (ended_ns - started_ns) / 1e3}
        self._events.append(event if frame is None else {**event, "args": {"frame": frame}})
        if joins:
            phase = {FIRST: "s", LAST: "f"}.get(name, "t")
            self._events.append(
                {"name": "frame", "cat": "frame", "ph": phase, "id": frame, "bp": "e", **where}
            )

    def _on_collection(self, phase: str, info: dict[str, int]) -> None:  # noqa: ARG002
        now_ns = time.perf_counter_ns()
        if phase == "start":
            self._collecting_ns = now_ns
        elif self._collecting_ns:
            self._add(COLLECTION, self._collecting_ns, now_ns, None)
