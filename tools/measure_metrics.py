"""What /metrics costs with 8 streams and 1,000 clients, and for how long making it keeps the event loop from turning.

    python tools/measure_metrics.py        # interleaved: nothing, on the loop, on a thread, on a thread with pauses

The clients are stand-ins that only count: their connections cost nothing here. How long the loop stands still is the
most processor time that this process spent between two turns of it, so that a busy machine changes little.
"""

import asyncio
import os
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
from prometheus_client import generate_latest

from mtclar.engine.data_types import Affect
from mtclar.stream.protocol.messages import AffectMessage, LatencyMs, ModelInfo
from mtclar.stream.server.server import Server
from mtclar.stream.sinks.prometheus import Metrics

STREAMS, CLIENTS, TRIES, TURN_S = 8, 1000, 200, 0.0005
Work = Callable[[], object]


class Counting:
    """A client, as far as /metrics asks."""

    missed = 3


def loaded() -> Metrics:
    """Figures of so many streams and clients."""
    metrics, server = Metrics(), Server(port=0)
    for _ in range(CLIENTS):
        server._audience._clients.add(Counting())  # type: ignore[arg-type]
    pipelines: list[Any] = [
        SimpleNamespace(
            source=SimpleNamespace(stream_id=f"cam-{n}"), answered=9, dropped=1, reconnects=0, abandoned=0
        )
        for n in range(STREAMS)
    ]
    metrics.attach(pipelines, server, ModelInfo("encoder", "ab", "onnxruntime"), "1")
    face = Affect(0, "anna", "ok", (0.0, 0.0, 9.0, 9.0), None, 0.1, 0.2, 0.1, 0.1, None, ())
    for n in range(STREAMS):
        metrics.affect(
            AffectMessage(f"cam-{n}", 0, 0, 0.0, "arrival", 0.0, (9, 9), LatencyMs(1, 2, 3), 0, (face,))
        )
    return metrics


async def standstill_ms(work: Work | None, on_thread: bool) -> float:
    """For how long the loop does not turn while the work is done."""
    longest_s, turning = 0.0, True

    async def turn() -> None:
        nonlocal longest_s
        while turning:
            began_s = time.process_time()
            await asyncio.sleep(TURN_S)
            longest_s = max(longest_s, time.process_time() - began_s)

    task = asyncio.create_task(turn())
    await asyncio.sleep(4 * TURN_S)
    if work is None:
        await asyncio.sleep(10 * TURN_S)
    elif on_thread:
        await asyncio.to_thread(work)
    else:
        work()
    await asyncio.sleep(2 * TURN_S)
    turning = False
    await task
    return 1e3 * longest_s


async def measure() -> None:
    """Prints a line for each way."""
    metrics = loaded()
    registry = metrics._registry
    ways: dict[str, tuple[Work | None, bool]] = {
        "nothing to do": (None, False),
        "on the loop": (lambda: generate_latest(registry), False),
        "on a thread": (lambda: generate_latest(registry), True),
        "on a thread with pauses": (metrics.page, True),
    }
    found: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(TRIES):
        for name, way in ways.items():
            found[name].append(await standstill_ms(*way))
    cpu_s = time.thread_time()
    for _ in range(TRIES):
        generate_latest(registry)
    cpu_s = time.thread_time() - cpu_s
    size = len(metrics.page().body)
    print(f"{1e3 * cpu_s / TRIES:.1f} ms of processor time, {size:,} bytes; load {os.getloadavg()[0]:.1f}")
    for name, times in found.items():
        p50, p95 = np.percentile(times, [50, 95])
        print(f"{name}: the loop stands still {p50:.1f} / {p95:.1f} ms (p50 / p95 of {TRIES})")


if __name__ == "__main__":
    asyncio.run(measure())
