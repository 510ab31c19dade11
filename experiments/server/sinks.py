"""What each sink adds and costs, and what 20 restarts and a minute's block of its other end do: docs/live/sinks.md.

    python -m experiments.server.sinks --write                # latency, cost, restarts, blocks: 10 minutes
    python -m experiments.server.sinks --clock 10 --write     # LSL's clock over 10 minutes

Messages of one face go to the sinks as the tracker sends them, 30 a second; the other end is a process of its own
(sink_receivers.py). Latency is from the call of the sinks to the arrival there, on the clock that both share. The LSL
receiver of `--clock` has a clock of its own, 5,000 s ahead (a time namespace, which needs root). Needs mosquitto.
"""

import json
import os
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from experiments.server.sink_link import ROOT, Sender, linked, wait_until
from mtclar.stream.sinks import SinkGroup
from tools.arguments import parser_of
from tools.docs.figures import table
from tools.docs.generated import replace_section

PAGE = ROOT / "docs" / "live" / "sinks.md"
RESULT = ROOT / "docs" / "results" / "data" / "sinks.json"

NAMES = ("websocket", "csv", "metrics", "lsl", "osc", "mqtt")
RESTARTED = ("websocket", "lsl", "osc", "mqtt")

LATENCY_S = 20.0
BLOCK_S = 60.0
PRESENT_MESSAGES = 30  # a second: how long the other end stays between two restarts
ABSENT_S = 0.5
CLOCK_RATE_HZ = 10.0
AHEAD_S = 5000
OTHER_CLOCK = ("unshare", "--time", "--monotonic", str(AHEAD_S))


def latency_and_cost(name: str) -> dict[str, Any]:
    """Latency in ms (of the metrics: how long a scrape takes) and processor time in ms a message, all threads."""
    with tempfile.TemporaryDirectory() as folder:
        with Sender(SinkGroup(), name):
            idle_s = -time.process_time()
            time.sleep(LATENCY_S / 2)
            idle_s += time.process_time()
        with linked(name, Path(folder)) as (link, sinks, stream), Sender(sinks, stream) as sender:
            time.sleep(2.0)
            first, cost_s = len(sender.sent_s), -time.process_time()
            time.sleep(LATENCY_S)
            cost_s += time.process_time()
            sent = len(sender.sent_s) - first
            time.sleep(2.0)
            arrivals = [one for one in link.receiver.arrivals() if one[0] >= first]
            since = (lambda one: one[2]) if name == "metrics" else (lambda one: sender.sent_s[int(one[0])])
            latencies_ms = [1e3 * (one[1] - since(one)) for one in arrivals]
    return {
        "latency_ms": percentiles(latencies_ms),
        "processor_ms": round(1e3 * (cost_s - 2 * idle_s) / sent, 3),
    }


def restarts(name: str, times: int) -> dict[str, Any]:
    """The other end is killed and started so often: what was lost while it was there, and when values came again."""
    back_s, lost, received = [], 0, 0
    with (
        tempfile.TemporaryDirectory() as folder,
        linked(name, Path(folder)) as (link, sinks, stream),
        Sender(sinks, stream) as sender,
    ):
        for _ in range(times):
            link.stop()
            time.sleep(ABSENT_S)
            link.start()
            ready_s = time.monotonic()

            def fresh() -> list[tuple[float, ...]]:
                return [
                    one
                    for one in link.receiver.arrivals()
                    if sender.sent_s[int(one[0])] >= ready_s  # noqa: B023
                ]

            wait_until(lambda: len(fresh()) >= PRESENT_MESSAGES)
            seqs = [int(one[0]) for one in fresh()]
            back_s.append(fresh()[0][1] - ready_s)
            lost += seqs[-1] - seqs[0] + 1 - len(set(seqs))
            received += len(set(seqs))
    return {
        "times": times,
        "received": received,
        "lost": lost,
        "back_s": {"p50": round(statistics.median(back_s), 2), "max": round(max(back_s), 2)},
    }


def blocked(name: str, seconds: float) -> dict[str, Any]:
    """The other end is frozen (of CSV: the disk is full) for so long, then goes on."""
    with (
        tempfile.TemporaryDirectory() as folder,
        linked(name, Path(folder)) as (link, sinks, stream),
        Sender(sinks, stream) as sender,
    ):
        (delivery,) = sinks.deliveries
        time.sleep(2.0)
        first = len(sender.sent_s)
        link.block()
        until_s, trouble = time.monotonic() + seconds, False
        while time.monotonic() < until_s:
            trouble |= link.sink.trouble is not None
            time.sleep(0.1)
        last = len(sender.sent_s)
        link.unblock()
        with suppress(TimeoutError):  # then the rest is lost
            wait_until(lambda: any(one[0] > last for one in link.receiver.arrivals()))
        time.sleep(5.0)  # what was held back
        seen = {int(one[0]) for one in link.receiver.arrivals()}
        return {
            "seconds": seconds,
            "sent": last - first,
            "lost": 0 if name == "metrics" else len(set(range(first, last)) - seen),
            "counted": delivery.failures + delivery.dropped,
            "in_status": trouble,
            "longest_call_ms": round(max(sender.call_ms[first:last]), 1),
        }


