"""Every check that needs a graphics card, in under eight minutes (`make gpu-check`).

Each backend is tried in a process of its own with a time limit, so that one that crashes is a line of the report. A
JSON file and a Markdown page say for each backend 'ran' or 'refused' with the reason, the largest difference of valence
and arousal from ONNX Runtime on the CPU, latency percentiles of encoder and pair network, faces a second by batch,
memory, and how many streams of 30 pictures a second the card would take. The suite of all backends is run as well.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tools.arguments import parser_of

ROOT = Path(__file__).parents[1]
BACKENDS = (
    "tensorrt",
    "tensorrt:fp32",
    "tensorrt:int8",
    "tensorrt-rtx",
    "onnxruntime:cuda",
    "onnxruntime:tensorrt",
    "torch:cuda",
    "onnxruntime",
)
REFERENCE = "onnxruntime"
WITHOUT_CARD = frozenset({"onnxruntime", "onnxruntime:cpu", "onnxruntime:int8", "torch:cpu"})
TOTAL_S = 450.0  # with what starting and ending take: under eight minutes
SUITE_S = 60.0  # kept for the suite; it has what the backends leave
LEAST_S = 25.0  # kept for each backend that is still to come; what one leaves, the next ones have
SUPPORT_FRAMES = 16
FPS = 30.0
NOTHING = "No backend ran on a card: nothing may be claimed about cards from this report."
PARITY = {"int8": 0.1, "fp8": 0.1}  # of valence and arousal, at most
PARITY_ELSE = 0.01  # at fp16


def measure(backend: str, rounds: int) -> dict[str, Any]:
    """What one backend does; runs in a process of its own."""
    from mtclar.cli.benchmark.gpu import GpuMeter
    from mtclar.cli.benchmark.material import demo_crops
    from mtclar.engine import models
    from mtclar.engine.backends.session import bind, open_session, open_sessions
    from mtclar.engine.errors import MtclarError
    from mtclar.engine.estimate.encoder import Encoder
    from mtclar.stream.pipeline.summary import percentiles

    rng = np.random.default_rng(0)
    started_s = time.perf_counter()
    try:
        opened = open_sessions([models.path(name) for name in models.NAMES], backend)
    except MtclarError as error:
        return {"backend": backend, "state": "refused", "reason": error.what, "hint": error.hint}
    with GpuMeter() as meter:
        encoder, pair = Encoder(opened.sessions[2]), opened.sessions[3]
        faces = demo_crops(every=8)[:64]
        support = encoder(faces[:SUPPORT_FRAMES]).embedding
        bound = bind(pair, {"support": support})
        opened_s = time.perf_counter() - started_s

        def answer(crops: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            encoded = encoder(crops)
            return encoded.absolute, bound.run({"embedding": encoded.embedding})["delta"]

        with (
            open_session(models.path("encoder"), REFERENCE) as exact,
            open_session(models.path("pair"), REFERENCE) as pairs,
        ):
            embedded = exact.run({"face": faces})
            expected = pairs.run(
                {"embedding": embedded["embedding"], "support": embedded["embedding"][:SUPPORT_FRAMES]}
            )
        absolute, delta = answer(faces)
        difference = max(
            float(np.abs(absolute - embedded["absolute"]).max()),
            float(np.abs(delta - expected["delta"]).max()),
        )
        taken = _times(lambda: answer(faces[:1]), rounds)
        by_batch = []
        for batch in (1, 2, 4, 8, 16, 32, 64):
            crops = rng.choice(faces, batch)
            ms = float(np.median(_times(lambda crops=crops: answer(crops), max(rounds // 10, 5))))
            by_batch.append({"batch": batch, "faces_per_s": round(1e3 * batch / ms, 1)})
        replayed = getattr(bound, "replayed", None)  # of backends of which it is known
        for session in opened.sessions:
            session.close()
    best = max(row["faces_per_s"] for row in by_batch)
    return {
        "backend": backend,
        "state": "ran",
        "name": opened.sessions[2].backend,
        "open_s": round(opened_s, 2),
        "largest_difference": round(difference, 5),
        "latency_ms": percentiles(taken),
        "by_batch": by_batch,
        "streams_at_30_fps": int(best // FPS),  # of one face, encoder and pair network alone
        "replayed_as_cuda_graph": replayed,
        "card": meter.report(rounds),
    }


def _times(work: Any, rounds: int) -> list[float]:
    """Milliseconds of each of `rounds` runs, after a tenth that does not count."""
    taken = []
    for i in range(rounds + max(rounds // 10, 3)):
        started_s = time.perf_counter()
        work()
        if i >= max(rounds // 10, 3):
            taken.append(1e3 * (time.perf_counter() - started_s))
    return taken


def on_card(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Those that ran, and on a card."""
    return [row for row in rows if row["state"] == "ran" and row["backend"] not in WITHOUT_CARD]


def parity(backend: str) -> float:
    """How far valence and arousal may be off."""
    return PARITY.get(backend.partition(":")[2], PARITY_ELSE)


