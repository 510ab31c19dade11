"""mtclar-stream against its peers on the same pictures in one run, in blocks that take turns.

    python -m experiments.peers.bench --node-folder FOLDER --fer-python PYTHON --out FILE

FOLDER holds node_modules of the package.json beside this file (`npm install` there); PYTHON is the interpreter of an
environment with `fer` in it. Each peer is a process of its own that is handed decoded pictures, so decoding is nobody's
cost; a peer that is not installed or does not start is left out and said. This program follows faces as `run` does, on
one thread, with a support set of the bundled clip. Ratios are medians over blocks with a 95 % bootstrap interval.
"""

import argparse
import json
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mtclar.cli.benchmark.compare import ratio
from mtclar.cli.benchmark.material import Material, machine
from mtclar.engine.data_types import Frame
from mtclar.engine.tracker import Tracker
from mtclar.stream.pipeline.summary import write_json

HERE = Path(__file__).parent
BLOCK_FRAMES = 10
START_TIMEOUT_S = 180.0
OURS = "mtclar-stream"

Block = Callable[[Sequence[Frame]], tuple[float, int]]
"""Pictures in; seconds and in how many of them a face was seen."""


class Peer:
    """Another program, fed through a pipe."""

    def __init__(self, command: Sequence[str], folder: Path) -> None:
        self._process = subprocess.Popen(
            list(command), cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self._answer()  # ready

    def __call__(self, frames: Sequence[Frame]) -> tuple[float, int]:
        assert self._process.stdin is not None
        self._process.stdin.write(struct.pack("<q", len(frames)))
        for frame in frames:
            self._process.stdin.write(np.ascontiguousarray(frame.image).tobytes())
        self._process.stdin.flush()
        answer = self._answer()
        return answer["seconds"], answer["faces"]

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()

    def _answer(self) -> dict[str, Any]:
        """The next line of JSON; what else a program prints is skipped."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith(b"{"):
                answer: dict[str, Any] = json.loads(line)
                return answer
        _, errors = self._process.communicate()
        lines = errors.decode(errors="replace").strip().splitlines()
        raise RuntimeError(next((line.strip() for line in lines if "Error" in line), "it ended"))


def ours(tracker: Tracker) -> Block:
    """This program, in this process."""

    def block(frames: Sequence[Frame]) -> tuple[float, int]:
        started_s = time.perf_counter()
        faces = sum(any(face.raw is not None for face in tracker(frame)) for frame in frames)
        return time.perf_counter() - started_s, faces

    return block


def measure(runners: dict[str, Block], frames: Sequence[Frame]) -> dict[str, Any]:
    """Every runner on every block, the order turned by one each time; the first block warms up."""
    blocks = [frames[i : i + BLOCK_FRAMES] for i in range(0, len(frames) - BLOCK_FRAMES + 1, BLOCK_FRAMES)]
    taken: dict[str, list[float]] = {name: [] for name in runners}
    seen = dict.fromkeys(runners, 0)
    names = list(runners)
    for i, block in enumerate(blocks):
        turn = i % len(names)
        for name in names[turn:] + names[:turn]:
            seconds, faces = runners[name](block)
            if i:
                taken[name].append(seconds / len(block))
                seen[name] += faces
    rng = np.random.default_rng(0)
    counted = (len(blocks) - 1) * BLOCK_FRAMES
    return {
        name: {
            "fps": round(1 / float(np.median(values)), 1),
            "face_seen_share": round(seen[name] / counted, 3),
            "times_slower_than_mtclar": None
            if name == OURS
            else dict(
                zip(
                    ("median", "low", "high"),
                    (lambda r: (r.median, r.low, r.high))(ratio(values, taken[OURS], rng)),
                    strict=True,
                )
            ),
        }
        for name, values in taken.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--node-folder", type=Path, help="where node_modules of package.json is")
    parser.add_argument("--fer-python", type=Path, help="interpreter of an environment with fer")
    parser.add_argument("--frames", type=int, default=210)
    parser.add_argument("--out", type=Path, default=Path("build/peers.json"))
    options = parser.parse_args()

    material = Material.prepare(None, None)
    frames = material.frames(options.frames)
    height, width = frames[0].image.shape[:2]
    size = (str(width), str(height))
    commands: dict[str, tuple[list[str], Path]] = {}
    if options.node_folder is not None:
        for name in ("human", "faceapi"):
            commands[name] = (["node", str(HERE / f"peer_{name}.mjs"), *size], options.node_folder.resolve())
    if options.fer_python is not None:
        commands["fer"] = ([str(options.fer_python.absolute()), str(HERE / "peer_fer.py"), *size], HERE)

    assert material.support is not None
    with Tracker.open([material.support], backend="onnxruntime:int8") as tracker:
        runners: dict[str, Block] = {OURS: ours(tracker)}
        peers: list[Peer] = []
        left_out: dict[str, str] = {}
        try:
            for name, (command, folder) in commands.items():
                try:
                    peers.append(Peer(command, folder))
                    runners[name] = peers[-1]
                except (OSError, RuntimeError) as error:
                    left_out[name] = str(error)
            report = {"machine": machine(0), "programs": measure(runners, frames), "left_out": left_out}
        finally:
            for peer in peers:
                peer.close()
    write_json(options.out, report)
    json.dump(report, sys.stdout, indent=2)
    print(f"\nwritten: {options.out}")


if __name__ == "__main__":
    main()
