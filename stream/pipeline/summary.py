"""Counts and latency percentiles of a run, in bounded memory; the content of `--summary-json`."""

import json
import math
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from mtclar.engine.files.reading import read_ordinary
from mtclar.engine.files.writing import write_json
from mtclar.stream.pipeline.mailbox import Freshness

PERCENTILES = (50, 95, 99)
SUMMARY_KEYS = frozenset({"frames", "fps", "latency_ms"})  # present in every summary
MAX_SUMMARY_BYTES = 2**20
FINEST_MS, COARSEST_MS, RATIO = 1e-3, 1e6, 1.01  # bins of 1 %: a percentile is right within half of that


def percentiles(values_ms: Sequence[float]) -> dict[str, float | None]:
    """p50, p95, p99, rounded to microseconds; None without values."""
    if not len(values_ms):
        return {f"p{p}": None for p in PERCENTILES}
    return {f"p{p}": round(float(np.percentile(values_ms, p)), 3) for p in PERCENTILES}


class LatencyHistogram:
    """Counts latencies in 2,084 logarithmic bins."""

    def __init__(self) -> None:
        self._counts = np.zeros(math.ceil(math.log(COARSEST_MS / FINEST_MS, RATIO)) + 1, np.int64)
        self.count = 0

    def record(self, latency_ms: float) -> None:
        """Counts one latency; values beyond the scale count in its last bin."""
        at = 0
        if latency_ms > FINEST_MS:
            at = min(int(math.log(latency_ms / FINEST_MS, RATIO)), len(self._counts) - 1)
        self._counts[at] += 1
        self.count += 1

    def percentile(self, percent: float) -> float | None:
        """In milliseconds, within 0.5 %; None without values."""
        if not self.count:
            return None
        at = int(np.searchsorted(np.cumsum(self._counts), math.ceil(self.count * percent / 100)))
        return float(FINEST_MS * RATIO ** (at + 0.5))


@dataclass(frozen=True, slots=True)
class Summary:
    """The figures of a run; its fields are the keys of `--summary-json`."""

    frames: int  # answered
    fps: float  # answered a second, from the first capture to the last answer
    dropped: int
    messages_per_s: float  # `affect` messages a second: one for each answered frame
    latency_ms: dict[str, float | None]  # p50, p95, p99: capture to socket, or to message without a client
    backend: str
    cpu_cores: float  # processor seconds of this process / seconds
    peak_rss_mb: float | None  # None where the system does not report it
    wall_s: float
    reconnects: int
    frames_with_face: int
    freshness: Freshness  # with `all`, latencies include the wait in the queue
    stopped: bool  # ended before the source did
    abandoned: int = 0  # connections that hung and were abandoned
    skipped: int = 0  # frames whose faces all kept their values: still, or between two looks

    def write(self, path: Path) -> None:
        """JSON, whole or not at all. Raises WriteError when the disk refuses."""
        write_json(path, asdict(self), private=False)


def whole_summary(summaries: Sequence[Summary]) -> Summary:
    """The summary of pipelines that share a meter: drops and lost connections are added, other counts are shared."""
    return replace(
        summaries[0],
        dropped=sum(summary.dropped for summary in summaries),
        reconnects=sum(summary.reconnects for summary in summaries),
        abandoned=sum(summary.abandoned for summary in summaries),
        stopped=any(summary.stopped for summary in summaries),
    )


def is_summary(path: Path) -> bool:
    """Whether the file at `path` is empty or holds a summary, so that the next summary may replace it."""
    try:
        content = read_ordinary(path, MAX_SUMMARY_BYTES)
        return not content or set(json.loads(content)) >= SUMMARY_KEYS
    except (OSError, ValueError, TypeError, RecursionError):
        return False


class Meter:
    """Collects a run's figures: `answered` on the streams' worker threads, `sent` on the event loop's thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._delivered = LatencyHistogram()
        self._sent = LatencyHistogram()
        self._cpu_s = time.process_time()
        self._started_s: float | None = None
        self._last_answer_s = 0.0
        self.frames = 0
        self.frames_with_face = 0
        self.skipped = 0

    def started(self) -> None:
        """Starts the time of the rate, once, at the first frame: start-up does not count."""
        with self._lock:
            if self._started_s is None:
                self._started_s = self._clock()
                self._cpu_s = time.process_time()

    def answered(self, t_capture_s: float, with_face: bool, skipped: bool = False) -> None:
        """Counts a frame whose message was delivered to the sinks."""
        with self._lock:
            self._last_answer_s = self._clock()
            self._delivered.record(1e3 * (self._last_answer_s - t_capture_s))
            self.frames += 1
            self.frames_with_face += with_face
            self.skipped += skipped

    def sent(self, t_capture_s: float) -> None:
        """Counts a message that was written to its first socket, or that no client wanted."""
        self._sent.record(1e3 * (self._clock() - t_capture_s))

    def summary(
        self,
        *,
        dropped: int,
        backend: str,
        reconnects: int,
        freshness: Freshness = "latest",
        stopped: bool = False,
        abandoned: int = 0,
    ) -> Summary:
        """The figures so far."""
        wall_s = self._last_answer_s - self._started_s if self._started_s is not None and self.frames else 0.0
        rate = self.frames / wall_s if wall_s > 0 else 0.0
        latency = self._sent if self._sent.count else self._delivered
        return Summary(
            frames=self.frames,
            fps=round(rate, 2),
            dropped=dropped,
            messages_per_s=round(rate, 2),
            latency_ms={f"p{p}": _rounded(latency.percentile(p)) for p in PERCENTILES},
            backend=backend,
            cpu_cores=round((time.process_time() - self._cpu_s) / wall_s, 3) if wall_s > 0 else 0.0,
            peak_rss_mb=_rounded(peak_rss_mb()),
            wall_s=round(wall_s, 3),
            reconnects=reconnects,
            frames_with_face=self.frames_with_face,
            freshness=freshness,
            stopped=stopped,
            abandoned=abandoned,
            skipped=self.skipped,
        )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def peak_rss_mb() -> float | None:
    """The largest resident memory of this process so far, in MB; None where the system does not report it."""
    status = Path("/proc/self/status")
    if status.is_file():  # on Linux getrusage can report the parent's figure
        for line in status.read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    if sys.platform == "win32":
        return None
    import resource  # not on Windows

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024 * 1024 if sys.platform == "darwin" else 1024)
