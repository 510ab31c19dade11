"""Start-up, throughput and latency of this checkout on this machine: a table and build/bench.json (`make bench`).

Ratios are measured side by side in one run, interleaved, so that a noisy machine moves both sides alike. The clip
is the bundled rendered person (640x480, 25 fps, H.264). The load average is printed with them: figures from a busy
machine are not comparable.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from mtclar.stream import demo_clip

BARE = (sys.executable, "-c", "pass")
HELP = (sys.executable, "-m", "mtclar.cli.main", "--help")


def seconds(command: Sequence[str]) -> float:
    """Wall seconds of one run of a command."""
    started = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    return time.perf_counter() - started


def start_up(rounds: int) -> dict[str, float]:
    """`mtclar-stream --help` against a bare interpreter, alternating."""
    bare, with_help = [], []
    for _ in range(rounds):
        bare.append(seconds(BARE))
        with_help.append(seconds(HELP))
    return {
        "bare_interpreter_ms": 1e3 * statistics.median(bare),
        "help_ms": 1e3 * statistics.median(with_help),
        "ratio": statistics.median(h / b for h, b in zip(with_help, bare, strict=True)),
    }


def run_clip(clip: Path, freshness: str, support: Path | None) -> dict[str, Any]:
    """The summary of one `mtclar-stream run` over the clip."""
    with tempfile.TemporaryDirectory() as folder:
        summary = Path(folder) / "summary.json"
        command = [
            sys.executable,
            "-m",
            "mtclar.cli.main",
            "run",
            "--source",
            str(clip),
            "--freshness",
            freshness,
        ]
        command += [
            "--support",
            str(support) if support else "none",
            "--port",
            "0",
            "--summary-json",
            str(summary),
        ]
        subprocess.run(command, check=True, capture_output=True, timeout=600)
        loaded: dict[str, Any] = json.loads(summary.read_text())
        return loaded


def calibrated_on(clip: Path, labels: Path, folder: Path) -> Path:
    """A support set from the clip's own calibration labels."""
    out = folder / "bench.mtclar"
    command = [
        sys.executable,
        "-m",
        "mtclar.cli.main",
        "calibrate",
        "--source",
        str(clip),
        "--labels",
        str(labels),
    ]
    subprocess.run([*command, "--out", str(out)], check=True, capture_output=True, timeout=300)
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("build/bench.json"))
    parser.add_argument("--rounds", type=int, default=10, help="rounds of the start-up comparison")
    options = parser.parse_args()

    clip, labels = demo_clip.clip_path(), demo_clip.calibration_path()
    with tempfile.TemporaryDirectory() as folder:
        support = calibrated_on(clip, labels, Path(folder))
        figures = {
            "machine": {
                "cores": os.cpu_count(),
                "load_1min": os.getloadavg()[0],
                "python": sys.version.split()[0],
            },
            "start_up": start_up(options.rounds),
            "unpaced": run_clip(clip, "all", support),
            "paced": run_clip(clip, "paced", support),
        }

    table = Table("what", "figure", title="mtclar-stream on this machine")
    table.add_row(
        "cores, load before", f"{figures['machine']['cores']}, {figures['machine']['load_1min']:.2f}"
    )
    table.add_row("--help / bare interpreter", f"{figures['start_up']['ratio']:.1f}")
    table.add_row("every frame of the clip (unpaced)", f"{figures['unpaced']['fps']:.0f} frames/s")
    latency = figures["paced"]["latency_ms"]
    table.add_row(
        "paced at 25 fps, latency p50 / p95 / p99",
        " / ".join(f"{latency[p]:.1f}" for p in ("p50", "p95", "p99")) + " ms",
    )
    table.add_row("paced at 25 fps, CPU", f"{figures['paced']['cpu_cores']:.2f} cores")
    table.add_row("peak memory", f"{figures['paced']['peak_rss_mb']:.0f} MB")
    Console().print(table)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(figures, indent=2))
    print(f"written: {options.out}")


if __name__ == "__main__":
    main()
