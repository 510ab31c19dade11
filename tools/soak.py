"""A long run with faults: memory, threads and files of the process must not grow.

    python -m tools.soak --minutes 60 --write          (make soak MINUTES=60)

`mtclar-stream run` follows a real RTSP server through a proxy, with `--csv` and one client that reads. A fault is done
to it every `--every` seconds, in turn; memory, threads and file descriptors of its process are read every second. Exit
code 1 when one of them grows or a message is missing. `--write` puts the samples' summary and the plot into
docs/results/. Needs GStreamer's RTSP server (.ci/system), and matplotlib for the plot.
"""

import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tests.support.faults import bad_clients
from tests.support.faults.proxy import Proxy
from tests.support.faults.rtsp import RtspServer, write_face_pictures
from tests.support.faults.tracker_process import Footprint, Running, Watcher, is_affect
from tools.arguments import parser_of

ROOT = Path(__file__).resolve().parents[1]
RESULT = ROOT / "docs" / "results" / "data" / "soak.json"
PLOT = ROOT / "docs" / "results" / "plots" / "soak.png"

WARM_UP_S = 30.0  # buffers, caches and the first connection
SAMPLE_S = 1.0
CROWD = 20
RSS_GROWTH_MB = 12.0
RSS_GROWTH_SHARE = 0.05  # of the median
DESCRIPTORS_GROWTH = THREADS_GROWTH = 2


@dataclass(frozen=True, slots=True)
class Sample:
    """Resources of the process at one time."""

    at_s: float
    rss_mb: float
    threads: int
    descriptors: int
    messages: int  # that the client got so far
    processor_s: float


