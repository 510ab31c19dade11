"""Speed of the sources here against those of another checkout: the same run, in turn.

    python -m experiments.speed.against CHECKOUT [--freshness all] [--rounds 5] [--clients 2]

CHECKOUT has a .venv of its own (`make setup`). Each run is a server in a process of its own and real clients in
another, on the bundled clip. Prints frames a second, processor time a frame and latency of both, and the ratios of
pairs of runs.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from tools.arguments import parser_of

ROOT = Path(__file__).parents[2]
# For the interpreter of either checkout: it imports that checkout's packages, of which it needs what both have.
RUN = """
import json, subprocess, sys
from contextlib import closing
from dataclasses import asdict
from mtclar.cli.benchmark.material import Material
from mtclar.engine.tracker import Tracker
from mtclar.stream.pipeline.pipeline import Pipeline, PipelineOptions
from mtclar.stream.pipeline.summary import Meter
from mtclar.stream.server.config import ServerConfig
from mtclar.stream.server.server import Server
from mtclar.stream.sinks import SinkGroup
from mtclar.stream.sources import open_source

freshness, clients = sys.argv[1:]
material = Material.prepare(None, None)
meter = Meter()
server = Server(ServerConfig(port=0), on_sent=meter.sent)
with (
    Tracker.open([material.support]) as tracker,
    closing(open_source(material.clip)) as source,
    SinkGroup([server]) as sinks,
):
    pipeline = Pipeline(source, tracker, sinks, PipelineOptions(freshness=freshness), meter=meter)
    sinks.open([pipeline.info()])
    listener = None
    if clients != "0":
        command = [sys.executable, "-m", "mtclar.cli.benchmark.clients", server.ws_url, clients]
        listener = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        listener.stdout.readline()
    with pipeline:
        assert pipeline.wait(120)
    assert pipeline.error is None, pipeline.error
    server.close()
    if listener is not None:
        listener.communicate(timeout=60)
    print(json.dumps(asdict(pipeline.summary())))
"""
TIMEOUT_S = 300


def run(checkout: Path, freshness: str, clients: int) -> dict[str, Any]:
    """The summary of one run with the sources of a checkout."""
    python = checkout / ".venv" / "bin" / "python"
    done = subprocess.run(
        [str(python), "-c", RUN, freshness, str(clients)],
        cwd=checkout,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )
    if done.returncode or not done.stdout.strip():
        sys.exit(f"{checkout}: {done.stderr.strip().splitlines()[-1:] or 'no summary'}")
    summary: dict[str, Any] = json.loads(done.stdout)
    return summary


def main() -> None:
    """Prints both and their ratios."""
    parser = parser_of(__doc__)
    parser.add_argument("checkout", type=Path, metavar="CHECKOUT")
    parser.add_argument("--freshness", choices=("all", "paced"), default="all")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--clients", type=int, default=2)
    wanted = parser.parse_args()
    sides = [wanted.checkout.resolve(), ROOT]
    rates: list[list[float]] = [[], []]
    costs: list[list[float]] = [[], []]
    latencies: list[list[list[float]]] = [[], []]
    for number in range(wanted.rounds):
        for side in (0, 1) if number % 2 == 0 else (1, 0):
            summary = run(sides[side], wanted.freshness, wanted.clients)
            rates[side].append(summary["fps"])
            costs[side].append(1e3 * summary["cpu_cores"] / summary["fps"])
            latencies[side].append([summary["latency_ms"][p] for p in ("p50", "p95", "p99")])
    for name, rate, cost, latency in zip(("there", "here"), rates, costs, latencies, strict=True):
        middle = " / ".join(f"{ms:.1f}" for ms in np.median(latency, 0))
        print(
            f"{name}: {np.median(rate):.0f} frames/s, {np.median(cost):.2f} ms of processor time a frame, {middle} ms"
        )
    for what, values in (("frames a second", rates), ("processor time", costs)):
        ratios = np.divide(values[1], values[0])
        print(f"{what}, here over there: {np.median(ratios):.2f} [{ratios.min():.2f}, {ratios.max():.2f}]")


if __name__ == "__main__":
    main()