def clock_error(minutes: float) -> dict[str, Any]:
    """How far a recorder's times of capture are off, on a machine with another clock, in ms."""
    with (
        tempfile.TemporaryDirectory() as folder,
        linked("lsl", Path(folder), OTHER_CLOCK) as (link, sinks, stream),
        Sender(sinks, stream, CLOCK_RATE_HZ) as sender,
    ):
        time.sleep(60 * minutes)
        arrivals = link.receiver.arrivals()
    error_s = np.array([one[2] - AHEAD_S - sender.sent_s[int(one[0])] for one in arrivals])
    raw_s = np.array([sender.raw_s[int(one[0])] for one in arrivals])
    recorded_s = np.array([one[2] for one in arrivals])
    drift_s = (recorded_s - recorded_s[0]) - (raw_s - raw_s[0])
    return {
        "minutes": minutes,
        "samples": len(arrivals),
        "error_ms": percentiles(1e3 * np.abs(error_s)),
        "beside_raw_clock_ms": percentiles(1e3 * np.abs(drift_s)),
        "load": round(os.getloadavg()[0], 1),
    }


def percentiles(values: Any) -> dict[str, float]:
    p50, p99 = np.percentile(values, [50, 99])
    return {"p50": round(float(p50), 3), "p99": round(float(p99), 3)}


def page(result: dict[str, Any]) -> str:
    """The section of docs/live/sinks.md."""
    rows = []
    for name, one in result["sinks"].items():
        latency, restart, block = one["latency_ms"], one.get("restarts"), one["blocked"]
        rows.append(
            [
                f"`{name}`",
                " / ".join(f"{ms:.2f}" if ms < 10 else f"{ms:.0f}" for ms in latency.values()),
                f"{one['processor_ms']:.2f}",
                "-"
                if restart is None
                else f"{restart['lost']} of {restart['received']:,}; "
                f"{restart['back_s']['p50']:g} / {restart['back_s']['max']:g} s",
                f"{block['lost']:,} of {block['sent']:,}",
                f"{block['counted']:,}{', status' if block['in_status'] else ''}",
                f"{block['longest_call_ms']:g} ms",
            ]
        )
    head = [
        "sink",
        "latency p50 / p99, ms",
        "processor a message, ms",
        f"{result['restarts']} restarts: lost while present; back p50 / max",
        f"blocked {result['block_s']:g} s: lost",
        "counted, told",
        "longest call",
    ]
    text = (
        "30 messages a second of one face, `python -m experiments.server.sinks --write`; "
        f"{result['cores']} cores, load {result['load']:.1f} when it began.\n\n{table(head, rows)}"
    )
    if (clock := result.get("lsl_clock")) is not None:
        error, raw = clock["error_ms"], clock["beside_raw_clock_ms"]
        text += (
            f"\nLSL's clock: {clock['samples']:,} samples in {clock['minutes']:g} minutes, read by a process whose\n"
            f"clock is 5,000 s ahead. Its times of capture were off by {error['p50']:g} / {error['p99']:g} ms\n"
            f"(p50 / p99), beside the kernel's unadjusted clock by {raw['p50']:g} / {raw['p99']:g} ms "
            f"(load {clock['load']:g})."
        )
    return text


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--only", nargs="+", choices=NAMES, default=list(NAMES))
    parser.add_argument("--restarts", type=int, default=20)
    parser.add_argument("--block", type=float, default=BLOCK_S, metavar="SECONDS")
    parser.add_argument("--clock", type=float, metavar="MINUTES", help="measure LSL's clock, nothing else")
    parser.add_argument(
        "--write", action="store_true", help=f"into {PAGE.name} and docs/results/{RESULT.name}"
    )
    given = parser.parse_args()
    result: dict[str, Any] = json.loads(RESULT.read_text()) if RESULT.exists() else {}
    if given.clock:
        result["lsl_clock"] = clock_error(given.clock)
    else:
        result |= {"restarts": given.restarts, "block_s": given.block}
        result |= {"cores": os.cpu_count(), "load": round(os.getloadavg()[0], 1)}
        sinks = {name: latency_and_cost(name) for name in given.only}  # one after the other
        with ThreadPoolExecutor(len(sinks)) as side_by_side:
            again = {
                name: side_by_side.submit(restarts, name, given.restarts)
                for name in sinks
                if name in RESTARTED
            }
            for name, future in again.items():
                sinks[name]["restarts"] = future.result()
            blocks = {name: side_by_side.submit(blocked, name, given.block) for name in sinks}
            for name, future in blocks.items():
                sinks[name]["blocked"] = future.result()
        result["sinks"] = result.get("sinks", {}) | sinks
    print(json.dumps(result, indent=2))
    if given.write:
        RESULT.write_text(json.dumps(result, indent=2) + "\n")
        if result.get("sinks"):
            replace_section(PAGE, "sinks", page(result))


if __name__ == "__main__":
    main()