def try_backend(backend: str, rounds: int, timeout_s: float) -> dict[str, Any]:
    """`measure` in a process of its own."""
    command = [sys.executable, "-m", "tools.gpu_check", "--one", backend, "--rounds", str(rounds)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, cwd=ROOT)
    except subprocess.TimeoutExpired:
        return {"backend": backend, "state": "refused", "reason": f"not done after {timeout_s:.0f} s"}
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"])[-1]
        return {"backend": backend, "state": "refused", "reason": f"crashed: {last}"}
    result: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return result


def run_suite(timeout_s: float) -> dict[str, Any]:
    """The suite that every backend has to pass, over those that run here."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "--no-header",
        "tests/engine/backends/test_all_backends.py",
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, cwd=ROOT)
    except subprocess.TimeoutExpired:
        return {"passed": False, "says": f"not done after {timeout_s:.0f} s"}
    return {"passed": done.returncode == 0, "says": (done.stdout.strip().splitlines() or [""])[-1]}


def card() -> str | None:
    """The card, its driver and memory; None without one."""
    query = [
        "nvidia-smi",
        "--query-gpu=name,driver_version,memory.total,compute_cap",
        "--format=csv,noheader",
    ]
    try:
        return subprocess.run(query, capture_output=True, text=True, timeout=20, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None


def markdown(report: Mapping[str, Any]) -> str:
    """The report as a page."""
    lines = [
        "# Check on a graphics card",
        "",
        f"Card: {report['card'] or 'none was found'}. {report['system']}, Python {report['python']}. "
        f"Encoder {report['encoder_sha256'][:12]}. Took {report['took_s']:.0f} s. Repeat: `make gpu-check`.",
        "",
        f"Suite of all backends: {report['suite']['says']}.",
        *([] if on_card(report["backends"]) else ["", f"**{NOTHING}**"]),
        "",
        "| backend | state | V/A off by at most | encoder + pair p50 / p95 / p99 ms | faces/s, batch 1 / 64 "
        "| streams at 30 fps | CUDA graph | device memory MB | opened in s |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in report["backends"]:
        if row["state"] == "refused":
            why = row["reason"] + (f" ({row['hint']})" if row.get("hint") else "")
            lines.append(f"| `{row['backend']}` | refused: {why.replace('|', '/')} | | | | | | | |")
            continue
        latency = " / ".join(f"{row['latency_ms'][p]:.3f}" for p in ("p50", "p95", "p99"))
        memory = f"{row['card']['device_memory_mb']:.0f}" if row["card"] else "-"
        graph = {True: "replayed", False: "no", None: "-"}[row["replayed_as_cuda_graph"]]
        lines.append(
            f"| `{row['backend']}` ({row['name']}) | ran | {row['largest_difference']:.4f} | {latency} "
            f"| {row['by_batch'][0]['faces_per_s']:.0f} / {row['by_batch'][-1]['faces_per_s']:.0f} "
            f"| {row['streams_at_30_fps']} | {graph} | {memory} | {row['open_s']} |"
        )
    lines += [
        "",
        "Streams are those that the encoder and the pair network alone would take, one face each, in the best batch.",
        "",
    ]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """0: a card's backend ran and every one that ran is exact; 1 otherwise."""
    parser = parser_of(__doc__)
    parser.add_argument("--out", type=Path, default=Path("build"), help="folder for gpu-check.json and .md")
    parser.add_argument("--rounds", type=int, default=1000)
    parser.add_argument("--backends", nargs="+", default=list(BACKENDS))
    parser.add_argument("--no-suite", action="store_true", help="do not run the tests")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.one:
        print(json.dumps(measure(options.one, options.rounds)))
        return 0
    from mtclar.engine import models

    started_s = time.perf_counter()
    rows = []
    for i, backend in enumerate(options.backends):
        left_s = TOTAL_S - SUITE_S - (time.perf_counter() - started_s)
        to_come = len(options.backends) - i - 1
        rows.append(try_backend(backend, options.rounds, max(left_s - LEAST_S * to_come, LEAST_S)))
        print(
            f"{backend}: {rows[-1]['state']}{': ' + rows[-1]['reason'] if 'reason' in rows[-1] else ''}",
            flush=True,
        )
    suite = (
        {"passed": True, "says": "not run"}
        if options.no_suite
        else run_suite(max(TOTAL_S - (time.perf_counter() - started_s), SUITE_S))
    )
    report = {
        "card": card(),
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "encoder_sha256": models.card("encoder").sha256,
        "suite": suite,
        "backends": rows,
        "took_s": round(time.perf_counter() - started_s, 1),
    }
    options.out.mkdir(parents=True, exist_ok=True)
    for suffix, text in ((".json", json.dumps(report, indent=2)), (".md", markdown(report))):
        path = options.out / f"gpu-check{suffix}"
        path.write_text(text)
        print(f"written: {path}")
    ran = [row for row in rows if row["state"] == "ran"]
    inexact = [row["backend"] for row in ran if row["largest_difference"] > parity(row["backend"])]
    if not on_card(rows):
        print(NOTHING)
    if inexact:
        print(f"Off by more than allowed: {', '.join(inexact)}")
    return 0 if on_card(rows) and not inexact and suite["passed"] else 1


if __name__ == "__main__":
    sys.exit(main())