@dataclass(slots=True)
class Soak:
    """The samples of a run, and the findings."""

    samples: list[Sample] = field(default_factory=list)
    faults: list[tuple[float, str]] = field(default_factory=list)
    missing: int = 0  # messages that the client, with delivery `all`, did not get
    exit_code: int | None = None

    @property
    def steady(self) -> list[Sample]:
        """Without the warm-up."""
        return [sample for sample in self.samples if sample.at_s >= WARM_UP_S]

    def growth(self, of: Callable[[Sample], float]) -> float:
        """From the first third of the steady samples to the last: of their medians."""
        values = [of(sample) for sample in self.steady]
        third = max(1, len(values) // 3)
        return float(np.median(values[-third:]) - np.median(values[:third]))

    def slope_mb_per_h(self) -> tuple[float, float]:
        """Of the resident memory, with its standard error."""
        t = np.array([sample.at_s / 3600 for sample in self.steady])
        rss = np.array([sample.rss_mb for sample in self.steady])
        if len(t) < 3:
            return 0.0, float("inf")
        slope, level = np.polyfit(t, rss, 1)
        left = rss - (slope * t + level)
        error = np.sqrt((left @ left) / (len(t) - 2) / ((t - t.mean()) @ (t - t.mean())))
        return float(slope), float(error)

    def findings(self) -> list[str]:
        """Every limit that was exceeded, in words."""
        found = []
        rss_mb = np.median([sample.rss_mb for sample in self.steady])
        for what, of, limit in (
            ("memory (MB)", lambda s: s.rss_mb, max(RSS_GROWTH_MB, RSS_GROWTH_SHARE * rss_mb)),
            ("threads", lambda s: s.threads, THREADS_GROWTH),
            ("file descriptors", lambda s: s.descriptors, DESCRIPTORS_GROWTH),
        ):
            if (growth := self.growth(of)) > limit:
                found.append(f"{what}: grew by {growth:.1f}, more than {limit:.1f}")
        if self.missing:
            found.append(f"{self.missing} messages are missing")
        if self.exit_code != 0:
            found.append(f"ended with exit code {self.exit_code}")
        return found

    def summary(self) -> dict[str, Any]:
        """The figures of docs/results/data/soak.json."""
        steady = self.steady
        slope, error = self.slope_mb_per_h()
        seconds = steady[-1].at_s - steady[0].at_s
        kinds = sorted({kind for _, kind in self.faults})
        return {
            "minutes": round(self.samples[-1].at_s / 60, 1),
            "faults": {kind: sum(k == kind for _, k in self.faults) for kind in kinds},
            "messages": self.samples[-1].messages,
            "missing": self.missing,
            "rss_mb": _spread([s.rss_mb for s in steady]),
            "rss_slope_mb_per_h": round(slope, 2),
            "rss_slope_error_mb_per_h": round(error, 2),
            "threads": _spread([s.threads for s in steady]),
            "descriptors": _spread([s.descriptors for s in steady]),
            "cpu_cores": round((steady[-1].processor_s - steady[0].processor_s) / seconds, 3),
            "growth": {
                "rss_mb": round(self.growth(lambda s: s.rss_mb), 2),
                "threads": self.growth(lambda s: s.threads),
                "descriptors": self.growth(lambda s: s.descriptors),
            },
            "findings": self.findings(),
        }


def _spread(values: Sequence[float]) -> dict[str, float]:
    return {
        "min": round(min(values), 1),
        "median": round(float(np.median(values)), 1),
        "max": round(max(values), 1),
    }


def soak(seconds: float, every_s: float, report: Callable[[str], None] = print) -> Soak:
    """Runs for about `seconds`."""
    result = Soak()
    with tempfile.TemporaryDirectory() as folder:
        pictures = Path(folder) / "pictures"
        pictures.mkdir()
        write_face_pictures(pictures)
        server = RtspServer(pictures)
        server.start()
        try:
            with Proxy(server.port) as network:
                address = f"rtsp://127.0.0.1:{network.port}/clip"
                rows = Path(folder) / "values.csv"
                run = Running("--source", address, "--support", "none", "--no-live", "--csv", rows)
                with run, Watcher(run.url, {"delivery": "all"}) as watcher:
                    watcher.wait(is_affect)
                    _watch(result, run, watcher, Faults(server, network, run.url), seconds, every_s, report)
                    result.exit_code = run.end()
                    if result.exit_code:
                        report(run.output)
        finally:
            server.kill()
    return result


class Faults:
    """Faults of the camera, the network and the clients, by name."""

    def __init__(self, server: RtspServer, network: Proxy, url: str) -> None:
        self._server, self._network, self._url = server, network, url
        self.kinds: dict[str, Callable[[], None]] = {
            "connection cut": network.cut,
            "crowd of clients": self._crowd,
            "server killed": self._kill,
            "damaged packets": self._damage,
            "client that never reads": self._never_read,
            "server frozen": self._freeze,
        }

    def _kill(self) -> None:
        self._server.kill()
        time.sleep(2.0)
        self._server.start()

    def _freeze(self) -> None:
        self._server.freeze()
        time.sleep(6.5)  # long enough for the connection to be given up
        self._server.thaw()

    def _damage(self) -> None:
        self._network.damage = 0.1
        time.sleep(3.0)
        self._network.damage = 0.0

    def _crowd(self) -> None:
        clients = [Watcher(self._url) for _ in range(CROWD)]
        for client in clients:
            client.__enter__()
        time.sleep(1.0)
        for client in clients:
            client.__exit__()

    def _never_read(self) -> None:
        """Connects, subscribes to every message, reads none, and disconnects after a while."""
        with bad_clients.silent_websocket(self._url) as client:
            client.sendall(bad_clients.frame(1, b'{"type":"subscribe","delivery":"all"}'))
            time.sleep(4.0)


def _watch(
    result: Soak,
    run: Running,
    watcher: Watcher,
    faults: Faults,
    seconds: float,
    every_s: float,
    report: Callable[[str], None],
) -> None:
    over = threading.Event()
    began_s = time.monotonic()

    def inject() -> None:
        kinds = list(faults.kinds.items())
        turn = 0
        while not over.wait(max(0.0, began_s + (turn + 1) * every_s - time.monotonic())):
            kind, inject_one = kinds[turn % len(kinds)]
            result.faults.append((round(time.monotonic() - began_s, 1), kind))
            inject_one()
            turn += 1

    injecting = threading.Thread(target=inject, daemon=True)
    injecting.start()
    messages, last_seq = 0, None
    reported_s = 0.0
    while (at_s := time.monotonic() - began_s) < seconds and run.process.poll() is None:
        for one in watcher.take():
            if is_affect(one):
                seq = one.message["seq"]
                result.missing += 0 if last_seq is None else seq - last_seq - 1
                last_seq, messages = seq, messages + 1
        held: Footprint = run.footprint()
        spent_s = run.processor_s()
        result.samples.append(
            Sample(round(at_s, 2), round(held.rss_mb, 2), held.threads, held.descriptors, messages, spent_s)
        )
        if at_s >= reported_s:
            report(
                f"{at_s / 60:6.1f} min  {held.rss_mb:6.1f} MB  {held.threads} threads  {held.descriptors} descriptors  "
                f"{messages} messages  {len(result.faults)} faults"
            )
            reported_s += max(10.0, seconds / 60)
        time.sleep(SAMPLE_S)
    over.set()
    injecting.join(30.0)


def plot(result: Soak, path: Path) -> None:
    """Memory, threads and descriptors over time, with the faults."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    minutes = [sample.at_s / 60 for sample in result.samples]
    figure, (top, bottom) = pyplot.subplots(2, 1, figsize=(9, 5), sharex=True, layout="constrained")
    top.plot(minutes, [s.rss_mb for s in result.samples], linewidth=1)
    top.set_ylabel("resident memory, MB")
    top.set_ylim(0, 1.2 * max(s.rss_mb for s in result.samples))
    bottom.plot(minutes, [s.threads for s in result.samples], linewidth=1, label="threads")
    bottom.plot(minutes, [s.descriptors for s in result.samples], linewidth=1, label="file descriptors")
    bottom.plot(
        [at_s / 60 for at_s, _ in result.faults], [1] * len(result.faults), "|", color="grey", label="faults"
    )
    bottom.set_xlabel("minutes")
    bottom.legend(loc="upper right", ncols=3)
    bottom.set_ylim(0, 1.3 * max(s.descriptors for s in result.samples))
    for axis in (top, bottom):
        axis.grid(alpha=0.3)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--every", type=float, default=30.0, metavar="S", help="seconds between faults")
    parser.add_argument("--write", action="store_true", help="summary and plot into docs/results/")
    given = parser.parse_args()
    if given.minutes * 60 < 3 * WARM_UP_S:
        parser.error(f"at least {3 * WARM_UP_S / 60:g} minutes")
    result = soak(60 * given.minutes, given.every)
    summary = result.summary()
    summary |= {"cores": os.cpu_count(), "load": round(os.getloadavg()[0], 2)}
    print(json.dumps(summary, indent=2))
    if given.write:
        RESULT.parent.mkdir(parents=True, exist_ok=True)
        RESULT.write_text(json.dumps(summary, indent=2) + "\n")
        plot(result, PLOT)
        print(f"Written: {RESULT.relative_to(ROOT)}, {PLOT.relative_to(ROOT)}")
    sys.exit(1 if summary["findings"] else 0)


if __name__ == "__main__":
    main()
